"""A stored span in, a score out: store, engine, judge over HTTP, gRPC and client, none of them prepared."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from time import time_ns

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span
from running_front import PreparedExplaining, run_catalogue

from assay.client import AsyncClient, CallFailed, InlineTarget, Level, MetricRef, ResultFilter, Status, TargetRef
from evaluator.judges.choose import Judges
from evaluator.judges.metering import Meter
from evaluator.judges.scripted import ScriptedJudge
from evaluator.metrics.catalogue import builtin_metrics
from evaluator.metrics.conclude import Conclusion, Instruments, conclude
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.material import Material
from evaluator.metrics.registry import Metrics
from evaluator.online.rules.catalogue import Rules
from evaluator.scoring.engine import Engine
from evaluator.server.serve import Parts, serving
from storage.clickhouse.client import Database
from storage.clickhouse.definitions import ClickHouseDefinitions
from storage.clickhouse.results import ClickHouseResults
from storage.clickhouse.telemetry import ClickHouseSink, ClickHouseTelemetry
from storage.otlp.reference import translate_traces


@dataclass(frozen=True, kw_only=True)
class Real:
    """What a test holds of a running evaluator."""

    client: AsyncClient
    judge: ScriptedJudge
    database: Database
    results: ClickHouseResults

    async def store(self, otlp: bytes) -> None:
        """Commit telemetry, as the exporter does."""
        sink = ClickHouseSink(self.database)
        await sink.insert("otel_traces", [translate_traces(otlp).block], token=uuid.uuid4().hex)


@pytest.fixture
async def real(database: Database) -> AsyncIterator[Real]:
    """Everything but the rules at work."""
    async with AsyncExitStack() as stack:
        judge = await stack.enter_async_context(ScriptedJudge())
        judges = await stack.enter_async_context(Judges(model="openai/scripted", base_url=judge.base_url, api_key="k"))

        async def apply(
            definition: MetricDefinition,
            material: Material,
            *,
            repeat: int = 0,
            background: bool = False,
            meter: Meter | None = None,
        ) -> Conclusion:
            return await conclude(definition, material, using=Instruments(judges=judges, secret=b"s"), repeat=repeat)

        definitions, results = ClickHouseDefinitions(database), ClickHouseResults(database)
        metrics = Metrics(definitions, builtin=builtin_metrics())
        engine = await stack.enter_async_context(
            Engine(metrics=metrics, telemetry=ClickHouseTelemetry(database), results=results, apply=apply)
        )
        parts = Parts(
            scoring=engine,
            computing=engine,
            results=results,
            explaining=PreparedExplaining(),
            metrics=metrics,
            rules=Rules(definitions, metrics),
            runs=run_catalogue(database, metrics),
        )
        port = await stack.enter_async_context(serving("127.0.0.1:0", parts))
        client = await stack.enter_async_context(AsyncClient(f"127.0.0.1:{port}", timeout_seconds=30.0))
        yield Real(client=client, judge=judge, database=database, results=results)


def a_chat(answer: str) -> tuple[TargetRef, bytes]:
    """An LLM span of now, and the OTLP that holds it."""
    target = TargetRef(level=Level.SPAN, trace_id=uuid.uuid4().hex, span_id=uuid.uuid4().hex[:16])
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "gpt-5-mini",
        "gen_ai.input.messages": '[{"role":"user","parts":[{"type":"text","content":"Capital of France?"}]}]',
        "gen_ai.output.messages": '[{"role":"assistant","parts":[{"type":"text","content":"' + answer + '"}]}]',
    }
    span = Span(
        trace_id=bytes.fromhex(target.trace_id),
        span_id=bytes.fromhex(target.span_id),
        name="chat gpt-5-mini",
        start_time_unix_nano=time_ns(),
        end_time_unix_nano=time_ns() + 1_000_000,
        attributes=[KeyValue(key=key, value=AnyValue(string_value=value)) for key, value in attributes.items()],
    )
    resource_spans = [ResourceSpans(scope_spans=[ScopeSpans(spans=[span])])]
    return target, ExportTraceServiceRequest(resource_spans=resource_spans).SerializeToString()


async def test_a_stored_span_gets_its_scores_in_order_and_they_can_be_read_again(real: Real) -> None:
    """The judge's and the function's, once by the call and once from the store."""
    target, otlp = a_chat("Paris")
    await real.store(otlp)
    length, correctness = await real.client.evaluate([target], ["response_length", "Correctness"], wait_seconds=20.0)
    assert (length.metric, length.value, correctness.metric, correctness.status) == (
        "response_length",
        5.0,
        "correctness",
        Status.SUCCESS,
    )
    stored = [await real.client.get_result(result.result_id) for result in (length, correctness)]
    assert [result.value for result in stored] == [length.value, correctness.value]
    assert all(result.insert_time is not None for result in stored)


async def test_an_inline_span_is_scored_and_nothing_of_it_is_kept(real: Real) -> None:
    """A guardrail leaves no trace."""
    target, otlp = a_chat("Paris")
    inline = InlineTarget(ref=target, otlp=otlp)
    (length,) = await real.client.evaluate([inline], [MetricRef(name="response_length", version=1)])
    assert (length.result_id, length.value, length.watermark_time) == ("", 5.0, None)
    rows = await real.database.query(
        "SELECT (SELECT count() FROM evaluations WHERE TraceId = {id:String})"
        " + (SELECT count() FROM otel_traces WHERE TraceId = {id:String}) AS kept",
        {"id": target.trace_id},
    )
    assert rows == [{"kept": 0}]


async def test_the_same_request_id_gives_the_same_results_and_pays_once(real: Real) -> None:
    """A client that lost the answer may repeat the call."""
    target, otlp = a_chat("Paris")
    await real.store(otlp)
    request_id = str(uuid.uuid4())
    first, second = [await real.client.evaluate([target], ["correctness"], request_id=request_id) for _ in range(2)]
    assert [result.result_id for result in first] == [result.result_id for result in second]
    assert len(real.judge.requests) == 1
    other = await real.client.evaluate([target], ["correctness"])
    assert other[0].result_id != first[0].result_id


async def test_what_is_not_ready_in_time_goes_on_and_is_there_later(real: Real) -> None:
    """A slow judge: `computing` now, the score by the same id afterwards."""
    target, otlp = a_chat("Paris")
    await real.store(otlp)
    async with asyncio.timeout(30):
        watch = real.client.watch_results(ResultFilter(targets=(target,)))
        await anext(watch)
        (pending,) = await real.client.evaluate([target], ["correctness"], wait_seconds=0.0)
        assert pending.status is Status.COMPUTING
        await anext(watch)
    result = await real.client.get_result(pending.result_id)
    assert (result.status, result.result_id) == (Status.SUCCESS, pending.result_id)


async def test_an_unknown_span_and_an_unknown_metric_are_not_found(real: Real) -> None:
    """Nothing was scored, and the reason says which of the two it was."""
    target, otlp = a_chat("Paris")
    with pytest.raises(CallFailed) as unknown_target:
        await real.client.evaluate([target], ["correctness"])
    await real.store(otlp)
    with pytest.raises(CallFailed) as unknown_metric:
        await real.client.evaluate([target], ["nonesuch"])
    assert (unknown_target.value.reason, unknown_metric.value.reason) == ("TARGET_NOT_FOUND", "METRIC_NOT_FOUND")
    assert len(real.judge.requests) == 0


async def test_inline_spans_that_lack_the_named_one_are_refused(real: Real) -> None:
    """The caller's mistake, said so."""
    _, otlp = a_chat("Paris")
    other, _ = a_chat("Paris")
    with pytest.raises(CallFailed) as refused:
        await real.client.evaluate([InlineTarget(ref=other, otlp=otlp)], ["response_length"])
    assert (refused.value.code, refused.value.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
