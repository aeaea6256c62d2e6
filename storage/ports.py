"""What the parts ask of the store.  Nouns; each port has one adapter under `storage/clickhouse/`.

Every method may raise `storage.errors.Unavailable` (a retry may succeed).  Other errors stand at the method.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol, TypeAlias

from storage.model import (
    Anchor,
    Document,
    Evaluation,
    JudgeAnswer,
    JudgeTrace,
    Level,
    MetricKind,
    Purpose,
    Status,
    StoredLog,
    StoredSpan,
    TargetRef,
)

FIRST_ID = uuid.UUID(int=0)
TelemetryTable = Literal["otel_traces", "otel_logs"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRequests:
    """Requests that are in a table with all their rows, by the digests in their rows, newest first.

    Attributes:
        now_us: The store's clock, microseconds.
        settled_us: No INSERT from before it still runs.  One may have ended while this was asked: whoever asks again
            starts where the answer before the last one was settled, and misses nothing.
    """

    digests: Sequence[bytes]
    now_us: int
    settled_us: int


class TelemetrySink(Protocol):
    """Takes telemetry in ClickHouse's Native format."""

    async def insert(self, table: TelemetryTable, blocks: Sequence[bytes], *, token: str) -> None:
        """Store Native blocks in one INSERT and return when it is committed.

        The same token with the same blocks is stored once, however often it is sent.

        Raises:
            Rejected: ClickHouse refuses the content; the same bytes will never be accepted.
        """

    async def stored_requests(
        self, table: TelemetryTable, *, after_us: int, until_us: int, limit: int
    ) -> StoredRequests:
        """The newest `limit` complete requests that arrived in (after, until] by the store's clock, whoever wrote them.

        A request of which only a part is there is left out, however often that part is there.
        """

    async def free_bytes(self) -> int:
        """Free space of the fullest disk of the store, in bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetRecord:
    """Where a target stands: what never moves, what it has seen, and the window of its spans' start times."""

    ref: TargetRef
    target_time_ns: int
    start_ns: int
    watermark_ms: int
    anchor: Anchor
    trace_ids: tuple[str, ...]
    first_ns: int
    last_ns: int
    observation_kind: str = ""
    """Kind of a span target (`llm`, `retriever`, …; '' = none known); '' for traces and sessions."""
    spans: int = field(default=0, compare=False)
    """Traces and sessions: how many rows of spans have arrived, copies included; 0 = not known."""
    logs: int = field(default=0, compare=False)
    """Traces and sessions: how many log records have arrived."""
    traces: tuple[TargetRecord, ...] = field(default=(), compare=False, repr=False)
    """Spans and sessions: where their traces stand, in order of arrival; () for traces, and where it is not known."""


class Telemetry(Protocol):
    """Reads what was stored."""

    async def locate(
        self, refs: Sequence[TargetRef], *, time_hint_ns: int | None = None
    ) -> Mapping[TargetRef, TargetRecord]:
        """Find targets by id; unknown ones are missing from the answer.  `time_hint_ns` is near a span's start.

        A session is all traces of which a span carries its id.  It stands at the first arrival of its id, on the root
        span of the trace that arrived first; its watermark is the newest arrival of any of its traces.
        """

    async def traces(self, trace_ids: Collection[str]) -> Mapping[str, TargetRecord]:
        """Where traces stand, by id, as `locate` says it; the anchor of earlier results is not looked for."""

    async def spans(self, trace_ids: Collection[str], *, first_ns: int, last_ns: int) -> list[StoredSpan]:
        """All spans of these traces that start in [first_ns, last_ns], by trace, then start; each span once."""

    async def logs(self, trace_ids: Collection[str], *, first_ns: int, last_ns: int) -> list[StoredLog]:
        """Log records of these traces, by trace, then time; an hour of slack is given on both sides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultFilter:
    """Which results.  Empty fields do not restrict.  Times are server insert times, [since, until).

    Attributes:
        run: All results of this run count, also those that newer ones have superseded.
        purposes: Empty = those that are shown on spans; with `run` all.
        minimum, maximum: Ends of a range of values, both included.
        labels: One of these, of a multilabel result one of its own.
    """

    targets: tuple[TargetRef, ...] = ()
    metrics: tuple[str, ...] = ()
    levels: tuple[Level, ...] = ()
    statuses: tuple[Status, ...] = ()
    rule: str = ""
    run: str = ""
    since: datetime | None = None
    until: datetime | None = None
    include_superseded: bool = False
    purposes: tuple[Purpose, ...] = ()
    kinds: tuple[MetricKind, ...] = ()
    labels: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueCursor:
    """A place in the order (value, id, attempt) of results."""

    value: float
    evaluation_id: uuid.UUID
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenEvaluation:
    """What is not final: `queued` or `computing`.  `rule` is `run:RUN_ID` for runs."""

    rule: str
    rule_version: int
    metric: str
    target: TargetRef
    watermark_ms: int
    status: Status
    reason: str
    attempt: int
    since_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultCursor:
    """A place in the order (server insert time, id, attempt) of results."""

    inserted_us: int
    evaluation_id: uuid.UUID = FIRST_ID
    attempt: int = 0


class Results(Protocol):
    """Results, append-only."""

    async def append(self, evaluations: Sequence[Evaluation]) -> None:
        """Store results.  The same (evaluation_id, attempt) again does no harm."""

    async def get(self, evaluation_id: uuid.UUID) -> Evaluation:
        """The newest attempt of one result.

        Raises:
            NotFound: There is none of this id.
        """

    async def existing(self, ids: Collection[uuid.UUID]) -> dict[uuid.UUID, Evaluation]:
        """The newest attempt of each of these results that is there."""

    async def newest(self, where: ResultFilter, *, before: ResultCursor | None, limit: int) -> list[Evaluation]:
        """Results in falling order of (insert time, id), strictly before the cursor."""

    async def ranked(
        self, where: ResultFilter, *, descending: bool, after: ValueCursor | None, limit: int
    ) -> list[Evaluation]:
        """Results with a value in rising (or falling) order of (value, id), strictly after the cursor."""

    async def unfinished(
        self, where: ResultFilter, *, before: OpenEvaluation | None, limit: int
    ) -> list[OpenEvaluation]:
        """What rules and runs have not finished, newest first, strictly before one of them.

        `statuses` says whether it is queued or computing.  Purposes, kinds, labels and values restrict nothing here.
        """

    async def arrived(self, where: ResultFilter, *, after: ResultCursor, limit: int) -> list[Evaluation]:
        """Results in rising order, strictly after the cursor, never past an INSERT that still runs."""

    async def cursor_now(self) -> ResultCursor:
        """A cursor behind which nothing can appear any more: watch from here to see everything that comes."""

    async def reusable(self, target: TargetRef, metric_digest: str, input_digest: bytes) -> Evaluation | None:
        """The newest success of this metric digest on this target with this content, if any."""

    async def current(
        self, metrics: Collection[str], *, trace_ids: Collection[str] = (), session_ids: Collection[str] = ()
    ) -> list[Evaluation]:
        """Current results of these metrics on these traces and their spans, and on these sessions; every version's."""


