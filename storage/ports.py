"""What the parts ask of the store.  Nouns; each port has one adapter under `storage/clickhouse/`.

Every method may raise `storage.errors.Unavailable` (a retry may succeed).  Other errors stand at the method.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from storage.model import Anchor, Document, Evaluation, Level, Status, StoredLog, StoredSpan, TargetRef

TelemetryTable = Literal["otel_traces", "otel_logs"]


class TelemetrySink(Protocol):
    """Takes telemetry in ClickHouse's Native format."""

    async def insert(self, table: TelemetryTable, body: bytes, *, token: str) -> None:
        """Store `body` (Native blocks that follow each other) and return when it is committed.

        The same token with the same bytes is stored once, however often it is sent.

        Raises:
            Rejected: ClickHouse refuses the content; the same bytes will never be accepted.
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

    async def locate(self, refs: Sequence[TargetRef], *, time_hint_ns: int | None = None) -> Mapping[TargetRef, TargetRecord]:
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
    evaluation_id: uuid.UUID = uuid.UUID(int=0)
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

    async def list(self, kind: str, *, after: str = "", limit: int = 1000) -> list[Document]:
        """Live documents in order of their names, those after `after`."""

    async def versions(self, kind: str, name: str) -> list[Document]:
        """Every version, newest first; empty where the name is unknown."""
