"""What a rule would do, asked before it is made: how many targets, which, for how much, and with what results."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

import pytest
from composite_parts import leaf, mean_of
from online_parts import COMPLETION, Online, a_rule, at_work, online
from storing import SentSpan, a_chat, store, until

from evaluator.errors import InvalidDefinition
from evaluator.judges.endpoints import Price
from evaluator.metrics.judging.judge_metric import questions
from evaluator.online.rules.definition import RuleDefinition
from evaluator.online.rules.preview import Preview, Previews
from evaluator.online.rules.record import RuleRecord
from evaluator.scoring.forecast import Forecast
from evaluator.server.convert_definitions import rule_to_proto
from evaluator.server.errors import InvalidRequest
from evaluator.server.previewing import PreviewingFront
from evaluator.v1 import rules_pb2 as pb
from storage.clickhouse.client import Database
from storage.clickhouse.runs import ClickHouseRuns
from storage.clickhouse.telemetry import ClickHouseTelemetry
from storage.model import Evaluation, Level, Status

CHEAP = Price(input=1.0, output=10.0)


@dataclass(frozen=True, kw_only=True)
class Shop:
    """An evaluator that previews."""

    parts: Online
    previews: Previews

    async def preview(self, rule: RuleDefinition, *, samples: int = 10, scored: int = 0) -> Preview:
        """What it would do."""
        return await self.previews.preview(rule, samples=samples, scored=scored)


@asynccontextmanager
async def shop(database: Database, price: Price | None = CHEAP) -> AsyncIterator[Shop]:
    """All parts on one database, with a judge whose price is known unless said."""
    async with online(database, price=price) as parts:
        await parts.scoring.metrics.create(leaf("good"))
        telemetry = ClickHouseTelemetry(database)
        forecast = Forecast(
            metrics=parts.scoring.metrics,
            telemetry=telemetry,
            costs=ClickHouseRuns(database),
            render=partial(questions, using=parts.scoring.using),
            prices=parts.scoring.judges,
        )
        previews = Previews(
            rules=parts.rules,
            metrics=parts.scoring.metrics,
            queue=parts.queue,
            telemetry=telemetry,
            completion=COMPLETION,
            forecast=forecast,
            scoring=parts.scoring.engine,
        )
        yield Shop(parts=parts, previews=previews)


async def complete(shop: Shop, *spans: SentSpan) -> None:
    """Store spans and wait until their traces count as complete."""
    await store(shop.parts.database, *spans)
    limit = await shop.parts.queue.safe_until_ms() + COMPLETION.idle_ms

    async def passed() -> bool:
        return await shop.parts.queue.safe_until_ms() > limit

    await until(passed)


async def test_a_preview_counts_by_filter_and_rate_and_names_targets(fresh_database: Database) -> None:
    """Of twelve model calls six pass the filter; the hash takes the same of them as the rule would."""
    async with shop(fresh_database) as made:
        spans = [a_chat(service="shop" if number % 2 else "bank") for number in range(12)]
        await complete(made, *spans)
        every = await made.preview(a_rule("new", metrics=("good",), filter="service_name = 'shop'"), samples=3)
        none = await made.preview(a_rule("new", metrics=("good",), sample_rate=0.0))
        counted = every.counted
        assert (counted.targets, counted.matches, counted.sampled, counted.exact) == (12, 6, 6, True)
        assert {record.ref for record in counted.records} < {span.ref for span in spans if span.service == "shop"}
        assert len(counted.records) == 3
        assert (none.counted.matches, none.counted.sampled, none.per_day.calls) == (12, 0, 0.0)
        assert every.per_day.calls == 6.0
        assert len(made.parts.scoring.judge.requests) == 0


async def test_an_estimate_of_a_composite_is_the_calls_that_the_rule_then_made(fresh_database: Database) -> None:
    """Before anything was judged the prompts are rendered; later what the results took is what is foreseen."""
    async with shop(fresh_database) as made:
        parts = made.parts
        await parts.scoring.metrics.create(leaf("calm", levels=(Level.TRACE,)))
        await parts.scoring.metrics.create(mean_of("mood", "good@span"))
        rule = a_rule("new", level=Level.TRACE, metrics=("mood", "calm"))
        spans: list[SentSpan] = []
        for size in (1, 2, 4):
            root = a_chat(answer="A root. " * 40)
            below = [a_chat(trace_id=root.trace_id, parent=root.span_id, answer=f"Part {n}.") for n in range(size)]
            spans += [root, *below]
        await complete(made, *spans)
        foreseen = (await made.preview(rule)).per_day
        await parts.rules.create(rule)
        async with at_work(parts):
            await parts.until_results(7 + 3 + 3)
            await parts.until_looked("new")
        results = await parts.results()
        usage = [each.usage for each in results]
        assert Counter(each.metric for each in results) == {"good": 7, "calm": 3, "mood": 3}
        assert foreseen.calls == len(parts.scoring.judge.requests) == 10
        assert foreseen.unpriced == frozenset()
        assert foreseen.cost_usd is not None
        assert foreseen.input_tokens > 0
        again = (await made.preview(rule)).per_day  # now by what these results took
        assert again.calls == 10.0
        assert again.input_tokens == pytest.approx(sum(each.input_tokens for each in usage))
        assert again.output_tokens == pytest.approx(sum(each.output_tokens for each in usage))
        assert again.cost_usd == pytest.approx(sum(each.cost_usd or 0.0 for each in usage))


async def test_a_preview_scores_some_of_its_targets_and_keeps_nothing(fresh_database: Database) -> None:
    """Real calls to the judge, whose cost stands in the results; the store has none of them."""
    async with shop(fresh_database) as made:
        await complete(made, *(a_chat(answer=f"Number {number}.") for number in range(5)))
        found = await made.preview(a_rule("new", metrics=("good", "response_length")), samples=4, scored=2)
        results = [each for each in found.results if isinstance(each, Evaluation)]
        assert [(each.target, each.metric, each.status) for each in results] == [
            (record.ref, metric, Status.SUCCESS)
            for record in found.counted.records[:2]
            for metric in ("good", "response_length")
        ]
        assert sum(each.usage.attempts for each in results) == len(made.parts.scoring.judge.requests) == 2
        assert all(each.usage.cost_usd for each in results if each.metric == "good")
        assert await made.parts.results() == []


async def test_a_model_without_a_price_is_named_and_costs_nobody_knows_what(fresh_database: Database) -> None:
    """USD are absent, never 0; calls and tokens are there."""
    async with shop(fresh_database, price=None) as made:
        await complete(made, a_chat())
        found = (await made.preview(a_rule("new", metrics=("good",)))).per_day
        assert (found.calls, found.cost_usd, found.unpriced) == (1.0, None, frozenset({"openai/scripted"}))


async def test_the_front_renders_a_preview_and_refuses_numbers_out_of_range(fresh_database: Database) -> None:
    """A rule without a name is previewed as well; what cannot be made cannot be previewed."""
    async with shop(fresh_database) as made:
        span = a_chat()
        await complete(made, span)
        front = PreviewingFront(made.previews)
        message = rule_to_proto(RuleRecord(definition=a_rule("x", metrics=("good",))))
        message.name = ""
        found = await front.preview(pb.PreviewRuleRequest(rule=message, scored=1))
        assert (found.targets, found.matches, found.sampled, found.exact, found.calls_per_day) == (1, 1, 1, True, 1.0)
        assert [(each.span.trace_id, each.span.span_id) for each in found.samples] == [(span.trace_id, span.span_id)]
        assert [(each.metric, each.result_id) for each in found.results] == [("good", "")]
        assert found.HasField("usd_per_day")
        for request in (
            pb.PreviewRuleRequest(rule=message, samples=101),
            pb.PreviewRuleRequest(rule=message, samples=20, scored=11),
            pb.PreviewRuleRequest(rule=message, samples=1, scored=2),
        ):
            with pytest.raises(InvalidRequest):
                await front.preview(request)
        message.metrics.append("good")
        with pytest.raises(InvalidDefinition):
            await front.preview(pb.PreviewRuleRequest(rule=message))
