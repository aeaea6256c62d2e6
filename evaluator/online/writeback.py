"""Puts current results onto their spans: one process at a time, at most one UPDATE a second."""

from __future__ import annotations

import asyncio
import logging
import time

from evaluator.online.leases import LeaseKeeper
from storage.errors import StorageError
from storage.writeback import WriteBack

log = logging.getLogger(__name__)

PAUSE_SECONDS = 1.0
LAG_SECONDS = 60
SWEEP_SECONDS = 600.0
SWEEP_LAG_SECONDS = 86_400
MAX_RESULTS = 10_000


class WriteBackWorker:
    """Projects until cancelled."""

    def __init__(self, write_back: WriteBack, leases: LeaseKeeper, *, pause_seconds: float = PAUSE_SECONDS) -> None:
        self._write_back = write_back
        self._leases = leases
        self._pause_seconds = pause_seconds
        self._projected_ms = -1
        self._swept_at = -SWEEP_SECONDS
        self._missing_until = 0.0

    async def run(self) -> None:
        """Look every second whether results came, and project them; what goes wrong is tried again."""
        resumed = False
        while True:
            try:
                if not self._leases.owned("writeback"):
                    resumed = False  # another process may leave something staged meanwhile
                else:
                    if not resumed:
                        await self._write_back.resume()
                        resumed = True
                    await self.step()
            except StorageError as error:
                log.warning("write_back_postponed", extra={"reason": str(error)})
                self._swept_at = -SWEEP_SECONDS  # it may have been away for longer than the lag reaches back
            await asyncio.sleep(self._pause_seconds)

    async def step(self) -> None:
        """One round: nothing when nothing came, else as many batches as it takes."""
        newest_ms = await self._write_back.newest_ms()
        now = time.monotonic()
        sweep = now - self._swept_at >= SWEEP_SECONDS
        if newest_ms <= self._projected_ms and not sweep and now >= self._missing_until:
            return
        settled_ms = await self._write_back.settled_ms()  # before anything is read
        lag_seconds = SWEEP_LAG_SECONDS if sweep else LAG_SECONDS
        since_ms = self._projected_ms if self._projected_ms > 0 else newest_ms  # a slow round must not leave a gap
        while True:
            batch = await self._write_back.project(since_ms=since_ms, lag_seconds=lag_seconds, limit=MAX_RESULTS)
            if batch.missing:  # spans that are not there yet: the next rounds look again for a while
                log.info("write_back_missing", extra={"spans": batch.missing})
                self._missing_until = now + LAG_SECONDS
            if batch.staged < MAX_RESULTS:
                break
            await asyncio.sleep(self._pause_seconds)
        # Of an INSERT that still ran, a row may be there and not count yet, or come with a time that is past.
        self._projected_ms = min(newest_ms, settled_ms - 1)
        if sweep:
            self._swept_at = now
