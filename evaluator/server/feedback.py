"""`evaluator.v1.Feedback`: parse, call, render.  Queues and agreement are other parts of it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import grpc
from google.protobuf.empty_pb2 import Empty

from evaluator.errors import EvaluatorError, FeedbackNotFound, InvalidFeedback, MetricNotFound
from evaluator.feedback.advice import advice
from evaluator.feedback.desk import Desk, place_of
from evaluator.feedback.words import Taken
from evaluator.scoring.plan import KnowsMetrics
from evaluator.server import convert_feedback as convert
from evaluator.server import convert_targets, pages
from evaluator.server.errors import InvalidPageToken, InvalidRequest
from evaluator.server.ports import MeasuresAgreement, ReviewsQueues
from evaluator.v1 import feedback_pb2 as pb
from evaluator.v1 import feedback_pb2_grpc
from storage.feedback import FeedbackRow, Resolution
from storage.model import TargetRef
from storage.results import Results

MAX_IMPORTED = 1000
P = TypeVar("P")


class FeedbackServicer(feedback_pb2_grpc.FeedbackServicer):
    """What people expect."""

    def __init__(
        self,
        *,
        desk: Desk,
        metrics: KnowsMetrics,
        results: Results,
        queues: ReviewsQueues | None = None,
        agreement: MeasuresAgreement | None = None,
    ) -> None:
        self._desk = desk
        self._metrics = metrics
        self._results = results
        self._queues = queues
        self._agreement = agreement

    async def SubmitFeedback(self, request: pb.SubmitFeedbackRequest, context: Any) -> pb.SubmitFeedbackResponse:
        """See the proto, here and below."""
        taken = await self._desk.submit(convert.words(request))
        [entry] = await self._entries([taken.row])
        return pb.SubmitFeedbackResponse(feedback=entry, resolution=convert.resolution_to_proto(taken.resolution))

    async def ListFeedback(self, request: pb.ListFeedbackRequest, context: Any) -> pb.ListFeedbackResponse:
        limit, query = pages.page_size(request.page_size), pages.query_of(request)
        chosen = convert.feedback_filter(request, await self._slug(request.metric))
        after = _texts(query, request.page_token, 2)
        found = await self._desk.feedbacks.page(chosen, after=after, limit=limit + 1)
        page = found[:limit]
        return pb.ListFeedbackResponse(
            feedback=await self._entries(page),
            next_page_token=pages.to_token(query, [*place_of(page[-1])]) if len(found) > limit else "",
        )

    async def GetFeedback(self, request: pb.GetFeedbackRequest, context: Any) -> pb.FeedbackHistory:
        feedback_id = convert.uuid_of(request.feedback_id, "feedback_id")
        history = await self._desk.feedbacks.history(feedback_id)
        if not history:
            raise FeedbackNotFound(f"there is no feedback {feedback_id}")
        first = history[0]
        standing = await self._desk.feedbacks.resolutions(first.metric, [first.target])
        resolution = standing.get(first.target)
        return pb.FeedbackHistory(
            entries=await self._entries(history),
            inputs=first.snapshot.inputs,
            segment=first.snapshot.segment,
            resolution=convert.resolution_to_proto(resolution) if resolution else None,
        )

    async def ResolveFeedback(self, request: pb.ResolveFeedbackRequest, context: Any) -> pb.Resolution:
        if not request.metric:
            raise InvalidFeedback("metric", "is required")
        if request.exclude and request.HasField("expected"):
            raise InvalidFeedback("expected", "is either what it should have been, or it is excluded: not both")
        resolution = await self._desk.decide(
            convert_targets.target_ref(request.target, "target"),
            request.metric,
            None if request.exclude else convert.stated(request.expected),
            resolver=request.resolver,
            reason=request.reason,
        )
        return convert.resolution_to_proto(resolution)

    async def RetractFeedback(self, request: pb.RetractFeedbackRequest, context: Any) -> pb.FeedbackEntry:
        feedback_id = convert.uuid_of(request.feedback_id, "feedback_id")
        row = await self._desk.retract(feedback_id, by=request.annotator, reason=request.reason)
        if self._queues is not None:
            await self._queues.reopen([row])
        [entry] = await self._entries([row])
        return entry

    async def ListResolutions(self, request: pb.ListResolutionsRequest, context: Any) -> pb.ListResolutionsResponse:
        limit, query = pages.page_size(request.page_size), pages.query_of(request)
        status = convert.resolution_status(request.status, "status")
        after = _texts(query, request.page_token, 4)
        found = await self._desk.feedbacks.resolution_page(
            await self._slug(request.metric), status, after=after, limit=limit + 1
        )
        page = found[:limit]
        return pb.ListResolutionsResponse(
            resolutions=[convert.resolution_to_proto(each) for each in page],
            next_page_token=pages.to_token(query, [*_place(page[-1])]) if len(found) > limit else "",
        )

    async def ImportFeedback(self, request: pb.ImportFeedbackRequest, context: Any) -> pb.ImportFeedbackResponse:
        if not 0 < len(request.feedback) <= MAX_IMPORTED:
            raise InvalidRequest("feedback", f"1 to {MAX_IMPORTED} in one call, got {len(request.feedback)}")
        bulk_id = convert.uuid_of(request.bulk_id, "bulk_id") if request.bulk_id else uuid.uuid4()
        response = pb.ImportFeedbackResponse(bulk_id=str(bulk_id))
        read = {}
        for number, each in enumerate(request.feedback):
            try:
                read[number] = convert.imported(each, bulk_id=bulk_id, annotator=request.annotator)
            except InvalidRequest as error:
                response.refused.add(number=number, field=error.field, message=error.reason)
        taken = await self._desk.take(list(read.values()), known_by_content=True, keep=not request.validate_only)
        for number, outcome in zip(read, taken, strict=True):
            if isinstance(outcome, EvaluatorError):
                field = outcome.field if isinstance(outcome, InvalidFeedback) else ""
                message = outcome.reason if isinstance(outcome, InvalidFeedback) else str(outcome)
                response.refused.add(number=number, field=field, message=message)
        kept = [each for each in taken if isinstance(each, Taken)]
        response.present = sum(each.present for each in kept)
        response.added = len(kept) - response.present
        response.vague = sum(bool(advice(each.row.rationale)) for each in kept)
        response.refused.sort(key=lambda each: each.number)
        return response

    async def GetAgreement(self, request: pb.GetAgreementRequest, context: Any) -> pb.Agreement:
        agreement = await _there(self._agreement, context, "this server measures no agreement")
        return await agreement.agreement(request)

    async def CreateQueue(self, request: pb.CreateQueueRequest, context: Any) -> pb.Queue:
        return await (await self._reviewing(context)).create_queue(request)

    async def GetQueue(self, request: pb.GetQueueRequest, context: Any) -> pb.Queue:
        return await (await self._reviewing(context)).get_queue(request)

    async def ListQueues(self, request: pb.ListQueuesRequest, context: Any) -> pb.ListQueuesResponse:
        return await (await self._reviewing(context)).list_queues(request)

    async def DeleteQueue(self, request: pb.DeleteQueueRequest, context: Any) -> Empty:
        await (await self._reviewing(context)).delete_queue(request)
        return Empty()

    async def FillQueue(self, request: pb.FillQueueRequest, context: Any) -> pb.FillQueueResponse:
        return await (await self._reviewing(context)).fill_queue(request)

    async def ClaimNext(self, request: pb.ClaimNextRequest, context: Any) -> pb.ReviewItem:
        return await (await self._reviewing(context)).claim_next(request)

    async def CompleteItem(self, request: pb.CompleteItemRequest, context: Any) -> pb.CompleteItemResponse:
        return await (await self._reviewing(context)).complete_item(request)

    async def SkipItem(self, request: pb.SkipItemRequest, context: Any) -> Empty:
        await (await self._reviewing(context)).skip_item(request)
        return Empty()

    async def CompleteItems(self, request: pb.CompleteItemsRequest, context: Any) -> pb.CompleteItemsResponse:
        return await (await self._reviewing(context)).complete_items(request)

    async def UndoBulk(self, request: pb.UndoBulkRequest, context: Any) -> pb.UndoBulkResponse:
        if self._queues is not None:
            return await self._queues.undo_bulk(request)
        undone = await self._desk.undo_bulk(convert.uuid_of(request.bulk_id, "bulk_id"), by=request.annotator)
        return pb.UndoBulkResponse(retracted=len(undone))

    async def _reviewing(self, context: Any) -> ReviewsQueues:
        return await _there(self._queues, context, "this server has no review queues")

    async def _slug(self, metric: str) -> str:
        """Slug of a metric by any of its names; a name that is nobody's is one under which others sent results."""
        if not metric:
            return ""
        try:
            return (await self._metrics.get(metric)).name
        except MetricNotFound:
            return metric

    async def _entries(self, rows: Sequence[FeedbackRow]) -> list[pb.FeedbackEntry]:
        revised: Mapping[TargetRef, int] = await self._results.revised({row.target for row in rows}) if rows else {}
        return convert.entries_to_proto(rows, revised)


async def _there(part: P | None, context: Any, missing: str) -> P:
    if part is None:
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, missing)
        raise AssertionError("abort raises")
    return part


def _place(resolution: Resolution) -> list[str]:
    assert resolution.updated is not None
    ref = resolution.target
    micros = str(round(resolution.updated.timestamp() * 1_000_000))
    return [micros, resolution.metric, str(ref.level), f"{ref.trace_id} {ref.span_id} {ref.session_id}"]


def _texts(query: bytes, token: str, count: int) -> list[str]:
    """The place in a page token; empty = at the beginning.

    Raises:
        InvalidPageToken: It was not made here, or belongs to another query.
    """
    if not token:
        return []
    place = [each for each in pages.from_token(query, token) if isinstance(each, str)]
    if len(place) != count or not place[0].isdecimal():
        raise InvalidPageToken("page_token", "was not made by this service")
    return place
