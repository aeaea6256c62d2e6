"""What a process believes to own, and for how long."""

from __future__ import annotations

import asyncio
from pathlib import Path

from storing import until

from evaluator.online.leases import LeaseKeeper
from storage.clickhouse.client import Database
from storage.clickhouse.migrate import migrate
from storage.clickhouse.queue import ClickHouseLeases
from storage.clickhouse.server import running

EVERYTHING = {"score": list(range(16)), "writeback": [0]}


def owned(keeper: LeaseKeeper) -> dict[str, list[int]]:
    """Of both kinds of work."""
    return {name: keeper.owned(name) for name in EVERYTHING}


async def test_one_of_two_processes_works_and_the_other_follows(fresh_database: Database) -> None:
    """Everything or nothing; a release hands it over without waiting for the lease to run out."""
    first, second = (LeaseKeeper(ClickHouseLeases(fresh_database), ttl_seconds=600) for _ in range(2))
    assert first.owner != second.owner
    assert owned(first) == {"score": [], "writeback": []}
    await first.renew()
    await second.renew()
    assert (owned(first), owned(second)) == (EVERYTHING, {"score": [], "writeback": []})
    await first.release()
    assert owned(first) == {"score": [], "writeback": []}
    await second.renew()
    assert owned(second) == EVERYTHING


async def test_a_keeper_believes_nothing_longer_than_the_lease_and_survives_an_outage(tmp_path: Path) -> None:
    """While the store is away the leases run out here too; when it is back they are taken again."""
    with running(tmp_path) as server:
        async with Database(server.url()) as database, asyncio.TaskGroup() as group:
            await migrate(database)
            keeper = LeaseKeeper(ClickHouseLeases(database), ttl_seconds=3.0, renew_seconds=0.05)
            renewing = group.create_task(keeper.run())

            async def has_everything() -> bool:
                return owned(keeper) == EVERYTHING

            async def has_nothing() -> bool:
                return owned(keeper) == {"score": [], "writeback": []}

            await until(has_everything)
            server.kill()
            await until(has_nothing)
            server.start()
            await until(has_everything)
            renewing.cancel()
