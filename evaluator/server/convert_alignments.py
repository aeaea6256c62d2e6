"""Alignments: proto <-> domain."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from google.protobuf.timestamp_pb2 import Timestamp

from evaluator.alignment.model import Line, Verdict
from evaluator.alignment.running.definition import MAX_ROWS, AlignmentPlan, AlignmentRequest, Caps, Changes
from evaluator.alignment.running.outcome import AlignmentOutcome, Counts, Source
from evaluator.metrics.guideline import section
from evaluator.server.convert import request_id
from evaluator.server.errors import InvalidRequest
from evaluator.v1 import alignment_pb2 as pb
from storage.alignments import AlignmentPhase, AlignmentStanding, AlignmentState

if TYPE_CHECKING:
    from evaluator.alignment.running.estimate import AlignmentEstimate

STATUS_TO_PROTO: Mapping[AlignmentState, Any] = {
    state: pb.AlignmentStatus.Value(f"ALIGNMENT_STATUS_{state}") for state in AlignmentState
}
PHASE_TO_PROTO: Mapping[AlignmentPhase, Any] = {
    phase: pb.AlignmentPhase.Value(f"ALIGNMENT_PHASE_{phase.upper()}") for phase in AlignmentPhase
}
VERDICT_TO_PROTO: Mapping[Verdict, Any] = {
    verdict: pb.AlignmentVerdict.Value(f"ALIGNMENT_VERDICT_{verdict.upper()}") for verdict in Verdict
}
DECISION_TO_PROTO: Mapping[str, Any] = {
    "accepted": pb.ALIGNMENT_DECISION_ACCEPTED,
    "discarded": pb.ALIGNMENT_DECISION_DISCARDED,
}


def alignment_id(text: str, field: str = "alignment_id") -> str:
    """An alignment's id in its usual spelling.

    Raises:
        InvalidRequest: It is not a UUID.
    """
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise InvalidRequest(field, f"must be a UUID, got {text[:200]!r}") from None


def alignment_request(message: pb.StartAlignmentRequest) -> AlignmentRequest:
    """What `StartAlignment` asks.

    Raises:
        InvalidRequest, InvalidDefinition: A field is missing or not acceptable.
    """
    return AlignmentRequest(
        metric=message.metric,
        source_ids=tuple(dict.fromkeys(message.source_ids)),
        reflection_model=message.reflection_model,
        judge_model=message.judge_model,
        delta=message.delta_threshold if message.HasField("delta_threshold") else None,
        caps=_caps(message.caps),
        seed=message.seed if message.HasField("seed") else None,
        request_id=request_id(message.request_id),
        author=message.author,
    )


def changes(message: pb.StartAlignmentRequest) -> Changes:
    """What a retry does otherwise.

    Raises:
        InvalidRequest: A field is set that a retry takes from the run before.
    """
    fixed = {"metric", "source_ids", "delta_threshold", "seed", "request_id"}
    for descriptor, _ in message.ListFields():
        if descriptor.name in fixed:
            raise InvalidRequest(f"changes.{descriptor.name}", "is as in the run that is retried; start another run")
    return Changes(
        reflection_model=message.reflection_model,
        judge_model=message.judge_model,
        caps=_caps(message.caps) if message.HasField("caps") else None,
    )


def _caps(message: pb.AlignmentCaps) -> Caps:
    return Caps(max_calls=message.max_calls, max_cost_usd=message.max_cost_usd, max_rows=message.max_rows or MAX_ROWS)


def source_to_proto(source: Source) -> pb.AlignmentSource:
    """A source with its counts."""
    created = Timestamp()
    created.FromMicroseconds(source.created_us)
    return pb.AlignmentSource(
        source_id=source.source_id,
        kind=source.kind,
        name=source.name,
        resolved=source.resolved,
        disagreements=source.disagreements,
        create_time=created,
    )


def estimate_to_proto(estimate: AlignmentEstimate) -> pb.AlignmentEstimate:
    """What a run would take."""
    message = pb.AlignmentEstimate(
        counts=counts_to_proto(estimate.counts),
        judge_calls=estimate.judge_calls,
        reflection_calls=estimate.reflection_calls,
        power=dict(estimate.power),
        warnings=estimate.warnings,
        input_tokens=estimate.input_tokens,
        output_tokens=estimate.output_tokens,
    )
    if estimate.cost_usd is not None:
        message.cost_usd = estimate.cost_usd
    return message


def counts_to_proto(counts: Counts) -> pb.AlignmentCounts:
    """Rows of a run."""
    return pb.AlignmentCounts(
        annotations=counts.annotations,
        disagreements=counts.disagreements,
        disagreements_rerun=counts.disagreements_rerun,
        skipped_agreeing=counts.skipped_agreeing,
        conflicts=counts.conflicts,
        stale=counts.stale,
        excluded=dict(counts.excluded),
        sampled=counts.sampled,
    )


def line_to_proto(line: Line) -> pb.AlignedGuideline:
    """One guideline."""
    guideline = line.guideline
    return pb.AlignedGuideline(
        guideline_id=guideline.guideline_id,
        text=guideline.text,
        feedback_ids=guideline.feedback_ids,
        support=guideline.support,
        fixed=line.fixed,
        broken=line.broken,
        origin=str(guideline.origin),
        needs_decision=line.needs_decision,
    )


def alignment_to_proto(standing: AlignmentStanding) -> pb.Alignment:
    """A run as it stands."""
    run, notes = standing.run, standing.notes
    outcome = AlignmentOutcome.from_body(standing.outcome or notes)
    message = pb.Alignment(
        alignment_id=run.run_id,
        request=_request_to_proto(standing),
        status=STATUS_TO_PROTO[standing.state],
        done=standing.done,
        total=standing.total,
        cancel_requested=standing.cancel_requested,
        counts=counts_to_proto(outcome.counts),
        usage=_usage_to_proto(standing.usage),
        guidelines=[line_to_proto(line) for line in outcome.lines],
        guidelines_text=section(outcome.guidelines),
        summary=outcome.summary,
        warnings=outcome.warnings,
        retry_of=run.retry_of,
        sources=[source_to_proto(source) for source in outcome.sources],
    )
    message.metric.name, message.metric.version = run.metric, run.version
    if standing.state is AlignmentState.RUNNING and standing.phase is not None:
        message.phase = PHASE_TO_PROTO[standing.phase]
    if outcome.verdict is not None:
        message.verdict = VERDICT_TO_PROTO[outcome.verdict]
    if outcome.error is not None:
        error = outcome.error
        message.error.code, message.error.message, message.error.retryable = error.code, error.message, error.retryable
    _add_decision(message, standing.decision)
    _set_time(message.create_time, run.created)
    _set_time(message.update_time, standing.updated or run.created)
    return message


def _request_to_proto(standing: AlignmentStanding) -> pb.StartAlignmentRequest:
    run, plan = standing.run, AlignmentPlan.of(standing.run)
    message = pb.StartAlignmentRequest(
        metric=run.metric,
        source_ids=run.source_ids,
        reflection_model=plan.asked_reflection_model,
        judge_model=plan.asked_judge_model,
        caps=pb.AlignmentCaps(
            max_calls=plan.caps.max_calls, max_cost_usd=plan.caps.max_cost_usd, max_rows=plan.caps.max_rows
        ),
        seed=plan.seed,
        author=run.author,
    )
    if plan.delta is not None:
        message.delta_threshold = plan.delta
    return message


def _usage_to_proto(usage: Mapping[str, float]) -> pb.AlignmentUsage:
    whole = ("judge_calls", "reflection_calls", "remembered", "input_tokens", "output_tokens")
    counts: dict[str, Any] = {name: round(usage.get(name, 0.0)) for name in whole}
    return pb.AlignmentUsage(cost_usd=usage.get("cost_usd", 0.0), **counts)


def _add_decision(message: pb.Alignment, decision: Mapping[str, Any] | None) -> None:
    if decision is None:
        return
    message.decision = DECISION_TO_PROTO[decision["decision"]]
    if message.decision == pb.ALIGNMENT_DECISION_ACCEPTED:
        message.accepted.name, message.accepted.version = decision["metric"], decision["version"]


def _set_time(field: Timestamp, time: datetime | None) -> None:
    if time is not None:
        field.FromDatetime(time)
