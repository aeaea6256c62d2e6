"""Spans and logs: in, and out again.

Every method may raise `storage.errors.Unavailable` (a retry may succeed).  Other errors stand at the method.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from storage.model import Anchor, StoredLog, StoredSpan, TargetRef

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
