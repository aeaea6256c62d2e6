"""Maintenance by itself: soon, once, by one process, and rules learn of what it repaired."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from maintaining import a_call, in_step, write
from online_parts import a_rule, at_work, online
from storing import until

from evaluator.online.leases import LeaseKeeper
from evaluator.online.maintenance import CURSOR, MaintenanceWorker
from storage.clickhouse.client import Database
from storage.clickhouse.maintenance import ClickHouseMaintenance
from storage.clickhouse.queue import ClickHouseLeases, ClickHouseQueue
from storage.maintenance import MaintenanceWork


def maintainer(database: Database, leases: LeaseKeeper) -> MaintenanceWorker:
    """Of one process."""
    return MaintenanceWorker(ClickHouseMaintenance(database), ClickHouseQueue(database), leases, pause_seconds=0.1)


@asynccontextmanager
async def maintaining(database: Database, leases: LeaseKeeper) -> AsyncIterator[None]:
    """A maintainer at work."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(maintainer(database, leases).run())
        yield
        task.cancel()


async def held(database: Database) -> LeaseKeeper:
    """Leases of a process that owns all work."""
    leases = LeaseKeeper(ClickHouseLeases(database), ttl_seconds=120)
    await leases.renew()
    return leases


async def test_copies_vanish_by_themselves_and_what_was_done_is_remembered(fresh_database: Database) -> None:
    """Each arrival is looked at once; the totals outlive the process."""
    maintenance, queue = ClickHouseMaintenance(fresh_database), ClickHouseQueue(fresh_database)
    async with maintaining(fresh_database, await held(fresh_database)):
        for total in (1, 2):
            span = a_call()
            for _ in range(2):
                await write(fresh_database, [span], digest=bytes([total]) * 16)
            expected = MaintenanceWork(spans_removed=total, rollups_repaired=total)

            async def done(expected: MaintenanceWork = expected) -> bool:
                return await maintenance.total() == expected

            await until(done, seconds=60)
        assert await in_step(fresh_database)
    cursor_ms = await queue.cursor_ms(CURSOR)
    newest = await fresh_database.query("SELECT toUnixTimestamp64Milli(max(IngestedAt)) AS ms FROM otel_traces")
    assert cursor_ms is not None
    assert cursor_ms >= newest[0]["ms"]


async def test_a_maintainer_without_the_lease_stands_by(fresh_database: Database) -> None:
    """Until the first process gives it back."""
    first, second = await held(fresh_database), LeaseKeeper(ClickHouseLeases(fresh_database), ttl_seconds=120)
    await second.renew()
    assert (first.owned("maintenance"), second.owned("maintenance")) == ([0], [])
    span = a_call()
    for _ in range(2):
        await write(fresh_database, [span])
    assert await maintainer(fresh_database, second).round()
    maintenance = ClickHouseMaintenance(fresh_database)
    assert await maintenance.total() == MaintenanceWork()
    await first.release()
    await second.renew()
    assert not await maintainer(fresh_database, second).round()
    assert await maintenance.total() == MaintenanceWork(foreign_spans_removed=1, rollups_repaired=1)


async def test_nothing_is_looked_at_past_an_insert_that_still_runs(fresh_database: Database) -> None:
    """Its rows carry the time at which it began."""
    slow = (
        "INSERT INTO otel_traces (Timestamp, TraceId, SpanId, ServiceName) SELECT now64(9) + sleepEachRow(1), "
        "lower(hex(MD5('slow'))), lower(hex(cityHash64(number))), 'slow' FROM numbers(3) SETTINGS max_block_size = 1"
    )
    worker, queue = maintainer(fresh_database, await held(fresh_database)), ClickHouseQueue(fresh_database)
    async with asyncio.TaskGroup() as group:
        inserting = group.create_task(fresh_database.execute(slow))

        async def began() -> list[dict[str, Any]]:
            return await fresh_database.query(
                "SELECT toUnixTimestamp64Milli(now64(3)) AS ms FROM system.processes WHERE query_kind = 'Insert' AND "
                "query LIKE '%sleepEachRow%' AND current_database = currentDatabase()"
            )

        seen = (await until(began))[0]["ms"]
        await worker.round()
        cursor_ms = await queue.cursor_ms(CURSOR)
        assert not inserting.done()
    assert cursor_ms is not None
    assert cursor_ms <= seen
    arrived = await fresh_database.query("SELECT toUnixTimestamp64Milli(min(IngestedAt)) AS ms FROM otel_traces")
    assert cursor_ms < arrived[0]["ms"]


async def test_rules_find_a_trace_that_was_invisible_until_it_was_repaired(fresh_database: Database) -> None:
    """Its arrival lies behind every cursor; the repair is an arrival."""
    async with online(fresh_database) as parts:
        await parts.rules.create(a_rule())
        async with at_work(parts) as leases:
            views = ("trace_events_mv", "traces_rollup_mv")
            for view in views:
                await fresh_database.execute(f"DETACH TABLE {view}")
            try:
                await write(fresh_database, [a_call()])
            finally:
                for view in views:
                    await fresh_database.execute(f"ATTACH TABLE {view}")
            await parts.until_looked("all")
            assert await parts.results() == []
            await maintainer(fresh_database, leases).round()
            results = await parts.until_results(1)
    assert len(results) == 1
    assert await in_step(fresh_database)
