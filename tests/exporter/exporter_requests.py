"""Requests for tests of the receiver."""

from __future__ import annotations

import secrets

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

START_NS = 1_790_000_000_000_000_000


def new_trace_id() -> bytes:
    """An id that no other test has."""
    return secrets.token_bytes(16)


def traces(trace_id: bytes, *, spans: int = 1, text: str = "") -> bytes:
    """A request with `spans` good spans of one trace, `text` in an attribute of each."""
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    resource = group.resource.attributes.add(key="service.name")
    resource.value.string_value = "shop"
    scoped = group.scope_spans.add()
    for number in range(spans):
        span = scoped.spans.add(
            trace_id=trace_id,
            span_id=(number + 1).to_bytes(8, "big"),
            name="chat",
            start_time_unix_nano=START_NS + number,
            end_time_unix_nano=START_NS + number + 1000,
        )
        span.attributes.add(key="text").value.string_value = text
    return request.SerializeToString()


def logs(trace_id: bytes, *, records: int = 1) -> bytes:
    """A request with good log records of one trace."""
    request = ExportLogsServiceRequest()
    scoped = request.resource_logs.add().scope_logs.add()
    for number in range(records):
        scoped.log_records.add(trace_id=trace_id, time_unix_nano=START_NS + number).body.string_value = "hello"
    return request.SerializeToString()


def with_one_bad_span(trace_id: bytes) -> bytes:
    """Two good spans and one whose trace id is too short."""
    request = ExportTraceServiceRequest.FromString(traces(trace_id, spans=3))
    request.resource_spans[0].scope_spans[0].spans[1].trace_id = b"\x01"
    return request.SerializeToString()
