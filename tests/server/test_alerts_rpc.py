"""Alerts and deliveries over gRPC, by the client that ships."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from action_parts import LOOPBACK
from running_front import NobodyWorks, PreparedExplaining, PreparedScoring, run_catalogue

from assay.client_async import AsyncClient
from assay.client_model import CallFailed
from evaluator.metrics.catalogue import aliases, builtin_metrics
from evaluator.metrics.registry import Metrics
from evaluator.online.actions.catalogue import DeliveryCatalogue
from evaluator.online.actions.check import OfferedActions
from evaluator.online.alerts.catalogue import AlertCatalogue
from evaluator.online.alerts.definition import AlertDefinition, AlertKind
from evaluator.online.rules.catalogue import Rules
from evaluator.online.rules.policy import Action, ActionKind
from evaluator.server.serve import Parts, serving
from storage.alerts import AlertEvent, AlertState
from storage.clickhouse.alerts import ClickHouseAlerts
from storage.clickhouse.client import Database
from storage.clickhouse.definitions import ClickHouseDefinitions
from storage.clickhouse.deliveries import ClickHouseDeliveries
from storage.clickhouse.results import ClickHouseResults
from storage.deliveries import Delivery, DeliverySource, DeliveryState, Lane

HOOK = Action(name="tell", kind=ActionKind.WEBHOOK, target="http://127.0.0.1:1/x")
AT_US = 1_794_441_600_000_000


@pytest.fixture
async def client(database: Database) -> AsyncIterator[AsyncClient]:
    """Of a running server."""
    definitions, scoring = ClickHouseDefinitions(database), PreparedScoring()
    metrics = Metrics(definitions, builtin=builtin_metrics(), aliases=aliases())
    offered = OfferedActions(hosts=LOOPBACK)
    parts = Parts(
        scoring=scoring,
        computing=scoring,
        results=ClickHouseResults(database),
        explaining=PreparedExplaining(),
        metrics=metrics,
        rules=Rules(definitions, metrics, actions=offered),
        runs=run_catalogue(database, metrics, NobodyWorks()),
        alerts=AlertCatalogue(definitions, metrics, ClickHouseAlerts(database), actions=offered),
        deliveries=DeliveryCatalogue(deliveries=ClickHouseDeliveries(database)),
    )
    async with serving("127.0.0.1:0", parts) as port, AsyncClient(f"127.0.0.1:{port}") as connected:
        yield connected


def an_alert(**other: object) -> AlertDefinition:
    """Every field differs from its default."""
    fields: dict[str, object] = {
        "name": f"a{uuid.uuid4().hex[:8]}",
        "kind": AlertKind.ERROR_SHARE,
        "metric": "correctness",
        "threshold": 0.25,
        "clear": 0.125,
        "window_seconds": 120,
        "reference_windows": 3,
        "false_alarms": 0.01,
        "min_samples": 12,
        "for_seconds": 0.5,
        "actions": (HOOK,),
        "description": "what for",
        "enabled": False,
    }
    return AlertDefinition(**fields | other)  # type: ignore[arg-type]


async def test_an_alert_comes_back_as_it_was_made_edited_and_deleted(client: AsyncClient) -> None:
    """Every field; the same request again is the same alert; an edit of an old version is refused."""
    stated, request_id = an_alert(), str(uuid.uuid4())
    made = await client.create_alert(stated, request_id=request_id)
    assert (made.record.definition, made.state) == (stated, AlertState.OK)
    assert (await client.create_alert(stated, request_id=request_id)).record == made.record
    with pytest.raises(CallFailed, match=r"^NAME_TAKEN"):
        await client.create_alert(stated)
    edited = await client.update_alert(replace(stated, enabled=True, threshold=0.5), base_version=1)
    assert edited.record.definition == replace(stated, enabled=True, threshold=0.5, version=2)
    with pytest.raises(CallFailed, match=r"^VERSION_MOVED"):
        await client.update_alert(stated, base_version=1)
    assert stated.name in [found.record.definition.name async for found in client.list_alerts()]
    await client.delete_alert(stated.name)
    with pytest.raises(CallFailed, match=r"^ALERT_NOT_FOUND"):
        await client.get_alert(stated.name)
    with pytest.raises(CallFailed, match=r"^ALERT_NOT_FOUND"):
        await client.delete_alert(stated.name)
    assert [turn async for turn in client.alert_history(stated.name)] == []


@pytest.mark.parametrize(
    ("wrong", "refusal"),
    [
        ({"metric": "nobody_knows"}, "METRIC_NOT_FOUND"),
        ({"rule": "nobody_knows"}, "RULE_NOT_FOUND"),
        ({"actions": (replace(HOOK, target="http://elsewhere/"),)}, "INVALID_DEFINITION: alert.actions\\[0\\].target"),
        ({"actions": (Action(name="e", kind=ActionKind.EVENT),)}, "INVALID_DEFINITION: alert.actions\\[0\\].kind"),
    ],
)
async def test_an_alert_that_cannot_be_is_refused(client: AsyncClient, wrong: dict[str, object], refusal: str) -> None:
    """With what is wrong."""
    with pytest.raises(CallFailed, match=f"^{refusal}"):
        await client.create_alert(an_alert(**wrong))


async def test_an_alert_says_how_it_stands_and_how_it_turned(client: AsyncClient, database: Database) -> None:
    """In pages of its history too, newest first, and in SQL."""
    stated = an_alert(enabled=True)
    await client.create_alert(stated)
    turned = AlertEvent(
        alert=stated.name, version=1, state=AlertState.PENDING, since_us=AT_US, value=0.5, bound=0.25, samples=40,
        reason="20 of 40 results failed", at_us=AT_US,
    )  # fmt: skip
    fired = replace(turned, state=AlertState.FIRING, at_us=AT_US + 1_000_000)
    for event in (turned, fired, fired):  # the same turn again does no harm
        await ClickHouseAlerts(database).turn(event)
    found = await client.get_alert(stated.name)
    assert (found.state, found.standing and found.standing.value) == (AlertState.FIRING, 0.5)
    history = [turn async for turn in client.alert_history(stated.name)]
    assert [(turn.state, turn.bound, turn.samples) for turn in history] == [
        (AlertState.FIRING, 0.25, 40),
        (AlertState.PENDING, 0.25, 40),
    ]
    assert {turn.since for turn in history} == {history[1].time}
    rows = await database.query(
        "SELECT Kind, MetricName, toString(State) AS State, Value, Bound, Samples, Reason FROM alerts "
        "WHERE AlertId = {name:String}",
        {"name": stated.name},
    )
    assert rows == [
        {
            "Kind": "error_share", "MetricName": "correctness", "State": "firing", "Value": 0.5, "Bound": 0.25,
            "Samples": 40, "Reason": "20 of 40 results failed",
        }
    ]  # fmt: skip


def a_delivery(owner: str, number: int, state: DeliveryState = DeliveryState.PENDING) -> Delivery:
    """One of many."""
    return Delivery(
        delivery_id=uuid.uuid4(),
        lane=Lane(source=DeliverySource.RULE, owner=owner, action="tell"),
        kind="webhook",
        body='{"n": 1}',
        created_us=AT_US + number,
        next_attempt_ms=AT_US // 1000,
        give_up_ms=AT_US // 1000 + 86_400_000,
        evaluation_id=uuid.uuid4(),
        state=state,
        attempts=number,
        last_error="HTTP 500" if number else "",
    )


async def test_deliveries_are_listed_in_pages_and_one_is_sent_again(client: AsyncClient, database: Database) -> None:
    """Newest first, by state; what is given up waits again."""
    owner, store = f"r{uuid.uuid4().hex[:8]}", ClickHouseDeliveries(database)
    sent = [a_delivery(owner, number) for number in range(4)] + [a_delivery(owner, 4, DeliveryState.GAVE_UP)]
    await store.queue([*sent, a_delivery("other", 1)])
    found = [each async for each in client.list_deliveries(rule=owner)]
    assert [each.delivery_id for each in found] == [str(each.delivery_id) for each in reversed(sent)]
    first = found[0]
    assert (first.owner, first.action, first.result_id, first.state, first.attempts, first.last_error, first.body) == (
        owner, "tell", str(sent[4].evaluation_id), DeliveryState.GAVE_UP, 4, "HTTP 500", '{"n": 1}',
    )  # fmt: skip
    assert first.next_attempt is None
    gave_up = [each async for each in client.list_deliveries(rule=owner, states=[DeliveryState.GAVE_UP])]
    assert gave_up == [first]
    again = await client.retry_delivery(first.delivery_id)
    assert (again.state, again.attempts) == (DeliveryState.PENDING, 4)
    assert [each async for each in client.list_deliveries(rule=owner, states=[DeliveryState.GAVE_UP])] == []
    with pytest.raises(CallFailed, match=r"^DELIVERY_NOT_FOUND"):
        await client.retry_delivery(uuid.uuid4())
    with pytest.raises(CallFailed, match=r"^INVALID_REQUEST"):
        await client.retry_delivery("x")
    with pytest.raises(CallFailed, match=r"^INVALID_REQUEST: rule: name a rule or an alert"):
        [each async for each in client.list_deliveries()]
