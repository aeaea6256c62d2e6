"""A resolution as a result of kind human: what SQL, spans and lists show of what people concluded."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from evaluator.metrics.definition import MetricDefinition
from storage.feedback import FeedbackRow, Resolution, ResolutionMethod, ResolutionStatus
from storage.model import RESULT_NAMESPACE, Abstention, Evaluation, MetricKind, Outcome, Purpose, Status, storable
from storage.telemetry import TargetRecord

TAKEN_BACK = "people do not agree on it any more"


def result_of(
    resolution: Resolution,
    definition: MetricDefinition,
    record: TargetRecord,
    *,
    counted: Sequence[FeedbackRow],
    identity: str,
) -> Evaluation:
    """The result that shows where a target stands: a score where it is resolved, else a retraction.

    Args:
        counted: What it rests on, oldest first.
        identity: Of what led to it; the same again is the same result.
    """
    now = datetime.now(UTC)
    ref = record.ref
    parts = ("human", resolution.metric, str(ref.level), ref.key, str(resolution.status), identity)
    return Evaluation(
        evaluation_id=uuid.uuid5(RESULT_NAMESPACE, "\x1f".join(parts).encode("utf-8", "replace").decode()),
        target=ref,
        target_time_ns=record.target_time_ns,
        start_ns=record.start_ns,
        anchor=record.anchor,
        metric=resolution.metric,
        metric_version=resolution.metric_version,
        metric_digest=definition.digest if definition.version == resolution.metric_version else "",
        kind=MetricKind.HUMAN,
        purpose=Purpose.ONLINE,
        output_type=definition.output_type,
        outcome=_outcome(resolution, counted),
        annotator=resolution.resolver,
        watermark_ms=resolution.watermark_ms,
        metadata={"method": str(resolution.method)} | ({"queue": resolution.queue} if resolution.queue else {}),
        started=now,
        evaluated=now,
    )


def _outcome(resolution: Resolution, counted: Sequence[FeedbackRow]) -> Outcome:
    if resolution.status is not ResolutionStatus.RESOLVED or resolution.expected is None:
        return Abstention(reason=resolution.reason or TAKEN_BACK, status=Status.RETRACTED)
    return replace(resolution.expected, explanation=why(resolution, counted))


def why(resolution: Resolution, counted: Sequence[FeedbackRow]) -> str:
    """In the words of whoever decided, else of the annotators: of several each under their name."""
    if resolution.reason or resolution.method is ResolutionMethod.ADJUDICATED:
        return storable(resolution.reason)
    said = [row for row in counted if row.rationale]
    if len(said) == 1:
        return said[0].rationale
    return "\n".join(f"{row.annotator}: {row.rationale}" for row in said)
