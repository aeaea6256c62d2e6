"""How fast an endpoint is asked: a token bucket whose rate falls at 429 to what was answered, and rises until the next.

Nothing is held back before the first 429 unless a rate is set.  What comes back is counted, half a second at a time and
at least eight answers; if more than an eighth of it was 429, the rate becomes what was answered in that time, but at
least half of what it was (multiplicative decrease; few may have been asked).  It rises by a tenth of that, at least by
one, with every second (additive increase), and a minute without a decrease ends it.  Fewer refusals mean that the rate
is near the limit, or that they have nothing to do with the rate: each costs one more request and slows nobody down.
The first rate of all is uncertain, so it doubles with every second until it is too fast again (slow start); a flood of
refusals ends its counting early.
Source of the idea: Chiu and Jain (1989), "Analysis of the Increase and Decrease Algorithms for Congestion Avoidance".
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

WINDOW_SECONDS = 0.5
TOLERATED = 1 / 8
BURST_SECONDS = 0.1
RISE = 0.1
MANY = 10
FEW = 8
FORGET_SECONDS = 60.0
HOLD_SECONDS = 30.0
"""Longest Retry-After that holds back everybody."""


class Pace:
    """Turns at one endpoint.

    Args:
        most: Requests per second that the settings allow; None = no limit of ours.
        clock: Seconds, monotonic.
    """

    def __init__(self, *, most: float | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._counting_since = clock()
        self._answered = self._limited = 0  # since then
        self._rate: float | None = None  # at `_rate_at`
        self._rate_at = 0.0
        self._doubling = False
        self._held_until = 0.0
        self._next = 0.0  # when the next request may go if the bucket is full (GCRA's theoretical arrival time)
        self._line = asyncio.Lock()

    def free(self) -> float | None:
        """When, if nothing is held back now; None = `turn` has to be awaited."""
        now = self._clock()
        return now if self.rate is None and self._held_until <= now and not self._line.locked() else None

    async def turn(self) -> float:
        """Wait for a turn and take it, in order of arrival; returns when that was, for the methods below."""
        if (now := self.free()) is not None:
            return now
        async with self._line:
            while (seconds := self._wait_seconds()) > 0:  # noqa: ASYNC110  # it waits for a time, not for somebody
                await asyncio.sleep(seconds)
            if (rate := self.rate) is not None:
                self._next = max(self._next, self._clock()) + 1.0 / rate
            return self._clock()

    def answered(self, turn: float) -> None:
        """The endpoint took the request of that turn, whatever it said but 429."""
        if turn >= self._rate_at:
            self._count(answered=1)

    def limited(self, turn: float, retry_seconds: float | None = None) -> None:
        """It said 429.  A wish to wait holds everybody back."""
        if retry_seconds and retry_seconds <= HOLD_SECONDS:
            self._held_until = max(self._held_until, self._clock() + retry_seconds)
        if turn >= self._rate_at:  # else it was sent before the rate was lowered
            self._count(limited=1)

    @property
    def rate(self) -> float | None:
        """Requests per second that may go now; None = no limit."""
        now = self._clock()
        if self._rate is not None and now - self._rate_at >= FORGET_SECONDS:
            self._rate = None
        if self._rate is None:
            return self._most
        seconds = now - self._rate_at
        linear = self._rate + max(1.0, RISE * self._rate) * seconds
        risen = max(linear, self._rate * 2.0**seconds) if self._doubling else linear
        return risen if self._most is None else min(risen, self._most)

    def _count(self, *, answered: int = 0, limited: int = 0) -> None:
        """Count, and at the end of a window: was it too fast?"""
        now = self._clock()
        seconds = now - self._counting_since
        if seconds >= WINDOW_SECONDS and not self._limited:
            self._answered, self._counting_since, seconds = 0, now, 0.0
        self._answered += answered
        self._limited += limited
        total = self._answered + self._limited
        flooded = self._rate is None and self._limited >= MANY and self._limited > 2 * self._answered
        if not flooded and (seconds < WINDOW_SECONDS or total < FEW):
            return
        if self._limited > TOLERATED * total:
            least = 1.0 if self._rate is None else max(1.0, (self.rate or 0.0) / 2)
            self._doubling = self._rate is None
            self._rate, self._rate_at = max(least, self._answered / max(seconds, WINDOW_SECONDS)), now
        self._answered, self._limited, self._counting_since = 0, 0, now

    def _wait_seconds(self) -> float:
        now = self._clock()
        wait = self._held_until - now
        if (rate := self.rate) is not None:
            wait = max(wait, self._next - now - max(0.0, BURST_SECONDS - 1.0 / rate))
        return wait
