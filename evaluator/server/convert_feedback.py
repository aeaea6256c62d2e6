"""Feedback: proto <-> domain."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TypeVar, cast

from google.protobuf.timestamp_pb2 import Timestamp

from evaluator.feedback.advice import advice
from evaluator.feedback.verdicts import Stated
from evaluator.feedback.words import Words
from evaluator.server import convert_targets
from evaluator.server.convert import request_id, result_id
from evaluator.server.errors import InvalidRequest
from evaluator.v1 import feedback_pb2 as pb
from evaluator.v1 import vocabulary_pb2
from storage.feedback import (
    FeedbackFilter,
    FeedbackRow,
    FeedbackStatus,
    Resolution,
    ResolutionMethod,
    ResolutionStatus,
)
from storage.model import NO_ID, Score, TargetRef

E = TypeVar("E")

STATUS_TO_PROTO: Mapping[FeedbackStatus, pb.FeedbackStatus] = {
    status: cast(pb.FeedbackStatus, pb.FeedbackStatus.Value(f"FEEDBACK_STATUS_{status.upper()}"))
    for status in FeedbackStatus
}
RESOLUTION_TO_PROTO: Mapping[ResolutionStatus, pb.ResolutionStatus] = {
    status: cast(pb.ResolutionStatus, pb.ResolutionStatus.Value(f"RESOLUTION_STATUS_{status.upper()}"))
    for status in ResolutionStatus
}
METHOD_TO_PROTO: Mapping[ResolutionMethod, pb.ResolutionMethod] = {
    method: cast(
        pb.ResolutionMethod,
        pb.ResolutionMethod.Value(
            f"RESOLUTION_METHOD_{'UNSPECIFIED' if method is ResolutionMethod.NONE else method.upper()}"
        ),
    )
    for method in ResolutionMethod
}
_STATUS_FROM_PROTO = {int(number): status for status, number in STATUS_TO_PROTO.items()}
_RESOLUTION_FROM_PROTO = {int(number): status for status, number in RESOLUTION_TO_PROTO.items()}


def uuid_of(text: str, field: str) -> uuid.UUID:
    """An id.

    Raises:
        InvalidRequest: It is missing, or not a UUID.
    """
    try:
        return uuid.UUID(text)
    except ValueError:
        raise InvalidRequest(field, f"must be a UUID, got {text!r}") from None


def words(message: pb.SubmitFeedbackRequest, *, queue: str = "", bulk_id: uuid.UUID = NO_ID, field: str = "") -> Words:
    """What a person says.

    Args:
        field: Path of the message in its request, with a dot at its end.

    Raises:
        InvalidRequest: A field is malformed, or both a result and a target are named.
    """
    if message.result_id and message.HasField("target"):
        raise InvalidRequest(f"{field}target", "name the result, or a target and a metric, not both")
    if message.metric.version < 0:
        raise InvalidRequest(f"{field}metric.version", f"must not be negative, got {message.metric.version}")
    has_target = message.HasField("target")
    return Words(
        result_id=result_id(message.result_id) if message.result_id else None,
        target=convert_targets.target_ref(message.target, f"{field}target") if has_target else None,
        metric=message.metric.name,
        version=message.metric.version or None,
        stated=stated(message.expected),
        explanation=message.explanation,
        annotator=message.annotator,
        request_id=request_id(message.request_id),
        queue=queue,
        bulk_id=bulk_id,
    )


def imported(message: pb.ImportedFeedback, *, bulk_id: uuid.UUID, annotator: str) -> Words:
    """One of many.

    Raises:
        InvalidRequest: As `words`.
    """
    inner = pb.SubmitFeedbackRequest()
    inner.CopyFrom(message.feedback)
    inner.ClearField("request_id")
    inner.annotator = inner.annotator or annotator
    found = words(inner, bulk_id=bulk_id)
    return replace(
        found,
        feedback_id=uuid_of(message.feedback_id, "feedback_id") if message.feedback_id else None,
        created=time_of(message.create_time, "create_time") if message.HasField("create_time") else None,
    )


def stated(message: pb.Verdict) -> Stated:
    """A verdict as it is written."""
    return Stated(
        value=message.value if message.HasField("value") else None,
        label=message.label,
        labels=tuple(message.labels),
        text=message.text,
    )


def verdict_to_proto(score: Score) -> pb.Verdict:
    """A whole verdict."""
    message = pb.Verdict(label=score.label, labels=score.labels, text=score.text)
    if score.value is not None:
        message.value = score.value
    return message


def feedback_filter(message: pb.ListFeedbackRequest, metric: str) -> FeedbackFilter:
    """Which feedback.

    Args:
        metric: Slug of the metric that the message names.

    Raises:
        InvalidRequest: A field is malformed.
    """
    target: TargetRef | None = None
    if message.HasField("target"):
        target = convert_targets.target_ref(message.target, "target")
    return FeedbackFilter(
        metric=metric,
        target=target,
        annotator=message.annotator.strip(),
        queue=message.queue,
        status=_member("status", _STATUS_FROM_PROTO, message.status),
        resolution=resolution_status(message.resolution, "resolution"),
    )


def resolution_status(number: int, field: str) -> ResolutionStatus | None:
    """Where targets stand; None = wherever.

    Raises:
        InvalidRequest: There is no such state.
    """
    return _member(field, _RESOLUTION_FROM_PROTO, number)


def feedback_to_proto(row: FeedbackRow, *, earlier_revision: bool = False) -> pb.FeedbackEntry:
    """One person's word, as it is stored."""
    retracted = row.status is FeedbackStatus.RETRACTED
    return pb.FeedbackEntry(
        feedback_id=str(row.feedback_id),
        target=convert_targets.target_ref_to_proto(row.target),
        metric=vocabulary_pb2.MetricRef(name=row.metric, version=row.metric_version),
        result_id="" if row.result_id == NO_ID else str(row.result_id),
        expected=verdict_to_proto(row.expected),
        explanation=row.rationale,
        annotator=row.annotator,
        judged=verdict_to_proto(row.judged) if row.judged else None,
        judge_explanation=row.judged.explanation if row.judged else "",
        judge_model=row.judge_model,
        status=STATUS_TO_PROTO[row.status],
        queue=row.queue,
        create_time=_timestamp(row.created),
        advice=advice(row.rationale),
        earlier_revision=earlier_revision,
        bulk_id="" if row.bulk_id == NO_ID else str(row.bulk_id),
        retract_time=_timestamp(row.updated) if retracted else None,
        retractor=row.by,
        retract_reason=row.reason,
    )


