"""What can be asked of the scoring path, and what it answers.  Fronts (gRPC, rules) build these and nothing else."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, TypeAlias

from evaluator.judges.metering import Meter
from evaluator.metrics.definition import MetricDefinition
from storage.model import Evaluation, Purpose, Status, TargetRef

MAX_PAIRS = 1000
"""(target, metric) pairs in one request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InlineTarget:
    """A target that the caller brings along: OTLP `ExportTraceServiceRequest` bytes, scored as a span or a trace.

    `ref` names the span (or the trace) of `otlp` that is scored.
    """

    ref: TargetRef
    otlp: bytes


Target: TypeAlias = TargetRef | InlineTarget


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricRef:
    """A metric by slug or display name; version None = the active one.  With a `definition` it need not be saved."""

    name: str
    version: int | None = None
    definition: MetricDefinition | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationRequest:
    """Targets × metrics.

    Attributes:
        origin: Rule or request id; with purpose, metric, target and watermark it makes the result's id.
        wait_seconds: What is not ready by then is answered as `Pending`, and goes on in the background.
        reuse: Return a stored success for the same metric digest and content instead of paying again.
        store: Keep the results.  Inline targets are never stored.
        deduplicate: The caller chose `origin` and may repeat the request: results that it already has are returned.
        retry_failed: With `deduplicate`: a stored failure is not returned but attempted again, once for each `run`.
        attempt: Of a rule, with `deduplicate`: stored failures of attempts before this one are attempted again.
        run: Id of the finite run that asks; '' = none.
        trial: Which repetition of it, from 0.
        background: It can wait: every other question to a judge goes first.
        meter: The budgets that pay for calls to judges; None = the engine's.
        source: With `origin`, makes the ids; None = `purpose`.  A backfill computes the very results of its rule.
        time_hint_ns: Roughly when the targets started; makes the look-up of spans cheap.
    """

    targets: tuple[Target, ...]
    metrics: tuple[MetricRef, ...]
    purpose: Purpose = Purpose.ONDEMAND
    origin: str
    wait_seconds: float = 60.0
    reuse: bool = False
    store: bool = True
    deduplicate: bool = False
    retry_failed: bool = False
    attempt: int = 1
    time_hint_ns: int | None = None
    rule: str = ""
    rule_version: int = 0
    run: str = ""
    trial: int = 0
    background: bool = False
    source: Purpose | None = None
    meter: Meter | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A pair that is not final yet.  Ask for `evaluation_id` again later.

    Attributes:
        status: `queued` = a composite whose required metrics are not all final; else `computing`.
        reason: What it waits for, where results of others (external, human) are missing.
        until: How long these are waited for.
    """

    evaluation_id: uuid.UUID
    target: TargetRef
    metric: str
    metric_version: int
    status: Status = Status.COMPUTING
    reason: str = ""
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpaid:
    """A pair that a budget does not pay for today: a decision, never a result, so that no earlier score is blanked.

    Attributes:
        reason: Which budget, how much of it is spent, and when it starts again.
        resets: When it starts again, in UTC.
    """

    target: TargetRef
    metric: str
    metric_version: int
    reason: str
    resets: datetime


Answer: TypeAlias = Evaluation | Pending


class Scoring(Protocol):
    """The one path: resolve → close over requirements → order → score → record."""

    async def evaluate(self, request: EvaluationRequest) -> list[Answer]:
        """One answer per (target, metric), targets first: t1m1, t1m2, t2m1, ….

        A pair that could not be judged is an `Evaluation` with a `Failure` or `Abstention`: the call itself succeeds.
        What a budget does not pay for is an `Abstention` that is not stored, as long as another pair has an answer.

        Raises:
            MetricNotFound, TargetNotFound, LevelMismatch, RequiredMetricMissing, TooManyTargets: Nothing was scored.
            BudgetSpent: A budget does not pay for what was asked, and there is nothing else to answer.
            ValueError: An inline target is not OTLP, or does not hold the span it names.
            storage.errors.Unavailable: ClickHouse is away.
        """
