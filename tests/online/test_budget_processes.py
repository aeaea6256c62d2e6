"""Budgets under real processes that draw at the same moment, and die."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import uuid
from collections.abc import Awaitable, Sequence
from datetime import UTC, datetime

from evaluator.judges.metering import Hold, OverBudget
from evaluator.judges.port import PriceUnknown
from evaluator.online.budgets.account import CHUNK_SHARE, Account
from evaluator.online.budgets.purses import Purses
from evaluator.online.rules.definition import RuleDefinition
from evaluator.online.rules.policy import Budget
from storage.budgets import BudgetDay, Budgets, Draw, Drawn, Standing, Unit
from storage.clickhouse.budgets import ClickHouseBudgets
from storage.clickhouse.client import Database
from storage.errors import Unavailable
from storage.model import Level, Usage

CALL = Usage(input_tokens=100, output_tokens=50, cost_usd=0.25, attempts=1)
SPENDER = """
import asyncio, sys
from evaluator.judges.metering import OverBudget
from evaluator.online.budgets.purses import Purses
from evaluator.online.rules.definition import RuleDefinition
from evaluator.online.rules.policy import Budget
from storage.clickhouse.budgets import ClickHouseBudgets
from storage.clickhouse.client import Database
from storage.model import Level, Usage

async def main(url, rule, calls):
    definition = RuleDefinition(name=rule, level=Level.SPAN, metrics=("x",), budget=Budget(calls=int(calls)))
    spent = 0
    async with Database(url) as database, Purses(ClickHouseBudgets(database)) as purses:
        meter = purses.of(definition)
        print("ready", flush=True)
        sys.stdin.readline()
        async def lane():
            nonlocal spent
            while True:
                try:
                    hold = await meter.hold(Usage(attempts=1))
                except OverBudget:
                    return
                await asyncio.sleep(0)
                hold.settle(Usage(attempts=1))
                spent += 1
                print("call", flush=True)
        async with asyncio.TaskGroup() as group:
            for _ in range(4):
                group.create_task(lane())
    print("spent", spent, flush=True)

asyncio.run(main(*sys.argv[1:]))
"""


def a_name() -> str:
    """Of a rule that nobody else has."""
    return f"r{uuid.uuid4().hex[:16]}"


def a_rule(name: str, budget: Budget) -> RuleDefinition:
    """A rule of which only the budget matters."""
    return RuleDefinition(name=name, level=Level.SPAN, metrics=("x",), budget=budget)


async def spenders(url: str, rule: str, calls: int, count: int) -> list[asyncio.subprocess.Process]:
    """Processes that are ready to spend one budget, each with four calls at a time."""
    started = []
    for _ in range(count):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", SPENDER, url, rule, str(calls),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, cwd=os.getcwd(),
        )  # fmt: skip
        started.append(process)
    for process in started:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
    return started


def go(processes: Sequence[asyncio.subprocess.Process]) -> None:
    """Let them begin."""
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"go\n")


async def spent_by(process: asyncio.subprocess.Process) -> tuple[int, int]:
    """Calls that a process made, and what it says it spent."""
    assert process.stdout is not None
    lines = (await process.stdout.read()).decode().split("\n")
    await process.wait()
    said = [int(line.split()[1]) for line in lines if line.startswith("spent ")]
    return lines.count("call"), said[0] if said else -1


async def standing(database: Database, rule: str) -> Standing:
    """Where the rule's budget of calls stands."""
    [found] = await ClickHouseBudgets(database).standing([f"rule:{rule}"])
    return found


async def test_processes_that_spend_one_budget_make_exactly_its_calls(database_url: str, database: Database) -> None:
    """Three of them, started together: the sum of their calls is the limit, and the store agrees."""
    rule = a_name()
    processes = await spenders(database_url, rule, 400, 3)
    go(processes)
    found = [await spent_by(process) for process in processes]
    assert [calls for calls, _ in found] == [said for _, said in found]
    assert sum(calls for calls, _ in found) == 400
    stands = await standing(database, rule)
    assert (stands.spent, stands.drawn, stands.limit) == (400.0, 0.0, 400.0)


