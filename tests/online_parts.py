"""Rules at work in this process: real stores, a real judge server, a worker that a test steps or runs."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from scoring_parts import Scoring, scoring
from storing import until

from evaluator.judges.endpoints import Endpoint, Price
from evaluator.online.budgets.purses import Purses
from evaluator.online.explaining.explain import Explainer
from evaluator.online.leases import LeaseKeeper
from evaluator.online.polling.work import Pace
from evaluator.online.polling.worker import OnlineWorker
from evaluator.online.rules.catalogue import Rules
from evaluator.online.rules.definition import RuleDefinition
from storage.clickhouse.client import Database
from storage.clickhouse.definitions import ClickHouseDefinitions
from storage.clickhouse.explaining import ClickHouseInquiries
from storage.clickhouse.queue import ClickHouseLeases, ClickHouseQueue
from storage.clickhouse.results import ClickHouseResults
from storage.clickhouse.telemetry import ClickHouseTelemetry
from storage.model import Evaluation, Level
from storage.queue import Completion
from storage.results import ResultFilter

COMPLETION = Completion(grace_one_ms=20, grace_many_ms=40, idle_ms=200)
PACE = Pace(
    poll_seconds=0.1,
    idle_seconds=0.1,
    page_traces=7,
    lanes=4,
    chunk_targets=3,
    cursor_seconds=0.0,
    drain_seconds=5.0,
    sweep_share=1.0,
)


@dataclass(frozen=True, kw_only=True)
class Online:
    """What a test holds of an evaluator."""

    scoring: Scoring
    rules: Rules
    queue: ClickHouseQueue
    explainer: Explainer
    database: Database
    workers: list[OnlineWorker] = field(default_factory=list)
    purses: Purses | None = None

    def worker(self, leases: LeaseKeeper, pace: Pace = PACE) -> OnlineWorker:
        """One that stands still until it is run."""
        return OnlineWorker(
            rules=self.rules,
            metrics=self.scoring.metrics,
            queue=self.queue,
            telemetry=ClickHouseTelemetry(self.database),
            scoring=self.scoring.engine,
            leases=leases,
            completion=COMPLETION,
            pace=pace,
            purses=self.purses,
        )

    def leases(self, *, ttl_seconds: float = 30.0, renew_seconds: float = 1.0) -> LeaseKeeper:
        """Of one process."""
        return LeaseKeeper(ClickHouseLeases(self.database), ttl_seconds=ttl_seconds, renew_seconds=renew_seconds)

    async def results(self, **where: Any) -> list[Evaluation]:
        """Everything that is stored, oldest first."""
        everything = ResultFilter(include_superseded=True, **where)
        return (await self.scoring.results.newest(everything, before=None, limit=100_000))[::-1]

    async def scored(self) -> Counter[tuple[str, str, int]]:
        """How often rows stand for each (metric, target, watermark): copies count."""
        rows = await self.database.query(
            "SELECT MetricName AS m, if(Level = 'span', concat(TraceId, ':', SpanId), TraceId) AS t, "
            "toUnixTimestamp64Milli(Watermark) AS w, count() AS n FROM evaluations GROUP BY m, t, w"
        )
        return Counter({(row["m"], row["t"], row["w"]): row["n"] for row in rows})

    async def until_results(self, count: int, **where: Any) -> list[Evaluation]:
        """Wait until so many results are there."""

        async def enough() -> list[Evaluation]:
            found = await self.results(**where)
            return found if len(found) >= count else []

        found: list[Evaluation] = await until(enough)
        return found

    async def until_decided(self, rule: str, decision: str, count: int) -> None:
        """Wait until the ledger says this of so many (target, metric) of a rule."""

        async def enough() -> bool:
            rows = await self.database.query(
                "SELECT count() AS n FROM decisions FINAL WHERE RuleId = {r:String} AND Decision = {d:String}",
                {"r": rule, "d": decision},
            )
            return bool(rows[0]["n"] >= count)

        await until(enough)

    async def until_quiet(self) -> None:
        """Wait until nothing is under way."""
        await until(self._nothing_started)

    async def _nothing_started(self) -> bool:
        rows = await self.database.query("SELECT count() AS n FROM decisions FINAL WHERE Decision = 'started'")
        return not rows[0]["n"]

    async def until_looked(self, rule: str) -> None:
        """Wait until the newest worker has decided everything that is stored now."""
        limit = await self.queue.safe_until_ms() + COMPLETION.idle_ms

        async def passed() -> bool:
            return self.workers[-1].looked_until_ms(rule) > limit

        await until(passed)
        await self.until_quiet()


@asynccontextmanager
async def online(
    database: Database,
    *,
    purses: Purses | None = None,
    cached: bool = False,
    price: Price | None = None,
    endpoints: Sequence[Endpoint] = (),
) -> AsyncIterator[Online]:
    """All parts on one database; `purses` pay for judges, `cached`, `price` and `endpoints` as of `scoring`."""
    meter = purses.installation() if purses else None
    async with scoring(database, cached=cached, price=price, meter=meter, endpoints=endpoints) as parts:
        rules = Rules(ClickHouseDefinitions(database), parts.metrics)
        queue = ClickHouseQueue(database)
        explainer = Explainer(
            rules=rules,
            metrics=parts.metrics,
            queue=queue,
            inquiries=ClickHouseInquiries(database),
            telemetry=ClickHouseTelemetry(database),
            results=ClickHouseResults(database),
            completion=COMPLETION,
        )
        yield Online(scoring=parts, rules=rules, queue=queue, explainer=explainer, database=database, purses=purses)


@asynccontextmanager
async def at_work(parts: Online, *, leases: LeaseKeeper | None = None, pace: Pace = PACE) -> AsyncIterator[LeaseKeeper]:
    """A worker that runs for the length of the block, then stops in order and gives its leases back."""
    keeper = leases or parts.leases()
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        renewing = group.create_task(keeper.run())
        parts.workers.append(parts.worker(keeper, pace))
        working = group.create_task(parts.workers[-1].run(stop))
        try:
            yield keeper
        finally:
            stop.set()
            await asyncio.wait([working])
            renewing.cancel()
    await keeper.release()


def a_rule(name: str = "all", **other: Any) -> RuleDefinition:
    """Every span's length, unless said."""
    fields: dict[str, Any] = {"level": Level.SPAN, "metrics": ("response_length",)}
    return RuleDefinition(name=name, **fields | other)
