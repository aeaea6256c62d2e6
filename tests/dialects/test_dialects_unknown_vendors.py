"""Shapes of vendors that no capture has: what the table and its generic rules make of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from evaluator.targets.normalise import normalise_span
from storage.model import SpanEvent, StoredLog, StoredSpan

TRACE, SPAN = "a" * 32, "b" * 16
ASKED, ANSWERED = "What is the capital of France?", "Paris."
COMMON = {"trace_id", "span_id", "name", "scope", "status", "start_ns", "duration_ns"}


def shown(
    attributes: Mapping[str, object],
    *,
    name: str = "step",
    events: Sequence[SpanEvent] = (),
    logs: Sequence[StoredLog] = (),
) -> dict[str, object]:
    """The record of one span, without ids; attributes that are not text are sent as JSON."""
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in attributes.items()}
    span = StoredSpan(trace_id=TRACE, span_id=SPAN, name=name, attributes=texts, events=tuple(events))
    return {key: value for key, value in normalise_span(span, logs).to_dict().items() if key not in COMMON}


def test_flattened_keys_under_an_unknown_prefix_are_a_model_call() -> None:
    """`<prefix>.N.role` and `.content` are messages whatever the prefix."""
    assert shown(
        {
            "acme.span.kind": "LLM",
            "acme.llm.model": "foo-1",
            "acme.session_id": "s-1",
            "acme.llm.prompts.0.role": "system",
            "acme.llm.prompts.0.content": "Be brief.",
            "acme.llm.prompts.1.role": "user",
            "acme.llm.prompts.1.content": ASKED,
            "acme.llm.completions.0.role": "assistant",
            "acme.llm.completions.0.content": ANSWERED,
            "acme.usage.prompt_tokens": "7",
            "acme.usage.completion_tokens": "2",
        }
    ) == {
        "kind": "llm",
        "system_prompt": "Be brief.",
        "input_messages": [{"role": "user", "content": ASKED}],
        "output_text": ANSWERED,
        "request_model": "foo-1",
        "usage": {"input_tokens": 7, "output_tokens": 2},
        "session_id": "s-1",
    }


def test_request_and_response_blobs_under_an_unknown_prefix_are_a_model_call() -> None:
    """A request and a response as their API has them hold messages, models and usage."""
    assert shown(
        {
            "acme.run_type": "llm",
            "acme.request": {"model": "m1", "messages": [{"role": "user", "content": ASKED}]},
            "acme.response": {
                "model": "m1-2024-01-01",
                "choices": [{"message": {"role": "assistant", "content": ANSWERED}}],
                "usage": {"prompt_tokens": 5, "completion_tokens": 2},
            },
        }
    ) == {
        "kind": "llm",
        "input_messages": [{"role": "user", "content": ASKED}],
        "output_text": ANSWERED,
        "request_model": "m1",
        "response_model": "m1-2024-01-01",
        "usage": {"input_tokens": 5, "output_tokens": 2},
    }


def test_anthropic_blocks_under_an_unknown_prefix_are_read() -> None:
    """Images, tool calls and tool results of Anthropic's own wire format, results as messages of role tool."""
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
    assert shown(
        {
            "foo.span_type": "llm",
            "foo.llm.input": {
                "system": "Be brief.",
                "messages": [
                    {"role": "user", "content": [{"type": "text", "text": ASKED}, image]},
                    {
                        "role": "assistant",
                        "content": [{"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}}],
                    },
                    {
                        "role": "user",
                        "content": [
                            {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "ok"}]}
                        ],
                    },
                ],
            },
            "foo.llm.output": {
                "role": "assistant",
                "content": [{"type": "text", "text": ANSWERED}],
                "stop_reason": "end_turn",
            },
        }
    ) == {
        "kind": "llm",
        "system_prompt": "Be brief.",
        "output_text": ANSWERED,
        "finish_reasons": ["end_turn"],
        "input_messages": [
            {"role": "user", "content": ASKED, "media": ["image/png"]},
            {"role": "assistant", "content": "", "tool_calls": [{"id": "t1", "name": "f", "arguments": {"a": 1}}]},
            {"role": "tool", "content": "ok", "tool_call_id": "t1"},
        ],
    }


