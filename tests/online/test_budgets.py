"""Budgets of rules and of the installation: what they stop, what they leave alone, and when they go on."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest
from composite_parts import leaf, mean_of
from online_parts import Online, a_rule, at_work, online
from storing import SentSpan, a_chat, store

from evaluator.errors import BudgetSpent
from evaluator.judges.endpoints import Price
from evaluator.online.budgets.purses import Purses
from evaluator.online.rules.policy import Budget
from evaluator.scoring.request import EvaluationRequest, MetricRef
from storage.clickhouse.budgets import ClickHouseBudgets
from storage.clickhouse.client import Database
from storage.model import Abstention, Evaluation, Level, Purpose, Status
from storage.results import ResultFilter

NOON = datetime(2099, 3, 28, 12, tzinfo=UTC)
A_DOLLAR_A_TOKEN = Price(input=1e6, output=1e6)


@dataclass
class Clock:
    """The time that budgets believe in."""

    now: datetime = NOON

    def __call__(self) -> datetime:
        """As `Purses` asks for it."""
        return self.now


@asynccontextmanager
async def budgeting(
    database: Database,
    *,
    installation: Budget | None = None,
    clock: Clock | None = None,
    cached: bool = False,
    price: Price | None = None,
) -> AsyncIterator[Online]:
    """An evaluator whose judges cost something."""
    async with (
        Purses(ClickHouseBudgets(database), installation=installation, clock=clock or Clock()) as purses,
        online(database, purses=purses, cached=cached, price=price) as parts,
    ):
        await parts.scoring.metrics.create(leaf("good"))
        yield parts


def chats(count: int) -> list[SentSpan]:
    """Model calls that differ."""
    return [a_chat(answer=f"It is number {number}.") for number in range(count)]


async def decisions(parts: Online, rule: str) -> Counter[tuple[str, str]]:
    """How often the ledger says what of each metric."""
    rows = await parts.database.query(
        "SELECT MetricName AS m, toString(Decision) AS d, count() AS n FROM decisions FINAL WHERE RuleId = {r:String} "
        "GROUP BY m, d",
        {"r": rule},
    )
    return Counter({(row["m"], row["d"]): row["n"] for row in rows})


async def reasons(parts: Online, rule: str, metric: str) -> set[str]:
    """Why targets are over budget."""
    rows = await parts.database.query(
        "SELECT DISTINCT Reason AS reason FROM decisions FINAL WHERE RuleId = {r:String} AND MetricName = {m:String} "
        "AND Decision = 'over_budget'",
        {"r": rule, "m": metric},
    )
    return {row["reason"] for row in rows}


async def spent(parts: Online, rule: str) -> dict[str, float]:
    """What the store says was spent of a rule's budget, by unit, on all days."""
    rows = await parts.database.query(
        "SELECT toString(Unit) AS unit, sum(Spent) AS spent FROM budget_grants WHERE Scope = {s:String} GROUP BY unit",
        {"s": f"rule:{rule}"},
    )
    return {row["unit"]: row["spent"] for row in rows}


async def test_a_spent_budget_decides_and_never_scores(fresh_database: Database) -> None:
    """Five calls are paid for; the other targets are over budget, with the reason, and have no result."""
    async with budgeting(fresh_database) as parts:
        await parts.rules.create(a_rule("dear", metrics=("good", "response_length"), budget=Budget(calls=5)))
        await store(parts.database, *chats(12))
        async with at_work(parts):
            await parts.until_results(12 + 5)
            await parts.until_looked("dear")
        assert await decisions(parts, "dear") == {
            ("good", "scored"): 5,
            ("good", "over_budget"): 7,
            ("response_length", "scored"): 12,
        }
        assert len(parts.scoring.judge.requests) == 5
        assert Counter(each.metric for each in await parts.results()) == {"good": 5, "response_length": 12}
        assert await reasons(parts, "dear", "good") == {
            "the budget of rule dear: 5 of 5 calls of 2099-03-28 (UTC) are spent or under way; it starts again at "
            "2099-03-29T00:00:00Z"
        }
    assert await spent(parts, "dear") == {"calls": 5.0}


