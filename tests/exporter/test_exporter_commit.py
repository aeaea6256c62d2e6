"""The committer: who is answered when, and with what."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable

import pytest
from sinks import MemorySink

from exporter.commit import CommitLimits, Committer
from exporter.errors import Overloaded
from storage.errors import Rejected, SchemaError, StorageError, Unavailable
from storage.otlp.reference import request_digest

IMPATIENT = CommitLimits(retry_for_seconds=0.0)


@contextlib.asynccontextmanager
async def committing(sink: MemorySink, limits: CommitLimits | None = None) -> AsyncIterator[Committer]:
    """A running committer."""
    committer = Committer(sink, "otel_traces", limits or CommitLimits())
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(committer.run(stop, drain_seconds=5.0))
        yield committer
        stop.set()


async def outcomes(committer: Committer, blocks: Iterable[bytes]) -> list[str]:
    """Commit at the same time; `ok` or the name of the error, in the order of the blocks."""

    async def outcome(block: bytes) -> str:
        try:
            await committer.commit(block)
        except StorageError as error:
            return type(error).__name__
        return "ok"

    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(outcome(block)) for block in blocks]
    return [task.result() for task in running]


async def until(condition: Callable[[], bool]) -> None:
    """Let other tasks run until the condition holds."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110  # what other tasks did has no event to wait for
            await asyncio.sleep(0)


def is_closed(committer: Committer) -> bool:
    """Whether it takes nothing any more."""
    try:
        committer.check_room(1)
    except Unavailable:
        return True
    return False


def token(*blocks: bytes) -> str:
    """What a group travels with: the digest of the digests of its requests, here of its blocks."""
    return request_digest(b"".join(map(request_digest, blocks))).hex()


async def test_a_caller_is_answered_after_the_insert_and_not_before() -> None:
    """Acknowledged means committed."""
    sink = MemorySink()
    sink.open.clear()
    async with committing(sink) as committer, asyncio.TaskGroup() as tasks:
        caller = tasks.create_task(committer.commit(b"a"))
        await sink.wait_for_attempts(1)
        assert not caller.done()
        sink.open.set()
        await caller
        assert sink.stored == [("otel_traces", b"a", token(b"a"))]


async def test_what_arrives_during_an_insert_becomes_the_next_group() -> None:
    """No timer: the group is what waited."""
    sink = MemorySink()
    sink.open.clear()
    async with committing(sink) as committer, asyncio.TaskGroup() as tasks:
        tasks.create_task(committer.commit(b"a"))
        await sink.wait_for_attempts(1)
        later = tasks.create_task(outcomes(committer, [b"b", b"c", b"d"]))
        await until(lambda: committer.held_bytes == 4)
        sink.open.set()
        assert await later == ["ok"] * 3
    assert [body for _, body, _ in sink.stored] == [b"a", b"bcd"]


async def test_those_who_were_just_answered_are_waited_for() -> None:
    """Else two cohorts of senders would each wait for the other's INSERT, for ever."""
    sink = MemorySink()
    sink.open.clear()
    async with committing(sink, CommitLimits(linger_seconds=60)) as committer, asyncio.TaskGroup() as tasks:
        first = tasks.create_task(outcomes(committer, [b"a", b"b"]))
        await sink.wait_for_attempts(1)
        other = tasks.create_task(committer.commit(b"c"))
        await until(lambda: committer.held_bytes == 3)
        sink.open.set()
        await first
        assert await outcomes(committer, [b"d", b"e"]) == ["ok", "ok"]
        await other
    assert [body for _, body, _ in sink.stored] == [b"ab", b"cde"]


async def test_a_sender_who_is_alone_never_waits() -> None:
    """Nobody else was answered, so nobody else is expected."""
    sink = MemorySink()
    async with committing(sink, CommitLimits(linger_seconds=60)) as committer, asyncio.timeout(30):
        for block in (b"a", b"b", b"c"):
            await committer.commit(block)
    assert [body for _, body, _ in sink.stored] == [b"a", b"b", b"c"]