def test_a_vercel_model_call_is_read() -> None:
    """Prompt, answer and tool calls are separate attributes; the provider carries the API's name."""
    assert shown(
        {
            "ai.operationId": "ai.generateText.doGenerate",
            "ai.model.id": "gpt-4o",
            "ai.model.provider": "openai.chat",
            "ai.prompt.messages": [
                {"role": "user", "content": [{"type": "text", "text": ASKED}]},
                {
                    "role": "assistant",
                    "content": [{"type": "tool-call", "toolCallId": "c0", "toolName": "f", "args": {"a": 1}}],
                },
                {
                    "role": "tool",
                    "content": [{"type": "tool-result", "toolCallId": "c0", "toolName": "f", "result": {"x": 2}}],
                },
            ],
            "ai.response.text": ANSWERED,
            "ai.response.toolCalls": [{"toolCallId": "c1", "toolName": "g", "args": '{"b": 2}'}],
            "ai.usage.promptTokens": "12",
            "ai.usage.completionTokens": "3",
            "ai.telemetry.metadata.sessionId": "s-1",
        }
    ) == {
        "kind": "llm",
        "output_text": ANSWERED,
        "output_tool_calls": [{"id": "c1", "name": "g", "arguments": {"b": 2}}],
        "input_messages": [
            {"role": "user", "content": ASKED},
            {"role": "assistant", "content": "", "tool_calls": [{"id": "c0", "name": "f", "arguments": {"a": 1}}]},
            {"role": "tool", "content": '{"x": 2}', "tool_call_id": "c0", "name": "f"},
        ],
        "request_model": "gpt-4o",
        "provider": "openai",
        "usage": {"input_tokens": 12, "output_tokens": 3},
        "session_id": "s-1",
    }


def test_a_vercel_run_keeps_its_sums_apart() -> None:
    """The outer span repeats the tokens of the calls inside it."""
    assert shown(
        {
            "ai.operationId": "ai.generateText",
            "ai.prompt": {"system": "Be brief.", "prompt": ASKED},
            "ai.response.text": ANSWERED,
            "ai.usage.promptTokens": "12",
            "ai.usage.completionTokens": "3",
        }
    ) == {
        "kind": "chain",
        "input_text": ASKED,
        "output_text": ANSWERED,
        "usage_aggregate": {"input_tokens": 12, "output_tokens": 3},
    }


def test_an_mlflow_retriever_is_read() -> None:
    """Its kind is JSON in a string, its documents are LangChain's."""
    assert shown(
        {
            "mlflow.spanType": '"RETRIEVER"',
            "mlflow.spanInputs": {"query": ASKED},
            "mlflow.spanOutputs": [
                {"page_content": "one", "metadata": {"page": 3}, "id": "d1"},
                {"page_content": "two"},
            ],
        }
    ) == {
        "kind": "retriever",
        "query": ASKED,
        "documents": [{"content": "one", "id": "d1", "metadata": {"page": 3}}, {"content": "two"}],
    }


def test_a_genkit_model_call_is_read() -> None:
    """Keys with colons, Gemini's parts."""
    record = shown(
        {
            "genkit:type": "action",
            "genkit:metadata:subtype": "model",
            "genkit:name": "googleai/gemini-2.0-flash",
            "genkit:input": {
                "messages": [
                    {"role": "user", "content": [{"text": ASKED}]},
                    {"role": "model", "content": [{"toolRequest": {"name": "f", "ref": "1", "input": {"a": 1}}}]},
                    {"role": "tool", "content": [{"toolResponse": {"name": "f", "ref": "1", "output": {"b": 2}}}]},
                ]
            },
            "genkit:output": {
                "message": {"role": "model", "content": [{"text": ANSWERED}]},
                "usage": {"inputTokens": 4, "outputTokens": 1},
            },
        }
    )
    assert record == {
        "kind": "llm",
        "output_text": ANSWERED,
        "request_model": "googleai/gemini-2.0-flash",
        "usage": {"input_tokens": 4, "output_tokens": 1},
        "input_messages": [
            {"role": "user", "content": ASKED},
            {"role": "assistant", "content": "", "tool_calls": [{"id": "1", "name": "f", "arguments": {"a": 1}}]},
            {"role": "tool", "content": '{"b": 2}', "tool_call_id": "1", "name": "f"},
        ],
    }


def test_span_events_with_their_content_in_one_attribute_are_messages() -> None:
    """Azure's inference client packs each message into `gen_ai.event.content`."""
    packed = [
        ("gen_ai.system.message", {"role": "system", "content": "Be brief."}),
        ("gen_ai.user.message", {"role": "user", "content": ASKED}),
        ("gen_ai.choice", {"message": {"role": "assistant", "content": ANSWERED}, "finish_reason": "stop", "index": 0}),
    ]
    events = [
        SpanEvent(time_ns=1, name=name, attributes={"gen_ai.event.content": json.dumps(body)}) for name, body in packed
    ]
    assert shown({"gen_ai.operation.name": "chat", "gen_ai.system": "az.ai.inference"}, events=events) == {
        "kind": "llm",
        "system_prompt": "Be brief.",
        "input_messages": [{"role": "user", "content": ASKED}],
        "output_text": ANSWERED,
        "provider": "az.ai.inference",
        "finish_reasons": ["stop"],
    }


