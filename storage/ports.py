"""What the parts ask of the store.  Nouns; each port has one adapter under `storage/clickhouse/`.

Every method may raise `storage.errors.Unavailable` (a retry may succeed).  Other errors stand at the method.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol, TypeAlias

from storage.model import Anchor, Document, Evaluation, Level, Status, StoredLog, StoredSpan, TargetRef

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


class Telemetry(Protocol):
    """Reads what was stored."""

    async def locate(
        self, refs: Sequence[TargetRef], *, time_hint_ns: int | None = None
    ) -> Mapping[TargetRef, TargetRecord]:
        """Find targets by id; unknown ones are missing from the answer.  `time_hint_ns` is near a span's start."""

    async def spans(self, trace_ids: Collection[str], *, first_ns: int, last_ns: int) -> list[StoredSpan]:
        """All spans of these traces that start in [first_ns, last_ns], by trace, then start; each span once."""

    async def logs(self, trace_ids: Collection[str], *, first_ns: int, last_ns: int) -> list[StoredLog]:
        """Log records of these traces, by trace, then time; an hour of slack is given on both sides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultFilter:
    """Which results.  Empty fields do not restrict.  Times are server insert times, [since, until)."""

    targets: tuple[TargetRef, ...] = ()
    metrics: tuple[str, ...] = ()
    levels: tuple[Level, ...] = ()
    statuses: tuple[Status, ...] = ()
    rule: str = ""
    run: str = ""
    since: datetime | None = None
    until: datetime | None = None
    include_superseded: bool = False


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

    async def arrived(self, where: ResultFilter, *, after: ResultCursor, limit: int) -> list[Evaluation]:
        """Results in rising order, strictly after the cursor, never past an INSERT that still runs."""

    async def cursor_now(self) -> ResultCursor:
        """A cursor behind which nothing can appear any more: watch from here to see everything that comes."""

    async def reusable(self, target: TargetRef, metric_digest: str, input_digest: bytes) -> Evaluation | None:
        """The newest success of this metric digest on this target with this content, if any."""


class Definitions(Protocol):
    """Versioned documents with unique names.  A name or version is claimed by compare-and-set, exactly once."""

    async def create(self, kind: str, name: str, body: Mapping[str, object], *, author: str = "") -> Document:
        """Make version 1 (or the next version after a deletion).

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
    "started", "scored", "failed", "not_applicable", "not_computed", "cancelled", "poisoned"
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
