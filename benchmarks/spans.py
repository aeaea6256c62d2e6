"""Loads for ingest benchmarks: requests of 512 spans, the same for the same seed.

small  8 attributes on a span, 10 on its resource, no text: about 400 bytes a span
llm    model calls with a prompt of 1 to 4 KB and an answer of 0.4 to 2 KB, every third span; tools and queries between
"""

from __future__ import annotations

import json
import random
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

LOADS = ("small", "llm")
SPANS = 512
START_NS = 1_790_000_000_000_000_000
WORDS = [
    "the",
    "model",
    "reads",
    "a",
    "question",
    "and",
    "gives",
    "an",
    "answer",
    "about",
    "orders",
    "invoices",
    "refunds",
    "shipping",
    "prices",
    "returns",
]


def request(load: str, seed: int) -> bytes:
    """One ExportTraceServiceRequest."""
    dice = random.Random(f"{load} {seed}")
    message = ExportTraceServiceRequest()
    group = message.resource_spans.add()
    _put(group.resource.attributes, _resource(dice))
    scoped = group.scope_spans.add()
    scoped.scope.name, scoped.scope.version = "benchmark", "1.0"
    trace_id = parent = b""
    for number in range(SPANS):
        if number % 9 == 0:
            trace_id, parent = dice.randbytes(16), b""
        start = START_NS + seed * 50_000_000 + number * 90_000
        span = scoped.spans.add(
            trace_id=trace_id,
            span_id=dice.randbytes(8),
            parent_span_id=parent,
            kind=dice.choice((1, 2, 3)),
            start_time_unix_nano=start,
            end_time_unix_nano=start + dice.randrange(10**6, 10**9),
        )
        parent = parent or span.span_id
        kind = "small" if load == "small" else ("chat", "tool", "query")[number % 3]
        span.name = kind
        _put(span.attributes, _ATTRIBUTES[kind](dice))
    return message.SerializeToString()


def _put(target: Any, attributes: dict[str, object]) -> None:
    for key, value in attributes.items():
        _set(target.add(key=key).value, value)


def _set(message: AnyValue, value: object) -> None:
    match value:
        case bool():
            message.bool_value = value
        case int():
            message.int_value = value
        case float():
            message.double_value = value
        case list():
            for item in value:
                _set(message.array_value.values.add(), item)
        case _:
            message.string_value = str(value)


def _text(dice: random.Random, size: int) -> str:
    return " ".join(dice.choices(WORDS, k=size // 6))


def _resource(dice: random.Random) -> dict[str, object]:
    fixed: dict[str, object] = {f"resource.key.{number}": f"value {number}" for number in range(7)}
    return {
        "service.name": dice.choice(("shop", "search", "billing")),
        "service.instance.id": dice.randbytes(16).hex(),
        "process.pid": dice.randrange(60_000),
        **fixed,
    }


def _small(dice: random.Random) -> dict[str, object]:
    return {
        "http.request.method": dice.choice(("GET", "POST")),
        "url.full": f"https://api.example.com/tenant/{dice.randrange(50)}/item/{dice.randrange(10**8)}",
        "http.response.status_code": dice.choice((200, 404)),
        "network.peer.address": f"10.1.{dice.randrange(8)}.{dice.randrange(250)}",
        "network.peer.port": dice.randrange(1024, 65_535),
        "thread.id": dice.randrange(64),
        "user_agent.original": f"client/0.{dice.randrange(5)} (linux; amd64)",
        "peer.service": f"server-{dice.randrange(9)}",
    }


def _chat(dice: random.Random) -> dict[str, object]:
    def messages(role: str, size: int) -> str:
        return json.dumps([{"role": role, "parts": [{"type": "text", "content": _text(dice, size)}]}])

    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": dice.choice(("model-a", "model-b")),
        "gen_ai.request.temperature": dice.choice((0.0, 0.2, dice.random())),
        "gen_ai.response.id": f"chatcmpl-{dice.randbytes(12).hex()}",
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.usage.input_tokens": dice.randrange(200, 1200),
        "gen_ai.usage.output_tokens": dice.randrange(50, 700),
        "gen_ai.input.messages": messages("user", dice.randrange(1000, 4000)),
        "gen_ai.output.messages": messages("assistant", dice.randrange(400, 2000)),
        "session.id": f"session-{dice.randrange(5000)}",
        "user.id": f"user-{dice.randrange(20_000)}",
    }


def _tool(dice: random.Random) -> dict[str, object]:
    return {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": dice.choice(("search", "calculator", "fetch")),
        "gen_ai.tool.call.id": f"call_{dice.randbytes(9).hex()}",
        "input.value": json.dumps({"query": _text(dice, 80), "top_k": dice.randrange(20)}),
        "output.value": _text(dice, dice.randrange(100, 500)),
        "retrieval.score.max": dice.random(),
        "cache.hit": dice.random() < 0.3,
        "session.id": f"session-{dice.randrange(5000)}",
    }


def _query(dice: random.Random) -> dict[str, object]:
    return {
        "db.system.name": "postgresql",
        "db.query.text": f"SELECT * FROM orders WHERE id = $1 LIMIT {dice.randrange(100)}",
        "server.address": f"db-{dice.randrange(4)}.internal",
        "server.port": 5432,
        "db.response.returned_rows": dice.randrange(1000),
    }


_ATTRIBUTES = {"small": _small, "chat": _chat, "tool": _tool, "query": _query}
