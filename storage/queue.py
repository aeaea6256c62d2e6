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
class Stream:
    """What one query finds ready, for every rule that is about it.

    Attributes:
        level: `trace`: traces that are complete, for rules of traces and of spans; `span`: traces of which something
            arrived, for rules of spans that do not wait; `session`: sessions that are over.
        quiet_ms: Sessions: after how much quiet they are over.
    """

    level: Level
    quiet_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Which part of a stream is asked for: ready in (since, until], by (ready_ms, id), after (since, after_id).

    Attributes:
        after_id: '' starts a window.
        arrived_ms: (from, until] where only that is asked for of which something arrived then, whenever it was ready;
            None = everything.
        shards: Of the hash of the id.
        sample_ppm: Only ids whose hash falls below; none of the rules wants more.
        limit: Rows at most.
    """

    since_ms: int
    until_ms: int
    after_id: str = ""
    arrived_ms: tuple[int, int] | None = None
    shards: Collection[int]
    sample_ppm: int = 1_000_000
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstTrace:
    """The trace of a session that started first, as far as is known, and when its spans start, nanoseconds."""

    trace_id: str
    first_ns: int
    last_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """Whether there can be anything to look for, milliseconds on the server's clock.

    Attributes:
        until_ms: How far a poll may look: nothing that arrived before can still become visible.
        newest_ms: When something arrived, or was ended, last; 0 = never.
    """

    until_ms: int
    newest_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """What arrived of a trace at one moment, milliseconds: how many roots and log records."""

    at_ms: int
    roots: int
    logs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A target that became ready, as found by a poll; for rules of spans their trace.

    Attributes:
        ready_ms: When, on the server's clock.
        bucket: Where the hash of its id falls, in [0, 999,999]; None = not known.
        has_logs: Log records of it arrived.
        first: Sessions: the trace that filters and scopes are about.  Their record lacks its traces.
    """

    record: TargetRecord
    ready_ms: int
    bucket: int | None = None
    has_logs: bool = False
    first: FirstTrace | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """What a rule's sample, scope and filter select of what is ready.

    Attributes:
        experiment_ppm: The sample of what carries `assay.experiment.id`, where it is another; None = `sample_ppm`.
        scope: `service.name` or resource attribute `assay.project`; '' = all.
        filter_sql: A boolean ClickHouse expression, compiled from an allow-list, with every literal bound.
    """

    level: Level
    sample_ppm: int
    experiment_ppm: int | None = None
    scope: str = ""
    filter_sql: str
    filter_parameters: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A target that somebody wants.

    Attributes:
        of: What was ready: the target itself, or the trace of a span.
        wanted: By whom: places in the sequence that was asked about.
    """

    record: TargetRecord
    of: Ready
    wanted: tuple[int, ...]


LedgerDecision: TypeAlias = Literal[
    "started",
    "waiting",
    "retrying",
    "scored",
    "failed",
    "not_applicable",
    "not_computed",
    "over_budget",
    "too_late",
    "filtered_out",
    "cancelled",
    "poisoned",
]
"""Those values of the table's enum that are in use.  `filtered_out` stands only where a filter waited for results: what
it leaves out at once is not written."""

TAKEN_UP_AGAIN = ("the rule was disabled", "the rule is not enabled any more")
"""Reasons of `cancelled` work, in a lane or of a dead worker, that is taken up when its rule is enabled in time."""

Decided: TypeAlias = Mapping[tuple[str, str, str], Mapping[int, LedgerDecision]]
"""Decisions by watermark, of (rule, metric, target key)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Why a target was, or is being, or was not scored by a rule, for one metric.  A row of `decisions`.

    `failed` is final: an attempt that failed and is followed by another is `retrying`.

    Attributes:
        attempt: Which evaluation this is, from 1; the death of a worker is none.
        tries: Of `started`: how often a worker began this attempt.
        first_attempt_ms: When the first attempt failed, milliseconds; 0 = none did.
    """

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
    tries: int = 1
    first_attempt_ms: int = 0


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
    ended: bool = False
    """It was ended explicitly, and nothing arrived since."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionProgress:
    """How far one session is from being over, and where its hash falls.  Milliseconds on the server's clock.

    Attributes:
        ended: It was ended explicitly, and nothing arrived since.
        traces, unrooted: How many it has, and of how many no root span has come.
        started: Ids of its traces, that which started first before the others, and when each came first as part of it.
    """

    watermark_ms: int
    ready_ms: int
    now_ms: int
    bucket: int
    ended: bool
    traces: int
    unrooted: int
    started: tuple[tuple[str, int], ...]

    def first_at(self, watermark_ms: int) -> str:
        """The trace that a filter was about when no more than this had arrived; '' = nothing had."""
        return next((trace_id for trace_id, first_ms in self.started if first_ms <= watermark_ms), "")


