"""Whose turn it is: owners share the workers, and one whose code hangs waits for itself alone."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Lane:
    """The turns of one owner: `width` at the same time, one while its code hangs."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._stuck = False
        self._running = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def idle(self) -> bool:
        """Whether nothing has to be remembered of it."""
        return not (self._running or self._waiting or self._stuck)

    def hung(self) -> None:
        """A run came to the time limit."""
        self._stuck = True

    def answered(self) -> None:
        """A run came to an end of its own."""
        self._stuck = False

    async def enter(self) -> None:
        """Wait for a turn of this owner, first come first served."""
        if self._running < self._open and not self._waiting:
            self._running += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # it was handed a turn that it will not use
                self.leave()
            else:
                self._waiting.remove(turn)
            raise

    def leave(self) -> None:
        """Give the turn back."""
        self._running -= 1
        while self._waiting and self._running < self._open:
            turn = self._waiting.popleft()
            if not turn.done():
                self._running += 1
                turn.set_result(None)

    @property
    def _open(self) -> int:
        return 1 if self._stuck else self._width


class Lanes:
    """`width` turns at the same time, at most half of them one owner's."""

    def __init__(self, width: int) -> None:
        self._share = max(1, width // 2)
        self._free = asyncio.Semaphore(width)
        self._lanes: defaultdict[str, Lane] = defaultdict(lambda: Lane(self._share))

    @asynccontextmanager
    async def turn(self, owner: str) -> AsyncIterator[Lane]:
        """Wait for a turn, and hold it."""
        lane = self._lanes[owner]
        await lane.enter()
        try:
            async with self._free:
                yield lane
        finally:
            lane.leave()
            if lane.idle:
                self._lanes.pop(owner, None)