async def test_those_who_do_not_come_again_are_not_waited_for_long() -> None:
    """They may have nothing more to send."""
    sink = MemorySink()
    async with committing(sink, CommitLimits(linger_seconds=0.01)) as committer, asyncio.timeout(30):
        assert await outcomes(committer, [b"a", b"b", b"c"]) == ["ok"] * 3
        await committer.commit(b"d")
    assert [body for _, body, _ in sink.stored] == [b"abc", b"d"]


async def test_nobody_is_waited_for_at_a_stop_or_where_there_is_enough_for_a_group() -> None:
    """A group is full in bytes, too."""
    sink = MemorySink()
    limits = CommitLimits(linger_seconds=60, group_bytes=4)
    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks, committing(sink, limits) as committer:
        assert await outcomes(committer, [b"a", b"b", b"c"]) == ["ok"] * 3
        await committer.commit(b"dddd")
        assert await outcomes(committer, [b"e", b"f", b"g"]) == ["ok"] * 3
        tasks.create_task(committer.commit(b"h"))
        await until(lambda: committer.held_bytes == 1)
    assert [body for _, body, _ in sink.stored] == [b"abc", b"dddd", b"efg", b"h"]


async def test_a_group_is_bounded_in_requests_and_in_bytes() -> None:
    """A request larger than the bound goes alone."""
    sink = MemorySink()
    async with committing(sink, CommitLimits(group_requests=3, group_bytes=10)) as committer:
        blocks = [b"aa", b"bb", b"cc", b"dd", b"e" * 7, b"ff", b"g" * 50, b"hh"]
        assert await outcomes(committer, blocks) == ["ok"] * 8
    assert [body for _, body, _ in sink.stored] == [b"aabbcc", b"dd" + b"e" * 7, b"ff", b"g" * 50, b"hh"]


async def test_a_group_is_bounded_in_rows() -> None:
    """A request with more rows than the bound goes alone."""
    sink = MemorySink()
    async with committing(sink, CommitLimits(group_rows=10)) as committer, asyncio.TaskGroup() as tasks:
        for block, rows in ((b"a", 4), (b"b", 6), (b"c", 1), (b"d", 50), (b"e", 10)):
            tasks.create_task(committer.commit(block, rows=rows))
    assert [body for _, body, _ in sink.stored] == [b"ab", b"c", b"d", b"e"]


async def test_nothing_is_inserted_for_an_empty_block() -> None:
    """An empty request is answered at once."""
    sink = MemorySink()
    async with committing(sink) as committer:
        await committer.commit(b"")
    assert sink.attempts == []


async def test_a_poison_request_fails_alone() -> None:
    """The group is repeated request by request; neighbours are stored."""
    sink = MemorySink(refused=b"poison", refusal=Rejected("no"))
    async with committing(sink) as committer:
        assert await outcomes(committer, [b"good 1", b"poison", b"good 2"]) == ["ok", "Rejected", "ok"]
    assert [body for _, body, _ in sink.stored] == [b"good 1", b"good 2"]


async def test_an_insert_of_unknown_outcome_is_repeated_with_the_same_bytes_and_token() -> None:
    """Only that makes the repetition exact."""
    sink = MemorySink(errors=deque([Unavailable("timeout"), Unavailable("timeout")]))
    async with committing(sink) as committer:
        assert await outcomes(committer, [b"a", b"b"]) == ["ok", "ok"]
    assert sink.attempts == [("otel_traces", b"ab", token(b"a", b"b"))] * 3


async def test_all_callers_of_a_group_are_told_to_come_again_when_clickhouse_stays_away() -> None:
    """Retryable for every one of them."""
    sink = MemorySink(errors=deque([Unavailable("away")] * 9))
    async with committing(sink, IMPATIENT) as committer:
        assert await outcomes(committer, [b"a", b"b"]) == ["Unavailable", "Unavailable"]
    assert len(sink.attempts) == 1


