"""What a crash left out of journal, rollups and sessions is put in; what is under way is left to its own INSERT."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from maintaining import SHOWN, a_call, closed_window, in_step, maintained, write, write_logs

from storage.clickhouse.client import Database
from storage.clickhouse.maintenance import ClickHouseMaintenance
from storage.clickhouse.migrate import migrate
from storage.clickhouse.server import running
from storage.errors import StorageError
from storage.maintenance import ArrivalWindow, MaintenanceWork

DAY_NS = 86_400_000_000_000
VIEWS = {
    "trace_events_mv": MaintenanceWork(journal_added=1),
    "traces_rollup_mv": MaintenanceWork(rollups_repaired=1),
    "session_traces_mv": MaintenanceWork(sessions_added=1),
    "trace_events_logs_mv": MaintenanceWork(journal_added=1),
    "traces_rollup_logs_mv": MaintenanceWork(rollups_repaired=1),
}


async def test_rows_that_any_one_view_missed_are_added_once(fresh_database: Database) -> None:
    """Each view's part is lost or kept by itself, here of a trace that had arrivals before."""
    root, maintenance = a_call(), ClickHouseMaintenance(fresh_database)
    for number, (view, repaired) in enumerate(VIEWS.items()):
        child = a_call(trace_id=root.trace_id, parent=root.span_id, attributes={"session.id": f"s-{number}"})
        await fresh_database.execute(f"DETACH TABLE {view}")
        try:
            await write(fresh_database, [child if number else root])
            await write_logs(fresh_database, [(root.start_ns, root, f"said {number}")])
        finally:
            await fresh_database.execute(f"ATTACH TABLE {view}")
        assert await maintenance.differing(await closed_window(fresh_database)) == repaired.rollups_repaired
        assert await maintained(fresh_database) == repaired
        assert await in_step_with_logs(fresh_database, root.trace_id, logs=number + 1)
    assert not await maintained(fresh_database)


async def in_step_with_logs(database: Database, trace_id: str, *, logs: int) -> bool:
    """`in_step`, and the logs are counted in journal and rollup."""
    counted = await database.query(
        "SELECT (SELECT sum(Logs) FROM traces_rollup WHERE TraceId = {id:String}) AS rolled_up, "
        "(SELECT sum(Logs) FROM trace_events WHERE TraceId = {id:String}) AS heard",
        {"id": trace_id},
    )
    assert counted == [{"rolled_up": logs, "heard": logs}]
    return await in_step(database)


async def test_a_trace_that_spans_windows_is_compared_as_a_whole(fresh_database: Database) -> None:
    """The first window's rows are in the rollup that the second one is compared with."""
    root = a_call()
    await write(fresh_database, [root, a_call(trace_id=root.trace_id, parent=root.span_id)])
    first = await closed_window(fresh_database)
    await fresh_database.execute("DETACH TABLE traces_rollup_mv")
    try:
        await write(fresh_database, [a_call(trace_id=root.trace_id, parent=root.span_id, status="Error")])
    finally:
        await fresh_database.execute("ATTACH TABLE traces_rollup_mv")
    second = await closed_window(fresh_database)
    maintenance = ClickHouseMaintenance(fresh_database)
    window = ArrivalWindow(since_ms=first.until_ms, until_ms=second.until_ms)
    assert await maintenance.reconcile(window) == MaintenanceWork(rollups_repaired=1)
    assert await in_step(fresh_database)


async def test_a_trace_with_newer_rows_is_left_to_the_window_that_they_are_in(fresh_database: Database) -> None:
    """Its INSERT may be between the spans' part and the views': to repair it then would count it twice."""
    root = a_call()
    await fresh_database.execute("DETACH TABLE traces_rollup_mv")
    try:
        await write(fresh_database, [root])
        window = await closed_window(fresh_database)
        await write(fresh_database, [a_call(trace_id=root.trace_id, parent=root.span_id)])
    finally:
        await fresh_database.execute("ATTACH TABLE traces_rollup_mv")
    maintenance = ClickHouseMaintenance(fresh_database)
    assert await maintenance.reconcile(window) == MaintenanceWork()
    later = ArrivalWindow(since_ms=window.until_ms, until_ms=(await closed_window(fresh_database)).until_ms)
    assert await maintenance.reconcile(later) == MaintenanceWork(rollups_repaired=1)
    assert await in_step(fresh_database)


async def test_a_rollup_that_counts_too_much_is_taken_back(fresh_database: Database) -> None:
    """As after two repairs at once: the repaired trace is an arrival of the next window, which proves it."""
    root = a_call()
    await write(fresh_database, [root])
    window = await closed_window(fresh_database)
    await fresh_database.execute("TRUNCATE TABLE traces_rollup")
    maintenance = ClickHouseMaintenance(fresh_database)
    async with asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(maintenance.reconcile(window))
    await maintained(fresh_database)
    assert not await maintained(fresh_database)
    assert await in_step(fresh_database)
    await fresh_database.execute("OPTIMIZE TABLE traces_rollup FINAL")
    assert await in_step(fresh_database)


async def test_spans_without_a_trace_and_spans_that_are_gone_are_no_reason_to_repair(fresh_database: Database) -> None:
    """Retention drops whole days of spans; a trace without spans is not shown."""
    await write(fresh_database, [a_call(trace_id="")])
    assert not await maintained(fresh_database)
    gone, stays = a_call(start_ns=DAY_NS), a_call()
    await write(fresh_database, [gone, stays])
    await fresh_database.execute("ALTER TABLE otel_traces DROP PARTITION '1970-01-02'")
    assert await maintained(fresh_database) == MaintenanceWork(rollups_repaired=1)
    assert [row["TraceId"] for row in await fresh_database.query(SHOWN)] == [stays.trace_id]
    assert not await maintained(fresh_database)


async def test_a_server_that_is_killed_in_the_middle_loses_no_span_and_ends_in_step(tmp_path: Path) -> None:
    """kill -9 during INSERTs of copies, during removals and during repairs; every acknowledged span is there once."""
    with running(tmp_path) as server:
        async with Database(server.url()) as database:
            await migrate(database)
        acknowledged: list[str] = []
        for after in (3, 8):
            await _until_killed(server.url(), acknowledged, kill=server.kill, after=after)
            server.start()
        async with Database(server.url()) as database:
            while await maintained(database):
                pass
            stored = await database.query("SELECT SpanId AS id, count() AS n FROM otel_traces GROUP BY id")
            assert {row["n"] for row in stored} == {1}
            assert set(acknowledged) <= {row["id"] for row in stored}
            assert await in_step(database)


async def _until_killed(url: str, acknowledged: list[str], *, kill: object, after: int) -> None:
    """Write batches over two days twice each and maintain, until the server is gone."""
    assert callable(kill)
    async with Database(url) as database:
        steps = asyncio.Semaphore(0)

        async def writes() -> None:
            while True:
                today = [a_call() for _ in range(20)]
                batch = [
                    *today,
                    *(a_call(trace_id=span.trace_id, start_ns=span.start_ns - 86_400_000_000_000) for span in today),
                ]
                for _ in range(2):
                    await write(database, batch)
                    acknowledged.extend(span.span_id for span in batch)
                    steps.release()

        async def maintains() -> None:
            while True:
                await maintained(database, at_once=30)
                steps.release()

        async def ends(work: asyncio.Task[None]) -> None:
            with pytest.raises(StorageError):
                await work

        async with asyncio.TaskGroup() as group:
            for work in (writes(), maintains()):
                group.create_task(ends(asyncio.create_task(work)))
            for _ in range(after):
                await steps.acquire()
            await asyncio.to_thread(kill)
