"""Real OpenTelemetry SDK exporters as clients."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpanExporter
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter
from running_receiver import receiving

from exporter.server import Endpoints
from storage.clickhouse.client import Database
from storage.clickhouse.telemetry import ClickHouseSink

EXPORTERS: dict[str, Callable[[Endpoints], SpanExporter]] = {
    "grpc": lambda ports: GrpcSpanExporter(endpoint=f"http://127.0.0.1:{ports.grpc_port}", insecure=True, timeout=10),
    "http": lambda ports: HttpSpanExporter(endpoint=f"http://127.0.0.1:{ports.http_port}/v1/traces", timeout=10),
    "http gzip": lambda ports: HttpSpanExporter(
        endpoint=f"http://127.0.0.1:{ports.http_port}/v1/traces", timeout=10, compression=Compression.Gzip
    ),
}


def emit(exporter: SpanExporter) -> str:
    """Two nested spans through the SDK; returns their trace id."""
    provider = TracerProvider(resource=Resource({"service.name": "sdk-app"}))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("my.scope", "1.2.3")
    with tracer.start_as_current_span("outer") as outer:
        outer.set_attribute("list", ["a", "b"])
        with tracer.start_as_current_span("inner") as inner:
            inner.set_attribute("gen_ai.request.model", "m")
    provider.shutdown()
    return format(outer.get_span_context().trace_id, "032x")


@pytest.mark.parametrize("kind", EXPORTERS)
async def test_spans_of_the_sdk_arrive(database: Database, kind: str) -> None:
    """The SDK that every Python application uses, over each of its transports."""
    async with receiving(ClickHouseSink(database)) as receiver:
        trace_id = await asyncio.to_thread(emit, EXPORTERS[kind](receiver.endpoints))
    found = await database.query(
        "SELECT SpanName AS name, ServiceName AS service, ScopeName AS scope, ScopeVersion AS version, "
        "SpanAttributes AS attributes, ParentSpanId = '' AS root FROM otel_traces "
        "WHERE TraceId = {id:String} ORDER BY SpanName",
        {"id": trace_id},
    )
    common = {"service": "sdk-app", "scope": "my.scope", "version": "1.2.3"}
    assert found == [
        {"name": "inner", **common, "attributes": {"gen_ai.request.model": "m"}, "root": 0},
        {"name": "outer", **common, "attributes": {"list": '["a","b"]'}, "root": 1},
    ]
