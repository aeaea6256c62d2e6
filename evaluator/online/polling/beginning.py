"""Where work begins: in the ledger first, then in the lanes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace

from evaluator.online.leases import LeaseKeeper
from evaluator.online.polling.lanes import Enabled, Lanes
from evaluator.online.polling.work import Chunk, Pace, entries
from storage.errors import Unavailable
from storage.queue import Queue

log = logging.getLogger(__name__)


class Stopping(Exception):
    """Nothing more is started; the cursors stay where they are."""


class Beginning:
    """Writes `started`, signed by the owner of the lease, and hands over.

    Attributes:
        stop: When set, nothing more begins.
    """

    def __init__(self, *, queue: Queue, lanes: Lanes, enabled: Enabled, leases: LeaseKeeper, pace: Pace) -> None:
        self.stop = asyncio.Event()
        self._queue = queue
        self._lanes = lanes
        self._enabled = enabled
        self._leases = leases
        self._pause_seconds = pace.poll_seconds

    async def begin(self, chunks: Sequence[Chunk]) -> set[str]:
        """Begin what is due; returns rules that were disabled meanwhile, of which nothing begins.

        Raises:
            Stopping: This process is about to end.
            Unavailable: The lease ran out since it was found: another worker may be at it.
        """
        term = self._leases.term
        if chunks and not self._leases.owned("score"):
            raise Unavailable("the lease ran out while work was looked for")
        disabled = {rule for rule in _rules(chunks) if not await self._enabled.now(rule)}
        begun = [chunk for chunk in chunks if chunk.rule.name not in disabled]
        started = [entry for chunk in begun for entry in entries(chunk, "started", worker=self._leases.owner)]
        while started:
            if self.stop.is_set():
                raise Stopping
            try:
                await self._queue.record(started)
                break
            except Unavailable as error:  # perhaps it was stored all the same, and would then hold this work for ever
                log.warning("start_postponed", extra={"rules": sorted(_rules(begun)), "reason": str(error)})
                await asyncio.sleep(self._pause_seconds)
        for chunk in begun:
            self._lanes.put(replace(chunk, term=term))
        return disabled


def _rules(chunks: Iterable[Chunk]) -> set[str]:
    return {chunk.rule.name for chunk in chunks}
