"""Composites on real stores: leaf metrics conclude what a test says, everything above them is the engine's."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from storing import SentSpan, new_trace_id

from evaluator.judges.metering import Meter
from evaluator.metrics.conclude import Conclusion, Instruments, conclude
from evaluator.metrics.definition import MetricDefinition, RollUp, Statistic
from evaluator.metrics.material import Material
from evaluator.metrics.registry import Metrics
from evaluator.scoring.engine import Engine
from evaluator.scoring.request import EvaluationRequest, MetricRef, Target
from storage.clickhouse.client import Database
from storage.clickhouse.definitions import ClickHouseDefinitions
from storage.clickhouse.results import ClickHouseResults
from storage.clickhouse.telemetry import ClickHouseTelemetry
from storage.model import Evaluation, Level, MetricKind, Outcome, OutputType, Score, TargetRef
from storage.results import ResultFilter

SPAN, TRACE, SESSION = (Level.SPAN,), (Level.TRACE,), (Level.SESSION,)
KIND = "openinference.span.kind"
GOOD = Score(value=1.0)


class NoJudges:
    """Nobody is asked: every leaf says what the test wants."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError("a judge was asked")


@dataclass
class Leaves:
    """What leaf metrics conclude, by slug and target key; 1.0 unless said.  `count` = how often each was computed."""

    outcomes: dict[tuple[str, str], Outcome] = field(default_factory=dict)
    count: Counter[tuple[str, str]] = field(default_factory=Counter)
    hold: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.hold.set()

    async def apply(
        self,
        definition: MetricDefinition,
        material: Material,
        *,
        repeat: int = 0,
        background: bool = False,
        meter: Meter | None = None,
    ) -> Conclusion:
        """A leaf by the table, a composite for real."""
        self.count[definition.name, material.ref.key] += 1
        if definition.kind is MetricKind.COMPOSITE:
            using = Instruments(judges=NoJudges(), secret=b"s")
            return await conclude(definition, material, using=using, repeat=repeat)
        await self.hold.wait()
        return Conclusion(outcome=self.outcomes.get((definition.name, material.ref.key), GOOD))


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What a test holds of it."""

    engine: Engine
    metrics: Metrics
    results: ClickHouseResults
    database: Database
    leaves: Leaves

    async def make(self, *definitions: MetricDefinition) -> None:
        """Save metrics that are not there yet."""
        known = {record.definition.name for record in await self.metrics.live()}
        for definition in definitions:
            if definition.name not in known:
                await self.metrics.create(definition)

    async def stored(self, *refs: TargetRef, metric: str = "") -> list[Evaluation]:
        """Everything about targets, oldest first."""
        where = ResultFilter(targets=refs, metrics=(metric,) if metric else (), include_superseded=True)
        return (await self.results.newest(where, before=None, limit=10_000))[::-1]

    async def current(self, ref: TargetRef, metric: str) -> Evaluation:
        """What counts now."""
        (found,) = await self.results.newest(ResultFilter(targets=(ref,), metrics=(metric,)), before=None, limit=10)
        return found


@asynccontextmanager
async def composing(database: Database, leaves: Leaves | None = None) -> AsyncIterator[Parts]:
    """An engine; several may follow each other on one database, as after a restart."""
    leaves = leaves or Leaves()
    results = ClickHouseResults(database)
    metrics = Metrics(ClickHouseDefinitions(database), builtin=())
    telemetry = ClickHouseTelemetry(database)
    async with Engine(metrics=metrics, telemetry=telemetry, results=results, apply=leaves.apply) as engine:
        yield Parts(engine=engine, metrics=metrics, results=results, database=database, leaves=leaves)


def leaf(name: str, levels: tuple[Level, ...] = SPAN, **other: Any) -> MetricDefinition:
    """A judge metric of which only the name matters."""
    fields: dict[str, Any] = {"kind": MetricKind.JUDGE, "output_type": OutputType.PERCENTAGE}
    if other.get("kind") not in (MetricKind.EXTERNAL, MetricKind.HUMAN):
        fields["prompt"] = "How good is {{output}}?"
    return MetricDefinition(name=name, levels=levels, **fields | other)


def mean_of(name: str, required: str, levels: tuple[Level, ...] = TRACE, **other: Any) -> MetricDefinition:
    """A composite without code."""
    fields: dict[str, Any] = {"output_type": OutputType.PERCENTAGE, "roll_up": RollUp(statistic=Statistic.MEAN)}
    return MetricDefinition(
        name=name, kind=MetricKind.COMPOSITE, levels=levels, required_metrics=(required,), **fields | other
    )


def a_trace(*kinds: str, session: str = "") -> list[SentSpan]:
    """An agent run: a root of kind agent, and below it spans of these kinds."""
    trace_id = new_trace_id()
    shared = {"session.id": session} if session else {}
    root = SentSpan(trace_id=trace_id, name="run", attributes={KIND: "AGENT", **shared, **_said("Hello.", "Hi.")})
    below = [
        SentSpan(
            trace_id=trace_id,
            parent=root.span_id,
            name=kind,
            start_ns=root.start_ns + 1_000 * number,
            attributes={KIND: kind.upper(), **shared, **_said(f"question {number}", f"answer {number}")},
        )
        for number, kind in enumerate(kinds, 1)
    ]
    return [root, *below]


def _said(question: str, answer: str) -> Mapping[str, str]:
    return {"input.value": json.dumps(question), "output.value": json.dumps(answer)}


def session_of(name: str) -> TargetRef:
    """As a target."""
    return TargetRef(level=Level.SESSION, session_id=name)


def asked(*targets: Target, metrics: tuple[str, ...], **other: Any) -> EvaluationRequest:
    """A request with an origin of its own."""
    fields: dict[str, Any] = {"origin": uuid.uuid4().hex, "metrics": tuple(MetricRef(name=name) for name in metrics)}
    return EvaluationRequest(targets=targets, **fields | other)
