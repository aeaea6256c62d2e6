"""What a source selects, in the order in which it is to be looked at; whoever fills takes what is new of it."""

from __future__ import annotations

import heapq
import json
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.gaps import default_delta, disagrees, gap
from evaluator.online.actions.condition import compile_condition
from evaluator.reviewing.definition import MAX_LIMIT, QueueSource, ReviewQueue
from evaluator.reviewing.passing import Passing, compiled
from storage.model import NO_ID, Evaluation, Level, MetricKind, Score, Status, TargetRef
from storage.results import ResultCursor, ResultFilter, Results
from storage.reviewing import ReviewItems
from storage.runs import Selected

LOOK_BACK = timedelta(days=7)
PAGE = 1000
RESULTS_PAGE = 10_000
EVER_MS = 2**42
MAX_TARGETS = 1_000_000
"""Of which results are held in memory at a time; older ones are left out."""
_JUDGED = tuple(kind for kind in MetricKind if kind is not MetricKind.HUMAN)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """A target, the result that speaks for it, and why it is chosen."""

    target: TargetRef
    result_id: uuid.UUID = NO_ID
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Selecting:
    """Every method may raise `storage.errors.Unavailable`."""

    items: ReviewItems
    results: Results
    passing: Passing

    async def pages(
        self, queue: ReviewQueue, source: QueueSource, metric: MetricDefinition, *, until: datetime, start: datetime
    ) -> AsyncIterator[Sequence[Chosen]]:
        """What the source selects of [start, until), page by page.

        Raises:
            InvalidFilter: A filter or condition is none.
        """
        if not source.reads_results:
            async for page in self._targets(queue, source, start, until):
                yield page
            return
        found = await self._results(queue, source, metric, start, until)
        for first in range(0, len(found), PAGE):
            page = found[first : first + PAGE]
            passed = await self.passing.of(source.filter, queue.level, [each.target for each in page])
            yield [each for each in page if each.target in passed]

    async def _targets(
        self, queue: ReviewQueue, source: QueueSource, start: datetime, until: datetime
    ) -> AsyncIterator[Sequence[Chosen]]:
        filtered = compiled(source.filter, queue.level)
        in_store = queue.level is Level.SPAN and not filtered.mentions and not filtered.reads_trace
        selected = Selected(
            level=queue.level,
            since_ns=_nanoseconds(start),
            until_ns=_nanoseconds(until),
            arrived_ms=EVER_MS,
            filter_sql=filtered.sql if in_store else "1",
            filter_parameters=filtered.parameters if in_store else {},
        )
        seed = (source.seed or queue.name) if source.random else None
        said = "random" if source.random else "filter" if source.filter else "all"
        after: tuple[str | int, ...] = ()
        while rows := await self.items.draw(selected, seed=seed, after=after, limit=PAGE):
            refs = [each.target.ref for each in rows]
            passed = set(refs) if in_store else await self.passing.of(source.filter, queue.level, refs)
            yield [Chosen(target=ref, source=said) for ref in refs if ref in passed]
            after = rows[-1].place

    async def _results(
        self, queue: ReviewQueue, source: QueueSource, metric: MetricDefinition, start: datetime, until: datetime
    ) -> list[Chosen]:
        """Targets by what was concluded about them, the most worth looking at first."""
        best = _Best(order=_order(source, metric))
        condition = compile_condition(source.score_condition, field="queue.source.score_condition")
        pairs = _Pairs(metric=metric, versions=source.versions)
        where = ResultFilter(
            metrics=(metric.name,),
            levels=(queue.level,),
            kinds=_JUDGED,
            since=start,
            until=until,
            include_superseded=bool(source.versions),
            statuses=(Status.SUCCESS,) if source.versions else (),
        )
        before: ResultCursor | None = None
        while page := await self.results.newest(where, before=before, limit=RESULTS_PAGE):
            for each in page:
                if source.versions:
                    pairs.take(each)
                elif condition(each) is True:
                    best.take(each)
            last = page[-1]
            before = ResultCursor(
                inserted_us=last.inserted_us or 0, evaluation_id=last.evaluation_id, attempt=last.attempt
            )
        if not source.versions:
            return best.chosen(_said(source))
        for distance, newer in pairs.disagreeing():
            if condition(newer) is True:
                best.take(newer, distance)
        return best.chosen(_said(source))


def window(source: QueueSource, now: datetime) -> tuple[datetime, datetime]:
    """From when to when a source looks."""
    return source.start or now - LOOK_BACK, source.end or now


