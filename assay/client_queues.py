"""Review queues over the wire: what is sent, how the answer is read, and what both clients offer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from assay.client_calls import PAGE_SIZE, Call, Listing
from assay.client_feedback import feedback, resolution, stated
from assay.client_feedback_model import Expected, Feedback
from assay.client_model import Result, result
from evaluator.reviewing.definition import Filled, QueueRecord, QueueSource, ReviewQueue
from evaluator.server import convert_queues, convert_targets
from evaluator.v1 import feedback_pb2 as pb
from storage.feedback import Resolution
from storage.model import TargetRef
from storage.reviewing import Progress

R = TypeVar("R")
FILL_SECONDS = 600.0
"""A source may have to look at very many targets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewItem:
    """An item as its reviewer sees it.

    Attributes:
        inputs: What the judge reads of the target, by name.
        result: What the judge concluded; None in a blind queue, and where there is nothing.
        others: Verdicts of others; () in a blind queue.
        reserved_until: In UTC.
        source: Why it is in the queue; '' in a blind one.
    """

    item_id: str
    queue: str
    target: TargetRef
    metric: str
    metric_version: int
    inputs: Mapping[str, str]
    result: Result | None = None
    others: tuple[Feedback, ...] = ()
    reserved_until: datetime | None = None
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """What became of a verdict.

    Attributes:
        resolution: Where the target stands now; None where a blind queue does not tell.
    """

    feedback: Feedback
    resolution: Resolution | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkCompleted:
    """What became of one verdict on many items; `refused` says why, by item id."""

    bulk_id: str
    completed: int
    refused: Mapping[str, str] = field(default_factory=dict)


def create_queue(queue: ReviewQueue, request_id: str) -> Call[QueueRecord]:
    """`Feedback.CreateQueue`."""
    message = convert_queues.queue_to_proto(QueueRecord(definition=queue))
    request = pb.CreateQueueRequest(queue=message, request_id=request_id)
    return _call("CreateQueue", request, record, FILL_SECONDS)


def get_queue(name: str) -> Call[QueueRecord]:
    """`Feedback.GetQueue`."""
    return _call("GetQueue", pb.GetQueueRequest(name=name), record)


def list_queues() -> Listing[QueueRecord]:
    """`Feedback.ListQueues`."""
    request = pb.ListQueuesRequest(page_size=PAGE_SIZE)
    return Listing(service="Feedback", method="ListQueues", request=request, items="queues", read=record)


def delete_queue(name: str, request_id: str) -> Call[None]:
    """`Feedback.DeleteQueue`."""
    return _call("DeleteQueue", pb.DeleteQueueRequest(name=name, request_id=request_id), _nothing)


def fill_queue(name: str, targets: Sequence[TargetRef], source: QueueSource | None) -> Call[Filled]:
    """`Feedback.FillQueue`."""
    request = pb.FillQueueRequest(
        queue=name,
        targets=[convert_targets.target_ref_to_proto(each) for each in targets],
        source=convert_queues.source_to_proto(source) if source else None,
    )
    return _call("FillQueue", request, _filled, FILL_SECONDS)


def claim_next(queue: str, annotator: str) -> Call[ReviewItem]:
    """`Feedback.ClaimNext`."""
    return _call("ClaimNext", pb.ClaimNextRequest(queue=queue, annotator=annotator), item)


def complete_item(
    queue: str, item_id: str, annotator: str, expected: Expected, explanation: str, request_id: str
) -> Call[Completed]:
    """`Feedback.CompleteItem`."""
    request = pb.CompleteItemRequest(
        queue=queue,
        item_id=item_id,
        annotator=annotator,
        expected=stated(expected),
        explanation=explanation,
        request_id=request_id,
    )
    return _call("CompleteItem", request, _completed)


def skip_item(queue: str, item_id: str, annotator: str) -> Call[None]:
    """`Feedback.SkipItem`."""
    return _call("SkipItem", pb.SkipItemRequest(queue=queue, item_id=item_id, annotator=annotator), _nothing)


