"""Actions at work in this process: a receiver of webhooks that answers as it is told, and a worker."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from storing import SentSpan, a_result, until

from evaluator.metrics.catalogue import aliases, builtin_metrics
from evaluator.metrics.registry import Metrics
from evaluator.online.actions.check import OfferedActions
from evaluator.online.actions.collecting import Collector
from evaluator.online.actions.current import CurrentActions
from evaluator.online.actions.hosts import WebhookHosts
from evaluator.online.actions.lanes import Pace
from evaluator.online.actions.senders import Events, NotConfigured, Sends, webhooks
from evaluator.online.actions.signature import WebhookSecrets
from evaluator.online.actions.worker import ActionWorker
from evaluator.online.emitting.otlp_out import delivering
from evaluator.online.emitting.out_address import OutAddress
from evaluator.online.leases import LeaseKeeper
from evaluator.online.rules.catalogue import Rules
from evaluator.online.rules.definition import RuleDefinition
from evaluator.online.rules.policy import Action, ActionKind
from storage.clickhouse.client import Database
from storage.clickhouse.definitions import ClickHouseDefinitions
from storage.clickhouse.deliveries import ClickHouseDeliveries
from storage.clickhouse.queue import ClickHouseLeases, ClickHouseQueue
from storage.clickhouse.results import ClickHouseResults
from storage.clickhouse.writeback import ClickHouseWriteBack
from storage.deliveries import Delivery, DeliverySource, DeliveryState
from storage.model import Evaluation, Level

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
LOOPBACK = WebhookHosts(text="127.0.0.1")
QUICK = Pace(
    look_seconds=0.1,
    search_seconds=0.3,
    record_seconds=0.05,
    first_pause_seconds=0.02,
    longest_pause_seconds=0.1,
    give_up_seconds=600.0,
    longest_rest_seconds=0.1,
)


@dataclass(frozen=True, kw_only=True)
class Received:
    """One request."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def message_id(self) -> str:
        """Of the delivery."""
        return self.headers["webhook-id"]

    @property
    def data(self) -> dict[str, Any]:
        """What was told."""
        told: dict[str, Any] = json.loads(self.body)["data"]
        return told

    def signed_by(self, secret: str) -> bool:
        """As a receiver verifies it, from the text of the specification."""
        key = base64.b64decode(secret.split("_", 1)[1])
        content = self.message_id.encode() + b"." + self.headers["webhook-timestamp"].encode() + b"." + self.body
        expected = base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()
        found = (each.partition(",") for each in self.headers["webhook-signature"].split(" "))
        return any(version == "v1" and hmac.compare_digest(sign, expected) for version, _, sign in found)


@dataclass
class Receiver:
    """Somebody's endpoint.

    Attributes:
        answers: What the next requests get: a status, `hang` (nothing, until released) or `close`; 200 when none is
            left, or `always` where that is set.
    """

    url: str = ""
    answers: list[int | str] = field(default_factory=list)
    always: int | str = 200
    received: list[Received] = field(default_factory=list)
    released: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self, request: web.Request) -> web.StreamResponse:
        """One request."""
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.received.append(Received(path=request.path, headers=headers, body=await request.read()))
        match self.answers.pop(0) if self.answers else self.always:
            case "hang":
                await self.released.wait()
                return web.Response(status=500)
            case "close":
                assert request.transport is not None
                request.transport.close()
                return web.Response()
            case 302:
                return web.Response(status=302, headers={"Location": f"{self.url}/elsewhere"})
            case int(status):
                return web.Response(status=status)
            case other:
                raise AssertionError(other)

    def about(self) -> list[str]:
        """Metrics of what was told, by arrival."""
        return [each.data["metric"]["name"] for each in self.received]

    async def until_received(self, count: int) -> list[Received]:
        """Wait until so many requests came."""

        async def enough() -> bool:
            return len(self.received) >= count

        await until(enough, seconds=120)
        return self.received


@asynccontextmanager
async def receiver() -> AsyncIterator[Receiver]:
    """On a free port of the loopback."""
    made = Receiver()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    try:
        yield made
    finally:
        made.released.set()
        await runner.cleanup()


