"""A scoring path of real parts: ClickHouse's stores, `conclude`, and a judge server on loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from storing import SentSpan

from evaluator.judges.choose import Judges
from evaluator.judges.retrying import Retries
from evaluator.judges.scripted import ScriptedJudge
from evaluator.metrics.catalogue import builtin_metrics
from evaluator.metrics.conclude import Conclusion, Instruments, conclude
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.material import Material
from evaluator.metrics.registry import Metrics
from evaluator.scoring.engine import Engine
from storage.clickhouse.client import Database
from storage.clickhouse.definitions import ClickHouseDefinitions
from storage.clickhouse.results import ClickHouseResults
from storage.clickhouse.telemetry import ClickHouseTelemetry
from storage.otlp.messages import TracesRequest

QUICK = Retries(max_tries=2, first_pause=0.01, longest_pause=0.1, call=30.0, whole=60.0)
CRASH = "this text makes a metric crash"


@dataclass(frozen=True, kw_only=True)
class Scoring:
    """What a test holds of it."""

    engine: Engine
    judge: ScriptedJudge
    metrics: Metrics
    results: ClickHouseResults
    database: Database


@asynccontextmanager
async def scoring(database: Database) -> AsyncIterator[Scoring]:
    """The engine at work.  A target whose output is `CRASH` crashes whatever reads it, as a bug would."""
    async with AsyncExitStack() as stack:
        judge = await stack.enter_async_context(ScriptedJudge())
        judges = await stack.enter_async_context(
            Judges(model="openai/scripted", base_url=judge.base_url, api_key="k", retries=QUICK)
        )

        async def apply(definition: MetricDefinition, material: Material) -> Conclusion:
            if material.inputs.get("output") == CRASH:
                raise RuntimeError("a bug in a metric")
            return await conclude(definition, material, using=Instruments(judges=judges, secret=b"s"))

        results = ClickHouseResults(database)
        metrics = Metrics(ClickHouseDefinitions(database), builtin=builtin_metrics())
        engine = await stack.enter_async_context(
            Engine(metrics=metrics, telemetry=ClickHouseTelemetry(database), results=results, apply=apply)
        )
        yield Scoring(engine=engine, judge=judge, metrics=metrics, results=results, database=database)


def otlp(*spans: SentSpan) -> bytes:
    """The same spans as a caller brings them along."""
    request = TracesRequest()
    group = request.resource_spans.add()
    group.resource.attributes.add(key=b"service.name").value.string_value = spans[0].service.encode()
    scoped = group.scope_spans.add()
    for span in spans:
        message = scoped.spans.add(
            trace_id=bytes.fromhex(span.trace_id),
            span_id=bytes.fromhex(span.span_id),
            parent_span_id=bytes.fromhex(span.parent),
            name=span.name.encode(),
            start_time_unix_nano=span.start_ns,
            end_time_unix_nano=span.start_ns + span.duration_ns,
        )
        for key, value in span.attributes.items():
            message.attributes.add(key=key.encode()).value.string_value = value.encode()
    return bytes(request.SerializeToString())
