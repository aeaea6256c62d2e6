"""The query behind: which requests are in a real ClickHouse with all their rows."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Sequence
from typing import Any

import pytest
from storing import until

from storage.clickhouse.client import Database
from storage.clickhouse.telemetry import ClickHouseSink
from storage.errors import Unavailable

DAY_NS = 86_400 * 10**9
NOON_NS = 1_790_000_000 * 10**9 // DAY_NS * DAY_NS + DAY_NS // 2
NOW_MS = time.time_ns() // 1_000_000
TOMORROW_MS = NOW_MS + 86_400_000
ALL_US = 7_258_118_400_000_000
COLUMNS = ("Timestamp", "ServiceName", "IngestedAt", "RequestDigest", "RequestRows")
SLOW = (
    "INSERT INTO otel_traces (ServiceName) SELECT toString(sleepEachRow(1)) FROM numbers(60) "
    "SETTINGS max_block_size = 1"
)

# Rows of the request, and the days of the rows that each INSERT brought.
PARTS = {
    "whole": (3, [(0, 0, 1)], True),
    "half": (4, [(0, 0)], False),
    "a half, twice, which makes as many rows as the whole": (4, [(0, 0), (0, 0)], False),
    "a half, then the whole": (3, [(0, 0), (0, 0, 1)], True),
    "both halves, by two INSERTs": (3, [(0, 0), (1,)], True),
    "whole, twice": (2, [(0, 1), (0, 1)], True),
}


async def insert(database: Database, digest: bytes, rows: int, days: Sequence[int], *, at_ms: int = NOW_MS) -> None:
    """What one INSERT stores of a request of so many rows: a row on each of these days."""
    values: list[tuple[Any, ...]] = [(NOON_NS - day * DAY_NS, "shop", at_ms, digest, rows) for day in days]
    await database.insert_rows("otel_traces", COLUMNS, values)


async def stored(database: Database, *, after_us: int = 0, until_us: int = ALL_US, limit: int = 1000) -> list[bytes]:
    """Digests, newest first."""
    sink = ClickHouseSink(database)
    found = await sink.stored_requests("otel_traces", after_us=after_us, until_us=until_us, limit=limit)
    return list(found.digests)


@pytest.mark.parametrize(("rows", "inserts", "complete"), PARTS.values(), ids=PARTS)
async def test_a_request_is_stored_when_all_its_rows_are(
    database: Database, rows: int, inserts: list[tuple[int, ...]], complete: bool
) -> None:
    """Whatever is there twice: an INSERT is atomic per partition and nothing more."""
    digest = secrets.token_bytes(16)
    for number, days in enumerate(inserts):
        await insert(database, digest, rows, days, at_ms=NOW_MS + number)
    assert (digest in await stored(database)) == complete


async def test_rows_of_other_writers_are_no_request(database: Database) -> None:
    """The Collector's own exporter leaves our columns empty."""
    await insert(database, bytes(16), 0, (0, 1))
    assert bytes(16) not in await stored(database)


async def test_a_window_holds_what_arrived_in_it_newest_first(database: Database) -> None:
    """After, until, and no more than asked for."""
    names = [secrets.token_bytes(16) for _ in range(5)]
    for number, name in enumerate(names):
        await insert(database, name, 1, (0,), at_ms=TOMORROW_MS + number)
    window = await stored(database, after_us=TOMORROW_MS * 1000, until_us=(TOMORROW_MS + 3) * 1000)
    assert window == [names[3], names[2], names[1]]
    assert await stored(database, limit=2) == [names[4], names[3]]
    assert await stored(database, after_us=0, until_us=0) == []


async def test_an_insert_that_runs_holds_back_what_is_settled_in_its_table(database: Database) -> None:
    """Its rows have the time of its begin and are not visible yet."""
    sink = ClickHouseSink(database)

    async def behind(table: Any) -> bool:
        seen = await sink.stored_requests(table, after_us=0, until_us=0, limit=1)
        return seen.settled_us < seen.now_us

    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(refused(database, SLOW))
        await until(lambda: behind("otel_traces"))
        assert not await behind("otel_logs")
        await database.execute("KILL QUERY WHERE query LIKE 'INSERT%sleepEachRow%' AND query_kind = 'Insert' SYNC")
        assert "QUERY_WAS_CANCELLED" in await running
    assert not await behind("otel_traces")


async def refused(database: Database, sql: str) -> str:
    """Why ClickHouse ended a statement."""
    with pytest.raises(Unavailable) as raised:
        await database.execute(sql)
    return str(raised.value)
