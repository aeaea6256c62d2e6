"""How much the bodies under way may hold together, over both fronts.  Who finds no room waits, and stays unread.

Flow control slows a sender whose body is not read: it costs its headers and what the HTTP stacks buffer, 64 to 128 KB.
So a burst is taken as fast as there is room, not refused; only who waits too long is told to come again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from exporter.errors import BodyTooSlow, Overloaded


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmissionLimits:
    """Bounds of the bodies that are read or stored at the same time.

    Attributes:
        held_bytes: What they may hold together; one body may exceed it, else two large ones would wait for each other.
        wait_seconds: How long a body waits for room before its sender is told to come again.
        read_seconds: How long a body may take to arrive, with waiting for room to grow.
        slow_seconds: A body that is still not there counts from then on with what has arrived of it, so that slow
            senders, many as they may be, do not keep the others out.
    """

    held_bytes: int = 24 << 20
    wait_seconds: float = 5.0
    read_seconds: float = 20.0
    slow_seconds: float = 1.0


class Held:
    """What one request holds, from before its body is read until it is answered."""

    __slots__ = ("_admission", "arrived_bytes", "reserved_bytes")

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self.reserved_bytes = 0
        self.arrived_bytes = 0

    @contextlib.asynccontextmanager
    async def arriving(self) -> AsyncIterator[None]:
        """The block in which the body is read; afterwards exactly what has arrived is held.

        Raises:
            BodyTooSlow: It was not there within `read_seconds`.
        """
        limits = self._admission.limits
        slow = asyncio.get_running_loop().call_later(limits.slow_seconds, self._count_what_arrived)
        try:
            async with asyncio.timeout(limits.read_seconds):
                yield
        except TimeoutError:
            raise BodyTooSlow(
                f"only {self.arrived_bytes} bytes of the body arrived within {limits.read_seconds:.0f} s; send again"
            ) from None
        finally:
            slow.cancel()
        self._count_what_arrived()

    async def arrive(self, size: int) -> None:
        """Count `size` more bytes as arrived; waits until there is room for them."""
        self.arrived_bytes += size
        if self.arrived_bytes > self.reserved_bytes:
            await self._admission.reserve(self, self.arrived_bytes)

    def _count_what_arrived(self) -> None:
        self._admission.count(self, self.arrived_bytes)


@dataclass(frozen=True, slots=True, eq=False)
class _Asking:
    held: Held
    size: int
    granted: asyncio.Future[None]


class Admission:
    """Gives room in the order of asking; a body that grows comes before one that has not begun.

    Args:
        queued_bytes: What waits to be committed.  It counts where it is more than is held: rows whose caller went away
            stay in the queue, and a frozen store would otherwise collect what every impatient client sent.
    """

    def __init__(self, limits: AdmissionLimits, queued_bytes: Callable[[], int] = lambda: 0) -> None:
        self.limits = limits
        self._queued_bytes = queued_bytes
        self._held_bytes = 0
        self._growing: deque[_Asking] = deque()
        self._beginning: deque[_Asking] = deque()
        self._in_excess: Held | None = None

    @property
    def held_bytes(self) -> int:
        """What all bodies hold now."""
        return self._held_bytes

    @property
    def _used_bytes(self) -> int:
        return max(self._held_bytes, self._queued_bytes())

    @contextlib.asynccontextmanager
    async def admitted(self, expected_bytes: int) -> AsyncIterator[Held]:
        """Room for a body of about so many bytes (at least 1) until the end of the block.

        Raises:
            Overloaded: There was none within `wait_seconds`.
        """
        held = Held(self)
        try:
            await self._begin(held, expected_bytes)
            yield held
        finally:
            if self._in_excess is held:
                self._in_excess = None
            self.count(held, 0)

    async def _begin(self, held: Held, size: int) -> None:
        if not _first(self._growing) and not _first(self._beginning) and self._fits(size):
            self.count(held, size)
            return
        try:
            async with asyncio.timeout(self.limits.wait_seconds):
                await self._wait(self._beginning, held, size)
        except TimeoutError:
            raise Overloaded(
                f"{self._used_bytes} bytes are being received and stored, and there was no room for more within "
                f"{self.limits.wait_seconds:.0f} s; send again later"
            ) from None

    async def reserve(self, held: Held, size: int) -> None:
        """Let `held` grow to `size` bytes; waits for room."""
        if not _first(self._growing) and self._may_grow(held, size):
            self.count(held, size)
        else:
            await self._wait(self._growing, held, size)

    def count(self, held: Held, size: int) -> None:
        """Let `held` have `size` bytes from now on, whether there is room or not."""
        self._held_bytes += size - held.reserved_bytes
        held.reserved_bytes = size
        self._grant()

    async def _wait(self, line: deque[_Asking], held: Held, size: int) -> None:
        asking = _Asking(held, size, asyncio.get_running_loop().create_future())
        line.append(asking)
        try:
            await asking.granted
        finally:
            if asking.granted.cancelled():  # who stood behind it may be in front now
                self._grant()

    def _grant(self) -> None:
        while (asking := _first(self._growing)) and self._may_grow(asking.held, asking.size):
            self._give(self._growing.popleft())
        while not _first(self._growing) and (asking := _first(self._beginning)) and self._fits(asking.size):
            self._give(self._beginning.popleft())

    def _give(self, asking: _Asking) -> None:
        self._held_bytes += asking.size - asking.held.reserved_bytes
        asking.held.reserved_bytes = asking.size
        asking.granted.set_result(None)

    def _fits(self, size: int) -> bool:
        return self._used_bytes == 0 or self._used_bytes + size <= self.limits.held_bytes

    def _may_grow(self, held: Held, size: int) -> bool:
        if self._held_bytes + size - held.reserved_bytes <= self.limits.held_bytes:
            return True
        if self._in_excess is None:
            self._in_excess = held
        return self._in_excess is held


def _first(line: deque[_Asking]) -> _Asking | None:
    while line and line[0].granted.cancelled():  # its sender went away, or waited too long
        line.popleft()
    return line[0] if line else None
