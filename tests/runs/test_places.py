"""Runs give way: to rules at their own places, and to everybody at the judge."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime

from aiohttp import web
from emptying import emptied
from online_parts import a_rule, at_work, online
from run_parts import PACE, RunParts, working
from storing import a_chat, store, until

from evaluator.judges.scripted import Asked, ScriptedJudge, by_rule
from evaluator.judges.slots import Slots
from evaluator.online.explaining.explanation import Decision
from evaluator.runs.backfill import OfRule
from evaluator.runs.definition import RunRequest
from evaluator.runs.places import Places
from storage.clickhouse.client import Database
from storage.clickhouse.runs import ClickHouseRuns
from storage.model import Purpose
from storage.runs import RunState

FROM = datetime(2026, 11, 2, tzinfo=UTC)


@dataclass
class Traffic:
    """Rules that have work at hand, or have not."""

    at_hand: bool = False

    def busy(self) -> bool:
        """As it is set."""
        return self.at_hand


async def test_a_question_that_can_wait_comes_after_all_others() -> None:
    """Whoever asked first; once it was admitted, its second try waits no longer than anybody's."""
    slots, order = Slots(1), list[str]()

    async def ask(name: str, *, again: bool, background: bool) -> None:
        await slots.acquire(again=again, background=background)
        order.append(name)
        slots.release()

    assert slots.taken()
    async with asyncio.TaskGroup() as group:
        asked = {
            "backfill": (False, True),
            "live": (False, False),
            "backfill again": (True, True),
            "another live": (False, False),
        }
        for name, (again, background) in asked.items():
            group.create_task(ask(name, again=again, background=background))
            await asyncio.sleep(0)
        slots.release()
    assert order == ["backfill again", "live", "another live", "backfill"]
    assert slots.taken()


async def test_runs_keep_one_place_while_rules_are_busy_and_have_all_of_them_otherwise() -> None:
    """What is under way goes on; nobody stands still for ever."""
    traffic = Traffic()
    places = Places(3, live=traffic)
    for _ in range(3):
        await places.acquire()
    traffic.at_hand = True
    for _ in range(2):
        places.release()
    waiting = asyncio.ensure_future(places.acquire())
    done, _ = await asyncio.wait([waiting], timeout=0.3)
    assert not done
    places.release()
    await waiting
    second = asyncio.ensure_future(places.acquire())
    traffic.at_hand = False
    await second
    await places.acquire()
    third = asyncio.ensure_future(places.acquire())
    third.cancel()
    await asyncio.wait([third])
    for _ in range(3):
        places.release()
    await places.acquire()


async def test_what_arrives_during_a_backfill_is_scored_as_without_it(database: Database) -> None:
    """Even where every question of the backfill hangs at the judge."""
    await emptied(database)
    release = asyncio.Event()

    async def held(judge: ScriptedJudge, request: web.Request, asked: Asked) -> web.StreamResponse:
        if "long ago" in asked.prompt:
            await release.wait()
        return await by_rule(judge, request, asked)

    async with online(database) as parts:
        judge = parts.scoring.judge
        judge.always(held)
        await parts.rules.create(a_rule("old", metrics=("correctness",), enabled=False))
        start_ns = int(FROM.timestamp()) * 10**9
        past = [a_chat(question=f"long ago {n}", start_ns=start_ns) for n in range(20)]
        await store(database, *past)
        runs = RunParts(scoring=parts.scoring, runs=ClickHouseRuns(database), queue=parts.queue, database=database)
        async with at_work(parts) as leases, working(runs, live=parts.workers[-1], shared=leases):
            request = RunRequest(selection=OfRule(rule="old", since=FROM))
            run_id = (await runs.catalogue.create(request)).run.run_id

            async def all_hang() -> bool:
                return judge.in_flight == PACE.lanes * PACE.judged_targets

            await until(all_hang, seconds=120.0)
            await parts.rules.create(a_rule("new", metrics=("correctness",), lookback_seconds=0))
            fresh = [a_chat(question=f"just now {n}") for n in range(5)]
            await store(database, *fresh)

            async def scored() -> bool:
                return len(await parts.results(rule="new")) == 5

            await until(scored, seconds=120.0)
            assert {each.purpose for each in await parts.results(rule="new")} == {Purpose.ONLINE}
            assert (await runs.runs.get(run_id)).state is RunState.RUNNING
            assert await parts.results(rule="old") == []
            release.set()
            assert (await runs.ended(run_id)).tally.decisions == {"scored": 20}
        [said] = await parts.explainer.explain("old", past[0].ref)
        assert (said.decision, f"by backfill {run_id}" in said.reason) == (Decision.SCORED, True)
