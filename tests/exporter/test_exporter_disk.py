"""Low disk: refuse before anything is accepted, recover without help."""

from __future__ import annotations

import asyncio

import grpc
import pytest
from exporter_requests import new_trace_id, traces
from running_receiver import receiving
from sinks import MemorySink

from exporter.disk import DiskGuard, DiskLimits
from exporter.server import ExporterSettings
from storage.errors import DiskLow, Unavailable

LIMITS = DiskLimits(min_free_bytes=100, poll_seconds=0.005)


async def test_below_the_limit_it_refuses_and_above_it_takes_again() -> None:
    """The limit itself is enough room."""
    sink = MemorySink(free=99)
    guard = DiskGuard(sink, LIMITS)
    guard.check()  # nothing is known yet
    await guard.look()
    with pytest.raises(DiskLow, match="99 bytes of disk left, the limit is 100"):
        guard.check()
    sink.free = 100
    await guard.look()
    guard.check()


async def test_while_clickhouse_is_away_the_last_answer_stands() -> None:
    """An outage is neither a full disk nor room."""
    sink = MemorySink(free=1)
    guard = DiskGuard(sink, LIMITS)
    await guard.look()
    sink.free = Unavailable("away")
    await guard.look()
    with pytest.raises(DiskLow):
        guard.check()


async def test_a_receiver_with_a_low_disk_answers_unavailable_on_both_fronts_and_recovers() -> None:
    """Clients keep their data and send it again; nothing reaches the store meanwhile."""
    sink = MemorySink(free=1)
    body = traces(new_trace_id())
    async with receiving(sink, ExporterSettings(disk=LIMITS)) as receiver:
        called, posted, health = (
            await receiver.call("traces", body),
            await receiver.post("/v1/traces", body),
            await receiver.get("/healthz"),
        )
        assert (called.code, called.retryable, posted.status, posted.headers["Retry-After"], health.status) == (
            (grpc.StatusCode.UNAVAILABLE, True, 503, "5", 503)
        )  # fmt: skip
        assert sink.attempts == []
        sink.free = 1 << 40
        async with asyncio.timeout(30):
            while (await receiver.get("/healthz")).status != 200:  # the guard looks every few milliseconds
                pass
        assert (await receiver.call("traces", body)).code is grpc.StatusCode.OK
