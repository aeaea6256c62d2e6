"""Places at which runs are worked on: while live work is at hand, only a few of them are used."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Protocol

LOOK_SECONDS = 0.1


class Live(Protocol):
    """What rules are at (`evaluator.online.polling.worker.OnlineWorker`)."""

    def busy(self) -> bool:
        """Whether something that just arrived is being scored, or waits for it."""


class NothingLive:
    """No rules in this process."""

    def busy(self) -> bool:
        """Never."""
        return False


class Places:
    """A bounded number of places; of one that is taken, the work goes on whatever comes.

    Args:
        beside_live: How many of them while live work is at hand: a run never stands still, but it keeps nobody waiting.
    """

    def __init__(self, count: int, *, beside_live: int = 1, live: Live) -> None:
        self._count = count
        self._beside_live = min(count, beside_live)
        self._live = live
        self._taken = 0
        self._given_back = asyncio.Event()

    async def acquire(self) -> None:
        """Wait for a place; a cancelled wait takes none."""
        while self._taken >= (self._beside_live if self._live.busy() else self._count):
            self._given_back.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._given_back.wait()
        self._taken += 1

    def release(self) -> None:
        """Give a place back."""
        self._taken -= 1
        self._given_back.set()
