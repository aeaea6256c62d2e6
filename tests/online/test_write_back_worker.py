"""The writer's rhythm: it projects what came, soon, once, and only while it holds the lease."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from storing import SentSpan, a_result, store, until

from evaluator.online.leases import LeaseKeeper
from evaluator.online.writeback import WriteBackWorker
from storage.clickhouse.client import Database
from storage.clickhouse.queue import ClickHouseLeases
from storage.clickhouse.results import ClickHouseResults
from storage.clickhouse.writeback import ClickHouseWriteBack

KEY = "gen_ai.evaluation.quality.score.value"


@asynccontextmanager
async def writing(database: Database, leases: LeaseKeeper) -> AsyncIterator[None]:
    """A writer at work."""
    async with asyncio.TaskGroup() as group:
        worker = WriteBackWorker(ClickHouseWriteBack(database), leases, pause_seconds=0.05)
        task = group.create_task(worker.run())
        yield
        task.cancel()


async def shown(database: Database, span: SentSpan) -> str | None:
    """The value on a span."""
    rows = await database.query(
        "SELECT EvaluationAttributes[{key:String}] AS value FROM spans WHERE SpanId = {id:String}",
        {"key": KEY, "id": span.span_id},
    )
    value: str | None = rows[0]["value"]
    return value


async def batches(database: Database) -> int:
    """How many UPDATEs there were."""
    rows = await database.query("SELECT count() AS n FROM writeback_batches")
    return int(rows[0]["n"])


def keeper(database: Database) -> LeaseKeeper:
    """Of one process; nobody renews its lease, so it must not run out on a busy machine."""
    return LeaseKeeper(ClickHouseLeases(database), ttl_seconds=600)


async def test_results_appear_without_being_asked_for(fresh_database: Database) -> None:
    """And a round without news writes nothing."""
    span, results = SentSpan(), ClickHouseResults(fresh_database)
    await store(fresh_database, span)
    leases = keeper(fresh_database)
    await leases.renew()
    async with writing(fresh_database, leases):
        for value in ("0.5", "0.75"):
            await results.append([a_result(span, metric_version=int(float(value) * 4))])
            await until(lambda: batches(fresh_database))
        await until(lambda: shown(fresh_database, span))
        await until(lambda: _both_staged(fresh_database))
        written = await batches(fresh_database)
        other = SentSpan()
        await store(fresh_database, other)  # telemetry alone is no news
        newest = await ClickHouseWriteBack(fresh_database).newest_ms()
        assert newest > 0
    assert written in (1, 2)
    assert await batches(fresh_database) == written
    assert await shown(fresh_database, span) == "0.5"


async def test_a_result_that_becomes_visible_after_a_newer_one_is_shown_all_the_same(fresh_database: Database) -> None:
    """Its INSERT began earlier and took longer; nothing comes afterwards that would make anybody look."""
    first, slow, results = SentSpan(), SentSpan(), ClickHouseResults(fresh_database)
    await store(fresh_database, first, slow)
    leases = keeper(fresh_database)
    await leases.renew()
    await results.append([a_result(first)])
    copied = (
        "INSERT INTO evaluations SELECT * REPLACE (generateUUIDv4() AS EvaluationId, {trace:String} AS TraceId, "
        "{span:String} AS SpanId, {trace:String} AS AnchorTraceId, {span:String} AS AnchorSpanId, "
        "now64(6) AS InsertedAt) FROM evaluations WHERE sleepEachRow(2.5) = 0"
    )
    async with writing(fresh_database, leases):
        await until(lambda: shown(fresh_database, first))
        async with asyncio.TaskGroup() as group:
            group.create_task(fresh_database.execute(copied, {"trace": slow.trace_id, "span": slow.span_id}))
            await until(lambda: _is_inserting(fresh_database))
            newer = SentSpan()
            await store(fresh_database, newer)
            await results.append([a_result(newer)])
            await until(lambda: shown(fresh_database, newer))
        assert await until(lambda: shown(fresh_database, slow)) == "0.5"


async def _is_inserting(database: Database) -> bool:
    running = await database.query(
        "SELECT (SELECT count() FROM system.processes WHERE query LIKE 'INSERT INTO evaluations SELECT%') + "
        "(SELECT count() > 1 FROM evaluations) AS n"
    )
    return bool(running[0]["n"])


async def _both_staged(database: Database) -> bool:
    rows = await database.query("SELECT sum(Staged) AS n FROM writeback_batches")
    return bool(rows[0]["n"] >= 2)


async def test_a_writer_without_the_lease_stands_by(fresh_database: Database) -> None:
    """Two writers would race for the same rows; the second one finishes what the first left staged."""
    first, second = keeper(fresh_database), keeper(fresh_database)
    await first.renew()
    await second.renew()
    assert (first.owned("writeback"), second.owned("writeback")) == ([0], [])
    span = SentSpan()
    await store(fresh_database, span)
    await ClickHouseResults(fresh_database).append([a_result(span)])
    newest = await ClickHouseWriteBack(fresh_database).newest_ms()
    stage = {"batch": 1, "cursor_ms": newest, "lag": 60, "retry_after": 10, "max_rows": 10}
    await fresh_database.run("writeback_stage", stage)  # the first one dies here
    async with writing(fresh_database, second):
        assert await shown(fresh_database, span) is None
        await first.release()
        await second.renew()
        assert await until(lambda: shown(fresh_database, span)) == "0.5"
