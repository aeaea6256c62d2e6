"""Which requests are stored already: what makes a client's retry harmless.

A request is known by the digest that stands in its rows.  Own commits are remembered as they happen; what other
processes stored, a predecessor's last hour and INSERTs whose outcome we did not see are looked up in the store.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from storage.errors import Rejected, Unavailable
from storage.otlp import native
from storage.otlp.columns import TRACES
from storage.otlp.reference import Translated
from storage.telemetry import StoredRequests, TelemetrySink, TelemetryTable

log = logging.getLogger(__name__)

DIGEST_BYTES = 16
SECOND_US = 1_000_000
ALL_US = 7_258_118_400 * SECOND_US
"""The year 2200: no clock is there."""
LOAD_AGES_SECONDS = (60, 300, 1200, 3600)
"""A start reads the last hour in these steps.  Only a half-stored request that was completed across such a border is
missed, and then stored twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryLimits:
    """Bounds of what is remembered per table.

    Attributes:
        generations: Digests are kept in so many sets; with the last one, the oldest is dropped.
        generation_digests: A set is full with so many.  39,000 fill Python's table of 65,536 slots: 120 bytes each,
            23 MB in all.  At least four sets, 156,000 requests, are remembered.
        generation_seconds: A set is closed after so long, so that at least an hour is remembered where there is room.
        fresh_seconds: How old the last look at what others stored may be when a group is written.  SDKs come again
            after 0.8 s at the earliest.
        load_seconds: What a start gets to read the last hour but its last minute.
        settle_seconds: How long an INSERT of unknown outcome is waited for; afterwards it may be doubled.
        stray_seconds: After such an INSERT, what ClickHouse gets to begin with bytes that it had received.
    """

    generations: int = 5
    generation_digests: int = 39_000
    generation_seconds: float = 900.0
    fresh_seconds: float = 0.75
    load_seconds: float = 5.0
    settle_seconds: float = 30.0
    stray_seconds: float = 0.2

    @property
    def digests(self) -> int:
        """The greatest number of digests in memory."""
        return self.generations * self.generation_digests


def request_digest_of(translated: Translated) -> bytes:
    """The digest in the rows of a block, so that memory and store cannot disagree on it."""
    behind = _ROWS_HEAD_BYTES + 4 * translated.rows
    return translated.block[-behind - DIGEST_BYTES : -behind]


class KnownRequests:
    """Requests of one table that are in the store with all their rows, whoever stored them.

    Args:
        clock: Seconds that never go back.  The store's own clock decides what the last hour is.
    """

    def __init__(
        self,
        sink: TelemetrySink,
        table: TelemetryTable,
        limits: MemoryLimits,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sink = sink
        self._table = table
        self._limits = limits
        self._clock = clock
        self._generations: deque[set[bytes]] = deque([set()], maxlen=limits.generations)
        self._opened = clock()
        self._looked: float | None = None
        self._looked_at = clock()
        self._settled_us: tuple[int, int] | None = None
        """Where the last two looks were settled; None before the first."""
        self._doubted: float | None = clock()  # a predecessor may have left an INSERT behind
        self._stray_seconds = 0.0
        self._settle_us: int | None = None

    def __contains__(self, digest: bytes) -> bool:
        return any(digest in generation for generation in self._generations)

    def __len__(self) -> int:
        return sum(map(len, self._generations))

    def add(self, digest: bytes) -> None:
        """Remember a request whose rows were just committed."""
        now = self._clock()
        newest = self._generations[-1]
        full = len(newest) >= self._limits.generation_digests
        if full or now - self._opened >= self._limits.generation_seconds:
            self._generations.append(newest := set())
            self._opened = now
        newest.add(digest)

    def suspect(self) -> None:
        """Something may have been stored that was not told: look again before anything is written."""
        self._looked = None

    def doubt(self) -> None:
        """An INSERT may still run whose outcome nobody will tell: nothing is written before it has ended."""
        self.suspect()
        self._doubted = self._clock()
        self._stray_seconds = self._limits.stray_seconds
        self._settle_us = None

    async def look(self) -> None:
        """Learn what the store has, where the last look is not fresh; the first time, the last hour.

        Raises:
            Unavailable: ClickHouse is away, or runs an INSERT that may bring what is about to be written.
        """
        now = self._clock()
        if self._looked is not None and now - self._looked < self._limits.fresh_seconds:
            return
        await self._settle()
        if self._settled_us is None or now - self._looked_at > LOAD_AGES_SECONDS[-1]:
            await self._load()
        else:
            await self._follow(min(self._settled_us), since=now)
        self._looked = self._looked_at = now

    async def _settle(self) -> None:
        """After a doubt, wait for the end of every INSERT that ran at the first answer since."""
        if self._doubted is None:
            return
        await asyncio.sleep(max(0.0, self._doubted + self._stray_seconds - self._clock()))
        seen = await self._stored(after_us=0, until_us=0)
        if self._settle_us is None:
            self._settle_us = seen.now_us
        if seen.settled_us < self._settle_us:
            if self._clock() - self._doubted < self._limits.settle_seconds:
                raise Unavailable(f"an earlier INSERT into {self._table} has not ended yet; send again later")
            log.warning("insert_not_settled", extra={"table": self._table, "seconds": self._limits.settle_seconds})
        self._doubted = None

    async def _load(self) -> None:
        """The last hour, newest first, so that a bound cuts off what is least likely to come again."""
        seen = await self._stored(after_us=0, until_us=0)
        found: list[bytes] = []
        until_us = ALL_US
        give_up = self._clock() + self._limits.load_seconds
        for age in LOAD_AGES_SECONDS:
            after_us = seen.now_us - age * SECOND_US
            # The last minute must be known; for what is older, nobody is kept waiting for long.
            left = None if age == LOAD_AGES_SECONDS[0] else max(0.0, give_up - self._clock())
            try:
                async with asyncio.timeout(left):
                    found += (await self._stored(after_us=after_us, until_us=until_us)).digests
            except TimeoutError:
                log.warning("older_requests_unknown", extra={"table": self._table, "older_than_seconds": age})
                break
            until_us = after_us
            if len(found) >= self._limits.digests:
                break
        self._settled_us = (seen.settled_us, seen.settled_us)
        self._remember(reversed(found[: self._limits.digests]))

    async def _follow(self, after_us: int, *, since: float) -> None:
        assert self._settled_us is not None
        seen = await self._stored(after_us=after_us, until_us=ALL_US)
        if seen.now_us < after_us:  # the store's clock went back
            after_us = seen.now_us - round((since - self._looked_at + 1) * SECOND_US)
            seen = await self._stored(after_us=after_us, until_us=ALL_US)
        self._settled_us = (self._settled_us[1], seen.settled_us)
        self._remember(reversed(seen.digests))

    def _remember(self, digests: Iterable[bytes]) -> None:
        for digest in digests:
            if digest not in self:
                self.add(digest)

    async def _stored(self, *, after_us: int, until_us: int) -> StoredRequests:
        limit = self._limits.digests
        try:
            return await self._sink.stored_requests(self._table, after_us=after_us, until_us=until_us, limit=limit)
        except Rejected as refusal:  # it is our question that was refused, and no client's content
            raise Unavailable(f"stored requests cannot be looked up: {refusal}") from refusal


_ROWS = TRACES[-1]
_ROWS_HEAD_BYTES = len(native.string(_ROWS.name.encode()) + native.string(_ROWS.type.encode()))