async def test_an_earlier_score_stays_current_when_the_budget_is_spent(fresh_database: Database) -> None:
    """What arrives later would be scored again; over budget, the score of before is what counts."""
    async with budgeting(fresh_database) as parts:
        await parts.scoring.metrics.create(leaf("calm", levels=(Level.TRACE,)))
        await parts.rules.create(a_rule("dear", level=Level.TRACE, metrics=("calm",), budget=Budget(calls=1)))
        root = a_chat()
        await store(parts.database, root)
        async with at_work(parts):
            [before] = await parts.until_results(1)
            await parts.until_looked("dear")
            await store(parts.database, a_chat(trace_id=root.trace_id, parent=root.span_id, answer="Later."))
            await parts.until_looked("dear")
            await parts.until_decided("dear", "over_budget", 1)
        where = ResultFilter(targets=(root.trace,), metrics=("calm",))
        [current] = await parts.scoring.results.newest(where, before=None, limit=10)
        assert (current.evaluation_id, current.outcome) == (before.evaluation_id, before.outcome)


async def test_a_raised_budget_pays_at_once_for_what_is_new(fresh_database: Database) -> None:
    """No waiting for the next day, nor for the next look at what is left; what was decided stays decided."""
    async with budgeting(fresh_database) as parts:
        record = await parts.rules.create(a_rule("dear", metrics=("good",), budget=Budget(calls=2)))
        await store(parts.database, *chats(4))
        async with at_work(parts):
            await parts.until_decided("dear", "over_budget", 2)
            raised = replace(record.definition, budget=Budget(calls=5))
            await parts.rules.update(raised, base_version=record.definition.version)
            await parts.until_looked("dear")
            await store(parts.database, *chats(4))
            await parts.until_results(5)
            await parts.until_decided("dear", "over_budget", 3)
        assert await decisions(parts, "dear") == {("good", "scored"): 5, ("good", "over_budget"): 3}


async def test_a_composite_over_a_child_that_is_over_budget_is_over_budget(fresh_database: Database) -> None:
    """Required metrics are charged to the rule that asked; what could be paid for is stored, the composite is not."""
    async with budgeting(fresh_database) as parts:
        await parts.scoring.metrics.create(mean_of("mood", "good@span"))
        await parts.rules.create(a_rule("dear", level=Level.TRACE, metrics=("mood",), budget=Budget(calls=2)))
        root = a_chat()
        below = [a_chat(trace_id=root.trace_id, parent=root.span_id, answer=f"Part {each}.") for each in range(3)]
        await store(parts.database, root, *below)
        async with at_work(parts):
            await parts.until_decided("dear", "over_budget", 1)
        assert await decisions(parts, "dear") == {("mood", "over_budget"): 1}
        assert Counter(each.metric for each in await parts.results()) == {"good": 2}
        assert await reasons(parts, "dear", "mood") == {
            "it requires good: the budget of rule dear: 2 of 2 calls of 2099-03-28 (UTC) are spent or under way; it "
            "starts again at 2099-03-29T00:00:00Z"
        }


async def test_the_installation_pays_for_rules_and_callers_together(fresh_database: Database) -> None:
    """A rule without a budget stops with it; a caller gets RESOURCE_EXHAUSTED, or beside other answers a reason."""
    async with budgeting(fresh_database, installation=Budget(calls=3)) as parts:
        await parts.rules.create(a_rule("free", metrics=("good",)))
        spans = chats(4)
        await store(parts.database, *spans)
        async with at_work(parts):
            await parts.until_decided("free", "over_budget", 1)
            await parts.until_looked("free")
        asked = EvaluationRequest(targets=(spans[0].ref,), metrics=(MetricRef(name="good"),), origin="a caller")
        said = (
            "the budget of the installation: 3 of 3 calls of 2099-03-28 (UTC) are spent or under way; it starts again "
            "at 2099-03-29T00:00:00Z"
        )
        with pytest.raises(BudgetSpent) as refused:
            await parts.scoring.engine.evaluate(asked)
        assert str(refused.value) == said
        both = replace(asked, metrics=(MetricRef(name="good"), MetricRef(name="response_length")))
        over, length = await parts.scoring.engine.evaluate(both)
        assert isinstance(over, Evaluation)
        assert isinstance(length, Evaluation)
        assert over.outcome == Abstention(reason=said, status=Status.NOT_COMPUTED)
        assert length.status is Status.SUCCESS
        stored = Counter((each.metric, each.purpose) for each in await parts.results())
        assert stored == {("good", Purpose.ONLINE): 3, ("response_length", Purpose.ONDEMAND): 1}
        assert len(parts.scoring.judge.requests) == 3