def entries_to_proto(rows: Collection[FeedbackRow], revised_ms: Mapping[TargetRef, int]) -> list[pb.FeedbackEntry]:
    """Rows, each with whether its target has been revised since."""
    return [feedback_to_proto(row, earlier_revision=revised_ms.get(row.target, 0) > row.watermark_ms) for row in rows]


def resolution_to_proto(resolution: Resolution) -> pb.Resolution:
    """Where a target stands."""
    return pb.Resolution(
        target=convert_targets.target_ref_to_proto(resolution.target),
        metric=resolution.metric,
        status=RESOLUTION_TO_PROTO[resolution.status],
        expected=verdict_to_proto(resolution.expected) if resolution.expected else None,
        method=METHOD_TO_PROTO[resolution.method],
        resolver=resolution.resolver,
        reason=resolution.reason,
        update_time=_timestamp(resolution.updated),
    )


def time_of(message: Timestamp, field: str) -> datetime:
    """A moment.

    Raises:
        InvalidRequest: It is none.
    """
    try:
        return message.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidRequest(field, str(error)) from None


def _timestamp(moment: datetime | None) -> Timestamp | None:
    if moment is None:
        return None
    message = Timestamp()
    message.FromDatetime(moment)
    return message


def _member(field: str, known: Mapping[int, E], number: int) -> E | None:
    if number and number not in known:
        raise InvalidRequest(field, f"must be a known value, got the enum number {number}")
    return known.get(number)
