"""Which requests are known to be stored: how many, how long, from where; and what is not trusted."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

import pytest
from exporter_requests import logs, new_trace_id, traces, with_one_bad_span
from sinks import NOW_US, MemorySink

from exporter.digests import KnownRequests, MemoryLimits, request_digest_of
from storage.errors import Unavailable
from storage.otlp.encode import Encoder
from storage.otlp.reference import request_digest

SECOND_US = 1_000_000
QUICK = MemoryLimits(stray_seconds=0.0)


@dataclass(slots=True)
class Clock:
    """Monotonic seconds, moved by the test."""

    seconds: float = 1000.0

    def __call__(self) -> float:
        """Now."""
        return self.seconds


def digest(number: int) -> bytes:
    """One of many."""
    return number.to_bytes(16, "big")


def known(sink: MemorySink, limits: MemoryLimits = QUICK, clock: Clock | None = None) -> KnownRequests:
    """A fresh memory."""
    return KnownRequests(sink, "otel_traces", limits, clock=clock or Clock())


def arrived(seconds_ago: float) -> int:
    """A time of the store's clock."""
    return NOW_US - round(seconds_ago * SECOND_US)


@pytest.mark.parametrize("spans", [1, 2, 300])
def test_the_digest_of_a_request_is_the_one_in_its_rows(spans: int) -> None:
    """It is read from the block: what is remembered is what can be looked up."""
    body, records = traces(new_trace_id(), spans=spans), logs(new_trace_id(), records=spans)
    assert request_digest_of(Encoder().encode_traces(body)) == request_digest(body)
    assert request_digest_of(Encoder().encode_logs(records)) == request_digest(records)


def test_a_request_with_rejected_spans_has_the_digest_of_all_its_bytes() -> None:
    """The client sends the bad span again, too."""
    body = with_one_bad_span(new_trace_id())
    translated = Encoder().encode_traces(body)
    assert (translated.rows, request_digest_of(translated)) == (2, request_digest(body))


def test_the_oldest_are_forgotten_when_there_are_too_many() -> None:
    """An attacker who sends without end makes the memory shorter, not larger."""
    memory = known(MemorySink(), MemoryLimits(generations=3, generation_digests=10))
    for number in range(1000):
        memory.add(digest(number))
        assert len(memory) <= 30
    remembered = [number for number in range(1000) if digest(number) in memory]
    assert remembered == list(range(970, 1000))


def test_at_least_an_hour_is_remembered_where_there_is_room() -> None:
    """By a clock that never jumps."""
    clock = Clock()
    memory = known(MemorySink(), MemoryLimits(), clock)
    for minute in range(180):
        memory.add(digest(minute))
        clock.seconds += 60
    remembered = [minute for minute in range(180) if digest(minute) in memory]
    assert remembered == list(range(105, 180))


async def test_the_first_look_reads_the_last_hour_by_the_clock_of_the_store() -> None:
    """A new process knows what its predecessor stored."""
    sink = MemorySink(known={digest(ago): arrived(ago) for ago in (0, 59, 61, 299, 1300, 3599, 3601)})
    memory = known(sink)
    await memory.look()
    assert [ago for ago in (0, 59, 61, 299, 1300, 3599, 3601) if digest(ago) in memory] == [0, 59, 61, 299, 1300, 3599]


async def test_a_start_takes_the_newest_where_the_last_hour_is_too_much() -> None:
    """And forgets the oldest of them first."""
    sink = MemorySink(known={digest(ago): arrived(ago) for ago in range(100)})
    memory = known(sink, MemoryLimits(generations=2, generation_digests=10))
    await memory.look()
    assert [ago for ago in range(100) if digest(ago) in memory] == list(range(20))
    memory.add(digest(1000))
    assert [ago for ago in range(100) if digest(ago) in memory] == list(range(10))


async def test_a_start_does_not_wait_for_ever_for_what_is_old() -> None:
    """Telemetry is waiting; what is minutes old hardly comes again."""
    sink = MemorySink(known={digest(ago): arrived(ago) for ago in (10, 200, 400)}, silent_before_us=arrived(301))
    memory = known(sink, MemoryLimits(stray_seconds=0.0, load_seconds=0.05))
    async with asyncio.timeout(30):
        await memory.look()
        await memory.look()
    assert [ago for ago in (10, 200, 400) if digest(ago) in memory] == [10, 200]


async def test_what_others_stored_is_looked_up_when_the_last_look_is_old() -> None:
    """Not for every group: a look costs ten milliseconds of CPU."""
    sink, clock = MemorySink(), Clock()
    memory = known(sink, QUICK, clock)
    await memory.look()
    looks = len(sink.looks)
    clock.seconds += 0.7
    await memory.look()
    assert len(sink.looks) == looks
    sink.known[digest(1)] = NOW_US + 1
    clock.seconds += 0.1
    await memory.look()
    assert digest(1) in memory
    assert len(sink.looks) == looks + 1