def complete_items(
    queue: str, item_ids: Sequence[str], annotator: str, expected: Expected, explanation: str, request_id: str
) -> Call[BulkCompleted]:
    """`Feedback.CompleteItems`."""
    request = pb.CompleteItemsRequest(
        queue=queue,
        item_ids=item_ids,
        annotator=annotator,
        expected=stated(expected),
        explanation=explanation,
        request_id=request_id,
    )
    return _call("CompleteItems", request, _bulk, FILL_SECONDS)


def undo_bulk(bulk_id: str | UUID, annotator: str) -> Call[int]:
    """`Feedback.UndoBulk`."""
    return _call("UndoBulk", pb.UndoBulkRequest(bulk_id=str(bulk_id), annotator=annotator), _retracted, FILL_SECONDS)


def record(message: pb.Queue) -> QueueRecord:
    """A queue off the wire."""
    progress = message.progress
    return QueueRecord(
        definition=convert_queues.queue_from_proto(message),
        progress=Progress(
            items=progress.items,
            resolved=progress.resolved,
            disputed=progress.disputed,
            in_review=progress.in_review,
            reserved=progress.reserved,
            waiting=progress.waiting,
            verdicts=dict(progress.verdicts),
        ),
        created=message.create_time.ToDatetime(tzinfo=UTC) if message.HasField("create_time") else None,
    )


def item(message: pb.ReviewItem) -> ReviewItem:
    """An item off the wire."""
    return ReviewItem(
        item_id=message.item_id,
        queue=message.queue,
        target=convert_targets.target_ref(message.target, "target"),
        metric=message.metric.name,
        metric_version=message.metric.version,
        inputs=dict(message.inputs),
        result=result(message.result) if message.HasField("result") else None,
        others=tuple(feedback(each) for each in message.others),
        reserved_until=message.reserve_until_time.ToDatetime(tzinfo=UTC),
        source=message.source,
    )


def _completed(message: pb.CompleteItemResponse) -> Completed:
    told = message.HasField("resolution")
    return Completed(feedback=feedback(message.feedback), resolution=resolution(message.resolution) if told else None)


def _bulk(message: pb.CompleteItemsResponse) -> BulkCompleted:
    return BulkCompleted(bulk_id=message.bulk_id, completed=message.completed, refused=dict(message.refused))


def _filled(message: pb.FillQueueResponse) -> Filled:
    return Filled(added=message.added, present=message.present)


def _retracted(message: pb.UndoBulkResponse) -> int:
    return message.retracted


def _nothing(message: object) -> None:
    return None


def _call(method: str, request: Any, read: Any, timeout_seconds: float | None = None) -> Call[Any]:
    return Call(service="Feedback", method=method, request=request, read=read, timeout_seconds=timeout_seconds)


