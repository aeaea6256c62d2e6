"""In-memory sinks for what a real ClickHouse cannot be told to do: be away, be slow, be full at a given moment."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from storage.telemetry import StoredRequests, TelemetryTable

NOW_US = 1_790_000_000_000_000


@dataclass(slots=True)
class MemorySink:
    """Keeps what is inserted.

    Attributes:
        open: INSERTs wait while it is not set.
        errors: Raised by the next INSERTs, one each.
        refused: Bodies with these bytes in them raise `refusal`.
        free: Free bytes; an exception is raised instead.
        known: When requests arrived whose rows are all there, by digest; it is not filled by INSERTs.
        now_us: The clock of the store.
        silent_before_us: Looks for what arrived before that are never answered.
        running_since_us: When an INSERT began that still runs; None = there is none.
        look_errors: Raised by the next looks for stored requests, one each; None = this one succeeds.
    """

    open: asyncio.Event = field(default_factory=asyncio.Event)
    errors: deque[Exception] = field(default_factory=deque)
    refused: bytes = b""
    refusal: Exception | None = None
    free: int | Exception = 1 << 40
    known: dict[bytes, int] = field(default_factory=dict)
    now_us: int = NOW_US
    silent_before_us: int = 0
    running_since_us: int | None = None
    look_errors: deque[Exception | None] = field(default_factory=deque)
    looks: list[tuple[int, int]] = field(default_factory=list)
    attempts: list[tuple[TelemetryTable, bytes, str]] = field(default_factory=list)
    stored: list[tuple[TelemetryTable, bytes, str]] = field(default_factory=list)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    def __post_init__(self) -> None:
        self.open.set()

    async def insert(self, table: TelemetryTable, blocks: Sequence[bytes], *, token: str) -> None:
        """See the class."""
        body = b"".join(blocks)
        async with self.changed:
            self.attempts.append((table, body, token))
            self.changed.notify_all()
        await self.open.wait()
        if self.errors:
            raise self.errors.popleft()
        if self.refusal is not None and self.refused in body:
            raise self.refusal
        self.stored.append((table, body, token))

    async def stored_requests(
        self, table: TelemetryTable, *, after_us: int, until_us: int, limit: int
    ) -> StoredRequests:
        """See the class."""
        self.looks.append((after_us, until_us))
        if self.look_errors and (error := self.look_errors.popleft()) is not None:
            raise error
        if 0 < after_us < self.silent_before_us:
            await asyncio.Event().wait()
        found = sorted(self.known.items(), key=lambda item: -item[1])
        return StoredRequests(
            digests=[digest for digest, at_us in found if after_us < at_us <= until_us][:limit],
            now_us=self.now_us,
            settled_us=self.now_us if self.running_since_us is None else self.running_since_us,
        )

    async def free_bytes(self) -> int:
        """See the class."""
        if isinstance(self.free, Exception):
            raise self.free
        return self.free

    async def wait_for_attempts(self, number: int) -> None:
        """Until so many INSERTs were begun."""
        async with self.changed:
            await self.changed.wait_for(lambda: len(self.attempts) >= number)