def hook(url: str, *, name: str = "tell", when: str = "", metric: str = "") -> Action:
    """A webhook."""
    return Action(name=name, kind=ActionKind.WEBHOOK, when=when, metric=metric, target=url)


def rules_of(database: Database, *, events: bool = True) -> Rules:
    """Where webhooks may go to this machine."""
    definitions = ClickHouseDefinitions(database)
    metrics = Metrics(definitions, builtin=builtin_metrics(), aliases=aliases())
    return Rules(definitions, metrics, actions=OfferedActions(hosts=LOOPBACK, events=events))


async def a_rule_with(database: Database, *actions: Action, name: str = "watch") -> RuleDefinition:
    """A rule over lengths of answers."""
    rule = RuleDefinition(
        name=name, level=Level.SPAN, metrics=("response_length", "correctness"), actions=actions, enabled=False
    )
    return (await rules_of(database).create(rule)).definition


def of(rule: RuleDefinition, span: SentSpan | None = None, **other: Any) -> Evaluation:
    """A result that the rule made."""
    fields = {"metric": "correctness", "rule": rule.name, "rule_version": rule.version} | other
    return a_result(span or SentSpan(), fields.pop("outcome", None), **fields)


@dataclass(frozen=True, kw_only=True)
class Acting:
    """A worker and what it works with."""

    database: Database
    results: ClickHouseResults
    deliveries: ClickHouseDeliveries
    leases: LeaseKeeper

    async def of_rule(self, rule: str = "watch") -> list[Delivery]:
        """Its deliveries, oldest first."""
        found = await self.deliveries.newest(DeliverySource.RULE, rule, before=None, limit=100_000)
        return found[::-1]

    async def until_state(self, *states: DeliveryState, rule: str = "watch") -> list[Delivery]:
        """Wait until the deliveries of a rule have these states, whatever their order."""

        async def there() -> list[Delivery]:
            found = await self.of_rule(rule)
            return found if sorted(each.state for each in found) == sorted(states) else []

        found: list[Delivery] = await until(there, seconds=120)
        return found


@asynccontextmanager
async def acting(
    database: Database,
    *,
    pace: Pace = QUICK,
    timeout_seconds: float = 60.0,
    events: str = "",
    secret: str = SECRET,
    hosts: WebhookHosts = LOOPBACK,
    page: int = 500,
) -> AsyncIterator[Acting]:
    """A worker that has begun to look when the block begins, and stops in order at its end."""
    leases, queue = LeaseKeeper(ClickHouseLeases(database), ttl_seconds=600), ClickHouseQueue(database)
    definitions, deliveries = ClickHouseDefinitions(database), ClickHouseDeliveries(database)
    results = ClickHouseResults(database)
    await leases.renew()
    collector = Collector(
        definitions=definitions,
        deliveries=deliveries,
        results=results,
        newest_ms=ClickHouseWriteBack(database).newest_ms,
        queue=queue,
        give_up_seconds=pace.give_up_seconds,
        page=page,
    )
    async with AsyncExitStack() as stack:
        requests = await stack.enter_async_context(
            webhooks(hosts, WebhookSecrets(secret), version="9.9", timeout_seconds=timeout_seconds)
        )
        senders: dict[str, Sends] = {"webhook": requests, "event": NotConfigured("ASSAY_OTLP_OUT")}
        if events:
            endpoint = await stack.enter_async_context(delivering(OutAddress(url=events)))
            senders["event"] = Events(endpoint, version="9.9")
        worker = ActionWorker(
            collector=collector,
            deliveries=deliveries,
            actions=CurrentActions(definitions),
            senders=senders,
            leases=leases,
            pace=pace,
        )

        async def begun() -> bool:
            return await queue.cursor_ms("actions") is not None

        async with asyncio.TaskGroup() as group:
            task = group.create_task(worker.run())
            try:
                await until(begun)
                yield Acting(database=database, results=results, deliveries=deliveries, leases=leases)
            finally:
                task.cancel()
        await leases.release()


def ids_of(received: Sequence[Received]) -> list[str]:
    """Of the messages, by arrival."""
    return [each.message_id for each in received]
