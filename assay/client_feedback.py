"""Feedback over the wire: what is sent, how the answer is read, and the part of both clients about it."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from assay.client_calls import PAGE_SIZE, Call, Listing
from assay.client_feedback_model import Expected, Feedback, FeedbackHistory, Imported, NewFeedback, Refused, Submitted
from evaluator.feedback.verdicts import Stated
from evaluator.server import convert_targets
from evaluator.server.convert_feedback import METHOD_TO_PROTO, RESOLUTION_TO_PROTO, STATUS_TO_PROTO
from evaluator.v1 import feedback_pb2 as pb
from evaluator.v1 import vocabulary_pb2
from storage.feedback import FeedbackStatus, Resolution, ResolutionMethod, ResolutionStatus
from storage.model import Score, TargetRef

R = TypeVar("R")
IMPORT_SECONDS = 300.0
"""Of one call with many: every target of it is read."""
_STATUS = {int(number): status for status, number in STATUS_TO_PROTO.items()}
_RESOLUTION = {int(number): status for status, number in RESOLUTION_TO_PROTO.items()}
_METHOD: Mapping[int, ResolutionMethod] = {int(number): method for method, number in METHOD_TO_PROTO.items()}


def stated(expected: Expected) -> pb.Verdict:
    """A verdict, as it is sent."""
    match expected:
        case Stated(value=value, label=label, labels=labels, text=text):
            return pb.Verdict(value=value, label=label, labels=labels, text=text)
        case bool():
            return pb.Verdict(label=str(expected).lower())
        case int() | float():
            return pb.Verdict(value=expected)
        case str():
            return pb.Verdict(label=expected)
        case _:
            return pb.Verdict(labels=expected) if expected else pb.Verdict(value=0.0)


def submit_feedback(
    about: TargetRef | str | uuid.UUID,
    metric: str,
    expected: Expected,
    *,
    explanation: str,
    annotator: str,
    version: int,
    request_id: str,
) -> Call[Submitted]:
    """`Feedback.SubmitFeedback`."""
    request = _request(about, metric, version, expected, explanation, annotator)
    request.request_id = request_id
    return Call(service="Feedback", method="SubmitFeedback", request=request, read=_submitted)


def import_feedback(
    entries: Sequence[NewFeedback], *, annotator: str, bulk_id: str, validate_only: bool
) -> Call[Imported]:
    """`Feedback.ImportFeedback`."""
    request = pb.ImportFeedbackRequest(bulk_id=bulk_id, annotator=annotator, validate_only=validate_only)
    for each in entries:
        about = each.target or each.result_id
        inner = _request(about, each.metric, each.version, each.expected, each.explanation, each.annotator)
        entry = request.feedback.add(feedback=inner, feedback_id=each.feedback_id)
        if each.created is not None:
            entry.create_time.FromDatetime(each.created)
    return Call(
        service="Feedback", method="ImportFeedback", request=request, read=_imported, timeout_seconds=IMPORT_SECONDS
    )


def _request(
    about: TargetRef | str | uuid.UUID, metric: str, version: int, expected: Expected, explanation: str, annotator: str
) -> pb.SubmitFeedbackRequest:
    request = pb.SubmitFeedbackRequest(expected=stated(expected), explanation=explanation, annotator=annotator)
    if isinstance(about, TargetRef):
        request.target.CopyFrom(convert_targets.target_ref_to_proto(about))
        request.metric.CopyFrom(vocabulary_pb2.MetricRef(name=metric, version=version))
    else:
        request.result_id = str(about)
    return request


def list_feedback(
    metric: str,
    target: TargetRef | None,
    *,
    annotator: str,
    queue: str,
    status: FeedbackStatus | None,
    resolution: ResolutionStatus | None,
) -> Listing[Feedback]:
    """`Feedback.ListFeedback`."""
    request = pb.ListFeedbackRequest(metric=metric, annotator=annotator, queue=queue, page_size=PAGE_SIZE)
    if target is not None:
        request.target.CopyFrom(convert_targets.target_ref_to_proto(target))
    if status is not None:
        request.status = STATUS_TO_PROTO[status]
    if resolution is not None:
        request.resolution = RESOLUTION_TO_PROTO[resolution]
    return Listing(service="Feedback", method="ListFeedback", request=request, items="feedback", read=feedback)


def get_feedback(feedback_id: str) -> Call[FeedbackHistory]:
    """`Feedback.GetFeedback`."""
    request = pb.GetFeedbackRequest(feedback_id=feedback_id)
    return Call(service="Feedback", method="GetFeedback", request=request, read=_history)


def resolve_feedback(
    target: TargetRef, metric: str, expected: Expected | None, *, reason: str, resolver: str
) -> Call[Resolution]:
    """`Feedback.ResolveFeedback`; None excludes."""
    request = pb.ResolveFeedbackRequest(
        target=convert_targets.target_ref_to_proto(target),
        metric=metric,
        expected=None if expected is None else stated(expected),
        exclude=expected is None,
        reason=reason,
        resolver=resolver,
    )
    return Call(service="Feedback", method="ResolveFeedback", request=request, read=resolution)


def retract_feedback(feedback_id: str, *, annotator: str, reason: str) -> Call[Feedback]:
    """`Feedback.RetractFeedback`."""
    request = pb.RetractFeedbackRequest(feedback_id=feedback_id, annotator=annotator, reason=reason)
    return Call(service="Feedback", method="RetractFeedback", request=request, read=feedback)


def list_resolutions(metric: str, status: ResolutionStatus | None) -> Listing[Resolution]:
    """`Feedback.ListResolutions`."""
    request = pb.ListResolutionsRequest(metric=metric, page_size=PAGE_SIZE)
    if status is not None:
        request.status = RESOLUTION_TO_PROTO[status]
    return Listing(service="Feedback", method="ListResolutions", request=request, items="resolutions", read=resolution)


def feedback(message: pb.FeedbackEntry) -> Feedback:
    """Feedback as it comes."""
    judged = _score(message.judged, message.judge_explanation) if message.HasField("judged") else None
    expected = _score(message.expected)
    if expected is None:
        raise ValueError(f"feedback {message.feedback_id} expects nothing")
    return Feedback(
        feedback_id=message.feedback_id,
        target=convert_targets.target_ref(message.target, "target"),
        metric=message.metric.name,
        metric_version=message.metric.version,
        expected=expected,
        explanation=message.explanation,
        annotator=message.annotator,
        result_id=message.result_id,
        judged=judged,
        judge_model=message.judge_model,
        status=_STATUS[message.status],
        queue=message.queue,
        created=_time(message, "create_time"),
        advice=tuple(message.advice),
        earlier_revision=message.earlier_revision,
        bulk_id=message.bulk_id,
        retracted=_time(message, "retract_time"),
        retractor=message.retractor,
        retract_reason=message.retract_reason,
    )


def resolution(message: pb.Resolution) -> Resolution:
    """Where a target stands, as it comes."""
    return Resolution(
        target=convert_targets.target_ref(message.target, "target"),
        metric=message.metric,
        status=_RESOLUTION[message.status],
        expected=_score(message.expected) if message.HasField("expected") else None,
        method=_METHOD[message.method],
        resolver=message.resolver,
        reason=message.reason,
        updated=_time(message, "update_time"),
    )


def _submitted(message: pb.SubmitFeedbackResponse) -> Submitted:
    return Submitted(feedback=feedback(message.feedback), resolution=resolution(message.resolution))


def _history(message: pb.FeedbackHistory) -> FeedbackHistory:
    return FeedbackHistory(
        states=tuple(feedback(each) for each in message.entries),
        inputs=dict(message.inputs),
        segment=dict(message.segment),
        resolution=resolution(message.resolution) if message.HasField("resolution") else None,
    )


def _imported(message: pb.ImportFeedbackResponse) -> Imported:
    return Imported(
        bulk_id=message.bulk_id,
        added=message.added,
        present=message.present,
        vague=message.vague,
        refused=tuple(Refused(number=each.number, field=each.field, message=each.message) for each in message.refused),
    )


def _score(message: pb.Verdict, explanation: str = "") -> Score | None:
    value = message.value if message.HasField("value") else None
    if value is None and not (message.label or message.labels or message.text):
        return None
    return Score(
        value=value, label=message.label, labels=tuple(message.labels), text=message.text, explanation=explanation
    )


def _time(message: Any, name: str) -> datetime | None:
    return getattr(message, name).ToDatetime(tzinfo=UTC) if message.HasField(name) else None


class FeedbackClient:
    """The part of `Client` about feedback."""

    if TYPE_CHECKING:  # what `Client` brings

        def _do(self, call: Call[R]) -> R: ...

        def _pages(self, listing: Listing[R]) -> Iterator[R]: ...

    def submit_feedback(
        self,
        about: TargetRef | str | uuid.UUID,
        metric: str = "",
        *,
        expected: Expected,
        explanation: str = "",
        annotator: str,
        version: int = 0,
        request_id: str = "",
    ) -> Submitted:
        """Say what a metric should have concluded, and why.

        `about` is a result's id, or a target; then `metric` names the metric (`version` 0 = the active one).  The same
        `request_id` (a UUID) again returns what the first call made.
        """
        return self._do(
            submit_feedback(
                about,
                metric,
                expected,
                explanation=explanation,
                annotator=annotator,
                version=version,
                request_id=request_id,
            )
        )

    def import_feedback(
        self, entries: Sequence[NewFeedback], *, annotator: str = "", bulk_id: str = "", validate_only: bool = False
    ) -> Imported:
        """Take in at most 1000 at once; what is not acceptable is in `refused`, and the rest is kept.

        Further calls with the same `bulk_id` (a UUID) belong to the same import, which `undo_bulk` takes back.
        """
        return self._do(import_feedback(entries, annotator=annotator, bulk_id=bulk_id, validate_only=validate_only))

    def list_feedback(
        self,
        metric: str = "",
        target: TargetRef | None = None,
        *,
        annotator: str = "",
        queue: str = "",
        status: FeedbackStatus | None = None,
        resolution: ResolutionStatus | None = None,
    ) -> Iterator[Feedback]:
        """Feedback, newest first, page after page; what is not given does not restrict."""
        return self._pages(
            list_feedback(metric, target, annotator=annotator, queue=queue, status=status, resolution=resolution)
        )

    def get_feedback(self, feedback_id: str) -> FeedbackHistory:
        """One feedback with everything that became of it."""
        return self._do(get_feedback(feedback_id))

    def resolve_feedback(
        self, target: TargetRef, metric: str, expected: Expected, *, resolver: str, reason: str = ""
    ) -> Resolution:
        """Settle what a target should have been where people differ."""
        return self._do(resolve_feedback(target, metric, expected, reason=reason, resolver=resolver))

    def exclude_feedback(self, target: TargetRef, metric: str, *, resolver: str, reason: str) -> Resolution:
        """Say that what people said about a target cannot be used, and why."""
        return self._do(resolve_feedback(target, metric, None, reason=reason, resolver=resolver))

    def retract_feedback(self, feedback_id: str, *, annotator: str = "", reason: str = "") -> Feedback:
        """Take feedback back; it stays in the history."""
        return self._do(retract_feedback(feedback_id, annotator=annotator, reason=reason))

    def list_resolutions(self, metric: str = "", status: ResolutionStatus | None = None) -> Iterator[Resolution]:
        """Where targets stand, newest first, page after page."""
        return self._pages(list_resolutions(metric, status))


class AsyncFeedbackClient:
    """The part of `AsyncClient` about feedback."""

    if TYPE_CHECKING:  # what `AsyncClient` brings

        async def _do(self, call: Call[R]) -> R: ...

        def _pages(self, listing: Listing[R]) -> AsyncIterator[R]: ...

    async def submit_feedback(
        self,
        about: TargetRef | str | uuid.UUID,
        metric: str = "",
        *,
        expected: Expected,
        explanation: str = "",
        annotator: str,
        version: int = 0,
        request_id: str = "",
    ) -> Submitted:
        """As `Client.submit_feedback`; here and below the same for asyncio."""
        return await self._do(
            submit_feedback(
                about,
                metric,
                expected,
                explanation=explanation,
                annotator=annotator,
                version=version,
                request_id=request_id,
            )
        )

    async def import_feedback(
        self, entries: Sequence[NewFeedback], *, annotator: str = "", bulk_id: str = "", validate_only: bool = False
    ) -> Imported:
        return await self._do(
            import_feedback(entries, annotator=annotator, bulk_id=bulk_id, validate_only=validate_only)
        )

    def list_feedback(
        self,
        metric: str = "",
        target: TargetRef | None = None,
        *,
        annotator: str = "",
        queue: str = "",
        status: FeedbackStatus | None = None,
        resolution: ResolutionStatus | None = None,
    ) -> AsyncIterator[Feedback]:
        return self._pages(
            list_feedback(metric, target, annotator=annotator, queue=queue, status=status, resolution=resolution)
        )

    async def get_feedback(self, feedback_id: str) -> FeedbackHistory:
        return await self._do(get_feedback(feedback_id))

    async def resolve_feedback(
        self, target: TargetRef, metric: str, expected: Expected, *, resolver: str, reason: str = ""
    ) -> Resolution:
        return await self._do(resolve_feedback(target, metric, expected, reason=reason, resolver=resolver))

    async def exclude_feedback(self, target: TargetRef, metric: str, *, resolver: str, reason: str) -> Resolution:
        return await self._do(resolve_feedback(target, metric, None, reason=reason, resolver=resolver))

    async def retract_feedback(self, feedback_id: str, *, annotator: str = "", reason: str = "") -> Feedback:
        return await self._do(retract_feedback(feedback_id, annotator=annotator, reason=reason))

    def list_resolutions(self, metric: str = "", status: ResolutionStatus | None = None) -> AsyncIterator[Resolution]:
        return self._pages(list_resolutions(metric, status))
