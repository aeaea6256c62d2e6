"""kill -9 of a real ClickHouse in the middle of an INSERT, which is atomic per partition and nothing more."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from exporter_requests import START_NS, new_trace_id, traces
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from exporter.commit import CommitLimits, Committer
from exporter.digests import request_digest_of
from storage.clickhouse.client import Database
from storage.clickhouse.migrate import migrate
from storage.clickhouse.server import EmbeddedServer
from storage.clickhouse.telemetry import ClickHouseSink
from storage.otlp.encode import Encoder
from storage.otlp.reference import DAY_NS

DAYS = 30
COPIES = """
SELECT copies, count() AS spans, uniqExact(day) AS days
FROM (
    SELECT SpanId, toDate(Timestamp) AS day, count() AS copies
    FROM otel_traces WHERE TraceId = {trace:String} GROUP BY SpanId, day
)
GROUP BY copies ORDER BY copies"""
VIEWS = """
SELECT (SELECT sum(Spans) FROM trace_events WHERE TraceId = {trace:String}) AS journal,
       (SELECT sum(Spans) FROM traces_rollup WHERE TraceId = {trace:String}) AS rollup"""
IMPATIENT = CommitLimits(retry_for_seconds=0.0)


def over_many_days(trace_id: bytes) -> bytes:
    """A request whose spans fall into DAYS partitions, two in each."""
    request = ExportTraceServiceRequest.FromString(traces(trace_id, spans=2 * DAYS))
    for number, span in enumerate(request.resource_spans[0].scope_spans[0].spans):
        span.start_time_unix_nano = START_NS - number // 2 * DAY_NS
        span.end_time_unix_nano = span.start_time_unix_nano + 1000
    return request.SerializeToString()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """A ClickHouse of our own, migrated, to be killed."""
    own = EmbeddedServer(tmp_path_factory.mktemp("killed"), http="127.0.0.1:0")
    own.start()

    async def prepare() -> None:
        async with Database(own.url()) as database:
            await migrate(database)

    asyncio.run(prepare())
    yield own
    own.stop()


@contextlib.asynccontextmanager
async def exporter(
    server: EmbeddedServer, limits: CommitLimits = IMPATIENT
) -> AsyncIterator[tuple[Committer, Database]]:
    """What an exporter process has; it knows nothing but what is in the store."""
    async with Database(server.url()) as database:
        committer, stop = Committer(ClickHouseSink(database), "otel_traces", limits), asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(committer.run(stop, drain_seconds=5.0))
            yield committer, database
            stop.set()


async def send(committer: Committer, *bodies: bytes) -> None:
    """Commit at the same time, as one group."""
    async with asyncio.TaskGroup() as tasks:
        for body in bodies:
            translated = Encoder().encode_traces(body)
            digest = request_digest_of(translated)
            tasks.create_task(committer.commit(translated.block, digest=digest, rows=translated.rows))


async def query(server: EmbeddedServer, sql: str, trace_id: bytes) -> list[dict[str, Any]]:
    """Rows about one trace."""
    async with Database(server.url()) as database:
        return await database.query(sql, {"trace": trace_id.hex()})


async def half_stored(server: EmbeddedServer) -> tuple[bytes, bytes, dict[str, Any]]:
    """Trace id, request and `COPIES` of a request of which ClickHouse has a part; it was killed, and runs again."""
    for _ in range(10):  # the whole may be there before the kill
        trace_id = new_trace_id()
        body = over_many_days(trace_id)
        await send_and_kill(server, body)
        await asyncio.to_thread(server.start)
        copies = await query(server, COPIES, trace_id)
        if copies and copies[0]["days"] < DAYS:
            assert copies[0]["copies"] == 1
            return trace_id, body, copies[0]
    raise AssertionError("ten INSERTs were killed, and none of them in the middle")


async def send_and_kill(server: EmbeddedServer, body: bytes) -> None:
    """Kill ClickHouse when a third of the partitions is committed."""
    async with exporter(server) as (committer, database):
        [table] = await database.query(
            "SELECT data_paths[1] AS path FROM system.tables "
            "WHERE database = currentDatabase() AND name = 'otel_traces'"
        )
        folder = Path(table["path"])
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(asyncio.to_thread(kill_when, server, folder, parts_in(folder) + DAYS // 3))
            with contextlib.suppress(ExceptionGroup):
                await send(committer, body)


def parts_in(folder: Path) -> int:
    """Committed parts of a table: other folders begin with a word."""
    return sum(entry.name[0].isdigit() for entry in folder.iterdir())


def kill_when(server: EmbeddedServer, folder: Path, parts: int) -> None:
    """Look without a pause: the commits of all partitions take some hundredths of a second."""
    give_up = threading.Event()
    timer = threading.Timer(30, give_up.set)
    timer.start()
    while parts_in(folder) < parts and not give_up.is_set():
        pass
    timer.cancel()
    server.kill()


async def test_a_half_stored_request_that_comes_again_alone_is_completed(server: EmbeddedServer) -> None:
    """The group's token is made of its requests: ClickHouse knows which partitions it has, and the views follow."""
    trace_id, body, _ = await half_stored(server)
    async with exporter(server) as (committer, _):
        await send(committer, body)
        assert committer.recognised == 0
    assert await query(server, COPIES, trace_id) == [{"copies": 1, "spans": 2 * DAYS, "days": DAYS}]
    assert await query(server, VIEWS, trace_id) == [{"journal": 2 * DAYS, "rollup": 2 * DAYS}]


async def test_a_half_stored_request_in_another_group_is_stored_whole_and_only_its_half_is_double(
    server: EmbeddedServer,
) -> None:
    """What maintenance removes later; a third time it is known, although there are more rows than the request has."""
    trace_id, body, half = await half_stored(server)
    other_id = new_trace_id()
    other = traces(other_id, spans=3)
    async with exporter(server) as (committer, _):
        await send(committer, other, body)
        assert committer.recognised == 0
    doubled = [
        {"copies": 1, "spans": 2 * DAYS - half["spans"], "days": DAYS - half["days"]},
        {"copies": 2, "spans": half["spans"], "days": half["days"]},
    ]
    assert await query(server, COPIES, trace_id) == doubled
    async with exporter(server) as (committer, _):
        await send(committer, body, other)
        assert committer.recognised == 2
    assert await query(server, COPIES, trace_id) == doubled
    assert await query(server, COPIES, other_id) == [{"copies": 1, "spans": 3, "days": 1}]