async def test_what_an_insert_brings_late_is_seen() -> None:
    """Its rows have the time of its begin, and become visible at its end: no look passes one that runs."""
    sink, clock = MemorySink(), Clock()
    memory = known(sink, QUICK, clock)
    await memory.look()
    began_us = NOW_US + 10
    for _ in range(5):
        sink.now_us += SECOND_US
        sink.running_since_us = began_us - 1
        clock.seconds += 1
        await memory.look()
    sink.running_since_us = None
    sink.known[digest(1)] = began_us
    clock.seconds += 1
    await memory.look()
    assert digest(1) in memory


async def test_what_ends_while_it_is_looked_for_is_seen_the_next_time() -> None:
    """The store's answer is settled later than its rows were read."""
    sink, clock = MemorySink(), Clock()
    memory = known(sink, QUICK, clock)
    await memory.look()
    missed_us = NOW_US + 10  # arrived before the next look, invisible to it
    sink.now_us += SECOND_US
    clock.seconds += 1
    await memory.look()
    sink.known[digest(1)] = missed_us
    sink.now_us += SECOND_US
    clock.seconds += 1
    await memory.look()
    assert digest(1) in memory


async def test_a_clock_of_the_store_that_goes_back_hides_nothing() -> None:
    """What arrives by the new time is older than what was seen by the old one."""
    sink, clock = MemorySink(), Clock()
    memory = known(sink, QUICK, clock)
    await memory.look()
    sink.now_us -= 3600 * SECOND_US
    sink.known[digest(1)] = sink.now_us - SECOND_US // 2
    clock.seconds += 1
    await memory.look()
    assert digest(1) in memory


async def test_a_start_waits_for_what_its_predecessor_left_running() -> None:
    """A process that was killed in an INSERT cannot say how that ends."""
    sink = MemorySink(running_since_us=NOW_US - 10)
    memory = known(sink)
    with pytest.raises(Unavailable, match="an earlier INSERT into otel_traces has not ended yet"):
        await memory.look()
    sink.running_since_us = None
    sink.known[digest(1)] = NOW_US - 5
    await memory.look()
    assert digest(1) in memory


async def test_after_a_doubt_only_inserts_that_ran_then_are_waited_for() -> None:
    """Others of a busy table begin all the time."""
    sink, clock = MemorySink(), Clock()
    memory = known(sink, QUICK, clock)
    await memory.look()
    memory.doubt()
    sink.running_since_us = NOW_US - 10
    with pytest.raises(Unavailable):
        await memory.look()
    sink.now_us += SECOND_US
    sink.running_since_us = NOW_US + 10
    await memory.look()


async def test_an_insert_that_never_ends_is_not_waited_for_for_ever() -> None:
    """Half a minute later telemetry is taken again, at the risk of doubling that one group."""
    sink, clock = MemorySink(running_since_us=NOW_US - 10), Clock()
    memory = known(sink, QUICK, clock)
    clock.seconds += 29
    with pytest.raises(Unavailable):
        await memory.look()
    clock.seconds += 1
    await memory.look()


async def test_a_process_that_slept_reads_the_last_hour_and_no_more() -> None:
    """Others may have stored for days meanwhile."""
    sink, clock = MemorySink(), Clock()
    memory = known(sink, QUICK, clock)
    await memory.look()
    sink.now_us += 86_400 * SECOND_US
    sink.known = {digest(ago): sink.now_us - ago * SECOND_US for ago in (10, 3500, 3700)}
    clock.seconds += 86_400
    await memory.look()
    assert [ago for ago in (10, 3500, 3700) if digest(ago) in memory] == [10, 3500]


@pytest.mark.parametrize("before", range(5))
async def test_a_first_look_that_fails_is_repeated_whole(before: int) -> None:
    """After however many of its questions ClickHouse went away."""
    sink = MemorySink(known={digest(ago): arrived(ago) for ago in (1, 1000, 3000)})
    sink.look_errors = deque([*[None] * before, Unavailable("away")])
    memory = known(sink)
    with pytest.raises(Unavailable):
        await memory.look()
    await memory.look()
    assert [ago for ago in (1, 1000, 3000) if digest(ago) in memory] == [1, 1000, 3000]


async def test_a_later_look_that_fails_is_repeated_from_where_it_stood() -> None:
    """Nothing is lost between the two."""
    sink, clock = MemorySink(), Clock()
    memory = known(sink, QUICK, clock)
    await memory.look()
    sink.look_errors = deque([Unavailable("away")])
    sink.known[digest(2)] = NOW_US + 1
    clock.seconds += 1
    with pytest.raises(Unavailable):
        await memory.look()
    await memory.look()
    assert digest(2) in memory
