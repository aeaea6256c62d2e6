"""Refuses telemetry while the store's disk is nearly full: what is refused is sent again, a full disk breaks merges."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass

from storage.errors import DiskLow, StorageError
from storage.telemetry import TelemetrySink

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskLimits:
    """`min_free_bytes` of the fullest disk must be free (0 = no limit); it is looked up every `poll_seconds`."""

    min_free_bytes: int = 1 << 30
    poll_seconds: float = 2.0


class DiskGuard:
    """Knows whether there is room.  While ClickHouse is away the last answer stands: the INSERT will say it itself."""

    def __init__(self, sink: TelemetrySink, limits: DiskLimits) -> None:
        self._sink = sink
        self._limits = limits
        self._free_bytes: int | None = None

    def check(self) -> None:
        """Raise `DiskLow` where too little is free."""
        if self._low():
            raise DiskLow(
                f"the store has {self._free_bytes} bytes of disk left, the limit is {self._limits.min_free_bytes}: "
                "free some space or shorten the retention; telemetry is taken again by itself",
                retry_seconds=max(5.0, 2 * self._limits.poll_seconds),
            )

    async def look(self) -> None:
        """Ask the store once."""
        was_low = self._low()
        try:
            self._free_bytes = await self._sink.free_bytes()
        except StorageError as error:
            log.warning("free_space_unknown", extra={"reason": str(error)})
            return
        if self._low() != was_low:
            log.warning(
                "disk_low" if self._low() else "disk_has_room_again",
                extra={"free_bytes": self._free_bytes, "min_free_bytes": self._limits.min_free_bytes},
            )

    async def run(self, stop: asyncio.Event) -> None:
        """Look every `poll_seconds` until `stop`."""
        while not stop.is_set():
            await self.look()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), self._limits.poll_seconds)

    def _low(self) -> bool:
        return self._free_bytes is not None and self._free_bytes < self._limits.min_free_bytes