class JudgeTraces(Protocol):
    """Exchanges with judges, as OTel traces, apart from everybody's telemetry."""

    async def append(self, traces: Sequence[JudgeTrace]) -> None:
        """Store exchanges.  The same ones again, in the same order, do no harm."""

    async def get(self, trace_id: str) -> list[StoredSpan]:
        """The spans of one exchange by start; none where it is unknown, erased or too old."""


class JudgeAnswers(Protocol):
    """Answers of judges by the digest of the question; each is forgotten after 30 days, and with what it was about."""

    async def find(self, keys: Collection[bytes]) -> Mapping[bytes, JudgeAnswer]:
        """Those that are there."""

    async def keep(self, answers: Sequence[JudgeAnswer]) -> None:
        """Store answers; of two to one question any serves."""


class Definitions(Protocol):
    """Versioned documents with unique names.  A name or version is claimed by compare-and-set, exactly once."""

    async def create(
        self, kind: str, name: str, body: Mapping[str, object], *, author: str = "", above: int = 0
    ) -> Document:
        """Make version 1 (or the next version after a deletion), or `above` + 1 where that is more.

        Raises:
            NameTaken: There is a live document of this name.
        """

    async def replace(
        self, kind: str, name: str, base_version: int, body: Mapping[str, object], *, author: str = ""
    ) -> Document:
        """Make version base_version + 1.

        Raises:
            NotFound: No live document of this name.
            VersionMoved: Its version is no longer base_version.
        """

    async def delete(self, kind: str, name: str, base_version: int, *, author: str = "") -> None:
        """Mark as deleted; versions stay readable.  Raises as `replace` does."""

    async def get(self, kind: str, name: str, *, version: int | None = None) -> Document:
        """The current document, or one version of it (deleted or not).

        Raises:
            NotFound: There is none.
        """

    async def live(self, kind: str, *, after: str = "", limit: int = 1000) -> list[Document]:
        """Live documents in order of their names, those after `after`."""

    async def versions(self, kind: str, name: str) -> list[Document]:
        """Every version, newest first; empty where the name is unknown."""


# ---------------------------------------------------------------------------------------------------------------------
# The queue is a query: candidates are selected from what arrived, minus what was decided
# ---------------------------------------------------------------------------------------------------------------------


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


class Leases(Protocol):
    """Shards of work, each owned by one living process: `score` (16 of them), `writeback` (1), `maintenance` (1)."""

    async def take(self, name: str, owner: str, *, ttl_seconds: float) -> list[int]:
        """Take what is free or expired, renew what is owned; returns the owned shards."""

    async def release(self, owner: str) -> None:
        """Give back everything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteBackBatch:
    """What one batch of write-back did: `staged` results, of which `missing` spans were not found."""

    staged: int
    missing: int


class WriteBack(Protocol):
    """Projects current results onto the spans.  One process at a time (lease `writeback`)."""

    async def resume(self) -> int:
        """Finish batches that a dead process left behind; returns how many."""

    async def project(self, *, since_ms: int, lag_seconds: int, limit: int) -> WriteBackBatch:
        """Stage results inserted since then (less the lag) that were not staged yet, update their spans, verify."""

    async def newest_ms(self) -> int:
        """Server time of the newest result, milliseconds; 0 when there is none."""