class Queue(Protocol):
    """Candidates, decisions and cursors of online rules."""

    async def safe_until_ms(self) -> int:
        """How far a poll may look: nothing that arrived before can still become visible.  Server clock."""

    async def probe(self) -> Probe:
        """Cheap: it reads no row of what is stored."""

    async def ready(self, stream: Stream, completion: Completion, look: Look) -> list[Ready]:
        """What of a stream became ready."""

    async def candidates(self, ready: Sequence[Ready], wanted: Sequence[Candidates]) -> list[Candidate]:
        """Targets among these that somebody wants; every `wanted` is of the same level.

        Spans are found by their traces, in order of (arrival, trace, span); else the order of `ready` is kept.
        """

    async def decided(self, rules: Collection[str], targets: Sequence[TargetRecord]) -> Decided:
        """What these rules have settled about targets of one level, or what a living worker is at.

        What was only cancelled because its rule was disabled is not settled.
        """

    async def begun_by(self, worker: str, rule: str, targets: Sequence[TargetRecord]) -> set[tuple[str, str]]:
        """(metric, target key) of targets of one level at which, says the newest word about it, this worker is."""

    async def arrivals(
        self, trace_ids: Collection[str], *, from_ms: int, until_ms: int
    ) -> Mapping[str, Sequence[Arrival]]:
        """What arrived of traces in [from, until], in order of time."""

    async def arrived_slots(self, *, from_ms: int, until_ms: int, slot_ms: int) -> Mapping[int, int]:
        """How many arrivals are stored of (from, until], by time // slot_ms; slots without any are missing."""

    async def record(self, decisions: Sequence[Decision]) -> None:
        """Append decisions."""

    async def abandoned(self, *, limit: int) -> list[Decision]:
        """Work that was started by a worker which no longer lives."""

    async def retries_due(self, *, except_rules: Collection[str] = (), limit: int) -> list[Decision]:
        """Failed attempts whose time for another has come, of rules that exist or not but these; earliest first."""

    async def waiting_due(self, rules: Collection[str], *, limit: int) -> list[Decision]:
        """What these rules wait for and whose time is over."""

    async def results_there(
        self, metrics: Collection[str], targets: Sequence[TargetRecord]
    ) -> Mapping[tuple[str, str], int]:
        """Watermarks, milliseconds, of the automatic results that count for targets of one level, by (metric, target
        key); of what others sent 2^62: it says nothing of a revision."""

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

    async def session_progress(self, session_id: str, *, quiet_ms: int) -> SessionProgress | None:
        """How far a session is that is over after so much quiet; None for an unknown one."""

    async def missing_parents(self, record: TargetRecord) -> int:
        """How many spans of the traces of a target are named as parents by others, and are not stored."""

    async def matches(self, record: TargetRecord, wanted: Candidates) -> bool:
        """Whether one target is in a rule's sample and passes its filter."""

    async def cursor_ms(self, name: str) -> int | None:
        """Where a poll stopped; None before the first time."""

    async def move_cursor(self, name: str, to_ms: int) -> None:
        """Remember where a poll stopped."""

    async def cursors_ms(self, names: Collection[str]) -> Mapping[str, int]:
        """Where polls stopped; those that never did are missing."""

    async def move_cursors(self, to_ms: Mapping[str, int]) -> None:
        """Remember where polls stopped."""


def first_arrival_ms(target: TargetRecord) -> int:
    """When something of a target, or of the trace of a span, arrived first: no revision of it is older."""
    if target.ref.level is not Level.SPAN:
        return min(target.watermark_ms, target.target_time_ns // 1_000_000)
    return min([target.watermark_ms, *(trace.target_time_ns // 1_000_000 for trace in target.traces)])
