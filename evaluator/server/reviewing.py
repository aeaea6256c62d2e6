"""Review queues on the wire: parse, call, render.  A part of `evaluator.v1.Feedback`."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from evaluator.errors import InvalidDefinition
from evaluator.reviewing.catalogue import Queues
from evaluator.reviewing.filling import Filling
from evaluator.reviewing.reviewing import Reviewing
from evaluator.server import convert_feedback, convert_targets, pages
from evaluator.server import convert_queues as convert
from evaluator.server.convert import request_id
from evaluator.server.errors import InvalidRequest
from evaluator.v1 import feedback_pb2 as pb
from storage.feedback import FeedbackRow


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueCalls:
    """The methods about queues.  See the proto."""

    queues: Queues
    filling: Filling
    reviewing: Reviewing

    async def create_queue(self, request: pb.CreateQueueRequest) -> pb.Queue:
        """`CreateQueue`; where it is repeated after a filling was cut off, the filling is, too."""
        asked = convert.queue(request.queue)
        record, _ = await self.queues.create(asked, request_id=request_id(request.request_id))
        if record.definition.source is not None:
            await self.filling.from_source(record.definition.name)
        return convert.queue_to_proto(await self.queues.record(record.definition.name))

    async def get_queue(self, request: pb.GetQueueRequest) -> pb.Queue:
        """`GetQueue`."""
        return convert.queue_to_proto(await self.queues.record(_named(request.name, "name")))

    async def list_queues(self, request: pb.ListQueuesRequest) -> pb.ListQueuesResponse:
        """`ListQueues`."""
        limit, query = pages.page_size(request.page_size), pages.query_of(request)
        records = await self.queues.live(after=pages.name_after(query, request.page_token), limit=limit + 1)
        page = records[:limit]
        return pb.ListQueuesResponse(
            queues=[convert.queue_to_proto(record) for record in page],
            next_page_token=pages.to_token(query, [page[-1].definition.name]) if len(records) > limit else "",
        )

    async def delete_queue(self, request: pb.DeleteQueueRequest) -> None:
        """`DeleteQueue`."""
        await self.queues.delete(_named(request.name, "name"), request_id=request_id(request.request_id))

    async def fill_queue(self, request: pb.FillQueueRequest) -> pb.FillQueueResponse:
        """`FillQueue`."""
        name = _named(request.queue)
        if request.targets and request.HasField("source"):
            raise InvalidRequest("source", "name targets, or give a source, not both")
        if request.targets:
            targets = [
                convert_targets.target_ref(each, f"targets[{number}]") for number, each in enumerate(request.targets)
            ]
            return convert.filled_to_proto(await self.filling.named(name, targets))
        try:
            source = convert.source(request.source) if request.HasField("source") else None
            return convert.filled_to_proto(await self.filling.from_source(name, source))
        except InvalidDefinition as error:
            error.field = error.field.removeprefix("queue.")
            raise

    async def claim_next(self, request: pb.ClaimNextRequest) -> pb.ReviewItem:
        """`ClaimNext`."""
        return convert.item_to_proto(await self.reviewing.claim_next(_named(request.queue), request.annotator))

    async def complete_item(self, request: pb.CompleteItemRequest) -> pb.CompleteItemResponse:
        """`CompleteItem`."""
        name = _named(request.queue)
        taken = await self.reviewing.complete(
            name,
            convert_feedback.uuid_of(request.item_id, "item_id"),
            request.annotator,
            convert_feedback.stated(request.expected),
            explanation=request.explanation,
            request_id=request_id(request.request_id),
        )
        queue = await self.queues.get(name)
        row = replace(taken.row, judged=None, judge_model="") if queue.blind else taken.row
        entry = convert_feedback.feedback_to_proto(row)
        if queue.blind:
            entry.result_id = ""
        tells = queue.blind and queue.quorum > 1  # of others
        resolution = None if tells else convert_feedback.resolution_to_proto(taken.resolution)
        return pb.CompleteItemResponse(feedback=entry, resolution=resolution)

    async def skip_item(self, request: pb.SkipItemRequest) -> None:
        """`SkipItem`."""
        item_id = convert_feedback.uuid_of(request.item_id, "item_id")
        await self.reviewing.skip(_named(request.queue), item_id, request.annotator)

    async def complete_items(self, request: pb.CompleteItemsRequest) -> pb.CompleteItemsResponse:
        """`CompleteItems`."""
        bulk = await self.reviewing.complete_many(
            _named(request.queue),
            convert.item_ids(list(request.item_ids)),
            request.annotator,
            convert_feedback.stated(request.expected),
            explanation=request.explanation,
            request_id=request_id(request.request_id),
        )
        return convert.bulk_to_proto(bulk)

    async def undo_bulk(self, request: pb.UndoBulkRequest) -> pb.UndoBulkResponse:
        """`UndoBulk`."""
        bulk_id = convert_feedback.uuid_of(request.bulk_id, "bulk_id")
        return pb.UndoBulkResponse(retracted=await self.reviewing.undo(bulk_id, request.annotator))

    async def reopen(self, retracted: Collection[FeedbackRow]) -> None:
        """Feedback was taken back by itself."""
        await self.reviewing.reopen(retracted)


def _named(name: str, field: str = "queue") -> str:
    if not name:
        raise InvalidRequest(field, "is required")
    return name