class QueueClient:
    """The part of `Client` about review queues."""

    if TYPE_CHECKING:  # what `Client` brings

        def _do(self, call: Call[R]) -> R: ...

        def _pages(self, listing: Listing[R]) -> Iterator[R]: ...

    def create_queue(self, queue: ReviewQueue, *, request_id: str = "") -> QueueRecord:
        """Make a review queue, and fill it where it has a source."""
        return self._do(create_queue(queue, request_id))

    def get_queue(self, name: str) -> QueueRecord:
        """A review queue and how far it is."""
        return self._do(get_queue(name))

    def list_queues(self) -> Iterator[QueueRecord]:
        """Every review queue, by name."""
        return self._pages(list_queues())

    def delete_queue(self, name: str, *, request_id: str = "") -> None:
        """Delete a review queue; the feedback that was given in it stays."""
        return self._do(delete_queue(name, request_id))

    def fill_queue(self, name: str, *, targets: Sequence[TargetRef] = (), source: QueueSource | None = None) -> Filled:
        """Put targets into a queue: named ones, or what its source (or another one) selects now."""
        return self._do(fill_queue(name, targets, source))

    def claim_next(self, queue: str, annotator: str) -> ReviewItem:
        """Reserve the next item; a running reservation is returned again.  `QUEUE_EMPTY` where nothing is left."""
        return self._do(claim_next(queue, annotator))

    def complete_item(
        self,
        queue: str,
        item_id: str,
        *,
        annotator: str,
        expected: Expected,
        explanation: str = "",
        request_id: str = "",
    ) -> Completed:
        """Give the verdict on an item."""
        return self._do(complete_item(queue, item_id, annotator, expected, explanation, request_id))

    def skip_item(self, queue: str, item_id: str, *, annotator: str) -> None:
        """Pass an item by: it is not offered to this annotator again."""
        return self._do(skip_item(queue, item_id, annotator))

    def complete_items(
        self,
        queue: str,
        item_ids: Sequence[str],
        *,
        annotator: str,
        expected: Expected,
        explanation: str = "",
        request_id: str = "",
    ) -> BulkCompleted:
        """Give one verdict on many items, at most 1000."""
        return self._do(complete_items(queue, item_ids, annotator, expected, explanation, request_id))

    def undo_bulk(self, bulk_id: str | UUID, *, annotator: str) -> int:
        """Take back what one `complete_items` (or import) gave; returns how much that was."""
        return self._do(undo_bulk(bulk_id, annotator))


class AsyncQueueClient:
    """The part of `AsyncClient` about review queues."""

    if TYPE_CHECKING:  # what `AsyncClient` brings

        async def _do(self, call: Call[R]) -> R: ...

        def _pages(self, listing: Listing[R]) -> AsyncIterator[R]: ...

    async def create_queue(self, queue: ReviewQueue, *, request_id: str = "") -> QueueRecord:
        """Make a review queue, and fill it where it has a source."""
        return await self._do(create_queue(queue, request_id))

    async def get_queue(self, name: str) -> QueueRecord:
        """A review queue and how far it is."""
        return await self._do(get_queue(name))

    def list_queues(self) -> AsyncIterator[QueueRecord]:
        """Every review queue, by name."""
        return self._pages(list_queues())

    async def delete_queue(self, name: str, *, request_id: str = "") -> None:
        """Delete a review queue; the feedback that was given in it stays."""
        return await self._do(delete_queue(name, request_id))

    async def fill_queue(
        self, name: str, *, targets: Sequence[TargetRef] = (), source: QueueSource | None = None
    ) -> Filled:
        """Put targets into a queue: named ones, or what its source (or another one) selects now."""
        return await self._do(fill_queue(name, targets, source))

    async def claim_next(self, queue: str, annotator: str) -> ReviewItem:
        """Reserve the next item; a running reservation is returned again.  `QUEUE_EMPTY` where nothing is left."""
        return await self._do(claim_next(queue, annotator))

    async def complete_item(
        self,
        queue: str,
        item_id: str,
        *,
        annotator: str,
        expected: Expected,
        explanation: str = "",
        request_id: str = "",
    ) -> Completed:
        """Give the verdict on an item."""
        return await self._do(complete_item(queue, item_id, annotator, expected, explanation, request_id))

    async def skip_item(self, queue: str, item_id: str, *, annotator: str) -> None:
        """Pass an item by: it is not offered to this annotator again."""
        return await self._do(skip_item(queue, item_id, annotator))

    async def complete_items(
        self,
        queue: str,
        item_ids: Sequence[str],
        *,
        annotator: str,
        expected: Expected,
        explanation: str = "",
        request_id: str = "",
    ) -> BulkCompleted:
        """Give one verdict on many items, at most 1000."""
        return await self._do(complete_items(queue, item_ids, annotator, expected, explanation, request_id))

    async def undo_bulk(self, bulk_id: str | UUID, *, annotator: str) -> int:
        """Take back what one `complete_items` (or import) gave; returns how much that was."""
        return await self._do(undo_bulk(bulk_id, annotator))
