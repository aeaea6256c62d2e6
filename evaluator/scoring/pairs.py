"""One metric on one target, as a call asks for it: its id, and the result that comes of it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TypeAlias

from evaluator.metrics.conclude import Conclusion
from evaluator.metrics.definition import MetricDefinition
from evaluator.scoring.request import EvaluationRequest, Pending, Unpaid
from evaluator.scoring.stored import SHOWN
from evaluator.scoring.subject import Subject
from storage.model import Abstention, Evaluation, Failure, Outcome, Score, Status, TargetRef, result_id, storable

Shared: TypeAlias = tuple[TargetRef, str, int, int]
"""Target, slug, version and watermark: what is concluded of it, whoever asks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One thing to compute.

    Attributes:
        required: A composite needs it; else somebody asked for it.
    """

    subject: Subject
    metric: MetricDefinition
    evaluation_id: uuid.UUID
    request: EvaluationRequest
    required: bool = False

    @property
    def stores(self) -> bool:
        """Whether its result is kept."""
        return self.request.store and not self.subject.inline

    @property
    def shared(self) -> Shared | None:
        """Under what others may have it; None = nobody else may."""
        if not is_shared(self.subject, self.request):
            return None
        record = self.subject.record
        return record.ref, self.metric.name, self.metric.version, record.watermark_ms


def is_shared(subject: Subject, request: EvaluationRequest) -> bool:
    """Whether results of a request are everybody's: those of experiments and repetitions stay with their run."""
    return request.store and not subject.inline and not request.trial and request.purpose in SHOWN


def tries_again(request: EvaluationRequest, earlier: Evaluation) -> bool:
    """Whether a stored result is not the answer, because failures are attempted again: once for each run, and by a
    rule as often as its policy says."""
    if earlier.status is not Status.FAILED:
        return False
    return earlier.run != request.run if request.retry_failed else earlier.attempt < request.attempt


def pair_of(subject: Subject, metric: MetricDefinition, request: EvaluationRequest, *, required: bool = False) -> Pair:
    """One metric on one target of a request."""
    return Pair(
        subject=subject,
        metric=metric,
        evaluation_id=id_of(subject, metric, request),
        request=request,
        required=required,
    )


def id_of(subject: Subject, metric: MetricDefinition, request: EvaluationRequest) -> uuid.UUID:
    """The id of what is asked for.  Work that is repeated, also because a composite's inputs changed, has the same id
    and is a further attempt."""
    return result_id(
        source=request.source or request.purpose,
        origin=f"{request.origin} {subject.inline}" if subject.inline else request.origin,
        metric_digest=f"{metric.name}@{metric.version}:{metric.digest}",
        target=subject.record.ref,
        watermark_ms=subject.record.watermark_ms,
        trial=request.trial,
    )


def pending_of(pair: Pair) -> Pending:
    """While it is not final."""
    return Pending(
        evaluation_id=pair.evaluation_id,
        target=pair.subject.record.ref,
        metric=pair.metric.name,
        metric_version=pair.metric.version,
    )


def unpaid_of(pair: Pair, reason: str, resets: datetime) -> Unpaid:
    """While no budget pays for it."""
    return Unpaid(
        target=pair.subject.record.ref,
        metric=pair.metric.name,
        metric_version=pair.metric.version,
        reason=reason,
        resets=resets,
    )


def evaluation_of(
    pair: Pair,
    conclusion: Conclusion,
    started: datetime,
    *,
    attempt: int = 1,
    inputs_digest: bytes = b"",
    linked: bool = False,
) -> Evaluation:
    """The result.

    Args:
        inputs_digest: Of the results that a composite read.
        linked: The exchange with the judge is kept: there is something that a link leads to.
    """
    record, metric, request = pair.subject.record, pair.metric, pair.request
    return Evaluation(
        evaluation_id=pair.evaluation_id,
        attempt=attempt,
        target=record.ref,
        target_time_ns=record.target_time_ns,
        start_ns=record.start_ns,
        anchor=record.anchor,
        metric=metric.name,
        metric_version=metric.version,
        metric_digest=metric.digest,
        kind=metric.kind,
        purpose=request.purpose,
        output_type=metric.output_type,
        outcome=_readable(conclusion.outcome),
        rule=request.rule,
        rule_version=request.rule_version,
        run=request.run,
        trial=request.trial,
        watermark_ms=record.watermark_ms,
        input_digest=conclusion.input_digest,
        judge_model=storable(conclusion.judge_model),
        inputs_digest=inputs_digest,
        judge_trace_id=conclusion.judge_trace_id if linked else "",
        usage=conclusion.usage,
        metadata={name: storable(text) for name, text in conclusion.metadata.items()},
        started=started,
        evaluated=datetime.now(UTC),
    )


def _readable(outcome: Outcome) -> Outcome:
    """The same in characters that every reader has: stores and protobuf refuse half of a surrogate pair."""
    match outcome:
        case Score(explanation=explanation, text=text) if not (explanation.isascii() and text.isascii()):
            return replace(outcome, explanation=storable(explanation), text=storable(text))
        case Abstention(reason=reason) if not reason.isascii():
            return replace(outcome, reason=storable(reason))
        case Failure(message=message) if not message.isascii():
            return replace(outcome, message=storable(message))
    return outcome
