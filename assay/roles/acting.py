"""What the evaluator process does about results and alerts: webhooks and events, each at least once."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path

from assay.roles.kept import made_once
from assay.settings import Settings
from evaluator.feedback.watching import AgreementWatch
from evaluator.metrics.catalogue import aliases, builtin_metrics
from evaluator.metrics.registry import Metrics
from evaluator.online.actions.check import KnowsQueues, OfferedActions
from evaluator.online.actions.collecting import Collector
from evaluator.online.actions.current import CurrentActions
from evaluator.online.actions.senders import Events, NotConfigured, Sends, webhooks
from evaluator.online.actions.signature import WebhookSecrets, secret_text
from evaluator.online.actions.worker import PACE, ActionWorker
from evaluator.online.alerts.worker import AlertWorker
from evaluator.online.emitting.otlp_out import delivering
from evaluator.online.leases import LeaseKeeper
from evaluator.online.rules.policy import ActionKind
from storage.clickhouse.agreement import ClickHouseLabels
from storage.clickhouse.alerts import ClickHouseAlerts
from storage.clickhouse.client import Database
from storage.clickhouse.definitions import ClickHouseDefinitions
from storage.clickhouse.deliveries import ClickHouseDeliveries
from storage.clickhouse.queue import ClickHouseQueue
from storage.clickhouse.results import ClickHouseResults
from storage.clickhouse.writeback import ClickHouseWriteBack

SECRET_FILE = "webhook_secret"
SECRET_BYTES = 32


def offered_actions(settings: Settings, queues: KnowsQueues | None = None) -> OfferedActions:
    """What rules and alerts may ask for here."""
    return OfferedActions(hosts=settings.allowed_hosts, events=settings.out_address is not None, queues=queues)


async def act(settings: Settings, database: Database, leases: LeaseKeeper, queues: Sends) -> None:
    """Do what actions say, and look at alerts, until cancelled.

    Args:
        queues: Puts results into review queues.
    """
    definitions, deliveries = ClickHouseDefinitions(database), ClickHouseDeliveries(database)
    collector = Collector(
        definitions=definitions,
        deliveries=deliveries,
        results=ClickHouseResults(database),
        newest_ms=ClickHouseWriteBack(database).newest_ms,
        queue=ClickHouseQueue(database),
        give_up_seconds=PACE.give_up_seconds,
    )
    async with _senders(settings) as others:
        senders = {**others, ActionKind.QUEUE: queues}
        actions = ActionWorker(
            collector=collector,
            deliveries=deliveries,
            actions=CurrentActions(definitions),
            senders=senders,
            leases=leases,
        )
        alerts = AlertWorker(
            definitions=definitions,
            alerts=ClickHouseAlerts(database),
            deliveries=deliveries,
            leases=leases,
            wake=actions.wake,
            agreement=AgreementWatch(
                Metrics(definitions, builtin=builtin_metrics(), aliases=aliases()), ClickHouseLabels(database)
            ),
        )
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(actions.run())
            tasks.create_task(alerts.run())


@asynccontextmanager
async def _senders(settings: Settings) -> AsyncIterator[Mapping[str, Sends]]:
    ours = version("assay-eval")
    signing = WebhookSecrets(settings.webhook_secret or _kept_secret(settings.data_dir))
    async with webhooks(settings.allowed_hosts, signing, version=ours) as requests:
        if settings.out_address is None:
            yield {ActionKind.WEBHOOK: requests, ActionKind.EVENT: NotConfigured("ASSAY_OTLP_OUT")}
            return
        async with delivering(settings.out_address) as endpoint:
            yield {ActionKind.WEBHOOK: requests, ActionKind.EVENT: Events(endpoint, version=ours)}


def _kept_secret(data_dir: Path) -> str:
    """The text of the data directory's file, mode 0600; made once."""
    return made_once(data_dir / SECRET_FILE, lambda: secret_text(secrets.token_bytes(SECRET_BYTES)))
