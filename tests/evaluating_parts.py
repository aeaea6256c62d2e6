"""A served evaluator of real parts: engine, scripted judge, sandbox, rules that are kept, and a worker for runs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from run_parts import RunParts, run_parts, working
from running_front import PreparedExplaining

from assay.client import AsyncClient
from evaluator.online.rules.catalogue import Rules
from evaluator.server.serve import Parts, serving
from storage.clickhouse.client import Database
from storage.clickhouse.definitions import ClickHouseDefinitions


@dataclass(frozen=True, kw_only=True)
class Service:
    """What a test holds of it."""

    address: str
    client: AsyncClient
    parts: RunParts


@asynccontextmanager
async def evaluating(database: Database) -> AsyncIterator[Service]:
    """Serve on a free port of the loopback."""
    async with run_parts(database) as parts, working(parts):
        scoring = parts.scoring
        behind = Parts(
            scoring=scoring.engine,
            computing=scoring.engine,
            results=scoring.results,
            explaining=PreparedExplaining(),
            metrics=scoring.metrics,
            rules=Rules(ClickHouseDefinitions(database), scoring.metrics),
            runs=parts.catalogue,
        )
        async with serving("127.0.0.1:0", behind) as port, AsyncClient(f"127.0.0.1:{port}") as client:
            yield Service(address=f"127.0.0.1:{port}", client=client, parts=parts)
