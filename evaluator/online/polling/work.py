"""What the worker passes around: work of a rule, and what the ledger says of it."""

from __future__ import annotations

import functools
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from evaluator.metrics.definition import MetricDefinition
from evaluator.online.polling.retrying import next_attempt_ms
from evaluator.online.rules.definition import SOURCES, RuleDefinition
from evaluator.scoring.request import EvaluationRequest, Pending, Unpaid
from storage.errors import StorageError
from storage.model import Abstention, Evaluation, Failure, Level, Score, Status
from storage.queue import Candidates, Decision, LedgerDecision
from storage.telemetry import TargetRecord

if TYPE_CHECKING:
    from evaluator.online.rules.filters import CompiledFilter


class ListsRules(Protocol):
    """The rules that score (`evaluator.online.rules.catalogue.Rules`)."""

    async def enabled(self) -> list[RuleDefinition]:
        """Every enabled rule."""


class ScoresRecords(Protocol):
    """The entrance of rules to the scoring path (`evaluator.scoring.engine.Engine`)."""

    async def score(
        self, records: Sequence[TargetRecord], request: EvaluationRequest
    ) -> Sequence[Evaluation | Pending | Unpaid | StorageError]:
        """One conclusion per (record, metric), records first; `Pending` where a result of others is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How the worker goes about it.

    Attributes:
        idle_seconds: Between polls while nothing arrived for a minute.
        page_traces: Targets (traces of spans) of one look.
        sweep_seconds: How often the last day is compared with what polls have seen.
        sweep_share: Of the time that looking again may take, in (0, 1].
    """

    poll_seconds: float = 1.0
    idle_seconds: float = 2.0
    page_traces: int = 500
    lanes: int = 16
    chunk_targets: int = 16
    cursor_seconds: float = 5.0
    waiting_seconds: float = 5.0
    drain_seconds: float = 10.0
    sweep_seconds: float = 600.0
    sweep_share: float = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Targets of one rule that are due for the same metrics.

    Attributes:
        attempt: Which evaluation this is, from 1.
        tries: How often a worker began this attempt.
        died: A worker died at it: it is begun anew, and counted as begun when its turn comes.
        first_attempt_ms: When the first attempt failed; 0 = none did.
        term: Of the lease under which it was begun.
    """

    rule: RuleDefinition
    metrics: tuple[str, ...]
    records: tuple[TargetRecord, ...]
    attempt: int = 1
    tries: int = 1
    died: bool = False
    first_attempt_ms: int = 0
    term: int = 0


def wanted(rule: RuleDefinition) -> Candidates:
    """A rule's sample, scope and filter, as the queue takes them; of the filter that part which waits for no results.

    Raises:
        InvalidFilter: The filter does not compile.
    """
    compiled = filter_of(rule)
    production, experiment = (_ppm(rule.source_rates.get(source, rule.sample_rate)) for source in SOURCES)
    return Candidates(
        level=rule.level,
        sample_ppm=production,
        experiment_ppm=experiment,
        scope=rule.scope,
        filter_sql=compiled.before_sql,
        filter_parameters=compiled.parameters,
    )


def filter_of(rule: RuleDefinition) -> CompiledFilter:
    """A rule's filter.

    Raises:
        InvalidFilter: It does not compile.
    """
    return _compiled(rule.filter, rule.level)


@functools.lru_cache(maxsize=2048)
def _compiled(text: str, level: Level) -> CompiledFilter:
    from evaluator.online.rules.filters import (
        compile_filter,  # brings sqlglot, half a second that a start need not wait for
    )

    return compile_filter(text, level)


def _ppm(rate: float) -> int:
    return round(rate * 1_000_000)


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
        tries=chunk.tries,
        first_attempt_ms=chunk.first_attempt_ms,
    )


def concluded(
    chunk: Chunk,
    record: TargetRecord,
    metric: str,
    conclusion: Evaluation | Pending | Unpaid | StorageError,
    *,
    worker: str,
) -> Decision:
    """What the ledger says of one target and metric of a chunk that were scored."""
    if isinstance(conclusion, Pending):
        next_ms = int(conclusion.until.timestamp() * 1000) + 1 if conclusion.until else 0
        return entry(chunk, record, metric, "waiting", conclusion.reason, worker=worker, next_attempt_ms=next_ms)
    decision, reason = decision_and_reason(conclusion)
    if decision == "failed":
        attempt = conclusion.attempt if isinstance(conclusion, Evaluation) else chunk.attempt
        return failed(chunk, record, metric, reason, worker=worker, attempt=attempt)
    return entry(chunk, record, metric, decision, reason, worker=worker)


def failed(chunk: Chunk, record: TargetRecord, metric: str, reason: str, *, worker: str, attempt: int = 1) -> Decision:
    """An attempt that failed: final, or followed by another, as the rule's policy says."""
    now_ms = time.time_ns() // 1_000_000
    first_ms = chunk.first_attempt_ms or now_ms
    attempt = max(attempt, chunk.attempt)  # a composite that was woken was evaluated in between
    next_ms = next_attempt_ms(chunk.rule.retries, attempt=attempt, first_ms=first_ms, now_ms=now_ms)
    return replace(
        entry(chunk, record, metric, "retrying" if next_ms else "failed", reason, worker=worker),
        attempt=attempt,
        first_attempt_ms=first_ms,
        next_attempt_ms=next_ms,
    )


def decision_and_reason(conclusion: Evaluation | Unpaid | StorageError) -> tuple[LedgerDecision, str]:
    """What the ledger says of a conclusion."""
    if isinstance(conclusion, StorageError):  # a retry cannot help: `Unavailable` was waited out
        return "failed", f"NOT_STORED: {conclusion}"
    if isinstance(conclusion, Unpaid):
        return "over_budget", conclusion.reason
    match conclusion.outcome:
        case Score():
            return "scored", ""
        case Abstention(reason=reason, status=status):
            return ("not_computed" if status is Status.NOT_COMPUTED else "not_applicable"), reason
        case Failure(code=code, message=message):
            return "failed", f"{code}: {message}"
