"""Small traces to read: spans in the official convention, built by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from storage.model import StoredSpan

TRACE = "a" * 32


def span(
    number: int,
    *,
    parent: int = 0,
    name: str = "step",
    start_ms: int | None = None,
    lasts_ms: int = 5,
    attributes: Mapping[str, object],
    status_code: str = "Unset",
    status_message: str = "",
    scope: str = "demo",
) -> StoredSpan:
    """Span `number` of the trace; it starts at `number` * 10 ms unless told."""
    start = number * 10 if start_ms is None else start_ms
    return StoredSpan(
        trace_id=TRACE,
        span_id=f"{number:016x}",
        parent_span_id=f"{parent:016x}" if parent else "",
        name=name,
        scope_name=scope,
        start_ns=start * 1_000_000,
        duration_ns=lasts_ms * 1_000_000,
        status_code=status_code,
        status_message=status_message,
        attributes={key: value if isinstance(value, str) else json.dumps(value) for key, value in attributes.items()},
    )


def text(role: str, content: str) -> dict[str, object]:
    """An official message with one text."""
    return {"role": role, "parts": [{"type": "text", "content": content}]}


def asks_tool(call_id: str, name: str, arguments: object) -> dict[str, object]:
    """An official assistant message with one tool call."""
    return {"role": "assistant", "parts": [{"type": "tool_call", "id": call_id, "name": name, "arguments": arguments}]}


def tool_said(call_id: str, result: object) -> dict[str, object]:
    """An official tool message."""
    return {"role": "tool", "parts": [{"type": "tool_call_response", "id": call_id, "response": result}]}


def chat(
    given: Sequence[object], answered: Sequence[object], *, tokens: tuple[int, int] = (10, 2), **more: object
) -> dict[str, object]:
    """Attributes of an official model call."""
    attributes: dict[str, object] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "m",
        "gen_ai.input.messages": list(given),
        "gen_ai.output.messages": list(answered),
        "gen_ai.usage.input_tokens": str(tokens[0]),
        "gen_ai.usage.output_tokens": str(tokens[1]),
    }
    return {**attributes, **more}


QUESTION = "What is the weather in Paris?"
ANSWER = "It is sunny in Paris."


def agent_trace() -> list[StoredSpan]:
    """An agent: a model call, the tool it asked for (without arguments or result of its own), the answer."""
    asked = [text("user", QUESTION)]
    call = asks_tool("c1", "get_weather", {"city": "Paris"})
    return [
        span(
            1,
            name="invoke_agent travel",
            lasts_ms=100,
            attributes={
                "gen_ai.operation.name": "invoke_agent",
                "gen_ai.agent.name": "travel",
                "session.id": "s-1",
                "gen_ai.usage.input_tokens": "30",
                "gen_ai.usage.output_tokens": "7",
            },
        ),
        span(2, parent=1, name="chat m", attributes=chat(asked, [call], tokens=(10, 2), **{"user.id": "u-1"})),
        span(
            3,
            parent=1,
            name="execute_tool get_weather",
            attributes={
                "gen_ai.operation.name": "execute_tool",
                "gen_ai.tool.name": "get_weather",
                "gen_ai.tool.call.id": "c1",
            },
        ),
        span(
            4,
            parent=1,
            name="chat m",
            attributes=chat(
                [*asked, call, tool_said("c1", {"sky": "sunny"})], [text("assistant", ANSWER)], tokens=(20, 5)
            ),
        ),
    ]


def rag_trace() -> list[StoredSpan]:
    """A chain: a retriever with two documents, then a model call."""
    return [
        span(
            1,
            name="answer",
            lasts_ms=100,
            attributes={"openinference.span.kind": "CHAIN", "input.value": "How long?", "output.value": "30 days."},
        ),
        span(
            2,
            parent=1,
            name="search",
            attributes={
                "gen_ai.operation.name": "retrieval",
                "gen_ai.retrieval.query.text": "How long?",
                "gen_ai.retrieval.documents": [
                    {"id": "d1", "content": "Refunds within 30 days."},
                    {"id": "d2", "content": "Shipping takes 5 days."},
                ],
            },
        ),
        span(
            3,
            parent=1,
            name="chat m",
            attributes=chat([text("system", "Be brief."), text("user", "How long?")], [text("assistant", "30 days.")]),
        ),
    ]
