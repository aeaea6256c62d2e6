"""Runs at work in this process: real stores, a real judge server, a worker that ends with the block."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from running_front import NobodyWorks, run_catalogue
from scoring_parts import Scoring, scoring
from storing import until

from evaluator.online.leases import LeaseKeeper
from evaluator.runs.bulk import Bulk
from evaluator.runs.catalogue import RunCatalogue
from evaluator.runs.definition import RunRequest
from evaluator.runs.places import Live
from evaluator.runs.worker import Pace, RunWorker
from storage.clickhouse.client import Database
from storage.clickhouse.queue import ClickHouseLeases, ClickHouseQueue
from storage.clickhouse.runs import ClickHouseRuns
from storage.clickhouse.telemetry import ClickHouseTelemetry
from storage.expressions import SpanExpressions
from storage.model import Evaluation
from storage.results import ResultFilter
from storage.runs import RunStanding

PACE = Pace(
    poll_seconds=0.1,
    report_seconds=0.1,
    page_targets=7,
    lanes=2,
    judged_targets=3,
    computed_targets=3,
    drain_seconds=0.2,
    rest_seconds=0.1,
)


@dataclass(kw_only=True)
class RunParts:
    """What a test holds of an evaluator."""

    scoring: Scoring
    runs: ClickHouseRuns
    queue: ClickHouseQueue
    database: Database
    works: RunWorker | NobodyWorks = field(default_factory=NobodyWorks)

    @property
    def catalogue(self) -> RunCatalogue:
        """Runs as callers know them, over the worker of the moment."""
        return run_catalogue(self.database, self.scoring.metrics, self.works, size=PACE.page_targets)

    async def ended(self, run_id: str) -> RunStanding:
        """Wait until a run has a final state."""

        async def final() -> RunStanding | None:
            standing = await self.runs.get(run_id)
            return standing if standing.state.is_final else None

        standing: RunStanding = await until(final, seconds=240.0)
        return standing

    async def done(self, request: RunRequest) -> RunStanding:
        """Create a run and wait for its end."""
        return await self.ended((await self.catalogue.create(request)).run.run_id)

    async def results(self, run_id: str = "") -> list[Evaluation]:
        """Everything stored (of a run), oldest first."""
        where = ResultFilter(run=run_id, include_superseded=True)
        return (await self.scoring.results.newest(where, before=None, limit=100_000))[::-1]

    async def ledger(self, run_id: str) -> dict[str, int]:
        """How often each decision stands in a run's ledger."""
        rows = await self.database.query(
            "SELECT toString(Decision) AS decision, count() AS n FROM decisions FINAL WHERE RuleId = {rule:String} "
            "GROUP BY decision ORDER BY decision",
            {"rule": f"run:{run_id}"},
        )
        return {row["decision"]: row["n"] for row in rows}


@asynccontextmanager
async def run_parts(database: Database, *, expressions: SpanExpressions | None = None) -> AsyncIterator[RunParts]:
    """All parts on one database; nobody works yet."""
    async with scoring(database, expressions=expressions) as parts:
        yield RunParts(scoring=parts, runs=ClickHouseRuns(database), queue=ClickHouseQueue(database), database=database)


@asynccontextmanager
async def working(
    parts: RunParts,
    *,
    pace: Pace = PACE,
    bulk: Bulk | None = None,
    live: Live | None = None,
    shared: LeaseKeeper | None = None,
) -> AsyncIterator[LeaseKeeper]:
    """A worker for the length of the block; its leases are given back, unless they are `shared`.

    Nobody renews its own ones, so they must not run out on a busy machine: its runs would never end.
    """
    leases = shared or LeaseKeeper(ClickHouseLeases(parts.database), ttl_seconds=600.0)
    worker = RunWorker(
        runs=parts.runs,
        metrics=parts.scoring.metrics,
        queue=parts.queue,
        telemetry=ClickHouseTelemetry(parts.database),
        scoring=parts.scoring.engine,
        leases=leases,
        bulk=bulk,
        live=live,
        pace=pace,
    )
    await leases.renew()
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(worker.run(stop))
        parts.works = worker
        try:
            yield leases
        finally:
            parts.works = NobodyWorks()
            stop.set()
            await asyncio.wait([task])
    if shared is None:
        await leases.release()
