"""Alignments at work in this process: real stores, a simulated world of judge and reflection model, a worker."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from storing import until

from assay.roles.aligning import AlignmentParts
from benchmarks.align_parts import metric, rows
from benchmarks.align_sim import World
from evaluator.alignment.model import Row
from evaluator.alignment.running.definition import AlignmentRequest
from evaluator.alignment.running.outcome import AlignmentOutcome
from evaluator.alignment.running.worker import AlignmentPace
from evaluator.judges.choose import Judges
from evaluator.judges.endpoints import Endpoint, Price
from evaluator.judges.retrying import Retries
from evaluator.metrics.catalogue import aliases, builtin_metrics
from evaluator.metrics.conclude import Instruments
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.registry import Metrics
from evaluator.online.budgets.purses import Purses
from evaluator.online.leases import LeaseKeeper
from storage.alignments import AlignmentStanding
from storage.clickhouse.alignments import ClickHouseAlignments
from storage.clickhouse.client import Database
from storage.clickhouse.definitions import ClickHouseDefinitions
from storage.clickhouse.feedback import ClickHouseFeedbacks
from storage.clickhouse.queue import ClickHouseLeases
from storage.feedback import FeedbackRow, Resolution, ResolutionMethod, ResolutionStatus, Snapshot
from storage.model import Level, Score, TargetRef

PACE = AlignmentPace(poll_seconds=0.1, report_seconds=0.05, drain_seconds=0.2)
QUICK = Retries(max_tries=2, first_pause=0.01, longest_pause=0.1, call=30.0, whole=60.0)
PRICE = Price(input=1.0, output=2.0)


@dataclass(kw_only=True)
class Align:
    """What a test holds of an evaluator."""

    database: Database
    alignments: ClickHouseAlignments
    feedbacks: ClickHouseFeedbacks
    metrics: Metrics
    judges: Judges
    parts: AlignmentParts
    leases: LeaseKeeper
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    async def ended(self, run_id: str) -> AlignmentStanding:
        """Wait until a run has a final state."""

        async def final() -> AlignmentStanding | None:
            standing = await self.alignments.get(run_id)
            return standing if standing.state.is_final else None

        standing: AlignmentStanding = await until(final, seconds=240.0)
        return standing

    async def done(self, request: AlignmentRequest) -> tuple[AlignmentStanding, AlignmentOutcome]:
        """Start a run and wait for its end."""
        standing = await self.ended((await self.parts.catalogue.start(request)).run.run_id)
        return standing, AlignmentOutcome.from_body(standing.outcome)


@asynccontextmanager
async def align(
    database: Database,
    base_url: str,
    *,
    judge_model: str = "sim-judge",
    reflection_model: str = "sim-reflect",
    price: Price | None = None,
    in_flight: int = 50,
    purses: Purses | None = None,
    retries: Retries = QUICK,
) -> AsyncIterator[Align]:
    """All parts on one database; nobody works yet.  Models are endpoints `gateway:/judge` and `gateway:/reflect`."""
    endpoints = [
        Endpoint(name=name, model=f"openai/{model}", base_url=base_url, price=price, in_flight=in_flight)
        for name, model in (("judge", judge_model), ("reflect", reflection_model))
    ]
    async with Judges(
        model="gateway:/judge", base_url=base_url, api_key="k", endpoints=endpoints, retries=retries
    ) as judges:
        metrics = Metrics(ClickHouseDefinitions(database), builtin=builtin_metrics(), aliases=aliases())
        leases = LeaseKeeper(ClickHouseLeases(database), ttl_seconds=120.0, renew_seconds=5.0)
        parts = AlignmentParts.of(
            database,
            metrics=metrics,
            judges=judges,
            instruments=Instruments(judges=judges, secret=b"s"),
            leases=leases,
            purses=purses,
            reflection_model="gateway:/reflect",
            pace=PACE,
        )
        yield Align(
            database=database,
            alignments=ClickHouseAlignments(database),
            feedbacks=ClickHouseFeedbacks(database),
            metrics=metrics,
            judges=judges,
            parts=parts,
            leases=leases,
        )


@asynccontextmanager
async def working(parts: Align) -> AsyncIterator[None]:
    """A worker for the length of the block; its leases are given back."""
    await parts.leases.renew()
    try:
        async with asyncio.TaskGroup() as group:
            renewing = group.create_task(parts.leases.run())
            task = group.create_task(parts.parts.worker.run(parts.stop))
            try:
                yield
            finally:
                parts.stop.set()
                await asyncio.wait([task])
                renewing.cancel()
    finally:
        await parts.leases.release()


def named(output_type: str = "boolean", **other: Any) -> MetricDefinition:
    """A judge that nobody else uses."""
    return replace(metric(output_type), name=f"policy_{uuid.uuid4().hex[:10]}", **other)


async def reviewed(
    parts: Align,
    definition: MetricDefinition,
    labelled: Sequence[Row],
    *,
    recorded: Mapping[int, Score] | None = None,
    annotators: Sequence[str] = ("ann",),
    version: int | None = None,
    level: Level = Level.TRACE,
    on: Sequence[TargetRef] = (),
) -> list[TargetRef]:
    """Feedback on targets of its own, resolved, with a snapshot of what a judge reads; the targets.

    Args:
        recorded: What the judge had concluded, by place; others have nothing recorded.
        on: Targets to speak about, where a run must not depend on ids that are drawn.
    """
    targets = list(on) or [_target(level) for _ in labelled]
    said = [
        FeedbackRow(
            feedback_id=uuid.uuid4(),
            target=target,
            metric=definition.name,
            metric_version=definition.version if version is None else version,
            annotator=annotator,
            expected=row.expected,
            rationale=" ".join(row.rationales),
            judged=(recorded or {}).get(place),
            snapshot=Snapshot(inputs=row.inputs),
            group_key=target.key,
        )
        for place, (row, target) in enumerate(zip(labelled, targets, strict=True))
        for annotator in annotators
    ]
    await parts.feedbacks.add(said)
    await parts.feedbacks.resolve(
        [
            Resolution(
                target=target,
                metric=definition.name,
                metric_version=definition.version,
                status=ResolutionStatus.RESOLVED,
                expected=row.expected,
                method=ResolutionMethod.SELF,
            )
            for row, target in zip(labelled, targets, strict=True)
        ]
    )
    return targets


def labelled(seed: int, n: int, output_type: str = "boolean") -> list[Row]:
    """Items of a world with what people say of them."""
    return rows(World(seed), n, output_type=output_type)


def _target(level: Level) -> TargetRef:
    match level:
        case Level.SPAN:
            return TargetRef(level=level, trace_id=uuid.uuid4().hex, span_id=uuid.uuid4().hex[:15] + "1")
        case Level.TRACE:
            return TargetRef(level=level, trace_id=uuid.uuid4().hex)
        case Level.SESSION:
            return TargetRef(level=level, session_id=f"session {uuid.uuid4().hex}")
