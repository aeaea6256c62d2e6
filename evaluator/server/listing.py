"""`ListResults`: what is final, in any order; what is not, before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from evaluator.scoring.plan import KnowsMetrics
from evaluator.scoring.request import Pending
from evaluator.server import convert, pages
from evaluator.server.errors import InvalidPageToken, InvalidRequest
from evaluator.server.ports import Computing
from evaluator.v1 import evaluator_pb2 as pb
from storage.model import Evaluation, Level, Status, TargetRef
from storage.results import OpenEvaluation, ResultCursor, ResultFilter, Results, ValueCursor

OPEN = frozenset({Status.QUEUED, Status.COMPUTING})
Place: TypeAlias = list[str | int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Lists results.  A page token holds the place of the last result of its page, by the part that it came from."""

    results: Results
    computing: Computing
    metrics: KnowsMetrics

    async def page(self, request: pb.ListResultsRequest) -> pb.ListResultsResponse:
        """One page.

        Raises:
            InvalidRequest, InvalidPageToken: As the proto says.
        """
        limit, query = pages.page_size(request.page_size), pages.query_of(request)
        where = convert.result_filter(request.filter)
        place = pages.from_token(query, request.page_token) if request.page_token else []
        if request.order != pb.RESULT_ORDER_UNSPECIFIED:
            found = await self._ranked(request, where, place, limit + 1)
        else:
            found = await self._newest(where, place, limit + 1)
        page = found[:limit]
        return pb.ListResultsResponse(
            results=[result for result, _ in page],
            next_page_token=pages.to_token(query, page[-1][1]) if len(found) > limit else "",
        )

    async def _ranked(
        self, request: pb.ListResultsRequest, where: ResultFilter, place: Place, limit: int
    ) -> list[tuple[pb.Result, Place]]:
        if OPEN & set(where.statuses):
            raise InvalidRequest("order", "what is queued or computing has no value: list it newest first")
        after = _value_cursor(place) if place else None
        descending = await self._descending(request, where)
        found = await self.results.ranked(where, descending=descending, after=after, limit=limit)
        return [(result, _value_place(each)) for each, result in await self._rendered(found)]

    async def _rendered(self, found: Sequence[Evaluation]) -> list[tuple[Evaluation, pb.Result]]:
        """With what came to their targets since."""
        revised_ms = await self.results.revised({each.target for each in found if each.watermark_ms}) if found else {}
        rendered: list[tuple[Evaluation, pb.Result]] = []
        for each in found:
            result = convert.result_to_proto(each)
            if each.watermark_ms and (revision_ms := revised_ms.get(each.target, 0)) > each.watermark_ms:
                result.outdated_time.FromMilliseconds(revision_ms)
            rendered.append((each, result))
        return rendered

    async def _descending(self, request: pb.ListResultsRequest, where: ResultFilter) -> bool:
        if request.order != pb.RESULT_ORDER_WORST:
            if request.order not in (pb.RESULT_ORDER_VALUE_ASCENDING, pb.RESULT_ORDER_VALUE_DESCENDING):
                raise InvalidRequest("order", f"must be a known order, got the enum number {request.order}")
            return request.order == pb.RESULT_ORDER_VALUE_DESCENDING
        if len(where.metrics) != 1:
            raise InvalidRequest("filter.metrics", "must name one metric: what is worst depends on its direction")
        metric = await self.metrics.get(where.metrics[0])
        if metric.higher_is_better is None:
            raise InvalidRequest("order", f"metric {metric.name!r} has no better and worse; order by value")
        return not metric.higher_is_better

    async def _newest(self, where: ResultFilter, place: Place, limit: int) -> list[tuple[pb.Result, Place]]:
        """Calls under way, then what rules and runs have not finished, then what is final."""
        found: list[tuple[pb.Result, Place]] = []
        part = str(place[0]) if place else "calls"
        wanted = OPEN & set(where.statuses)
        if wanted and part == "calls":
            found += self._calls(where, str(place[1]) if place else "", limit)
        if wanted and part in ("calls", "open") and len(found) < limit:
            before = _open(place) if part == "open" else None
            asked = replace(where, statuses=tuple(wanted))
            rows = await self.results.unfinished(asked, before=before, limit=limit - len(found))
            found += [(convert.open_to_proto(each), _open_place(each)) for each in rows]
        final = tuple(status for status in where.statuses if status not in OPEN)
        if (final or not where.statuses) and len(found) < limit:
            cursor = _cursor(place) if part == "final" else None
            asked = replace(where, statuses=final)
            rows_ = await self.results.newest(asked, before=cursor, limit=limit - len(found))
            found += [(result, _final_place(each)) for each, result in await self._rendered(rows_)]
        return found

    def _calls(self, where: ResultFilter, after: str, limit: int) -> list[tuple[pb.Result, Place]]:
        if where.rule or where.run:
            return []
        pending = [each for each in self.computing.in_progress() if _matches(each, where)]
        ordered = sorted((str(each.evaluation_id), each) for each in pending if str(each.evaluation_id) > after)
        return [(convert.result_to_proto(each), ["calls", key]) for key, each in ordered[:limit]]


def _matches(pending: Pending, where: ResultFilter) -> bool:
    return (
        pending.status in where.statuses
        and (not where.targets or pending.target in where.targets)
        and (not where.metrics or pending.metric in where.metrics)
        and (not where.levels or pending.target.level in where.levels)
    )


def _final_place(evaluation: Evaluation) -> Place:
    if evaluation.inserted_us is None:
        raise AssertionError("a result that the store returns has its insert time")
    return ["final", evaluation.inserted_us, str(evaluation.evaluation_id), evaluation.attempt]


def _cursor(place: Place) -> ResultCursor:
    match place:
        case ["final", int(inserted_us), str(evaluation_id), int(attempt)]:
            return ResultCursor(inserted_us=inserted_us, evaluation_id=pages.uuid_of(evaluation_id), attempt=attempt)
        case _:
            raise InvalidPageToken("page_token", "was not made by this service")


def _value_place(evaluation: Evaluation) -> Place:
    value: Any = getattr(evaluation.outcome, "value", None)
    return ["value", float(value).hex(), str(evaluation.evaluation_id), evaluation.attempt]


def _value_cursor(place: Place) -> ValueCursor:
    match place:
        case ["value", str(value), str(evaluation_id), int(attempt)]:
            return ValueCursor(value=float.fromhex(value), evaluation_id=pages.uuid_of(evaluation_id), attempt=attempt)
        case _:
            raise InvalidPageToken("page_token", "was not made by this service")


def _open_place(each: OpenEvaluation) -> Place:
    ref = each.target
    return ["open", each.since_us, each.rule, each.metric, str(ref.level), ref.trace_id, ref.span_id, ref.session_id]


def _open(place: Place) -> OpenEvaluation:
    match place:
        case ["open", int(since_us), str(rule), str(metric), str(level), str(trace), str(span), str(session)]:
            ref = TargetRef(level=Level(level), trace_id=trace, span_id=span, session_id=session)
            return OpenEvaluation(
                rule=rule,
                rule_version=0,
                metric=metric,
                target=ref,
                watermark_ms=0,
                status=Status.QUEUED,
                reason="",
                attempt=0,
                since_us=since_us,
            )
        case _:
            raise InvalidPageToken("page_token", "was not made by this service")
