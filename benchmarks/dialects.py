"""Model calls of 4 KB as the common dialects write them: keys and values of real emitters, texts drawn by lot.

All tell the same: a system prompt, a question, a tool call, its result, an answer, with what each dialect sends beside.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.spans import START_NS, WORDS
from storage.model import StoredLog, StoredSpan

BYTES = 4096
"""Bytes of attribute keys and values on a span; where content comes as logs, those of its logs."""
TRACE = "a" * 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What one model call said."""

    system: str
    question: str
    arguments: Mapping[str, object]
    result: Mapping[str, object]
    answer: str
    id: str

    def openai(self) -> list[dict[str, Any]]:
        """Its input in OpenAI's words."""
        function = {"name": "search_orders", "arguments": json.dumps(self.arguments)}
        made = {"id": self.id, "type": "function", "function": function}
        return [
            {"role": "system", "content": self.system},
            {"role": "user", "content": self.question},
            {"role": "assistant", "content": None, "tool_calls": [made]},
            {"role": "tool", "tool_call_id": self.id, "content": json.dumps(self.result)},
        ]


Shape = Callable[[Call], tuple[dict[str, str], list[tuple[str, str]]]]
"""Attributes of the span, and (event name, body) of its logs."""


def spans_of(name: str, count: int) -> list[tuple[StoredSpan, list[StoredLog]]]:
    """Spans of one dialect with their logs; every one says something else."""
    dice = random.Random(name)
    scope, shape = SHAPES[name]
    return [_span(scope, shape, dice, number) for number in range(count)]


