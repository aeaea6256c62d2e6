"""The queue of online rules, which is a query.

Every method may raise `storage.errors.Unavailable` (a retry may succeed).  Other errors stand at the method.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from storage.model import Level, TargetRef
from storage.telemetry import TargetRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """When a trace counts as complete, milliseconds of quiet since its last arrival.

    `grace_one_ms` after its root ended, `grace_many_ms` when several services or logs were seen as well, `idle_ms` for
    a trace whose root did not come.
    """

    grace_one_ms: int = 1_000
    grace_many_ms: int = 6_000
    idle_ms: int = 30_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyTrace:
    """A complete trace, as found by a poll."""

    record: TargetRecord
    has_logs: bool
    ready_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """What a rule's sample and filter select from a page of complete traces."""

    level: Level
    sample_ppm: int
    filter_sql: str
    """A boolean ClickHouse expression, compiled from an allow-list, with every literal bound."""
    filter_parameters: Mapping[str, object]


LedgerDecision: TypeAlias = Literal[
    "started", "waiting", "scored", "failed", "not_applicable", "not_computed", "cancelled", "poisoned"
]
"""Those values of the table's enum that are in use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Why a target was, or is being, or was not scored by a rule, for one metric.  A row of `decisions`."""

    rule: str
    rule_version: int
    metric: str
    target: TargetRef
    watermark_ms: int
    decision: LedgerDecision
    reason: str = ""
    attempt: int = 1
    worker: str = ""
    next_attempt_ms: int = 0
    """When it is looked at again whatever happens, milliseconds; 0 = nothing is planned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A composite metric, as a rule names it, and the slugs of what it requires, itself or through others."""

    rule: str
    metric: str
    level: Level
    required: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceProgress:
    """How far one trace is from being complete, and where its hash falls.  Milliseconds on the server's clock."""

    rooted: bool
    watermark_ms: int
    ready_ms: int
    now_ms: int
    bucket: int


class Queue(Protocol):
    """Candidates, decisions and cursors of online rules."""

    async def safe_until_ms(self) -> int:
        """How far a poll may look: nothing that arrived before can still become visible.  Server clock."""

    async def ready_traces(
        self,
        completion: Completion,
        *,
        since_ms: int,
        until_ms: int,
        after_id: str,
        shards: Collection[int],
        limit: int,
    ) -> list[ReadyTrace]:
        """Traces that became complete in (since, until], in order of (ready_ms, trace id), after (since, after_id)."""

    async def candidates(self, traces: Sequence[ReadyTrace], wanted: Candidates) -> list[TargetRecord]:
        """Targets of one rule among these traces."""

    async def decided(self, rule: str, targets: Sequence[TargetRecord]) -> set[tuple[str, str, int]]:
        """(metric, target key, watermark) that the rule has settled, or that a living worker is at."""

    async def record(self, decisions: Sequence[Decision]) -> None:
        """Append decisions."""

    async def abandoned(self, *, limit: int) -> list[Decision]:
        """Work that was started by a worker which no longer lives."""

    async def waiting_due(self, rules: Collection[str], *, limit: int) -> list[Decision]:
        """What these rules wait for and whose time is over."""

    async def results_until_us(self) -> int:
        """How far one may look for results that came: nothing from before can still become visible.  Server clock."""

    async def arrived_metrics(self, metrics: Collection[str], *, after_us: int, until_us: int) -> set[str]:
        """Of which of these metrics results came in (after, until]."""

    async def woken(
        self, watched: Watched, *, after_us: int, until_us: int, again: Collection[TargetRef]
    ) -> list[Decision]:
        """Newest decisions about targets of which something required came in (after, until], and those named."""

    async def decisions_of(self, rule: str, target: TargetRef) -> list[tuple[Decision, bool]]:
        """The newest decision per metric about one target, and whether its worker lives."""

    async def progress(self, trace_id: str, completion: Completion) -> TraceProgress | None:
        """How far a trace is; None for an unknown one."""

    async def matches(self, record: TargetRecord, wanted: Candidates) -> bool:
        """Whether one target is in a rule's sample and passes its filter."""

    async def cursor_ms(self, name: str) -> int | None:
        """Where a poll stopped; None before the first time."""

    async def move_cursor(self, name: str, to_ms: int) -> None:
        """Remember where a poll stopped."""
