"""Review queues and their items: proto <-> domain."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from google.protobuf.timestamp_pb2 import Timestamp

from evaluator.errors import InvalidDefinition
from evaluator.reviewing.definition import LIMIT, RESERVATION_SECONDS, Filled, QueueRecord, QueueSource, ReviewQueue
from evaluator.server import convert, convert_feedback, convert_targets
from evaluator.server.enums import LEVEL_FROM_PROTO, LEVEL_TO_PROTO
from evaluator.server.errors import InvalidRequest
from evaluator.v1 import feedback_pb2 as pb
from evaluator.v1 import vocabulary_pb2

if TYPE_CHECKING:
    from evaluator.reviewing.reviewing import Bulk, Shown


def queue(message: pb.Queue) -> ReviewQueue:
    """A queue as somebody asks for it.

    Raises:
        InvalidDefinition: A field is not acceptable.
    """
    level = LEVEL_FROM_PROTO.get(message.level)
    if level is None:
        raise InvalidDefinition("queue.level", "is required: span, trace or session")
    seconds = message.reservation.ToTimedelta().total_seconds() if message.HasField("reservation") else None
    return ReviewQueue(
        name=message.name,
        metric=message.metric,
        level=level,
        quorum=message.quorum or 1,
        blind=message.blind,
        reservation_seconds=RESERVATION_SECONDS if seconds is None else seconds,
        instructions=message.instructions,
        source=source(message.source) if message.HasField("source") else None,
        follow=message.follow,
    )


def queue_from_proto(message: pb.Queue) -> ReviewQueue:
    """A queue as it is kept."""
    return replace(queue(message), version=message.version)


def source(message: pb.QueueSource) -> QueueSource:
    """What is selected.

    Raises:
        InvalidDefinition: A field is not acceptable.
    """
    return QueueSource(
        filter=message.filter,
        score_condition=message.score_condition,
        versions=tuple(message.disagreeing_versions),
        uncertain=message.uncertain,
        random=message.random,
        seed=message.seed,
        start=_time(message, "start_time"),
        end=_time(message, "end_time"),
        limit=message.limit or LIMIT,
    )


def source_to_proto(found: QueueSource) -> pb.QueueSource:
    """Inverse of `source`."""
    return pb.QueueSource(
        filter=found.filter,
        score_condition=found.score_condition,
        disagreeing_versions=found.versions,
        uncertain=found.uncertain,
        random=found.random,
        seed=found.seed,
        start_time=_stamp(found.start),
        end_time=_stamp(found.end),
        limit=found.limit,
    )


def queue_to_proto(record: QueueRecord) -> pb.Queue:
    """A queue and how far it is."""
    found, progress = record.definition, record.progress
    message = pb.Queue(
        name=found.name,
        version=found.version,
        metric=found.metric,
        level=LEVEL_TO_PROTO[found.level],
        quorum=found.quorum,
        blind=found.blind,
        instructions=found.instructions,
        source=source_to_proto(found.source) if found.source else None,
        follow=found.follow,
        progress=pb.QueueProgress(
            items=progress.items,
            resolved=progress.resolved,
            disputed=progress.disputed,
            in_review=progress.in_review,
            reserved=progress.reserved,
            waiting=progress.waiting,
            verdicts=progress.verdicts,
        ),
        create_time=_stamp(record.created),
    )
    message.reservation.FromNanoseconds(round(found.reservation_seconds * 1e9))
    return message


def filled_to_proto(filled: Filled) -> pb.FillQueueResponse:
    """What went in."""
    return pb.FillQueueResponse(added=filled.added, present=filled.present)


def item_to_proto(shown: Shown) -> pb.ReviewItem:
    """An item as its reviewer sees it."""
    item = shown.item
    return pb.ReviewItem(
        item_id=str(item.item_id),
        queue=item.queue,
        target=convert_targets.target_ref_to_proto(item.target),
        metric=vocabulary_pb2.MetricRef(name=item.metric, version=shown.version),
        inputs=shown.inputs,
        result=convert.result_to_proto(shown.result) if shown.result else None,
        others=[convert_feedback.feedback_to_proto(row) for row in shown.others],
        reserve_until_time=_stamp(shown.until),
        source=item.source,
    )


def bulk_to_proto(bulk: Bulk) -> pb.CompleteItemsResponse:
    """What became of one verdict on many."""
    refused = {str(item): why for item, why in bulk.refused.items()}
    return pb.CompleteItemsResponse(bulk_id=str(bulk.bulk_id), completed=bulk.completed, refused=refused)


def item_ids(texts: list[str]) -> list[uuid.UUID]:
    """Ids of items.

    Raises:
        InvalidRequest: One is no UUID.
    """
    return [convert_feedback.uuid_of(text, f"item_ids[{number}]") for number, text in enumerate(texts)]


def _time(message: pb.QueueSource, field: str) -> datetime | None:
    if not message.HasField(field):
        return None
    try:
        found: datetime = getattr(message, field).ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidRequest(f"queue.source.{field}", str(error)) from None
    return found


def _stamp(moment: datetime | None) -> Timestamp | None:
    if moment is None:
        return None
    message = Timestamp()
    message.FromDatetime(moment)
    return message
