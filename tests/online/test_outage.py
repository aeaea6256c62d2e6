"""ClickHouse goes away while rules work: nothing is lost, nothing is paid twice, nobody has to be restarted."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from online_parts import Online, a_rule, at_work, online
from storing import a_chat, store, until

from evaluator.judges.scripted import by_rule
from storage.clickhouse.client import Database
from storage.clickhouse.migrate import migrate
from storage.clickhouse.server import running
from storage.errors import Unavailable

IN_FLIGHT = 8


async def test_a_killed_and_restarted_store_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """Killed while every lane waits for the judge and the queue is full; the judge answers into the outage."""
    with running(tmp_path) as server:
        async with Database(server.url()) as database:
            await migrate(database)
            async with online(database) as parts:
                release = _held(parts)
                await parts.rules.create(a_rule("judged", metrics=("correctness", "response_length")))
                before = [a_chat() for _ in range(20)]
                await store(database, *before)
                async with at_work(parts):
                    await until(lambda: _in_flight(parts))
                    server.kill()
                    release.set()
                    await until(lambda: _away(parts))
                    server.start()
                    after = [a_chat() for _ in range(5)]
                    await until(lambda: _stored(database, after))
                    await parts.until_results(2 * 25)
                    await parts.until_looked("judged")
                found = await parts.scored()
                assert {key[:2] for key in found} == {
                    (metric, span.ref.key)
                    for span in (*before, *after)
                    for metric in ("correctness", "response_length")
                }
                assert set(found.values()) == {1}


def _held(parts: Online) -> asyncio.Event:
    """Hold the judge's answers until the event is set."""
    release = asyncio.Event()

    async def when_released(judge: Any, request: Any, asked: Any) -> Any:
        await release.wait()
        return await by_rule(judge, request, asked)

    parts.scoring.judge.always(when_released)
    return release


async def _in_flight(parts: Online) -> bool:
    return parts.scoring.judge.in_flight >= IN_FLIGHT


async def _away(parts: Online) -> bool:
    """Whether the evaluator's own connection notices, and the judge has answered everybody."""
    try:
        await parts.results()
    except Unavailable:
        return parts.scoring.judge.in_flight == 0
    return False


async def _stored(database: Database, spans: list[Any]) -> bool:
    try:
        await store(database, *spans)
    except Unavailable:
        return False
    return True