async def test_a_killed_process_costs_at_most_what_it_had_drawn(database_url: str, database: Database) -> None:
    """Nothing is spent twice: the others get the rest, less at most a fiftieth and what was under way."""
    rule = a_name()
    killed, other = await spenders(database_url, rule, 400, 2)
    go([killed])
    assert killed.stdout is not None
    for _ in range(50):
        assert await killed.stdout.readline() == b"call\n"
    killed.send_signal(signal.SIGKILL)
    before = 50 + (await spent_by(killed))[0]
    go([other])
    after, _ = await spent_by(other)
    assert before + after <= 400
    assert before + after >= 400 - (400 / CHUNK_SHARE + 4 + 1)
    stands = await standing(database, rule)
    assert stands.spent + stands.drawn == 400.0


async def test_draws_are_few_and_calls_many(database: Database) -> None:
    """Less than one draw for fifty calls, of a budget that is spent to its end by one process."""
    async with Purses(ClickHouseBudgets(database)) as purses:
        meter = purses.of(a_rule(a_name(), Budget(calls=10_000)))
        assert meter is not None
        calls = 0
        while True:
            try:
                hold = await meter.hold(CALL)
            except OverBudget:
                break
            hold.settle(CALL)
            calls += 1
        assert calls == 10_000
        assert purses.draws < calls / CHUNK_SHARE


async def test_what_is_set_aside_and_not_sent_comes_back(database: Database) -> None:
    """A call that never left, and a part of a budget that was taken before another one refused."""
    rule = a_rule(a_name(), Budget(calls=2, usd=0.5))
    async with Purses(ClickHouseBudgets(database)) as purses:
        meter = purses.of(rule)
        assert meter is not None
        holds: list[Hold] = [await meter.hold(CALL), await meter.hold(CALL)]
        assert isinstance(await refused(meter.hold(CALL)), OverBudget)
        holds[0].settle(Usage())
        assert isinstance(await refused(meter.hold(Usage(attempts=1, cost_usd=None))), PriceUnknown)
        again = await meter.hold(CALL)
        for hold in (holds[1], again):
            hold.settle(CALL)
        assert isinstance(await refused(meter.hold(CALL)), OverBudget)


async def refused(holding: Awaitable[Hold]) -> BaseException:
    """What it raised."""
    try:
        await holding
    except Exception as error:  # the caller looks at it
        return error
    raise AssertionError("it was paid for")


async def test_a_draw_whose_outcome_is_not_known_is_not_counted_twice(database: Database) -> None:
    """The store took the draw, and the answer was lost: the worker repeats that very draw."""

    class Flaky:
        """Loses the answer to every second draw."""

        def __init__(self, store: Budgets) -> None:
            self.store = store
            self.asked = 0

        async def now_ms(self) -> int:
            return await self.store.now_ms()

        async def draw(self, budget: BudgetDay, draw: Draw) -> Drawn:
            drawn = await self.store.draw(budget, draw)
            self.asked += 1
            if self.asked % 2:
                raise Unavailable("the connection broke before the answer")
            return drawn

        async def standing(self, scopes: object) -> list[Standing]:
            raise AssertionError("nobody looks here")

    store = ClickHouseBudgets(database)
    now_ms = await store.now_ms()
    day = datetime.fromtimestamp(now_ms / 1000, UTC).date()
    budget = BudgetDay(scope=f"rule:{a_name()}", day=day, unit=Unit.CALLS)
    account = Account(Flaky(store), budget)
    made = 0
    while True:
        try:
            if not await account.take(1.0, 30.0):
                break
        except Unavailable:
            continue
        account.settle(1.0, 1.0)
        made += 1
    assert made == 30
    while not account.is_closed:
        try:
            await account.look(None, closing=True)
        except Unavailable:
            continue
    [found] = await store.standing([budget.scope])
    assert (found.spent, found.drawn) == (30.0, 0.0)
