"""Group commit: many callers, one INSERT at a time, each caller answered when its rows are in ClickHouse.

A group is what arrived while the previous INSERT ran, so a busy receiver makes large parts.  A request that is
stored already is not stored again, and one that comes twice at the same time is stored once.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from exporter.digests import KnownRequests, MemoryLimits
from exporter.errors import Overloaded
from storage.errors import Rejected, StorageError, Unavailable
from storage.otlp.reference import request_digest
from storage.telemetry import TelemetrySink, TelemetryTable

log = logging.getLogger(__name__)

FIRST_BACKOFF_SECONDS = 0.05
LONGEST_BACKOFF_SECONDS = 1.0

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitLimits:
    """Bounds of a committer.

    Attributes:
        group_requests: Requests in one INSERT.
        group_rows: Rows in one INSERT; a single larger request goes alone.
        group_bytes: Bytes in one INSERT; likewise.
        queue_bytes: Bytes that may wait or be under way; more is `Overloaded`.
        retry_for_seconds: How long a caller waits for a ClickHouse that is away before it is told so.
        linger_seconds: How long after an INSERT the next one waits for those who were just answered to come again.
        memory: Bounds of what is remembered of stored requests.
    """

    group_requests: int = 64
    group_rows: int = 65_536
    group_bytes: int = 16 << 20
    queue_bytes: int = 256 << 20
    retry_for_seconds: float = 4.0
    linger_seconds: float = 0.05
    memory: MemoryLimits = field(default_factory=MemoryLimits)


@dataclass(slots=True, kw_only=True)
class _Waiting:
    block: bytes
    digest: bytes
    rows: int
    since: float
    answered: asyncio.Event
    error: StorageError | None = None


class Committer:
    """Commits Native blocks to one table.  `run` must be running for `commit` to return."""

    def __init__(self, sink: TelemetrySink, table: TelemetryTable, limits: CommitLimits) -> None:
        self._sink = sink
        self._table = table
        self._limits = limits
        self._known = KnownRequests(sink, table, limits.memory)
        self._queue: deque[_Waiting] = deque()
        self._under_way: dict[bytes, _Waiting] = {}
        self._held_bytes = 0
        self._arrived = asyncio.Event()
        self._closed = False
        self.recognised = 0
        """Requests so far that came again and were not stored again."""

    @property
    def held_bytes(self) -> int:
        """Bytes that wait or are under way."""
        return self._held_bytes

    def check_room(self, size: int) -> None:
        """Raise `Overloaded` or `Unavailable` where a block of about `size` bytes would be refused now."""
        if self._closed:
            raise Unavailable("the receiver is stopping")
        if self._held_bytes and self._held_bytes + size > self._limits.queue_bytes:
            raise Overloaded(f"{self._held_bytes} bytes are waiting to be written to {self._table}; send again later")

    async def commit(self, block: bytes, *, digest: bytes = b"", rows: int = 1) -> None:
        """Return when the block's rows are committed.

        A caller that is cancelled meanwhile leaves its block in the queue: it is stored all the same.

        Args:
            digest: Identity of the request that the block is of, as it stands in its rows; without one, of the block.

        Raises:
            Overloaded: The queue is full; nothing was taken.
            Unavailable: ClickHouse is away, or the outcome is unknown: the caller should send the request again.
            Rejected: ClickHouse refuses this block whenever it comes.
        """
        if not block:
            return
        digest = digest or request_digest(block)
        if digest in self._known:
            self.recognised += 1
            return
        self.check_room(len(block))
        if (first := self._under_way.get(digest)) is not None:
            await self._join(first)
            return
        now = asyncio.get_running_loop().time()
        waiting = _Waiting(block=block, digest=digest, rows=rows, since=now, answered=asyncio.Event())
        self._held_bytes += len(block)
        self._under_way[digest] = waiting
        self._queue.append(waiting)
        self._arrived.set()
        await _answer(waiting)

    async def _join(self, first: _Waiting) -> None:
        """Wait for the same request's result.  It counts in the queue's bytes: its sender's copy is in memory too."""
        size = len(first.block)
        self._held_bytes += size
        try:
            await _answer(first)
            self.recognised += 1
        finally:
            self._held_bytes -= size

    async def run(self, stop: asyncio.Event, *, drain_seconds: float) -> None:
        """Commit until `stop`, then what is queued for at most `drain_seconds`; the rest is told to come again."""
        try:
            async with asyncio.timeout(None) as deadline, asyncio.TaskGroup() as tasks:
                work = tasks.create_task(self._work())
                await stop.wait()
                self._closed = True
                self._arrived.set()
                deadline.reschedule(asyncio.get_running_loop().time() + drain_seconds)
                await work
        except TimeoutError:
            log.warning("drain_timed_out", extra={"table": self._table, "requests": len(self._queue)})
        finally:
            self._closed = True
            self._release(self._queue, Unavailable("the receiver stopped before this was written"))
            self._queue.clear()

    async def _work(self) -> None:
        expected, until = 0, 0.0
        while self._queue or not self._closed:
            if not self._queue:
                self._arrived.clear()
                await self._arrived.wait()
                continue
            await self._linger(expected, until)
            expected = await self._commit_next() + len(self._queue)
            until = asyncio.get_running_loop().time() + self._limits.linger_seconds

    async def _commit_next(self) -> int:
        """Commit what is in front, and hold its blocks no longer; returns how many requests it was."""
        group = self._next_group()
        try:
            await self._commit_group(group)
        finally:  # also when the drain's deadline cancels the INSERT: its outcome is unknown
            self._release(group, Unavailable("the receiver stopped before ClickHouse answered"))
        return len(group)

    async def _linger(self, expected: int, until: float) -> None:
        """Wait for those who were just answered: who sends one request after the other comes again at once.

        Otherwise they would miss the INSERT of those who wait, and half of them would always wait for the other half.
        """
        enough = min(expected, self._limits.group_requests)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                while len(self._queue) < enough and self._held_bytes < self._limits.group_bytes and not self._closed:
                    self._arrived.clear()
                    await self._arrived.wait()

    def _next_group(self) -> list[_Waiting]:
        group = [self._queue.popleft()]
        size, rows = len(group[0].block), group[0].rows
        while self._queue and len(group) < self._limits.group_requests:
            size += len(self._queue[0].block)
            rows += self._queue[0].rows
            if size > self._limits.group_bytes or rows > self._limits.group_rows:
                break
            group.append(self._queue.popleft())
        return group

    async def _commit_group(self, group: list[_Waiting]) -> None:
        try:
            await self._store(group)
        except Rejected as rejected:
            if len(group) == 1:
                log.error("insert_rejected", extra={"table": self._table, "reason": str(rejected)})
                self._settle(group, rejected)
            else:
                # One bad request must not fail its neighbours.
                for waiting in group:
                    await self._commit_group([waiting])
        except StorageError as error:
            log.warning("insert_failed", extra={"table": self._table, "requests": len(group), "reason": str(error)})
            self._settle(group, error if isinstance(error, Unavailable) else Unavailable(str(error)))
        except Exception as error:  # a bug must not end the service; its callers keep their data
            log.exception("insert_broke", extra={"table": self._table, "requests": len(group)})
            self._settle(group, Unavailable(f"writing failed: {type(error).__name__}"))
        else:
            self._settle(group, None)

    async def _store(self, group: Sequence[_Waiting]) -> None:
        """Insert what is not stored yet, for as long as the first caller is willing to wait."""
        give_up = min(waiting.since for waiting in group) + self._limits.retry_for_seconds
        missing = await _patiently(lambda: self._missing(group), give_up)
        if not missing:
            return
        blocks = [waiting.block for waiting in missing]
        token = request_digest(b"".join([waiting.digest for waiting in missing])).hex()
        try:
            # Repeated after an unknown outcome: the same bytes and token, so that no row can double.
            await _patiently(lambda: self._sink.insert(self._table, blocks, token=token), give_up)
        except Rejected:
            self._known.suspect()  # its source rows may be there when a view refused them
            raise
        except Exception:
            self._known.doubt()
            raise
        for waiting in missing:
            self._known.add(waiting.digest)

    async def _missing(self, group: Sequence[_Waiting]) -> list[_Waiting]:
        await self._known.look()
        missing = [waiting for waiting in group if waiting.digest not in self._known]
        if len(missing) < len(group):
            self.recognised += len(group) - len(missing)
            log.info("stored_already", extra={"table": self._table, "requests": len(group) - len(missing)})
        return missing

    def _release(self, group: Iterable[_Waiting], unanswered: StorageError) -> None:
        group = list(group)
        self._held_bytes -= sum(len(waiting.block) for waiting in group)
        self._settle(group, unanswered)
        for waiting in group:
            del self._under_way[waiting.digest]

    def _settle(self, group: Sequence[_Waiting], error: StorageError | None) -> None:
        # Without traceback and cause: their frames hold the group, which would stay until the garbage is collected.
        plain = copy.copy(error)
        for waiting in group:
            if not waiting.answered.is_set():
                waiting.error = plain
                waiting.answered.set()


async def _answer(waiting: _Waiting) -> None:
    """Wait for the outcome of a request, for each of its callers."""
    await waiting.answered.wait()
    if waiting.error is not None:
        raise copy.copy(waiting.error)  # it gets the frames of one caller, and goes with them


async def _patiently(step: Callable[[], Awaitable[Value]], give_up: float) -> Value:
    """Repeat what may pass until that time of the loop's clock."""
    loop = asyncio.get_running_loop()
    backoff = FIRST_BACKOFF_SECONDS
    while True:
        try:
            return await step()
        except Unavailable:
            if loop.time() + backoff > give_up:
                raise
        await asyncio.sleep(backoff)
        backoff = min(2 * backoff, LONGEST_BACKOFF_SECONDS)
