"""What the worker passes around: work of a rule, and what the ledger says of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from evaluator.metrics.definition import MetricDefinition
from evaluator.online.rules.definition import RuleDefinition
from evaluator.scoring.request import EvaluationRequest, Pending
from storage.errors import StorageError
from storage.model import Abstention, Evaluation, Failure, Level, Score, Status
from storage.queue import Candidates, Decision, LedgerDecision
from storage.telemetry import TargetRecord


class ListsRules(Protocol):
    """The rules that score (`evaluator.online.rules.catalogue.Rules`)."""

    async def enabled(self) -> list[RuleDefinition]:
        """Every enabled rule."""


class ScoresRecords(Protocol):
    """The entrance of rules to the scoring path (`evaluator.scoring.engine.Engine`)."""

    async def score(
        self, records: Sequence[TargetRecord], request: EvaluationRequest
    ) -> Sequence[Evaluation | Pending | StorageError]:
        """One conclusion per (record, metric), records first; `Pending` where a result of others is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How the worker goes about it."""

    poll_seconds: float = 1.0
    page_traces: int = 500
    lanes: int = 16
    chunk_targets: int = 16
    cursor_seconds: float = 5.0
    waiting_seconds: float = 5.0
    drain_seconds: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Targets of one rule that are due for the same metrics."""

    rule: RuleDefinition
    metrics: tuple[str, ...]
    records: tuple[TargetRecord, ...]
    attempt: int = 1


def wanted(rule: RuleDefinition) -> Candidates:
    """A rule's sample and filter, as the queue takes them."""
    from evaluator.online.rules.filters import (
        compile_filter,  # brings sqlglot, half a second that a start need not wait for
    )

    compiled = compile_filter(rule.filter, rule.level)
    return Candidates(
        level=rule.level,
        sample_ppm=rule.sample_ppm,
        filter_sql=compiled.sql,
        filter_parameters=compiled.parameters,
    )


def is_due(metric: MetricDefinition, record: TargetRecord) -> bool:
    """Whether a metric can apply, as far as SQL knows the kind of a span ('' = only reading it will tell)."""
    if record.ref.level not in metric.levels:
        return False
    if record.ref.level is not Level.SPAN or not metric.span_kinds or not record.observation_kind:
        return True
    return record.observation_kind in metric.span_kinds


def entries(chunk: Chunk, decision: LedgerDecision, reason: str = "", *, worker: str) -> list[Decision]:
    """The same decision about everything in a chunk."""
    return [
        entry(chunk, record, metric, decision, reason, worker=worker)
        for record in chunk.records
        for metric in chunk.metrics
    ]


def entry(
    chunk: Chunk,
    record: TargetRecord,
    metric: str,
    decision: LedgerDecision,
    reason: str = "",
    *,
    worker: str,
    next_attempt_ms: int = 0,
) -> Decision:
    """A decision about one target and metric of a chunk."""
    return Decision(
        rule=chunk.rule.name,
        rule_version=chunk.rule.version,
        metric=metric,
        target=record.ref,
        watermark_ms=record.watermark_ms,
        decision=decision,
        reason=reason,
        attempt=chunk.attempt,
        worker=worker,
        next_attempt_ms=next_attempt_ms,
    )


def concluded(
    chunk: Chunk, record: TargetRecord, metric: str, conclusion: Evaluation | Pending | StorageError, *, worker: str
) -> Decision:
    """What the ledger says of one target and metric of a chunk that were scored."""
    if isinstance(conclusion, Pending):
        next_ms = int(conclusion.until.timestamp() * 1000) + 1 if conclusion.until else 0
        return entry(chunk, record, metric, "waiting", conclusion.reason, worker=worker, next_attempt_ms=next_ms)
    return entry(chunk, record, metric, *decision_and_reason(conclusion), worker=worker)


def decision_and_reason(conclusion: Evaluation | StorageError) -> tuple[LedgerDecision, str]:
    """What the ledger says of a conclusion."""
    if isinstance(conclusion, StorageError):  # a retry cannot help: `Unavailable` was waited out
        return "failed", f"NOT_STORED: {conclusion}"
    match conclusion.outcome:
        case Score():
            return "scored", ""
        case Abstention(reason=reason, status=status):
            return ("not_computed" if status is Status.NOT_COMPUTED else "not_applicable"), reason
        case Failure(code=code, message=message):
            return "failed", f"{code}: {message}"
