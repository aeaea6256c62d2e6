"""An endpoint that cannot be reached is left alone for a while; then one question tries it for all."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

FAILURES = 5
FIRST_SECONDS = 1.0
LONGEST_SECONDS = 30.0


class Breaker:
    """Closed (asked freely), open (nobody asks), half open (one asks, the others wait for what becomes of it).

    Only connections that cannot be made count: an endpoint that answers, be it 500 or 429, is there.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures = 0
        self._pause = FIRST_SECONDS
        self._again_at: float | None = None
        self._probing = False
        self._changed = asyncio.Event()

    @property
    def away_seconds(self) -> float | None:
        """Seconds until the endpoint may be tried again, 0.0 once it may; None = it is there."""
        return None if self._again_at is None else max(0.0, self._again_at - self._clock())

    async def enter(self) -> bool:
        """Wait until a question may be sent.

        Returns:
            Whether it is the one that tries for all: then one of the methods below MUST be called with True.
        """
        while self._again_at is not None:
            if not self._probing and self._again_at <= self._clock():
                self._probing = True
                return True
            changed = self._changed
            try:
                async with asyncio.timeout(None if self._probing else self._again_at - self._clock()):
                    await changed.wait()
            except TimeoutError:
                continue
        return False

    def reached(self) -> None:
        """Something answered."""
        self._failures, self._pause = 0, FIRST_SECONDS
        if self._again_at is not None:
            self._again_at = None
            self._tell()

    def unreachable(self, *, probe: bool) -> None:
        """No connection could be made."""
        self._failures += 1
        if self._again_at is not None and not probe:
            return  # sent before it opened
        if self._failures >= FAILURES:
            self._again_at = self._clock() + self._pause
            self._pause = min(LONGEST_SECONDS, self._pause * 2)
            self._tell()

    def given_up(self, *, probe: bool) -> None:
        """The question ended before anything was known: another may try."""
        if probe:
            self._tell()

    def _tell(self) -> None:
        self._probing = False
        self._changed.set()
        self._changed = asyncio.Event()
