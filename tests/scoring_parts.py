"""A scoring path of real parts: ClickHouse's stores, `conclude`, and a judge server on loopback."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from storing import SentSpan

from evaluator.judges.choose import Judges
from evaluator.judges.endpoints import Endpoint, Price
from evaluator.judges.metering import Meter
from evaluator.judges.retrying import Retries
from evaluator.judges.scripted import ScriptedJudge
from evaluator.metrics.catalogue import aliases, builtin_metrics
from evaluator.metrics.conclude import Conclusion, Instruments, conclude
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.judging.answers import KeptAnswers
from evaluator.metrics.judging.judge_metric import Redact
from evaluator.metrics.material import Material
from evaluator.metrics.registry import Metrics
from evaluator.sandbox.sandbox import Sandbox
from evaluator.scoring.engine import Engine
from evaluator.scoring.exchanges import Exchanges
from storage.clickhouse.client import Database
from storage.clickhouse.definitions import ClickHouseDefinitions
from storage.clickhouse.judge_traces import ClickHouseJudgeAnswers, ClickHouseJudgeTraces
from storage.clickhouse.results import ClickHouseResults
from storage.clickhouse.telemetry import ClickHouseTelemetry
from storage.expressions import SpanExpressions
from storage.judging import JudgeTraces
from storage.otlp.messages import TracesRequest

QUICK = Retries(max_tries=2, first_pause=0.01, longest_pause=0.1, call=30.0, whole=60.0)
CRASH = "this text makes a metric crash"
DEADLY = "this text kills the process that reads it"


@dataclass(frozen=True, kw_only=True)
class Scoring:
    """What a test holds of it."""

    engine: Engine
    judge: ScriptedJudge
    metrics: Metrics
    results: ClickHouseResults
    database: Database
    exchanges: Exchanges
    using: Instruments
    judges: Judges


@asynccontextmanager
async def scoring(
    database: Database,
    *,
    cached: bool = False,
    redact: Redact | None = None,
    traces: JudgeTraces | None = None,
    expressions: SpanExpressions | None = None,
    meter: Meter | None = None,
    price: Price | None = None,
    endpoints: Sequence[Endpoint] = (),
) -> AsyncIterator[Scoring]:
    """The engine at work.  A target whose output is `CRASH` crashes whatever reads it, as a bug would.

    Args:
        cached: Answers of judges are kept for equal questions.
        traces: Where exchanges go, if not to ClickHouse.
        expressions: Computes SQL metrics.
        meter: Pays where a request names nobody.
        price: Of the judge; None = nobody knows it.
        endpoints: Further judges, for metrics that name them.
    """
    async with AsyncExitStack() as stack:
        judge = await stack.enter_async_context(ScriptedJudge())
        endpoint = Endpoint(name="scripted", model="openai/scripted", base_url=judge.base_url, price=price)
        model = "gateway:/scripted" if price else "openai/scripted"
        judges = await stack.enter_async_context(
            Judges(model=model, base_url=judge.base_url, api_key="k", endpoints=[endpoint, *endpoints], retries=QUICK)
        )

        answers = ClickHouseJudgeAnswers(database) if cached else None
        kept = KeptAnswers(answers) if answers else None
        sandbox = await stack.enter_async_context(Sandbox())
        names = {metric.name: metric.name for metric in builtin_metrics()}
        using = Instruments(judges=judges, secret=b"s", redact=redact, kept=kept, sandbox=sandbox, names=names)

        async def apply(
            definition: MetricDefinition,
            material: Material,
            *,
            repeat: int = 0,
            background: bool = False,
            meter: Meter | None = None,
        ) -> Conclusion:
            if material.inputs.get("output") == CRASH:
                raise RuntimeError("a bug in a metric")
            if material.inputs.get("output") == DEADLY:
                os.kill(os.getpid(), signal.SIGKILL)
            return await conclude(definition, material, using=using, repeat=repeat, background=background, meter=meter)

        results = ClickHouseResults(database)
        exchanges = Exchanges(traces or ClickHouseJudgeTraces(database), answers)
        metrics = Metrics(
            ClickHouseDefinitions(database), builtin=builtin_metrics(), aliases=aliases(), expressions=expressions
        )
        engine = await stack.enter_async_context(
            Engine(
                metrics=metrics,
                telemetry=ClickHouseTelemetry(database),
                results=results,
                apply=apply,
                exchanges=exchanges,
                redact=redact,
                expressions=expressions,
                meter=meter,
            )
        )
        yield Scoring(
            engine=engine,
            judge=judge,
            metrics=metrics,
            results=results,
            database=database,
            exchanges=exchanges,
            using=using,
            judges=judges,
        )


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
