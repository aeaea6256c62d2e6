"""Group commit: many callers, one INSERT at a time, each caller answered when its rows are in ClickHouse.

There is no timer.  A group is what arrived while the previous INSERT ran, so a busy receiver makes large parts and an
idle one answers at once.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from exporter.errors import Overloaded
from storage.errors import Rejected, StorageError, Unavailable
from storage.ports import TelemetrySink, TelemetryTable

log = logging.getLogger(__name__)

FIRST_BACKOFF_SECONDS = 0.05
LONGEST_BACKOFF_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitLimits:
    """Bounds of a committer.

    Attributes:
        group_requests: Requests in one INSERT.
        group_bytes: Bytes in one INSERT; a single larger request goes alone.
        queue_bytes: Bytes that may wait or be under way; more is `Overloaded`.
        retry_for_seconds: How long a caller waits for a ClickHouse that is away before it is told so.
    """

    group_requests: int = 64
    group_bytes: int = 16 << 20
    queue_bytes: int = 256 << 20
    retry_for_seconds: float = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Waiting:
    block: bytes
    since: float
    done: asyncio.Future[None]


class Committer:
    """Commits Native blocks to one table.  `run` must be running for `commit` to return."""

    def __init__(self, sink: TelemetrySink, table: TelemetryTable, limits: CommitLimits) -> None:
        self._sink = sink
        self._table = table
        self._limits = limits
        self._queue: deque[_Waiting] = deque()
        self._held_bytes = 0
        self._arrived = asyncio.Event()
        self._closed = False

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

    async def commit(self, block: bytes) -> None:
        """Return when the block's rows are committed.

        A caller that is cancelled meanwhile leaves its block in the queue: it is stored all the same.

        Raises:
            Overloaded: The queue is full; nothing was taken.
            Unavailable: ClickHouse is away, or the outcome is unknown: the caller should send the request again.
            Rejected: ClickHouse refuses this block whenever it comes.
        """
        if not block:
            return
        self.check_room(len(block))
        loop = asyncio.get_running_loop()
        waiting = _Waiting(block=block, since=loop.time(), done=loop.create_future())
        self._held_bytes += len(block)
        self._queue.append(waiting)
        self._arrived.set()
        await waiting.done

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
        while self._queue or not self._closed:
            if not self._queue:
                self._arrived.clear()
                await self._arrived.wait()
                continue
            group = self._next_group()
            try:
                await self._commit_group(group)
            finally:  # also when the drain's deadline cancels the INSERT: its outcome is unknown
                self._release(group, Unavailable("the receiver stopped before ClickHouse answered"))

    def _next_group(self) -> list[_Waiting]:
        group = [self._queue.popleft()]
        size = len(group[0].block)
        while self._queue and len(group) < self._limits.group_requests:
            size += len(self._queue[0].block)
            if size > self._limits.group_bytes:
                break
            group.append(self._queue.popleft())
        return group

    async def _commit_group(self, group: list[_Waiting]) -> None:
        try:
            await self._insert(group)
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

    async def _insert(self, group: Sequence[_Waiting]) -> None:
        """Insert the group; what may pass is tried again with the same bytes and token, so that rows cannot double."""
        body = b"".join([waiting.block for waiting in group])
        token = hashlib.blake2b(body, digest_size=16).hexdigest()
        loop = asyncio.get_running_loop()
        give_up = min(waiting.since for waiting in group) + self._limits.retry_for_seconds
        backoff = FIRST_BACKOFF_SECONDS
        while True:
            try:
                await self._sink.insert(self._table, body, token=token)
            except Unavailable:
                if loop.time() + backoff > give_up:
                    raise
                await asyncio.sleep(backoff)
                backoff = min(2 * backoff, LONGEST_BACKOFF_SECONDS)
            else:
                return

    def _release(self, group: Iterable[_Waiting], unanswered: StorageError) -> None:
        group = list(group)
        self._held_bytes -= sum(len(waiting.block) for waiting in group)
        self._settle(group, unanswered)

    def _settle(self, group: Sequence[_Waiting], error: StorageError | None) -> None:
        for waiting in group:
            if waiting.done.done():  # answered, or its caller went away
                continue
            if error is None:
                waiting.done.set_result(None)
            else:
                waiting.done.set_exception(error)
