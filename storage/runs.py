"""Finite evaluations: what a run is in the store, and the port that keeps it.

A run selects its targets by a query, page by page, or has them in the ledger of decisions as `waiting` rows.  Either
way the ledger, under `run:RUN_ID`, says what became of each (target, metric).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from storage.model import Level, TargetRef
from storage.telemetry import TargetRecord


class RunState(StrEnum):
    """Where a run stands.  The first final state stands."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    """Everything was concluded; abstentions are conclusions."""
    PARTIAL = "PARTIAL"
    """Everything was attempted, and some of it failed."""
    FAILED = "FAILED"
    """Nothing could be concluded."""
    CANCELLED = "CANCELLED"

    @property
    def is_final(self) -> bool:
        """Whether nothing will change any more."""
        return self not in (RunState.PENDING, RunState.RUNNING)


class RunKind(StrEnum):
    """What a run is for."""

    BATCH = "batch"
    """Targets that somebody named, or the failures of another run."""
    BACKFILL = "backfill"
    """Stored targets that a filter selects."""
    RECOMPUTE = "recompute"
    """Targets that have a result of the metric already; the new ones stand beside the old."""


class Only(StrEnum):
    """Which targets a backfill takes, by what the rule decided about them last."""

    OVER_BUDGET = "over_budget"
    FAILED = "failed"
    """Set aside because workers died at them, too."""
    CANCELLED = "cancelled"
    UNSCORED = "unscored"
    """The rule has decided nothing about them: they are from before its look-back, or it did not exist."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run as it was asked for.  `selection`, `estimate` and `config` are JSON objects.

    Attributes:
        subject: What people call it; '' = nothing.
        metrics: `name@version`.
        retry_of: The run whose failures it evaluates again; '' = none.
    """

    run_id: str
    kind: RunKind
    subject: str = ""
    selection: Mapping[str, object]
    metrics: tuple[str, ...]
    estimate: Mapping[str, object] = field(default_factory=dict)
    config: Mapping[str, object] = field(default_factory=dict)
    retry_of: str = ""
    author: str = ""
    created: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTally:
    """What is done of a run: how often each decision was taken, and what it cost.

    Attributes:
        decisions: (target, metric) pairs by decision of the ledger: `scored`, `failed`, ….
        judge_calls: Requests to judges, transport retries included.
        cost_usd: Of what has a known price.
        unpriced: Results whose price is not known.
    """

    decisions: Mapping[str, int] = field(default_factory=dict)
    judge_calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0
    unpriced: int = 0

    @property
    def done(self) -> int:
        """Pairs that are settled."""
        return sum(self.decisions.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStanding:
    """A run and where it stands.

    Attributes:
        total: Pairs that it will settle, as far as is known; exact once it is final.
        detail: Why it ended as it did; '' where its state says it all.
        checkpoint: Where its selection was interrupted; () = at the beginning.
        updated: When its last event was recorded; None before the first.
    """

    run: Run
    state: RunState
    total: int = 0
    tally: RunTally = RunTally()
    detail: str = ""
    checkpoint: tuple[str | int, ...] = ()
    cancel_requested: bool = False
    updated: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFailures:
    """How often one metric failed in a run for one reason; `message` is one of theirs."""

    metric: str
    code: str
    count: int
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Selected:
    """What a selection asks for: a window of start times [since, until), a sample, a filter, arrived before a time.

    Attributes:
        experiment_ppm: The sample of what carries `assay.experiment.id`, where it is another; None = `sample_ppm`.
        scope: `service.name` or resource attribute `assay.project`; '' = all.
        filter_sql: A boolean ClickHouse expression, compiled from an allow-list, with every literal bound.
    """

    level: Level
    since_ns: int
    until_ns: int
    arrived_ms: int
    sample_ppm: int = 1_000_000
    experiment_ppm: int | None = None
    scope: str = ""
    filter_sql: str = "1"
    filter_parameters: Mapping[str, object] = field(default_factory=dict)

    @property
    def reads_traces(self) -> bool:
        """Of traces and sessions: whether more than ids and times decides."""
        return bool(self.scope) or self.filter_sql != "1" or self.experiment_ppm is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerState:
    """The newest decision of a rule about one target and metric.

    Attributes:
        under_way: A living worker is at it, or it comes back by itself: it waits, or is to be tried again.
    """

    decision: str
    watermark_ms: int
    under_way: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectedTarget:
    """A target of a page, in the order (start, ids)."""

    ref: TargetRef
    start_ns: int
    observation_kind: str = ""
    first_trace_id: str = ""
    """Sessions: the trace that started first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedTarget:
    """A target of a run's ledger that is not settled: the watermark under which each of its metrics stands there."""

    ref: TargetRef
    watermark_ms: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecentCost:
    """Averages over recent results of one metric, any version.  `cost_usd` is None where no price is known."""

    results: int
    judge_calls: float
    input_tokens: float
    output_tokens: float
    cost_usd: float | None


