"""Results of closed days are written into the spans' parts, once nobody adds any."""

from __future__ import annotations

from typing import Any

from maintaining import a_call, write
from storing import a_result

from storage.clickhouse.client import Database
from storage.clickhouse.maintenance import ClickHouseMaintenance
from storage.clickhouse.results import ClickHouseResults
from storage.clickhouse.writeback import ClickHouseWriteBack

DAY_NS = 86_400_000_000_000


async def in_parts(database: Database) -> list[dict[str, Any]]:
    """Whether a span's results stand in its part itself, oldest first."""
    return await database.query(
        "SELECT notEmpty(EvalKeys) AS written FROM otel_traces ORDER BY Timestamp SETTINGS apply_patch_parts = 0"
    )


async def test_a_closed_quiet_day_is_materialised_and_the_open_one_is_not(fresh_database: Database) -> None:
    """Today's parts are merged all the time anyway; a day that still gets results waits."""
    await fresh_database.execute("SYSTEM STOP MERGES otel_traces")
    try:
        today = a_call()
        old = a_call(start_ns=today.start_ns - 2 * DAY_NS)
        await write(fresh_database, [today, old])
        await ClickHouseResults(fresh_database).append([a_result(today), a_result(old)])
        write_back = ClickHouseWriteBack(fresh_database)
        newest_ms = await write_back.newest_ms()
        assert (await write_back.project(since_ms=newest_ms, lag_seconds=60, limit=10)).missing == 0
        maintenance = ClickHouseMaintenance(fresh_database)
        assert await maintenance.apply_patches(quiet_seconds=3600) == []
        assert await in_parts(fresh_database) == [{"written": 0}, {"written": 0}]
    finally:
        await fresh_database.execute("SYSTEM START MERGES otel_traces")
    day = await fresh_database.query("SELECT toString(toYYYYMMDD(min(Timestamp))) AS day FROM otel_traces")
    assert await maintenance.apply_patches(quiet_seconds=0) == [day[0]["day"]]
    assert (await in_parts(fresh_database))[0] == {"written": 1}
