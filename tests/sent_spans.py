"""A client that sends spans as an OpenTelemetry SDK does: what is refused retryably is sent again, byte for byte."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub
from running_installation import PATIENCE_SECONDS, Installation, wait_until

RETRYABLE = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.ABORTED,
    }
)
CHANNEL_OPTIONS = (("grpc.initial_reconnect_backoff_ms", 50), ("grpc.max_reconnect_backoff_ms", 200),
                   ("grpc.use_local_subchannel_pool", 1))  # fmt: skip


def chat_spans(
    numbers: random.Random, count: int, *, service: str = "load", question: str = "", answer: str = "", padding: int = 0
) -> ExportTraceServiceRequest:
    """One trace of `count` complete model calls: a root and its children."""
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    group.resource.attributes.add(key="service.name").value.string_value = service
    scoped = group.scope_spans.add()
    trace_id, root_id, now = numbers.randbytes(16), numbers.randbytes(8), time.time_ns()
    for number in range(count):
        span = scoped.spans.add(
            trace_id=trace_id,
            span_id=numbers.randbytes(8) if number else root_id,
            parent_span_id=root_id if number else b"",
            name="chat",
            start_time_unix_nano=now - 1_000_000 + number,
            end_time_unix_nano=now,
        )
        texts = {
            "gen_ai.operation.name": "chat",
            "input.value": question or f"question {number}",
            "output.value": answer or f"answer {number}",
        }
        if padding:
            texts["padding"] = numbers.randbytes(padding).hex()
        for key, text in texts.items():
            span.attributes.add(key=key).value.string_value = text
    return request


def ids_of(request: ExportTraceServiceRequest) -> list[tuple[str, str]]:
    """Trace and span id of every span, as they are stored."""
    return [
        (span.trace_id.hex(), span.span_id.hex())
        for group in request.resource_spans
        for scoped in group.scope_spans
        for span in scoped.spans
    ]


def stored_ids(place: Installation) -> set[tuple[str, str]]:
    """Trace and span id of every stored span."""
    return {(row["TraceId"], row["SpanId"]) for row in place.query("SELECT TraceId, SpanId FROM otel_traces")}


@contextmanager
def receiver(address: str) -> Iterator[TraceServiceStub]:
    """A stub over a connection of its own."""
    with grpc.insecure_channel(address, options=CHANNEL_OPTIONS) as channel:
        yield TraceServiceStub(channel)  # type: ignore[no-untyped-call]


def send(address: str, request: ExportTraceServiceRequest) -> None:
    """One request, which must be acknowledged."""
    with receiver(address) as stub:
        stub.Export(request, timeout=PATIENCE_SECONDS)


@dataclass
class Load:
    """Clients that send without a pause until they are told to stop.

    Attributes:
        acknowledged: Ids of every span whose request was answered with OK.
        refused: Every retryable answer that was met, with its text.
        broken: Every other answer; a test expects none.
    """

    address: str
    seed: int
    clients: int = 3
    spans: int = 20
    padding: int = 0
    acknowledged: set[tuple[str, str]] = field(default_factory=set)
    refused: list[tuple[grpc.StatusCode, str]] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def running(self) -> Iterator[Load]:
        """Send for the length of a block; at its end every client finishes the request that it is at."""
        threads = [threading.Thread(target=self._client, args=(number,)) for number in range(self.clients)]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            for thread in threads:
                thread.join(PATIENCE_SECONDS)
        assert not any(thread.is_alive() for thread in threads)

    def wait_for_more(self, spans: int) -> None:
        """Wait until so many more are acknowledged."""
        wanted = len(self.acknowledged) + spans
        wait_until(f"{spans} more acknowledged spans", lambda: self.broken or len(self.acknowledged) >= wanted)
        assert not self.broken

    def wait_for_refusal(self, count: int = 1) -> None:
        """Wait until so many more retryable refusals were met."""
        wanted = len(self.refused) + count
        wait_until("a retryable refusal", lambda: self.broken or len(self.refused) >= wanted)
        assert not self.broken

    def _client(self, number: int) -> None:
        numbers = random.Random(f"{self.seed}-{number}")
        with receiver(self.address) as stub:
            while not self._stop.is_set():
                request = chat_spans(numbers, self.spans, padding=self.padding)
                if self._acknowledged(stub, request):
                    self.acknowledged.update(ids_of(request))

    def _acknowledged(self, stub: TraceServiceStub, request: ExportTraceServiceRequest) -> bool:
        """Send one request until it is acknowledged; False when told to stop before that."""
        while True:
            try:
                stub.Export(request, timeout=30)
            except grpc.RpcError as error:
                if not retryable(error):
                    self.broken.append(f"{error.code()}: {error.details()}")
                    self._stop.set()
                    return False
                self.refused.append((error.code(), error.details() or ""))
                if self._stop.wait(0.05):
                    return False
            else:
                return True


def retryable(error: Any) -> bool:
    """Whether the OTLP specification lets a client send the same request again."""
    with_delay = any(
        key == "grpc-status-details-bin" and b"RetryInfo" in value for key, value in error.trailing_metadata() or ()
    )
    return error.code() in RETRYABLE or (error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED and with_delay)
