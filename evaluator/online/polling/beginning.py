"""Where work begins: in the ledger first, then in the lanes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence

from evaluator.online.polling.lanes import Enabled, Lanes
from evaluator.online.polling.work import Chunk, entries
from storage.errors import Unavailable
from storage.queue import Queue

log = logging.getLogger(__name__)


class Stopping(Exception):
    """Nothing more is started; the cursors stay where they are."""


class Beginning:
    """Writes `started` and hands over.  `owner` signs the ledger.

    Attributes:
        stop: When set, nothing more begins.
    """

    def __init__(self, *, queue: Queue, lanes: Lanes, enabled: Enabled, owner: str, pause_seconds: float) -> None:
        self.stop = asyncio.Event()
        self._queue = queue
        self._lanes = lanes
        self._enabled = enabled
        self._owner = owner
        self._pause_seconds = pause_seconds

    async def begin(self, chunks: Sequence[Chunk]) -> set[str]:
        """Begin what is due; returns rules that were disabled meanwhile, of which nothing begins.

        Raises:
            Stopping: This process is about to end.
        """
        disabled = {rule for rule in _rules(chunks) if not await self._enabled.now(rule)}
        begun = [chunk for chunk in chunks if chunk.rule.name not in disabled]
        started = [entry for chunk in begun for entry in entries(chunk, "started", worker=self._owner)]
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
            self._lanes.put(chunk)
        return disabled


def _rules(chunks: Iterable[Chunk]) -> set[str]:
    return {chunk.rule.name for chunk in chunks}
