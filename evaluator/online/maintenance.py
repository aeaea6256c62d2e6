"""Maintenance: one copy of every span, and journal, rollups and sessions in step with what is stored.

Arrivals are looked at once, window by window, never past an INSERT that still runs.  The cursor moves after a window is
done; whatever is cut off is done again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import asdict

from evaluator.online.leases import LeaseKeeper
from storage.errors import StorageError
from storage.maintenance import ArrivalWindow, Maintenance, MaintenanceWork
from storage.queue import Queue

log = logging.getLogger(__name__)

CURSOR = "maintenance"
PAUSE_SECONDS = 30.0
WINDOW_SECONDS = 60
LOOKBACK_MS = 86_400_000
"""Where a database that was never maintained begins."""
ROUND_SECONDS = 20.0
"""A round with more to do than this goes on in the next one, at once."""
PATCHES_SECONDS = 3600.0
QUIET_SECONDS = 3600


class MaintenanceWorker:
    """Maintains until cancelled, while this process holds the lease."""

    def __init__(
        self, maintenance: Maintenance, queue: Queue, leases: LeaseKeeper, *, pause_seconds: float = PAUSE_SECONDS
    ) -> None:
        self._maintenance = maintenance
        self._queue = queue
        self._leases = leases
        self._pause_seconds = pause_seconds
        self._patched_at = -PATCHES_SECONDS

    async def run(self) -> None:
        """A round every `pause_seconds`; what goes wrong is tried again."""
        while True:
            behind = False
            try:
                if self._leases.owned("maintenance"):
                    behind = await self.round()
                    await self._apply_patches()
            except StorageError as error:
                log.warning("maintenance_postponed", extra={"reason": str(error)})
            await asyncio.sleep(min(1.0, self._pause_seconds) if behind else self._pause_seconds)

    async def round(self) -> bool:
        """Look at what arrived since the last round; returns whether more is waiting."""
        until_ms = await self._queue.safe_until_ms()
        saved_ms = await self._queue.cursor_ms(CURSOR)
        cursor_ms = until_ms - LOOKBACK_MS if saved_ms is None else saved_ms
        ends_at = time.monotonic() + ROUND_SECONDS
        while cursor_ms < until_ms and time.monotonic() < ends_at and self._leases.owned("maintenance"):
            window = await self._maintenance.next_window(since_ms=cursor_ms, until_ms=until_ms, seconds=WINDOW_SECONDS)
            if window is None:
                cursor_ms = until_ms
            else:
                await self._maintain(window)
                cursor_ms = window.until_ms
        await self._queue.move_cursor(CURSOR, cursor_ms)
        return cursor_ms < until_ms

    async def _maintain(self, window: ArrivalWindow) -> None:
        started = time.monotonic()
        removed = await self._maintenance.remove_copies(window)
        await self._tell(removed, started)
        if removed and (left := await self._maintenance.copies(window)):  # the window is closed: nothing can have come
            log.error("copies_stay", extra=asdict(left))
        started = time.monotonic()
        await self._tell(await self._maintenance.reconcile(window), started)

    async def _tell(self, done: MaintenanceWork, started: float) -> None:
        if done:
            log.info("maintained", extra={**asdict(done), "seconds": round(time.monotonic() - started, 3)})
            await self._maintenance.remember(self._leases.owner, done)

    async def _apply_patches(self) -> None:
        """Open days are merged all the time, which applies them; a closed day of one part is not."""
        if time.monotonic() - self._patched_at < PATCHES_SECONDS:
            return
        self._patched_at = time.monotonic()
        if days := await self._maintenance.apply_patches(quiet_seconds=QUIET_SECONDS):
            log.info("patches_applied", extra={"days": days})
