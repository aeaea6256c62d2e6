"""Sends captured OTLP requests to an endpoint, with fresh ids and today's times: as often as you like.

python examples/replay.py 127.0.0.1:4317          over gRPC
python examples/replay.py http://127.0.0.1:4318   over HTTP
"""

import secrets
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import grpc
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2_grpc import LogsServiceStub
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub

CAPTURES = Path(__file__).resolve().parent / "captures"
Request: TypeAlias = ExportTraceServiceRequest | ExportLogsServiceRequest


class Renewal:
    """Fresh ids for old ones, and times moved so that the newest span ends a moment ago."""

    def __init__(self, shift_ns: int) -> None:
        self._shift_ns = shift_ns
        self._ids: dict[bytes, bytes] = {}

    def _id(self, old: bytes) -> bytes:
        if old.strip(b"\0") and old not in self._ids:
            self._ids[old] = secrets.token_bytes(len(old))
        return self._ids.get(old, old)

    def spans(self, request: ExportTraceServiceRequest) -> None:
        """Renew a request of spans in place."""
        for span in (s for r in request.resource_spans for scope in r.scope_spans for s in scope.spans):
            span.trace_id, span.span_id = self._id(span.trace_id), self._id(span.span_id)
            span.parent_span_id = self._id(span.parent_span_id)
            span.start_time_unix_nano += self._shift_ns
            span.end_time_unix_nano += self._shift_ns
            for event in span.events:
                event.time_unix_nano += self._shift_ns
            for link in span.links:
                link.trace_id, link.span_id = self._id(link.trace_id), self._id(link.span_id)

    def logs(self, request: ExportLogsServiceRequest) -> None:
        """Renew a request of logs in place."""
        for record in (r for x in request.resource_logs for scope in x.scope_logs for r in scope.log_records):
            record.trace_id, record.span_id = self._id(record.trace_id), self._id(record.span_id)
            record.time_unix_nano += self._shift_ns if record.time_unix_nano else 0
            record.observed_time_unix_nano += self._shift_ns if record.observed_time_unix_nano else 0


def renewed(folder: Path = CAPTURES) -> Iterator[tuple[str, list[Request]]]:
    """Every capture: its name, and its requests (spans, then logs if the instrumentation sent some)."""
    for path in sorted(folder.rglob("*.pb")):
        if path.name.endswith(".logs.pb"):
            continue
        spans = ExportTraceServiceRequest.FromString(path.read_bytes())
        ends = [s.end_time_unix_nano for r in spans.resource_spans for scope in r.scope_spans for s in scope.spans]
        renewal = Renewal(time.time_ns() - max(ends))
        renewal.spans(spans)
        requests: list[Request] = [spans]
        beside = path.with_suffix(".logs.pb")
        if beside.exists():
            logs = ExportLogsServiceRequest.FromString(beside.read_bytes())
            renewal.logs(logs)
            requests.append(logs)
        yield str(path.relative_to(folder).with_suffix("")), requests


def send_grpc(channel: grpc.Channel, request: Request) -> None:
    """One request over OTLP/gRPC."""
    if isinstance(request, ExportTraceServiceRequest):
        TraceServiceStub(channel).Export(request, timeout=30)
    else:
        LogsServiceStub(channel).Export(request, timeout=30)


def send_http(base_url: str, request: Request) -> None:
    """One request over OTLP/HTTP."""
    signal = "traces" if isinstance(request, ExportTraceServiceRequest) else "logs"
    post = urllib.request.Request(
        f"{base_url.rstrip('/')}/v1/{signal}",
        data=request.SerializeToString(),
        headers={"Content-Type": "application/x-protobuf"},
    )
    with urllib.request.urlopen(post, timeout=30) as answer:
        answer.read()


def main(endpoint: str) -> None:
    """Send every capture once."""
    with grpc.insecure_channel(endpoint) as channel:
        for name, requests in renewed():
            for request in requests:
                if endpoint.startswith("http"):
                    send_http(endpoint, request)
                else:
                    send_grpc(channel, request)
            print(f"sent {name}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:4317")
