"""What the evaluator does by itself beside rules and runs: results in and out, write-back, maintenance."""

from __future__ import annotations

import asyncio
from importlib.metadata import version

from assay.settings import Settings
from evaluator.feedback.desk import Desk
from evaluator.feedback.hearing import Hearing
from evaluator.metrics.registry import Metrics
from evaluator.online.emitting.worker import EmittingWorker
from evaluator.online.external.targets import Targets
from evaluator.online.external.worker import ExternalWorker
from evaluator.online.leases import LeaseKeeper
from evaluator.online.maintenance import MaintenanceWorker
from evaluator.online.writeback import WriteBackWorker
from storage.clickhouse.client import Database
from storage.clickhouse.external import ClickHouseResultEvents, ClickHouseWaitingResults
from storage.clickhouse.maintenance import ClickHouseMaintenance
from storage.clickhouse.queue import ClickHouseQueue
from storage.clickhouse.results import ClickHouseResults
from storage.clickhouse.telemetry import ClickHouseTelemetry
from storage.clickhouse.writeback import ClickHouseWriteBack
from storage.writeback import WriteBack

MAINTENANCE_SECONDS = 600.0


async def keep_up(
    settings: Settings, database: Database, metrics: Metrics, leases: LeaseKeeper, write_back: WriteBack, desk: Desk
) -> None:
    """All of it, until cancelled."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(WriteBackWorker(write_back, leases).run())
        tasks.create_task(_maintain(settings, leases))
        tasks.create_task(_take_external(database, metrics, leases, desk))
        tasks.create_task(_emit(settings, database, leases))


async def _maintain(settings: Settings, leases: LeaseKeeper) -> None:
    """On a connection of its own: to compare many rows may take longer than anything that callers wait for."""
    url, name = settings.clickhouse_url, settings.database
    async with Database(url, database=name, timeout_seconds=MAINTENANCE_SECONDS) as database:
        await MaintenanceWorker(ClickHouseMaintenance(database), ClickHouseQueue(database), leases).run()


async def _take_external(database: Database, metrics: Metrics, leases: LeaseKeeper, desk: Desk) -> None:
    """What others say about spans becomes results, and what people say about our metrics feedback."""
    events = ClickHouseResultEvents(database)
    worker = ExternalWorker(
        events=events,
        waiting=ClickHouseWaitingResults(database),
        targets=Targets(events, ClickHouseTelemetry(database)),
        metrics=metrics,
        results=ClickHouseResults(database),
        queue=ClickHouseQueue(database),
        leases=leases,
        people=Hearing(desk),
    )
    await worker.run()


async def _emit(settings: Settings, database: Database, leases: LeaseKeeper) -> None:
    """Our results go out as events, where an address is set."""
    if settings.out_address is None:
        return
    worker = EmittingWorker(
        address=settings.out_address,
        version=version("assay-eval"),
        results=ClickHouseResults(database),
        newest_ms=ClickHouseWriteBack(database).newest_ms,
        queue=ClickHouseQueue(database),
        leases=leases,
    )
    await worker.run()
