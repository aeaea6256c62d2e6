"""Real OpenTelemetry SDK exporters as clients."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpanExporter
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExporter, SpanProcessor
from running_receiver import receiving
from sinks import MemorySink

from exporter.commit import CommitLimits
from exporter.errors import Overloaded
from exporter.server import Endpoints, ExporterSettings
from storage.clickhouse.client import Database
from storage.clickhouse.telemetry import ClickHouseSink
from storage.errors import Unavailable

EXPORTERS: dict[str, Callable[[Endpoints], SpanExporter]] = {
    "grpc": lambda ports: GrpcSpanExporter(endpoint=f"http://127.0.0.1:{ports.grpc_port}", insecure=True, timeout=60),
    "grpc gzip": lambda ports: GrpcSpanExporter(
        endpoint=f"http://127.0.0.1:{ports.grpc_port}", insecure=True, timeout=60, compression=grpc.Compression.Gzip
    ),
    "http": lambda ports: HttpSpanExporter(endpoint=f"http://127.0.0.1:{ports.http_port}/v1/traces", timeout=60),
    "http gzip": lambda ports: HttpSpanExporter(
        endpoint=f"http://127.0.0.1:{ports.http_port}/v1/traces", timeout=60, compression=Compression.Gzip
    ),
    "http deflate": lambda ports: HttpSpanExporter(
        endpoint=f"http://127.0.0.1:{ports.http_port}/v1/traces", timeout=60, compression=Compression.Deflate
    ),
}
PROCESSORS: dict[str, Callable[[SpanExporter], SpanProcessor]] = {
    "simple": SimpleSpanProcessor,
    "batch": lambda exporter: BatchSpanProcessor(exporter, export_timeout_millis=60_000),
}


def emit(exporter: SpanExporter, processor: Callable[[SpanExporter], SpanProcessor] = SimpleSpanProcessor) -> str:
    """Two nested spans through the SDK; returns their trace id."""
    provider = TracerProvider(resource=Resource({"service.name": "sdk-app"}))
    provider.add_span_processor(processor(exporter))
    tracer = provider.get_tracer("my.scope", "1.2.3")
    with tracer.start_as_current_span("outer") as outer:
        outer.set_attribute("list", ["a", "b"])
        with tracer.start_as_current_span("inner") as inner:
            inner.set_attribute("gen_ai.request.model", "m")
    provider.force_flush(60_000)
    provider.shutdown()
    return format(outer.get_span_context().trace_id, "032x")


async def stored(database: Database, trace_id: str) -> list[dict[str, Any]]:
    """What is there of a trace of `emit`."""
    return await database.query(
        "SELECT SpanName AS name, ServiceName AS service, ScopeName AS scope, ScopeVersion AS version, "
        "SpanAttributes AS attributes, ParentSpanId = '' AS root FROM otel_traces "
        "WHERE TraceId = {id:String} ORDER BY SpanName",
        {"id": trace_id},
    )


COMMON = {"service": "sdk-app", "scope": "my.scope", "version": "1.2.3"}
EMITTED = [
    {"name": "inner", **COMMON, "attributes": {"gen_ai.request.model": "m"}, "root": 0},
    {"name": "outer", **COMMON, "attributes": {"list": '["a","b"]'}, "root": 1},
]


@pytest.mark.parametrize("processor", PROCESSORS)
@pytest.mark.parametrize("kind", EXPORTERS)
async def test_spans_of_the_sdk_arrive(database: Database, kind: str, processor: str) -> None:
    """The SDK that every Python application uses, over each of its transports, with either of its processors."""
    async with receiving(ClickHouseSink(database)) as receiver:
        trace_id = await asyncio.to_thread(emit, EXPORTERS[kind](receiver.endpoints), PROCESSORS[processor])
    assert await stored(database, trace_id) == EMITTED


@pytest.mark.parametrize("refusal", [Unavailable("away"), Overloaded("full")], ids=["away", "full"])
@pytest.mark.parametrize("kind", ["grpc", "grpc gzip", "http gzip"])
async def test_the_sdk_sends_again_what_was_refused_retryably(kind: str, refusal: Unavailable) -> None:
    """Its answer to our UNAVAILABLE and RESOURCE_EXHAUSTED with RetryInfo, 503 and 429 with Retry-After."""
    sink = MemorySink(errors=deque([refusal]))
    async with receiving(sink, ExporterSettings(commit=CommitLimits(retry_for_seconds=0.0))) as receiver:
        await asyncio.to_thread(emit, EXPORTERS[kind](receiver.endpoints), PROCESSORS["batch"])
    assert (len(sink.attempts), len(sink.stored)) == (2, 1)
    assert sink.attempts[0] == sink.attempts[1]


@pytest.mark.parametrize("kind", ["grpc", "http gzip"])
async def test_the_sdk_waits_for_a_receiver_that_comes_back(database: Database, kind: str) -> None:
    """Whoever answers meanwhile hangs up; the batch is kept and arrives once."""
    sink = ClickHouseSink(database)
    async with receiving(sink) as gone:
        ports = gone.endpoints
    knocked = asyncio.Event()

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        knocked.set()
        writer.close()

    async with asyncio.TaskGroup() as tasks:
        port = ports.grpc_port if kind == "grpc" else ports.http_port
        async with await asyncio.start_server(hang_up, "127.0.0.1", port):
            emitted = tasks.create_task(asyncio.to_thread(emit, EXPORTERS[kind](ports), PROCESSORS["batch"]))
            await knocked.wait()
        async with receiving(sink, at=ports):
            trace_id = await emitted
    assert await stored(database, trace_id) == EMITTED
