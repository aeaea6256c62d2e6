"""Budgets in the store: many workers draw from one row, and nothing is drawn twice or lost."""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime, timedelta

from storage.budgets import BudgetDay, Draw, Drawn, Standing, Unit
from storage.clickhouse.budgets import ClickHouseBudgets
from storage.clickhouse.client import Database


async def a_day(database: Database, unit: Unit = Unit.CALLS) -> BudgetDay:
    """A budget of today that nobody has drawn from."""
    now_ms = await ClickHouseBudgets(database).now_ms()
    return BudgetDay(scope=f"rule:{uuid.uuid4().hex}", day=datetime.fromtimestamp(now_ms / 1000, UTC).date(), unit=unit)


def asked(new: str, *, old: str = "", spent: float = 0.0, need: float = 1.0, want: float = 1.0) -> Draw:
    """A draw from a budget of ten."""
    return Draw(limit=10.0, old=old, new=new, spent=spent, need=need, want=want)


async def test_a_draw_that_is_sent_again_takes_place_once(database: Database) -> None:
    """A worker that does not know what became of its draw sends it again, and has it once."""
    store, budget = ClickHouseBudgets(database), await a_day(database)
    first = [await store.draw(budget, asked("a", want=4.0)) for _ in range(3)]
    second = [await store.draw(budget, asked("b", old="a", spent=3.0, need=2.0, want=2.0)) for _ in range(3)]
    late = await store.draw(budget, asked("b", old="a", spent=3.0, need=2.0, want=2.0))
    assert first == [Drawn(amount=4.0, others=0.0, spent=0.0)] * 3
    assert [*second, late] == [Drawn(amount=2.0, others=0.0, spent=3.0)] * 4


async def test_a_draw_never_exceeds_what_is_left(database: Database) -> None:
    """Beyond what it needs a worker gets half of what is there, and in the end nothing."""
    store, budget = ClickHouseBudgets(database), await a_day(database)
    amounts = [(await store.draw(budget, asked(token, want=8.0))).amount for token in "abcdefg"]
    assert amounts == [5.0, 2.0, 1.0, 1.0, 1.0, 0.0, 0.0]
    given_back = await store.draw(budget, asked("h", old="a", spent=2.0, need=0.0, want=0.0))
    assert given_back == Drawn(amount=0.0, others=5.0, spent=2.0)
    assert (await store.draw(budget, asked("i", need=3.0, want=9.0))).amount == 3.0


async def test_a_lowered_limit_pays_for_nothing_more(database: Database) -> None:
    """What was spent beyond it stays spent, and no draw is negative."""
    store, budget = ClickHouseBudgets(database), await a_day(database)
    await store.draw(budget, asked("a", want=5.0))
    lowered = Draw(limit=2.0, old="a", new="b", spent=5.0, need=1.0, want=1.0)
    assert await store.draw(budget, lowered) == Drawn(amount=0.0, others=0.0, spent=5.0)


async def test_workers_that_draw_at_the_same_moment_share_exactly_the_limit(database_url: str) -> None:
    """Eight connections of their own, each drawing until nothing is left: what they spend is the limit."""

    async def work(number: int) -> tuple[float, float]:
        async with Database(database_url) as own:
            store, token, spent, had = ClickHouseBudgets(own), "", 0.0, 0.0
            while True:
                new = f"{number}.{uuid.uuid4().hex}"
                drawn = await store.draw(budget, Draw(limit=40.0, old=token, new=new, spent=had, need=1.0, want=3.0))
                token, spent, had = new, spent + had, drawn.amount
                if not had:
                    return spent, drawn.spent

    async with Database(database_url) as database:
        budget = await a_day(database)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(work(number)) for number in range(8)]
        assert sum(task.result()[0] for task in tasks) == 40.0
        [standing] = await ClickHouseBudgets(database).standing([budget.scope])
        assert standing == Standing(of=budget, spent=40.0, drawn=0.0, limit=40.0)
        rows = await database.query(
            "SELECT count() AS rows FROM budget_grants WHERE Scope = {s:String}", {"s": budget.scope}
        )
        assert rows == [{"rows": 1}]


async def test_the_day_before_is_another_budget(database: Database) -> None:
    """What was spent yesterday leaves today's whole; both are known, older ones are not asked for."""
    store, today = ClickHouseBudgets(database), await a_day(database, Unit.USD)
    days = [BudgetDay(scope=today.scope, day=today.day - timedelta(days=ago), unit=Unit.USD) for ago in (0, 1, 2)]
    for day in days:
        assert (await store.draw(day, asked("a", need=0.5, want=0.5))).amount == 0.5
    standing = {each.of: each.drawn for each in await store.standing([today.scope])}
    assert standing == {days[0]: 0.5, days[1]: 0.5}


async def test_a_row_that_is_gone_is_made_again(database: Database) -> None:
    """A token that the store has lost is forgotten, so that the worker goes on."""
    store, budget = ClickHouseBudgets(database), await a_day(database, Unit.TOKENS)
    await store.draw(budget, asked("a", want=4.0))
    drawn = await store.draw(budget, asked("c", old="never there", spent=1.0, need=1.0, want=1.0))
    assert drawn == Drawn(amount=1.0, others=4.0, spent=1.0)


async def test_sql_shows_what_is_left_of_today(database: Database) -> None:
    """The view `budgets` has a row per budget and unit, and of a rule also before anything was drawn."""
    store, budget = ClickHouseBudgets(database), await a_day(database)
    await store.draw(budget, asked("a", want=4.0))
    await store.draw(budget, asked("b", old="a", spent=3.0, need=0.0, want=2.0))
    rows = await database.query("SELECT * FROM budgets WHERE Scope = {s:String}", {"s": budget.scope})
    assert rows == [
        {
            "Scope": budget.scope,
            "RuleId": budget.scope.removeprefix("rule:"),
            "Unit": "calls",
            "Day": budget.day,
            "DailyLimit": 10.0,
            "Spent": 3.0,
            "Drawn": 2.0,
            "Left": 5.0,
        }
    ]
