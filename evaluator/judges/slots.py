"""A bounded number of calls at once: who asks again comes first, who can wait comes last."""

from __future__ import annotations

import asyncio
from collections import deque


class Slots:
    """Places at one endpoint; first come, first served, among those that ask again, those that ask, and those that can
    wait (runs): these get a place when nobody else wants it."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._again: deque[asyncio.Future[None]] = deque()
        self._first: deque[asyncio.Future[None]] = deque()
        self._background: deque[asyncio.Future[None]] = deque()

    def taken(self) -> bool:
        """Take a place if one is free, which it never is while somebody waits."""
        if self._free <= 0:
            return False
        self._free -= 1
        return True

    async def acquire(self, *, again: bool, background: bool = False) -> None:
        """Wait for a place; a cancelled wait takes none."""
        if self.taken():
            return
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        line = self._again if again else self._background if background else self._first
        line.append(mine)
        try:
            await mine
        except asyncio.CancelledError:
            if not mine.cancelled():  # it had just been handed over
                self.release()
            raise

    def release(self) -> None:
        """Give a place back: to whoever waits, else to the free ones."""
        for line in (self._again, self._first, self._background):
            while line:
                next_one = line.popleft()
                if not next_one.done():
                    next_one.set_result(None)
                    return
        self._free += 1
