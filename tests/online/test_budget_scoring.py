"""What a budget pays for, by the scoring path alone: calls, tokens, dollars, votes, repetitions, days."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from composite_parts import leaf
from scoring_parts import Scoring, scoring
from storing import SentSpan, a_chat, located, store, until

from evaluator.errors import InvalidDefinition
from evaluator.judges.endpoints import Price
from evaluator.judges.scripted_faults import status
from evaluator.metrics.definition import Jury, MetricDefinition, Vote
from evaluator.online.budgets.pricing import check_prices
from evaluator.online.budgets.purses import Purses
from evaluator.online.rules.definition import RuleDefinition
from evaluator.online.rules.policy import Budget
from evaluator.scoring.request import EvaluationRequest, MetricRef, Unpaid
from storage.clickhouse.budgets import ClickHouseBudgets
from storage.clickhouse.client import Database
from storage.model import Evaluation, Failure, Level, Purpose, Score

NOON = datetime(2099, 3, 28, 12, tzinfo=UTC)
A_DOLLAR_A_TOKEN = Price(input=1e6, output=1e6)
GOOD = leaf("good")


@dataclass
class Clock:
    """The time that budgets believe in."""

    now: datetime = NOON

    def __call__(self) -> datetime:
        """As `Purses` asks for it."""
        return self.now


@dataclass(frozen=True, kw_only=True)
class Paying:
    """A scoring path and a rule of its own, which pays."""

    scoring: Scoring
    purses: Purses
    rule: RuleDefinition
    clock: Clock

    async def score(self, *spans: SentSpan, metric: MetricDefinition = GOOD) -> list[str]:
        """What becomes of spans, all asked for at once."""
        database = self.scoring.database
        await store(database, *spans)
        records = [await located(database, span.ref) for span in spans]
        request = EvaluationRequest(
            targets=(),
            metrics=(MetricRef(name=metric.name, definition=metric),),
            purpose=Purpose.ONLINE,
            origin=self.rule.name,
            rule=self.rule.name,
            meter=self.purses.of(self.rule),
        )
        return [_said(each) for each in await self.scoring.engine.score(records, request)]

    async def results(self, *spans: SentSpan) -> list[Evaluation]:
        """What is stored about them."""
        rows = await self.scoring.database.query(
            "SELECT toString(EvaluationId) AS id FROM evaluations WHERE RuleId = {r:String}", {"r": self.rule.name}
        )
        found = await self.scoring.results.existing([uuid.UUID(row["id"]) for row in rows])
        return list(found.values())

    @property
    def asked(self) -> int:
        """Requests that the judge had."""
        return len(self.scoring.judge.requests)


def _said(found: object) -> str:
    match found:
        case Unpaid():
            return "unpaid"
        case Evaluation(outcome=Score()):
            return "scored"
        case Evaluation(outcome=Failure(code=code)):
            return code
    return repr(found)


@asynccontextmanager
async def paying(
    database: Database, budget: Budget, *, cached: bool = False, price: Price | None = None, name: str = ""
) -> AsyncIterator[Paying]:
    """An engine whose rule has this budget, which nobody has drawn from."""
    clock = Clock()
    rule = RuleDefinition(name=name or f"r{uuid.uuid4().hex[:16]}", level=Level.SPAN, metrics=("good",), budget=budget)
    async with (
        Purses(ClickHouseBudgets(database), clock=clock) as purses,
        scoring(database, cached=cached, price=price) as parts,
    ):
        yield Paying(scoring=parts, purses=purses, rule=rule, clock=clock)


async def spent(paid: Paying, database: Database) -> dict[str, float]:
    """What the store says was spent, by unit and day; asked when the purses are closed."""
    rows = await database.query(
        "SELECT concat(toString(Unit), ' ', toString(Day)) AS what, Spent AS spent FROM budget_grants "
        "WHERE Scope = {s:String}",
        {"s": f"rule:{paid.rule.name}"},
    )
    return {row["what"]: row["spent"] for row in rows}


def chats(count: int) -> Sequence[SentSpan]:
    """Model calls that differ from all others."""
    return [a_chat(answer=f"It is number {number} of {uuid.uuid4()}.") for number in range(count)]


async def test_the_next_day_pays_again(database: Database) -> None:
    """At midnight UTC; what was called before is charged to the day before."""
    async with paying(database, Budget(calls=2)) as paid:
        paid.clock.now = datetime(2099, 3, 28, 23, 59, 59, tzinfo=UTC)
        today = await paid.score(*chats(3))
        paid.clock.now += timedelta(seconds=1)
        tomorrow = await paid.score(*chats(3))
    assert (Counter(today), Counter(tomorrow)) == (Counter(scored=2, unpaid=1), Counter(scored=2, unpaid=1))
    assert await spent(paid, database) == {"calls 2099-03-28": 2.0, "calls 2099-03-29": 2.0}


async def test_kept_answers_cost_nothing(database: Database) -> None:
    """A budget of one call pays for equal questions, also after it is spent."""
    answer = f"One of {uuid.uuid4()}."
    async with paying(database, Budget(calls=1), cached=True) as paid:
        assert await paid.score(*(a_chat(answer=answer) for _ in range(3))) == ["scored"] * 3
        assert await paid.score(*chats(1)) == ["unpaid"]
        assert await paid.score(a_chat(answer=answer), a_chat(answer=answer)) == ["scored"] * 2
        assert paid.asked == 1


async def test_a_budget_that_ends_in_the_middle_of_a_jury_loses_no_vote(database: Database) -> None:
    """Two of three votes are paid for: no verdict of two; their answers are kept, and the next day asks the third."""
    jury = leaf("jury", jury=Jury(repeats=3, vote=Vote.MEDIAN))
    first, second = (a_chat(answer="The same."), a_chat(answer="The same."))
    async with paying(database, Budget(calls=2), cached=True) as paid:
        assert await paid.score(first, metric=jury) == ["unpaid"]
        assert (await paid.results(), paid.asked) == ([], 2)

        async def kept() -> bool:
            rows = await database.query(
                "SELECT count() AS n FROM judge_cache WHERE TraceId = {t:String}", {"t": first.trace_id}
            )
            return bool(rows[0]["n"] == 2)

        await until(kept)
        paid.clock.now += timedelta(days=1)
        assert await paid.score(second, metric=jury) == ["scored"]
        [result] = await paid.results()
        assert (result.metadata["votes"], paid.asked) == ("3", 3)


async def test_calls_that_are_repeated_are_paid_for_like_others(database: Database) -> None:
    """A judge that breaks down costs what was sent to it: the budget ends in the middle of the retries."""
    async with paying(database, Budget(calls=3)) as paid:
        paid.scoring.judge.always(status(503))
        assert Counter(await paid.score(*chats(3))).keys() <= {"unpaid", "JUDGE_UNAVAILABLE"}
        assert await paid.score(*chats(1)) == ["unpaid"]
        assert paid.asked == 3
    assert await spent(paid, database) == {"calls 2099-03-28": 3.0}


@pytest.mark.parametrize("unit", ["tokens", "usd"])
async def test_tokens_and_dollars_are_exact_to_the_calls_under_way(database: Database, unit: str) -> None:
    """What was spent is what the results say: at most the limit and the calls under way; it stops where none fits."""
    budget = Budget(tokens=2000) if unit == "tokens" else Budget(usd=2000.0)
    async with paying(database, budget, price=A_DOLLAR_A_TOKEN) as paid:
        await paid.score(*chats(8))
        while await paid.score(*chats(1)) == ["scored"]:
            pass
        results = await paid.results()
        tokens = [each.usage.input_tokens + each.usage.output_tokens for each in results]
    assert await spent(paid, database) == {f"{unit} 2099-03-28": float(sum(tokens))}
    assert 2000 - 500 <= sum(tokens) <= 2000 + 8 * max(tokens)


async def test_a_model_without_a_price_is_asked_nothing_under_a_budget_in_dollars(database: Database) -> None:
    """What would be spent is not known, so nothing is sent: a failure that says what to set."""
    async with paying(database, Budget(usd=1.0)) as paid:
        assert await paid.score(*chats(1)) == ["PRICE_UNKNOWN"]
        [result] = await paid.results()
        assert result.outcome == Failure(
            code="PRICE_UNKNOWN",
            message=f"rule {paid.rule.name} has a budget in USD, and the price of the model is not known: set price = "
            "{ input = USD, output = USD } per million tokens in its table [judges.NAME], and use it as gateway:/NAME",
            retryable=False,
        )
        assert paid.asked == 0


async def test_a_budget_in_dollars_is_refused_where_it_could_not_be_counted(database: Database) -> None:
    """Of required metrics, too; with a price, or without dollars, it is accepted."""
    mood = MetricDefinition(
        name="mood", kind="composite", levels=(Level.SPAN,), output_type="percentage", required_metrics=("good",),
        source="def scorer_fn(**kwargs): return 1.0",
    )  # fmt: skip

    class Known:
        async def get(self, name: str, version: int | None = None) -> MetricDefinition:
            return GOOD

    async with scoring(database) as unpriced, scoring(database, price=A_DOLLAR_A_TOKEN) as priced:
        with pytest.raises(InvalidDefinition) as refused:
            await check_prices(Budget(usd=1.0), [mood], Known(), unpriced.judges)
        await check_prices(Budget(calls=1, tokens=1), [mood], Known(), unpriced.judges)
        await check_prices(Budget(usd=1.0), [mood], Known(), priced.judges)
    assert refused.value.field == "rule.budget.usd"
    assert refused.value.reason == (
        "cannot be counted: the price of openai/scripted is not known; set price = { input = USD, output = USD } per "
        "million tokens in a table [judges.NAME] and name the model as gateway:/NAME, or set a budget of calls or "
        "tokens"
    )


async def test_evaluators_beside_each_other_spend_one_budget(database_url: str) -> None:
    """Two of them, each with stores of its own: what both ask together is exactly what the rule may."""
    name = f"r{uuid.uuid4().hex[:16]}"
    async with (
        Database(database_url) as one,
        Database(database_url) as other,
        paying(one, Budget(calls=30), name=name) as first,
        paying(other, Budget(calls=30), name=name) as second,
        asyncio.TaskGroup() as group,
    ):
        tasks = [group.create_task(each.score(*chats(25))) for each in (first, second)]
        await asyncio.wait(tasks)
        assert Counter(tasks[0].result() + tasks[1].result()) == {"scored": 30, "unpaid": 20}
        assert first.asked + second.asked == 30
