"""Queues that follow: what their sources select is added, minute by minute, by the one process that holds the lease."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from evaluator.errors import EvaluatorError
from evaluator.online.leases import LeaseKeeper
from evaluator.reviewing.catalogue import Queues
from evaluator.reviewing.definition import ReviewQueue
from evaluator.reviewing.filling import Filling
from evaluator.reviewing.selecting import window
from storage.errors import StorageError
from storage.reviewing import ReviewItems

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How queues follow.

    Attributes:
        look_seconds: Between two fillings.
        settle_seconds: So old a target must be: what starts now is not complete yet.
        overlap_seconds: So far back each filling looks beyond the one before: what was late is found.
        whole_seconds: Now and then the whole window is looked through.
    """

    look_seconds: float = 60.0
    settle_seconds: float = 60.0
    overlap_seconds: float = 1800.0
    whole_seconds: float = 3600.0


PACE = Pace()


class FollowWorker:
    """Works until cancelled, while this process holds the lease `maintenance`."""

    def __init__(
        self, *, queues: Queues, items: ReviewItems, filling: Filling, leases: LeaseKeeper, pace: Pace = PACE
    ) -> None:
        self._queues = queues
        self._items = items
        self._filling = filling
        self._leases = leases
        self._pace = pace
        self._filled: dict[tuple[str, int], datetime] = {}
        self._whole: dict[tuple[str, int], float] = {}

    async def run(self) -> None:
        """Fill; what goes wrong is tried again."""
        while True:
            try:
                if self._leases.owned("maintenance"):
                    await self.fill()
                else:
                    self._filled.clear()
                    self._whole.clear()
            except StorageError as error:
                log.warning("queues_not_filled", extra={"reason": str(error)})
            await asyncio.sleep(self._pace.look_seconds)

    async def fill(self) -> None:
        """Once; a queue that cannot be filled keeps no other waiting."""
        following = await self._queues.following()
        progress = await self._items.progress({queue.name: queue.quorum for queue in following})
        for queue in following:
            try:
                await self._fill(queue, waiting=progress[queue.name].waiting)
            except EvaluatorError as error:  # its metric was deleted, say
                log.warning("queue_not_filled", extra={"queue": queue.name, "reason": str(error)})

    async def _fill(self, queue: ReviewQueue, *, waiting: int) -> None:
        source = queue.source
        if source is None or waiting >= source.limit:
            return
        key = queue.name, queue.version
        now = datetime.now(UTC)
        start, until = window(source, now - timedelta(seconds=self._pace.settle_seconds))
        if source.reads_results:
            until = now
        whole = time.monotonic() - self._whole.get(key, -self._pace.whole_seconds) >= self._pace.whole_seconds
        if not whole and key in self._filled:
            start = max(start, self._filled[key] - timedelta(seconds=self._pace.overlap_seconds))
        if start >= until:
            return
        filled = await self._filling.fill(queue, source, start=start, until=until, most=source.limit - waiting)
        if filled.added:
            log.info("queue_filled", extra={"queue": queue.name, "added": filled.added})
        if filled.added < source.limit - waiting:  # else more is waiting in the window
            self._filled[key] = until
        if whole:
            self._whole[key] = time.monotonic()
