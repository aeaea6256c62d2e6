"""How bodies share the memory of the receiver."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from exporter.errors import BodyTooSlow, Overloaded
from exporter.receiver.admission import Admission, AdmissionLimits, Held


async def settled() -> None:
    """Until every task that can go on has."""
    for _ in range(5):
        await asyncio.sleep(0)


class Sender:
    """One body: asks for room at once, and lets it go when told."""

    def __init__(self, tasks: asyncio.TaskGroup, admission: Admission, size: int) -> None:
        self.held: Held | None = None
        self._done = asyncio.Event()
        self._admission = admission
        self.task = tasks.create_task(self._send(size))

    async def _send(self, size: int) -> None:
        async with self._admission.admitted(size) as self.held:
            await self._done.wait()

    def go(self) -> None:
        """Let it go."""
        self._done.set()


async def test_who_finds_no_room_waits_and_comes_in_the_order_of_asking() -> None:
    """A small body does not overtake a large one, which would otherwise wait for ever."""
    admission = Admission(AdmissionLimits(held_bytes=10))
    async with asyncio.TaskGroup() as tasks:
        senders = [Sender(tasks, admission, size) for size in (6, 8, 1)]
        await settled()
        assert [sender.held is not None for sender in senders] == [True, False, False]
        senders[0].go()
        await settled()
        assert [sender.held is not None for sender in senders] == [True, True, True]
        assert admission.held_bytes == 9
        for sender in senders:
            sender.go()
    assert admission.held_bytes == 0


async def test_a_body_larger_than_everything_comes_in_alone() -> None:
    """Else it could never be stored."""
    admission = Admission(AdmissionLimits(held_bytes=10))
    async with admission.admitted(11):
        assert admission.held_bytes == 11
    assert admission.held_bytes == 0


async def test_who_waits_too_long_is_told_to_come_again_and_leaves_nothing() -> None:
    """The next in the line is not kept waiting by who went away."""
    admission = Admission(AdmissionLimits(held_bytes=10, wait_seconds=0.05))
    async with asyncio.TaskGroup() as tasks:
        first = Sender(tasks, admission, 6)
        await settled()
        with pytest.raises(Overloaded, match="6 bytes are being received and stored, and there was no room"):
            async with admission.admitted(8):
                raise AssertionError("there was room")
        async with admission.admitted(4):
            assert admission.held_bytes == 10
        first.go()
    assert admission.held_bytes == 0


async def test_who_is_cancelled_while_waiting_lets_the_next_one_in() -> None:
    """A client may go away at any moment."""
    admission = Admission(AdmissionLimits(held_bytes=10))
    async with asyncio.TaskGroup() as tasks:
        first, gone, small = (Sender(tasks, admission, size) for size in (6, 8, 4))
        await settled()
        assert small.held is None
        gone.task.cancel()
        await settled()
        assert small.held is not None
        first.go()
        small.go()
    assert admission.held_bytes == 0


async def test_bodies_that_grow_wait_for_room_but_one_may_always_go_on() -> None:
    """Two that each need more than is left must not wait for each other."""
    admission = Admission(AdmissionLimits(held_bytes=10))
    order: list[str] = []

    async def grow(name: str, done: asyncio.Event) -> None:
        async with admission.admitted(5) as held:
            await both_begun.wait()
            async with held.arriving():
                await held.arrive(9)
            order.append(f"{name} has {admission.held_bytes}")
            await done.wait()
        order.append(f"{name} left")

    both_begun, first, second = asyncio.Event(), asyncio.Event(), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(grow("first", first))
        tasks.create_task(grow("second", second))
        await settled()
        both_begun.set()
        await settled()
        assert order == ["first has 14"]
        first.set()
        await settled()
        assert order == ["first has 14", "first left", "second has 9"]
        second.set()
    assert admission.held_bytes == 0


async def test_a_body_that_dribbles_counts_with_what_has_arrived_and_is_cut_at_its_deadline() -> None:
    """So slow senders do not keep the others out, and cannot stay for ever."""
    admission = Admission(AdmissionLimits(held_bytes=10, slow_seconds=0.05, read_seconds=0.3))

    async def dribble() -> None:
        async with admission.admitted(10) as held, held.arriving():
            await held.arrive(1)
            assert admission.held_bytes == 10
            async with admission.admitted(9):
                assert admission.held_bytes == 10
            await asyncio.Event().wait()

    with pytest.raises(BodyTooSlow, match="only 1 bytes of the body arrived within 0 s"):
        await dribble()
    assert admission.held_bytes == 0


async def test_what_is_held_after_the_body_arrived_is_its_size() -> None:
    """More was reserved for it than it needed."""
    admission = Admission(AdmissionLimits(held_bytes=10))
    async with admission.admitted(10) as held:
        async with held.arriving():
            await held.arrive(3)
        assert admission.held_bytes == 3


async def test_whatever_fails_in_the_middle_nothing_stays_held() -> None:
    """A broken connection, a cancelled call."""
    admission = Admission(AdmissionLimits(held_bytes=10))
    with contextlib.suppress(ConnectionResetError):
        async with admission.admitted(10) as held, held.arriving():
            await held.arrive(4)
            raise ConnectionResetError
    assert admission.held_bytes == 0


async def test_rows_that_wait_without_their_caller_take_room_as_well() -> None:
    """Else clients with little patience would fill the memory while the store does not answer."""
    queued = 10
    admission = Admission(AdmissionLimits(held_bytes=10, wait_seconds=0.05), lambda: queued)
    with pytest.raises(Overloaded, match="10 bytes are being received and stored"):
        async with admission.admitted(1):
            raise AssertionError("there was room")
    queued = 0
    async with admission.admitted(1):
        assert admission.held_bytes == 1