class Runs(Protocol):
    """Runs, append-only.  Every method may raise `storage.errors.Unavailable`."""

    async def create(self, run: Run) -> None:
        """Store a run; the same id again does no harm."""

    async def get(self, run_id: str) -> RunStanding:
        """One run.

        Raises:
            NotFound: There is none of this id.
        """

    async def newest(
        self, *, states: Collection[RunState], before: tuple[int, str] | None, limit: int
    ) -> list[RunStanding]:
        """Runs, newest first, strictly before (create time in microseconds, id); no states = all."""

    async def unfinished(self, shards: Collection[int]) -> list[str]:
        """Ids of runs in these shards that have no final state, oldest first."""

    async def is_final(self, run_id: str) -> bool:
        """Whether a run has a final state."""

    async def enter(self, run_id: str, state: RunState, *, total: int, tally: RunTally, detail: str = "") -> None:
        """Record a state; it counts unless there is a final one already."""

    async def progress(self, run_id: str, *, total: int, tally: RunTally, checkpoint: Sequence[str | int]) -> None:
        """Record how far a run has come."""

    async def request_cancel(self, run_id: str) -> None:
        """Record the wish."""

    async def tally(self, run_id: str) -> RunTally:
        """What the ledger and the results say is done."""

    async def failures(self, run_id: str) -> list[RunFailures]:
        """Why results of a run failed, the most frequent reasons first, at most 100."""

    async def unpaid(self, run_id: str) -> Mapping[str, int]:
        """How many pairs of a run no budget covered, by metric."""

    async def page(
        self, selected: Selected, *, after: Sequence[str | int], until_ns: int, limit: int
    ) -> list[SelectedTarget]:
        """Targets that start in [start of `after`, until), strictly after `after` (start, ids), through the filter.

        The filter is applied to spans only: that of traces and sessions reads more than this query does.
        """

    async def count(self, selected: Selected) -> dict[str, int]:
        """How many targets a selection has, by kind of span ('' = not known, and for traces and sessions).

        The filter counts for spans only.
        """

    async def count_scored(self, selected: Selected, metrics: Mapping[str, int]) -> dict[str, int]:
        """How many targets `enqueue_scored` would find, by metric."""

    async def enqueue(self, run_id: str, targets: Sequence[TargetRecord], metrics: Sequence[str]) -> None:
        """Put targets × metrics into a run's ledger."""

    async def enqueue_failures(self, run_id: str, of_run: str, metrics: Collection[str]) -> None:
        """Put every (target, metric of these) that failed at last in another run, or that no budget covered there, into
        a run's ledger."""

    async def enqueue_scored(self, run_id: str, selected: Selected, metrics: Mapping[str, int]) -> None:
        """Put every target that has a current result of these metrics, but not of these versions, into the ledger."""

    async def queued(self, run_id: str, *, after: Sequence[str | int], limit: int) -> list[QueuedTarget]:
        """Targets of a run's ledger that are not settled, in order of (level, id), strictly after those."""

    async def queued_metrics(self, run_id: str) -> dict[str, int]:
        """How many targets of a run's ledger wait for each metric."""

    async def settled(self, run_id: str, targets: Sequence[TargetRecord]) -> set[tuple[str, str, int]]:
        """(metric, target key, watermark) of these targets that a run's ledger has settled."""

    async def concluded(
        self, metrics: Mapping[str, int], targets: Sequence[TargetRecord]
    ) -> dict[tuple[str, str], int]:
        """Automatic results of these metric versions, failures aside: watermark by metric and target key."""

    async def decided_by(self, rule: str, targets: Sequence[TargetRecord]) -> dict[tuple[str, str], LedgerState]:
        """What a rule decided last about targets of one level, by metric, as the rule names it, and target key."""

    async def close(self, run_id: str, reason: str) -> None:
        """Mark what is open in a run's ledger as cancelled."""

    async def sweep(self, *, quiet_seconds: int) -> None:
        """Mark as cancelled what is still open, for so long, of runs that have ended lately or were never created."""

    async def recent_costs(self, metrics: Collection[str], level: Level) -> dict[str, RecentCost]:
        """What results of these metrics cost lately; metrics without any are missing."""