def test_bedrock_log_events_are_messages() -> None:
    """Bodies with Converse blocks; the same call in the content and beside it is one call."""
    call = {"toolUse": {"toolUseId": "t", "name": "f", "input": {"a": 1}}}
    beside = [{"id": "t", "type": "function", "function": {"name": "f", "arguments": {"a": 1}}}]
    bodies = [
        ("gen_ai.user.message", {"content": [{"text": ASKED}]}),
        (
            "gen_ai.choice",
            {"message": {"content": [{"text": ANSWERED}, call], "tool_calls": beside}, "finish_reason": "tool_use"},
        ),
    ]
    logs = [StoredLog(trace_id=TRACE, span_id=SPAN, event_name=name, body=json.dumps(body)) for name, body in bodies]
    assert shown({"gen_ai.operation.name": "chat", "gen_ai.system": "aws.bedrock"}, logs=logs) == {
        "kind": "llm",
        "input_messages": [{"role": "user", "content": ASKED}],
        "output_text": ANSWERED,
        "output_tool_calls": [{"id": "t", "name": "f", "arguments": {"a": 1}}],
        "provider": "aws.bedrock",
        "finish_reasons": ["tool_use"],
    }


def test_one_list_for_question_and_answer_is_taken_apart() -> None:
    """Older pydantic-ai: earlier tool calls belong to the question, what the assistant said last is the answer."""
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
    assert shown(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": "gpt-4o",
            "events": [
                {"event.name": "gen_ai.user.message", "role": "user", "content": ASKED},
                {"event.name": "gen_ai.assistant.message", "role": "assistant", "tool_calls": [call]},
                {"event.name": "gen_ai.tool.message", "role": "tool", "content": "ok", "id": "c", "name": "f"},
                {"event.name": "gen_ai.choice", "index": 0, "message": {"role": "assistant", "content": ANSWERED}},
            ],
        }
    ) == {
        "kind": "llm",
        "output_text": ANSWERED,
        "request_model": "gpt-4o",
        "input_messages": [
            {"role": "user", "content": ASKED},
            {"role": "assistant", "content": "", "tool_calls": [{"id": "c", "name": "f", "arguments": {"a": 1}}]},
            {"role": "tool", "content": "ok", "tool_call_id": "c", "name": "f"},
        ],
    }


def test_an_agent_with_wrapped_question_and_answer_is_unwrapped() -> None:
    """One-argument wrappers, whatever the argument's name."""
    assert shown(
        {"acme.span.type": "agent", "acme.input": {"topic": ASKED}, "acme.output": {"final_answer": ANSWERED}}
    ) == {
        "kind": "agent",
        "input_text": ASKED,
        "output_text": ANSWERED,
    }


def test_a_tool_with_arguments_that_look_like_its_schema_is_read() -> None:
    """`tool.parameters` counts as arguments only when it is no JSON schema."""
    schema = {"type": "object", "properties": {"q": {"type": "string"}}}
    base = {"openinference.span.kind": "TOOL", "tool.name": "search", "output.value": "found"}
    assert "tool_arguments" not in shown({**base, "tool.parameters": schema})
    assert shown({**base, "tool.parameters": {"q": "x"}})["tool_arguments"] == {"q": "x"}


def test_python_shows_its_objects_and_only_what_was_said_is_taken() -> None:
    """`repr` of a result object; an object without text says nothing."""
    base = {"openinference.span.kind": "CHAIN", "input.value": {"question": ASKED}}
    assert (
        shown({**base, "output.value": "Prediction(\n    reasoning='long',\n    answer='Paris.'\n)"})["output_text"]
        == ANSWERED
    )
    assert "output_text" not in shown({**base, "output.value": "<Prediction object at 0x7f>"})
    assert "output_text" not in shown({**base, "output.value": "StopEvent(result=AgentOutput(response='It is 18..."})


def test_an_http_span_says_nothing_about_models() -> None:
    """Keys that merely end like content are not content: token counts, costs, numbers."""
    assert shown(
        {"http.method": "POST", "llm.token_count.prompt": "22", "acme.cost.input": "0.1", "acme.output": "7"}
    ) == {
        "kind": "other",
        "usage_aggregate": {"input_tokens": 22},
    }
