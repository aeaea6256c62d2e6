"""In-memory sinks for what a real ClickHouse cannot be told to do: be away, be slow, be full at a given moment."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field

from storage.ports import TelemetryTable


@dataclass(slots=True)
class MemorySink:
    """Keeps what is inserted.

    Attributes:
        open: INSERTs wait while it is not set.
        errors: Raised by the next INSERTs, one each.
        refused: Bodies with these bytes in them raise `refusal`.
        free: Free bytes; an exception is raised instead.
    """

    open: asyncio.Event = field(default_factory=asyncio.Event)
    errors: deque[Exception] = field(default_factory=deque)
    refused: bytes = b""
    refusal: Exception | None = None
    free: int | Exception = 1 << 40
    attempts: list[tuple[TelemetryTable, bytes, str]] = field(default_factory=list)
    stored: list[tuple[TelemetryTable, bytes, str]] = field(default_factory=list)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    def __post_init__(self) -> None:
        self.open.set()

    async def insert(self, table: TelemetryTable, body: bytes, *, token: str) -> None:
        """See the class."""
        async with self.changed:
            self.attempts.append((table, body, token))
            self.changed.notify_all()
        await self.open.wait()
        if self.errors:
            raise self.errors.popleft()
        if self.refusal is not None and self.refused in body:
            raise self.refusal
        self.stored.append((table, body, token))

    async def free_bytes(self) -> int:
        """See the class."""
        if isinstance(self.free, Exception):
            raise self.free
        return self.free

    async def wait_for_attempts(self, number: int) -> None:
        """Until so many INSERTs were begun."""
        async with self.changed:
            await self.changed.wait_for(lambda: len(self.attempts) >= number)