def uncertainty(result: Evaluation) -> float | None:
    """How uncertain a judge is of its verdict, in [0.0, 1.0]; None = it does not say.

    Of one judge with a probability of its verdict 1 - that; of a jury the share of its votes that differ from the
    verdict; of a jury of numbers the standard deviation, s / (1 + s): it only orders results of the same metric.
    """
    metadata = result.metadata
    for key in ("winner_share", "probability"):
        if (share := _number(metadata.get(key, ""))) is not None:
            return min(1.0, max(0.0, 1.0 - share))
    if (deviation := _number(metadata.get("standard_deviation", ""))) is not None and deviation >= 0:
        return deviation / (1.0 + deviation)
    return None


def _number(text: str) -> float | None:
    try:
        number = json.loads(text) if text else None
    except ValueError:
        return None
    return float(number) if isinstance(number, (int, float)) and not isinstance(number, bool) else None


def _order(source: QueueSource, metric: MetricDefinition) -> Callable[[Evaluation, float], float | None]:
    """What is worth more is looked at first; None = it is left out."""
    if source.uncertain:
        return lambda result, distance: uncertainty(result)
    if source.random:
        import hashlib

        return lambda result, distance: float(
            int.from_bytes(
                hashlib.blake2b(f"{source.seed}\x1f{result.target.key}".encode(), digest_size=6).digest(), "big"
            )
        )
    if source.versions:
        return lambda result, distance: distance
    return lambda result, distance: float(result.inserted_us or 0)


def _said(source: QueueSource) -> Callable[[float], str]:
    if source.uncertain:
        return lambda worth: f"uncertain ({worth:.2f})"
    if source.random:
        return lambda worth: "random"
    if source.versions:
        one, other = sorted(source.versions)
        return lambda worth: f"versions {one} and {other} disagree"
    return lambda worth: source.score_condition


@dataclass(slots=True)
class _Best:
    """One result of each target, by falling worth; of what is superseded the newest."""

    order: Callable[[Evaluation, float], float | None]
    seen: set[TargetRef] = field(default_factory=set)
    found: list[tuple[float, str, uuid.UUID, TargetRef]] = field(default_factory=list)

    def take(self, result: Evaluation, distance: float = 0.0) -> None:
        if result.target in self.seen or len(self.seen) >= MAX_TARGETS:
            return
        self.seen.add(result.target)
        worth = self.order(result, distance)
        if worth is None:
            return
        entry = (worth, str(result.evaluation_id), result.evaluation_id, result.target)
        if len(self.found) < MAX_LIMIT * 2:
            heapq.heappush(self.found, entry)
        else:
            heapq.heappushpop(self.found, entry)

    def chosen(self, said: Callable[[float], str]) -> list[Chosen]:
        return [
            Chosen(target=target, result_id=result_id, source=said(worth))
            for worth, _, result_id, target in sorted(self.found, key=lambda each: (-each[0], each[1]))
        ]


@dataclass(slots=True)
class _Pairs:
    """What two versions concluded on the same targets, newest first."""

    metric: MetricDefinition
    versions: Sequence[int]
    newest: dict[TargetRef, dict[int, Evaluation]] = field(default_factory=dict)

    def take(self, result: Evaluation) -> None:
        if result.metric_version in self.versions and (result.target in self.newest or len(self.newest) < MAX_TARGETS):
            self.newest.setdefault(result.target, {}).setdefault(result.metric_version, result)

    def disagreeing(self) -> list[tuple[float, Evaluation]]:
        """(gap, result of the newer version); of texts any difference."""
        found: list[tuple[float, Evaluation]] = []
        for by_version in self.newest.values():
            if len(by_version) < 2:
                continue
            (_, older), (_, newer) = sorted(by_version.items())
            one, other = older.outcome, newer.outcome
            if not isinstance(one, Score) or not isinstance(other, Score):
                continue
            distance = gap(self.metric, one, other)
            if distance is None:
                distance = float((one.label, one.labels, one.text) != (other.label, other.labels, other.text))
            if disagrees(distance, default_delta(self.metric)):
                found.append((distance, newer))
        return found


def _nanoseconds(time: datetime) -> int:
    since_epoch = time - _EPOCH
    exact = (since_epoch.days * 86_400 + since_epoch.seconds) * 10**9 + since_epoch.microseconds * 1000
    return max(0, min(2**62, exact))