async def test_nothing_of_a_group_stays_in_memory_once_it_is_answered() -> None:
    """A traceback would hold what was refused, and a variable what was stored, for as long as nothing else comes."""
    blocks, was_collecting = [bytes([number]) * 1000 for number in range(3)], gc.isenabled()
    sink = MemorySink(errors=deque([Unavailable("away"), Rejected("never")]))
    gc.disable()
    try:
        async with committing(sink, IMPATIENT) as committer:
            before = [sys.getrefcount(block) for block in blocks]
            answers = [await outcomes(committer, [block]) for block in blocks]
            sink.attempts.clear()
            sink.stored.clear()
            after = [sys.getrefcount(block) for block in blocks]
    finally:
        if was_collecting:
            gc.enable()
    assert answers == [["Unavailable"], ["Rejected"], ["ok"]]
    assert after == before


async def test_the_committer_recovers_by_itself() -> None:
    """After an outage the next request is simply stored."""
    sink = MemorySink(errors=deque([Unavailable("away")]))
    async with committing(sink, IMPATIENT) as committer:
        assert [*await outcomes(committer, [b"a"]), *await outcomes(committer, [b"b"])] == ["Unavailable", "ok"]


@pytest.mark.parametrize("error", [SchemaError("no such table"), RuntimeError("a bug")], ids=["schema", "bug"])
async def test_an_error_that_no_client_caused_is_retryable_for_the_client(error: Exception) -> None:
    """An operator or a new version can repair it; the data must not be dropped meanwhile."""
    sink = MemorySink(errors=deque([error]))
    async with committing(sink) as committer:
        assert [*await outcomes(committer, [b"a"]), *await outcomes(committer, [b"b"])] == ["Unavailable", "ok"]


async def test_a_full_queue_refuses_at_once_and_takes_again_later() -> None:
    """The bound counts what is under way too."""
    sink = MemorySink()
    sink.open.clear()
    async with committing(sink, CommitLimits(queue_bytes=10)) as committer, asyncio.TaskGroup() as tasks:
        first = tasks.create_task(committer.commit(b"x" * 8))
        await sink.wait_for_attempts(1)
        with pytest.raises(Overloaded, match="8 bytes are waiting"):
            await committer.commit(b"yyy")
        sink.open.set()
        await first
        await committer.commit(b"y" * 100)  # larger than the queue, but alone
    assert len(sink.stored) == 2


async def test_a_caller_that_went_away_does_not_disturb_the_others() -> None:
    """Its rows are stored all the same, and its bytes leave the queue's account."""
    sink = MemorySink()
    sink.open.clear()
    async with committing(sink, CommitLimits(queue_bytes=10)) as committer, asyncio.TaskGroup() as tasks:
        gone = tasks.create_task(committer.commit(b"gone!"))
        await sink.wait_for_attempts(1)
        gone.cancel()
        sink.open.set()
        assert await outcomes(committer, [b"b" * 5]) == ["ok"]
        committer.check_room(10)
    assert [body for _, body, _ in sink.stored] == [b"gone!", b"b" * 5]


async def test_a_stop_drains_what_is_queued_and_refuses_what_is_new() -> None:
    """Nobody who was let in is sent away."""
    sink = MemorySink()
    sink.open.clear()
    committer, stop = Committer(sink, "otel_traces", CommitLimits()), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(committer.run(stop, drain_seconds=5.0))
        under_way = tasks.create_task(committer.commit(b"a"))
        await sink.wait_for_attempts(1)
        queued = tasks.create_task(committer.commit(b"b"))
        await until(lambda: committer.held_bytes == 2)
        stop.set()
        await until(lambda: is_closed(committer))
        with pytest.raises(Unavailable, match="stopping"):
            await committer.commit(b"c")
        sink.open.set()
        await under_way
        await queued
        await running
    assert [body for _, body, _ in sink.stored] == [b"a", b"b"]


async def test_a_drain_ends_at_its_deadline_and_tells_the_rest_to_come_again() -> None:
    """A ClickHouse that hangs must not keep the process alive."""
    sink = MemorySink()
    sink.open.clear()
    committer, stop = Committer(sink, "otel_traces", CommitLimits()), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(committer.run(stop, drain_seconds=0.01))
        first = tasks.create_task(outcomes(committer, [b"a"]))
        await sink.wait_for_attempts(1)
        second = tasks.create_task(outcomes(committer, [b"b"]))
        await until(lambda: committer.held_bytes == 2)
        stop.set()
        await running
        assert [*await first, *await second] == ["Unavailable", "Unavailable"]
