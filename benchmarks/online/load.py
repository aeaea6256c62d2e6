"""Traces at a steady rate over OTLP/gRPC: an agent with two model calls, a retrieval and a tool, 5 spans each.

Requests are made of serialized spans in which only ids and times change: the sender takes little of the machine that
it shares with what is measured.
"""

from __future__ import annotations

import json
import secrets
import struct
import time
from collections.abc import Callable

import grpc
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span

METHOD = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
SPANS = 5
BY_REQUEST = 50
"""Traces in a request, as a batching SDK or Collector sends them."""
_TRACE_ID = bytes.fromhex("a55a1234567890abcdef1234567890ab")
_TIME = 0x7A7B7C7D7E7F7071


def _attribute(span: Span, **values: str | int) -> None:
    for key, value in values.items():
        held = span.attributes.add(key=key.replace("__", ".")).value
        if isinstance(value, int):
            held.int_value = value
        else:
            held.string_value = value


def _message(role: str, text: str) -> str:
    return json.dumps([{"role": role, "parts": [{"type": "text", "content": text}]}])


def _template() -> bytes:
    """One trace as the body of a ScopeSpans."""
    spans = []
    kinds = ("invoke_agent", "chat", "retrieval", "execute_tool", "chat")
    for number, operation in enumerate(kinds):
        span = Span(
            trace_id=_TRACE_ID,
            span_id=struct.pack(">Q", 0x5B5B5B5B00000001 + number),
            parent_span_id=b"" if number == 0 else struct.pack(">Q", 0x5B5B5B5B00000001),
            name=operation,
            start_time_unix_nano=_TIME,
            end_time_unix_nano=_TIME,
        )
        _attribute(span, gen_ai__operation__name=operation)
        if operation == "chat":
            _attribute(span, gen_ai__input__messages=_message("user", "What is the capital of France? " + "x" * 400))
            _attribute(span, gen_ai__output__messages=_message("assistant", "Paris. " + "y" * 200))
            _attribute(span, gen_ai__request__model="gpt-4o-mini", gen_ai__usage__input_tokens=120)
            _attribute(span, gen_ai__usage__output_tokens=60)
        spans.append(b"\x12" + _varint(span.ByteSize()) + span.SerializeToString())
    return b"".join(spans)


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


_TRACE = _template()
_RESOURCE = Resource(attributes=[KeyValue(key="service.name", value=AnyValue(string_value="bench-agent"))])
_HEAD = b"\x0a" + _varint(_RESOURCE.ByteSize()) + _RESOURCE.SerializeToString()


def request(traces: int = BY_REQUEST) -> bytes:
    """An ExportTraceServiceRequest of so many new traces that start now."""
    now = struct.pack("<Q", time.time_ns())
    base = _TRACE.replace(struct.pack("<Q", _TIME), now)
    spans = b"".join([base.replace(_TRACE_ID, secrets.token_bytes(16)) for _ in range(traces)])
    group = _HEAD + b"\x12" + _varint(len(spans)) + spans
    return b"\x0a" + _varint(len(group)) + group


def send(address: str, *, traces_per_second: float, seconds: float, progress: Callable[[float], None] = print) -> int:
    """Send at a steady rate; the number of traces that were acknowledged.

    Raises:
        RuntimeError: The receiver does not take them at that rate.
    """
    requests = int(traces_per_second * seconds / BY_REQUEST)
    pause = BY_REQUEST / traces_per_second
    with grpc.insecure_channel(address) as channel:
        export = channel.unary_unary(METHOD)
        export(request(1), timeout=30)
        began, waiting, sent = time.monotonic(), [], 0
        for number in range(requests):
            due = began + number * pause
            if (wait := due - time.monotonic()) > 0:
                time.sleep(wait)
            waiting.append(export.future(request(), timeout=60))
            if len(waiting) > 40:
                sent += _ended(waiting.pop(0))
            if number and number % 200 == 0:
                progress(time.monotonic() - began)
        return sent + sum(map(_ended, waiting)) + 1


def _ended(call: grpc.Future) -> int:
    call.result()
    return BY_REQUEST