def _span(scope: str, shape: Shape, dice: random.Random, number: int) -> tuple[StoredSpan, list[StoredLog]]:
    words = BYTES // 5
    attributes, bodies = shape(_call(dice, words))
    while (size := _size(attributes, bodies)) > BYTES:
        words -= max(1, (size - BYTES) // 16)
        attributes, bodies = shape(_call(dice, words))
    span = StoredSpan(
        trace_id=TRACE, span_id=f"{number + 1:016x}", name="chat gpt-4o-mini", scope_name=scope, service_name="shop",
        start_ns=START_NS + number * 1_000_000, duration_ns=900_000, attributes=attributes,
        resource_attributes={"service.name": "shop", "deployment.environment.name": "prod"},
    )  # fmt: skip
    logs = [
        StoredLog(trace_id=TRACE, span_id=span.span_id, time_ns=span.start_ns + at, event_name=event, body=body)
        for at, (event, body) in enumerate(bodies)
    ]
    return span, logs


def _size(attributes: Mapping[str, str], bodies: list[tuple[str, str]]) -> int:
    return sum(len(key) + len(text) for key, text in (*attributes.items(), *bodies))


def _call(dice: random.Random, words: int) -> Call:
    def text(share: float) -> str:
        return " ".join(dice.choices(WORDS, k=max(1, int(words * share))))

    return Call(
        system=text(0.2),
        question=text(0.4),
        arguments={"query": text(0.02), "limit": dice.randrange(50)},
        result={"orders": [{"id": dice.randrange(10**6), "note": text(0.05), "paid": True} for _ in range(3)]},
        answer=text(0.25),
        id=f"call_{dice.randbytes(12).hex()}",
    )


def _official(call: Call) -> tuple[dict[str, str], list[tuple[str, str]]]:
    made = {"type": "tool_call", "id": call.id, "name": "search_orders", "arguments": call.arguments}
    said = [
        {"role": "user", "parts": [{"type": "text", "content": call.question}]},
        {"role": "assistant", "parts": [made]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": call.id, "response": call.result}]},
    ]
    answered = [{"role": "assistant", "parts": [{"type": "text", "content": call.answer}], "finish_reason": "stop"}]
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
        "gen_ai.request.temperature": "0.2",
        "gen_ai.request.max_tokens": "400",
        "gen_ai.response.id": f"chatcmpl-{call.id}",
        "gen_ai.response.finish_reasons": '["stop"]',
        "gen_ai.usage.input_tokens": "612",
        "gen_ai.usage.output_tokens": "118",
        "server.address": "api.openai.com",
        "server.port": "443",
        "gen_ai.system_instructions": json.dumps([{"type": "text", "content": call.system}]),
        "gen_ai.input.messages": json.dumps(said),
        "gen_ai.output.messages": json.dumps(answered),
        "session.id": f"session-{call.id[-4:]}",
        "user.id": f"user-{call.id[-3:]}",
    }, []


def _openinference(call: Call) -> tuple[dict[str, str], list[tuple[str, str]]]:
    answered = {"role": "assistant", "content": call.answer}
    request = {"messages": call.openai(), "model": "gpt-4o-mini", "temperature": 0.2}
    usage = {"prompt_tokens": 612, "completion_tokens": 118, "total_tokens": 730}
    response = {
        "id": f"chatcmpl-{call.id}", "object": "chat.completion", "model": "gpt-4o-mini-2024-07-18",
        "choices": [{"index": 0, "finish_reason": "stop", "message": answered}], "usage": usage,
    }  # fmt: skip
    return {
        "llm.system": "openai",
        "llm.provider": "openai",
        "input.value": json.dumps(request),
        "input.mime_type": "application/json",
        "output.value": json.dumps(response),
        "output.mime_type": "application/json",
        "llm.invocation_parameters": '{"model": "gpt-4o-mini", "temperature": 0.2, "max_tokens": 400}',
        **_flattened("llm.input_messages", "message.", call.openai()),
        **_flattened("llm.output_messages", "message.", [answered]),
        "llm.model_name": "gpt-4o-mini-2024-07-18",
        "llm.token_count.total": "730",
        "llm.token_count.prompt": "612",
        "llm.token_count.completion": "118",
        "llm.token_count.completion_details.reasoning": "0",
        "llm.token_count.prompt_details.cache_read": "0",
        "session.id": f"session-{call.id[-4:]}",
        "user.id": f"user-{call.id[-3:]}",
        "metadata": '{"tenant": "acme"}',
        "openinference.span.kind": "LLM",
    }, []


def _flattened(prefix: str, wrapper: str, messages: list[dict[str, Any]]) -> dict[str, str]:
    flat: dict[str, str] = {}
    for index, message in enumerate(messages):
        start = f"{prefix}.{index}.{wrapper}"
        flat.update({start + key: text for key, text in message.items() if isinstance(text, str)})
        for number, made in enumerate(message.get("tool_calls", ())):
            begin = f"{start}tool_calls.{number}.{'tool_call.' if wrapper else ''}"
            function = f"{begin}{'function.' if wrapper else ''}"
            flat[f"{begin}id"] = made["id"]
            flat[f"{function}name"] = made["function"]["name"]
            flat[f"{function}arguments"] = made["function"]["arguments"]
    return flat


def _traceloop(call: Call) -> tuple[dict[str, str], list[tuple[str, str]]]:
    answered = [{"role": "assistant", "content": call.answer, "finish_reason": "stop"}]
    return {
        "llm.request.type": "chat",
        "gen_ai.system": "OpenAI",
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.request.temperature": "0.2",
        "llm.headers": "None",
        "llm.is_streaming": "false",
        "gen_ai.openai.api_base": "https://api.openai.com/v1/",
        **_flattened("gen_ai.prompt", "", call.openai()),
        **_flattened("gen_ai.completion", "", answered),
        "llm.request.functions.0.name": "search_orders",
        "llm.request.functions.0.description": "Finds orders",
        "llm.request.functions.0.parameters": '{"type": "object", "properties": {"query": {"type": "string"}}}',
        "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
        "gen_ai.response.id": f"chatcmpl-{call.id}",
        "llm.usage.total_tokens": "730",
        "gen_ai.usage.prompt_tokens": "612",
        "gen_ai.usage.completion_tokens": "118",
        "traceloop.workflow.name": "orders",
        "traceloop.association.properties.session_id": f"session-{call.id[-4:]}",
        "traceloop.association.properties.user_id": f"user-{call.id[-3:]}",
        "traceloop.association.properties.tenant": "acme",
    }, []


def _vercel(call: Call) -> tuple[dict[str, str], list[tuple[str, str]]]:
    made = {"type": "tool-call", "toolCallId": call.id, "toolName": "search_orders", "input": call.arguments}
    value = {"type": "json", "value": call.result}
    came = {"type": "tool-result", "toolCallId": call.id, "toolName": "search_orders", "output": value}
    prompt = [
        {"role": "system", "content": call.system},
        {"role": "user", "content": [{"type": "text", "text": call.question}]},
        {"role": "assistant", "content": [made]},
        {"role": "tool", "content": [came]},
    ]
    return {
        "operation.name": "ai.generateText.doGenerate",
        "ai.operationId": "ai.generateText.doGenerate",
        "ai.model.provider": "openai.chat",
        "ai.model.id": "gpt-4o-mini",
        "ai.settings.maxRetries": "2",
        "ai.telemetry.metadata.sessionId": f"session-{call.id[-4:]}",
        "ai.telemetry.metadata.userId": f"user-{call.id[-3:]}",
        "ai.telemetry.metadata.tenant": "acme",
        "ai.prompt.messages": json.dumps(prompt),
        "ai.prompt.toolChoice": '{"type":"auto"}',
        "gen_ai.system": "openai.chat",
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.request.temperature": "0.2",
        "ai.response.finishReason": "stop",
        "ai.response.text": call.answer,
        "ai.response.id": f"chatcmpl-{call.id}",
        "ai.response.model": "gpt-4o-mini-2024-07-18",
        "ai.response.timestamp": "2026-11-21T10:00:00.000Z",
        "ai.usage.promptTokens": "612",
        "ai.usage.completionTokens": "118",
        "gen_ai.response.finish_reasons": '["stop"]',
        "gen_ai.response.id": f"chatcmpl-{call.id}",
        "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
        "gen_ai.usage.input_tokens": "612",
        "gen_ai.usage.output_tokens": "118",
    }, []


def _langfuse(call: Call) -> tuple[dict[str, str], list[tuple[str, str]]]:
    tool = {"type": "function", "function": {"name": "search_orders", "parameters": {"type": "object"}}}
    return {
        "langfuse.observation.type": "generation",
        "langfuse.observation.input": json.dumps({"messages": call.openai(), "tools": [tool]}),
        "langfuse.observation.output": json.dumps({"role": "assistant", "content": call.answer}),
        "langfuse.observation.model.name": "gpt-4o-mini-2024-07-18",
        "langfuse.observation.model.parameters": '{"temperature": 0.2, "max_tokens": 400}',
        "langfuse.observation.usage_details": '{"prompt_tokens": 612, "completion_tokens": 118, "total_tokens": 730}',
        "langfuse.observation.metadata.attempt": "1",
        "langfuse.trace.name": "orders",
        "langfuse.trace.tags": '["prod"]',
        "langfuse.trace.metadata.tenant": '"acme"',
        "langfuse.environment": "default",
        "session.id": f"session-{call.id[-4:]}",
        "user.id": f"user-{call.id[-3:]}",
    }, []


def _events(call: Call) -> tuple[dict[str, str], list[tuple[str, str]]]:
    said = [(f"gen_ai.{each['role']}.message", json.dumps(each)) for each in call.openai()]
    answered = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": call.answer}}
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.system": "openai",
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
        "gen_ai.request.temperature": "0.2",
        "gen_ai.response.id": f"chatcmpl-{call.id}",
        "gen_ai.response.finish_reasons": '["stop"]',
        "gen_ai.usage.input_tokens": "612",
        "gen_ai.usage.output_tokens": "118",
        "server.address": "api.openai.com",
        "session.id": f"session-{call.id[-4:]}",
    }, [*said, ("gen_ai.choice", json.dumps(answered))]


SHAPES: Mapping[str, tuple[str, Shape]] = {
    "official messages": ("opentelemetry.util.genai.handler", _official),
    "OpenInference": ("openinference.instrumentation.openai", _openinference),
    "Traceloop": ("opentelemetry.instrumentation.openai.v1", _traceloop),
    "Vercel AI": ("ai", _vercel),
    "Langfuse": ("langfuse-sdk", _langfuse),
    "logs": ("opentelemetry.instrumentation.openai_v2", _events),
}
"""Name -> scope and shape."""
