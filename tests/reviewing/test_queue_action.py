"""The rule action `queue`: results that match a condition become items."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

import pytest
from action_parts import of
from review_parts import Reviews, a_queue, chats, reviews
from storing import until

from assay.client import AsyncClient
from evaluator.errors import InvalidDefinition
from evaluator.metrics.definition import MetricDefinition
from evaluator.online.actions.check import OfferedActions
from evaluator.online.actions.messages import result_delivery
from evaluator.online.emitting.otlp_out import NotTaken
from evaluator.online.rules.catalogue import Rules
from evaluator.online.rules.definition import RuleDefinition
from evaluator.online.rules.policy import Action, ActionKind
from storage.clickhouse.client import Database
from storage.clickhouse.definitions import ClickHouseDefinitions
from storage.model import Level, OutputType, Score


@pytest.fixture
async def shop(database: Database) -> AsyncIterator[Reviews]:
    """Queues behind a server."""
    async with reviews(database) as made:
        yield made


def rules_of(shop: Reviews) -> Rules:
    """Rules that may name queues."""
    actions = OfferedActions(queues=shop.parts.on_offer)
    return Rules(ClickHouseDefinitions(shop.database), shop.metrics, actions=actions)


def a_rule(metric: MetricDefinition, queue: str, **other: object) -> RuleDefinition:
    """One that sends low values into a queue."""
    action = Action(name="look", kind=ActionKind.QUEUE, when="value < 0.5", target=queue)
    fields: dict[str, object] = {"level": Level.SPAN, "metrics": (metric.name,), "actions": (action,)} | other
    return RuleDefinition(name=f"r_{uuid.uuid4().hex[:8]}", enabled=False, **fields)  # type: ignore[arg-type]


async def test_a_delivery_puts_its_result_into_the_queue_once(shop: Reviews) -> None:
    """With the rule as the reason; the action is about the queue's metric, named or not."""
    metric = await shop.judge(f"m_{uuid.uuid4().hex[:8]}", OutputType.PERCENTAGE)
    [span] = await chats(shop.database, 1)
    queue = f"q_{uuid.uuid4().hex[:8]}"
    async with AsyncClient(shop.address) as client:
        await client.create_queue(a_queue(queue, metric.name))
        rule = (await rules_of(shop).create(a_rule(metric, queue))).definition
        assert [action.metric for action in rule.actions] == [metric.name]
        result = of(
            rule, span, metric=metric.name, outcome=Score(value=0.2), output_type=OutputType.PERCENTAGE,
            metric_digest=metric.digest,
        )  # fmt: skip
        await shop.results.append([result])
        delivery = result_delivery(result, rule.actions[0], now_ms=0)
        await shop.parts.sender.send(delivery, queue)
        await shop.parts.sender.send(delivery, queue)

        async def one() -> bool:
            return (await client.get_queue(queue)).progress.items == 1

        await until(one)
        item = await client.claim_next(queue, "ann")
        assert item.target == span.ref
        assert item.source == f"rule {rule.name}: value < 0.5"
        assert item.result is not None
        assert item.result.value == 0.2


async def test_a_queue_that_is_not_there_or_takes_no_such_results_is_refused_with_the_rule(shop: Reviews) -> None:
    """Before anything is sent; a delivery waits for a queue that may come, and for one of another kind it does not."""
    metric, other = [await shop.judge(f"m_{uuid.uuid4().hex[:8]}") for _ in range(2)]
    queue, rules = f"q_{uuid.uuid4().hex[:8]}", rules_of(shop)
    async with AsyncClient(shop.address) as client:
        with pytest.raises(InvalidDefinition, match="there is no review queue"):
            await rules.create(a_rule(metric, queue))
        await client.create_queue(a_queue(queue, other.name))
        with pytest.raises(InvalidDefinition, match=f"takes results of {other.name}"):
            await rules.create(a_rule(metric, queue))
    rule = a_rule(metric, queue)
    [span] = await chats(shop.database, 1)
    delivery = result_delivery(of(rule, span, metric=metric.name), rule.actions[0], now_ms=0)
    with pytest.raises(NotTaken) as final:
        await shop.parts.sender.send(delivery, queue)
    with pytest.raises(NotTaken) as waits:
        await shop.parts.sender.send(delivery, "not_there_yet")
    assert (final.value.final, waits.value.final) == (True, False)
