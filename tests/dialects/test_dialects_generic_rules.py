"""Rules that hold for every sender, each shown on the smallest span that needs it."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from evaluator.targets.normalise import normalise_span, normalise_trace
from storage.model import SpanEvent, StoredLog, StoredSpan

TRACE, SPAN = "a" * 32, "b" * 16
ASKED, ANSWERED = "What is the capital of France?", "Paris."
COMMON = {"trace_id", "span_id", "name", "scope", "status", "start_ns", "duration_ns"}
LLM = {"gen_ai.operation.name": "chat"}
CALL = {"name": "f", "arguments": {"a": 1}}


def span_of(attributes: Mapping[str, object], *, name: str = "step", span_id: str = SPAN, **rest: object) -> StoredSpan:
    """A span; attributes that are not text are sent as JSON."""
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in attributes.items()}
    return StoredSpan(trace_id=TRACE, span_id=span_id, name=name, attributes=texts, **rest)  # type: ignore[arg-type]


def shown(attributes: Mapping[str, object], **rest: object) -> dict[str, object]:
    """The record of one span, without ids."""
    record = normalise_span(span_of(attributes, **rest)).to_dict()  # type: ignore[arg-type]
    return {key: value for key, value in record.items() if key not in COMMON}


def test_a_list_of_messages_counts_before_any_bare_text() -> None:
    """FutureAGI repeats the first message as `input.value`, which here is the system prompt."""
    assert shown(
        {
            "gen_ai.span.kind": "LLM",
            "input.value": "Be brief.",
            "output.value": 'Function: f({"a": 1})',
            "acme.input.messages.0.message.role": "system",
            "acme.input.messages.0.message.content": "Be brief.",
            "acme.input.messages.1.message.role": "user",
            "acme.input.messages.1.message.content": ASKED,
            "acme.output.messages.0.message.role": "assistant",
            "acme.output.messages.0.message.tool_calls.0.tool_call.id": "c1",
            "acme.output.messages.0.message.tool_calls.0.tool_call.function.name": "f",
            "acme.output.messages.0.message.tool_calls.0.tool_call.function.arguments": '{"a": 1}',
        }
    ) == {
        "kind": "llm",
        "system_prompt": "Be brief.",
        "input_messages": [{"role": "user", "content": ASKED}],
        "output_tool_calls": [{"id": "c1", **CALL}],
    }


def test_a_bare_text_is_the_message_where_there_is_no_list() -> None:
    """Nothing else was sent."""
    assert shown({"openinference.span.kind": "LLM", "input.value": ASKED, "output.value": ANSWERED}) == {
        "kind": "llm",
        "input_messages": [{"role": "user", "content": ASKED}],
        "output_text": ANSWERED,
    }


def test_calls_without_ids_get_them_from_another_copy_of_the_conversation() -> None:
    """The flattened copy of OpenInference for Mistral leaves the ids out, the request and the response have them."""
    function = {"name": "f", "arguments": '{"a": 1}'}
    told = {"role": "assistant", "content": "", "tool_calls": [{"id": "c1", "function": function}]}
    answer = {"role": "tool", "tool_call_id": "c1", "content": "ok"}
    record = shown(
        {
            "openinference.span.kind": "LLM",
            "llm.input_messages.0.message.role": "assistant",
            "llm.input_messages.0.message.tool_calls.0.tool_call.function.name": "f",
            "llm.input_messages.0.message.tool_calls.0.tool_call.function.arguments": '{"a": 1}',
            "llm.input_messages.1.message.role": "tool",
            "llm.input_messages.1.message.content": "ok",
            "llm.output_messages.0.message.role": "assistant",
            "llm.output_messages.0.message.tool_calls.0.tool_call.function.name": "f",
            "llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments": '{"a": 1}',
            "input.value": {"messages": [told, answer]},
            "output.value": {"choices": [{"message": {**told, "tool_calls": [{"id": "c2", "function": function}]}}]},
        }
    )
    assert record == {
        "kind": "llm",
        "input_messages": [
            {"role": "assistant", "content": "", "tool_calls": [{"id": "c1", **CALL}]},
            {"role": "tool", "content": "ok", "tool_call_id": "c1"},
        ],
        "output_tool_calls": [{"id": "c2", **CALL}],
    }


def test_a_snapshot_that_stands_as_the_request_model_is_what_answered() -> None:
    """The parameters of the request still name the alias that was asked for."""
    asked = {**LLM, "gen_ai.request.parameters": {"model": "gpt-4o", "temperature": 0.5}}
    assert shown({**asked, "gen_ai.request.model": "gpt-4o-2024-08-06"}) == {
        "kind": "llm",
        "request_model": "gpt-4o",
        "response_model": "gpt-4o-2024-08-06",
        "params": {"temperature": 0.5},
    }
    assert shown({**LLM, "gen_ai.request.model": "gpt-4o-2024-08-06"})["request_model"] == "gpt-4o-2024-08-06"


def test_an_id_of_bedrock_is_a_model_that_was_asked_for() -> None:
    """It looks dated, but nothing there says which model answered."""
    named = "eu.anthropic.claude-3-haiku-20240307-v1:0"
    assert shown({"openinference.span.kind": "LLM", "llm.model_name": named}) == {"kind": "llm", "request_model": named}


def test_spellings_of_roles_are_read_and_unknown_roles_lose_no_message() -> None:
    """Smolagents says `tool-response`; its content is a list of parts."""
    part = {"type": "text", "text": "Observation: ok"}
    messages = [
        {"role": "tool-call", "contents": [{"message_content": {"type": "text", "text": "Calling f."}}]},
        {"role": "tool-response", "contents": [{"message_content": part}]},
        {"role": "narrator", "content": "Night falls."},
    ]
    assert shown({**LLM, "gen_ai.input.messages": messages})["input_messages"] == [
        {"role": "assistant", "content": "Calling f."},
        {"role": "tool", "content": "Observation: ok"},
        {"role": "user", "content": "Night falls."},
    ]


def test_what_pydantic_prints_is_unwrapped() -> None:
    """`str()` of a model is fields without a class around them."""
    printed = f"id='1' source='user' models_usage=None metadata={{}} content='{ASKED}' type='TextMessage'"
    record = shown({"openinference.span.kind": "AGENT", "input.value": {"messages": [printed]}})
    assert record == {"kind": "agent", "input_text": ASKED}


def test_an_answer_in_fields_is_all_of_it() -> None:
    """`name` is noise beside a question, and a part of an answer."""
    answer = {"name": "Paris", "country": "France"}
    record = shown({"openinference.span.kind": "CHAIN", "input.value": ASKED, "output.value": answer})
    assert json.loads(str(record["output_text"])) == answer


def test_who_acts_in_a_call_is_no_question() -> None:
    """An agent's set-up and its tools, as CrewAI sends them, ask nothing."""
    acting = {"agent": {"role": "geographer", "goal": "answer"}, "context": "", "tools": ["<Tool>"]}
    record = shown({"openinference.span.kind": "AGENT", "input.value": acting, "output.value": ANSWERED})
    assert record == {"kind": "agent", "agent_name": "geographer", "output_text": ANSWERED, "tools": ["<Tool>"]}


def test_documents_that_are_json_in_strings_are_opened() -> None:
    """OpenLLMetry for LlamaIndex dumps every node on its own."""
    node = json.dumps({"node": {"id_": "n1", "text": "one"}, "score": 0.5})
    assert shown({"acme.span.type": "retriever", "acme.query": ASKED, "acme.output": [node]}) == {
        "kind": "retriever",
        "query": ASKED,
        "documents": [{"content": "one", "id": "n1", "score": 0.5}],
    }


def test_the_class_of_an_answer_is_no_model() -> None:
    """Instructor names the class under `response_model`."""
    assert "response_model" not in shown({"openinference.span.kind": "CHAIN", "instructor.response_model": "City"})


def test_a_kind_may_be_the_name_of_an_enumeration_s_member() -> None:
    """Python prints `SpanKindValues.TOOL`."""
    assert shown({"acme.span.kind": "SpanKindValues.TOOL", "tool.name": "f", "tool.call.id": "c1"}) == {
        "kind": "tool",
        "tool_name": "f",
        "tool_call_id": "c1",
    }


def test_a_tool_s_answer_that_is_told_twice_is_one_message() -> None:
    """The Bedrock instrumentation sends it as the tool's message and once more as the user's."""
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": {"a": 1}}}
    bodies = [
        ("gen_ai.user.message", {"content": [{"text": ASKED}]}),
        ("gen_ai.assistant.message", {"tool_calls": [call]}),
        ("gen_ai.tool.message", {"id": "c1", "content": [{"text": "ok"}]}),
        ("gen_ai.user.message", {"content": [{"toolResult": {"toolUseId": "c1", "content": [{"text": "ok"}]}}]}),
    ]
    logs = [StoredLog(trace_id=TRACE, span_id=SPAN, event_name=name, body=json.dumps(body)) for name, body in bodies]
    assert normalise_span(span_of(LLM), logs).to_dict()["input_messages"] == [
        {"role": "user", "content": ASKED},
        {"role": "assistant", "content": "", "tool_calls": [{"id": "c1", **CALL}]},
        {"role": "tool", "content": "ok", "tool_call_id": "c1"},
    ]


def test_a_streamed_call_in_three_spans_is_one_call() -> None:
    """Logfire's request, the SDK's own span inside it, and the note beside it that brings the answer."""
    asked = {"request_data": {"model": "m", "messages": [{"role": "user", "content": ASKED}]}}
    usage = {"gen_ai.usage.input_tokens": "12", "gen_ai.usage.output_tokens": "4"}
    root = span_of({"openinference.span.kind": "CHAIN"}, span_id="0" * 15 + "1", start_ns=1, duration_ns=10**10)
    request = span_of(
        {**LLM, **asked}, span_id="0" * 15 + "2", parent_span_id=root.span_id, start_ns=2, duration_ns=10**9
    )
    inner = span_of(
        {**LLM, "gen_ai.request.model": "m", **usage},
        span_id="0" * 15 + "3", parent_span_id=request.span_id, start_ns=3, duration_ns=10**8,
    )  # fmt: skip
    note = span_of(
        {**LLM, **asked, **usage, "response_data": {"combined_chunk_content": ANSWERED}},
        span_id="0" * 15 + "4", parent_span_id=root.span_id, start_ns=10**9 + 5,
    )  # fmt: skip
    trace = normalise_trace([root, request, inner, note])
    assert (trace.llm_calls, dict(trace.usage_total)) == (1, {"input_tokens": 12, "output_tokens": 4})


@pytest.mark.parametrize(
    ("system", "name"),
    [("Qdrant", "qdrant.query_points"), ("pinecone", "pinecone.query"), ("milvus", "milvus.hybrid_search")],
)
def test_a_search_in_a_vector_store_is_a_retrieval(system: str, name: str) -> None:
    """Whatever the store calls it; its other operations are none."""
    hit = SpanEvent(time_ns=1, name="db.query.result", attributes={"db.query.result.document": "one"})
    assert shown({"db.system": system}, name=name, events=(hit,)) == {
        "kind": "retriever",
        "documents": [{"content": "one"}],
    }
    assert shown({"db.system": system}, name=f"{system.lower()}.upsert") == {"kind": "other"}


@pytest.mark.parametrize(
    "attributes",
    [
        {"http.request.method": "GET", "url.full": "https://x/y?q=cats", "url.query": "q=cats"},
        {"http.method": "POST", "http.request.body": '{"q": "x"}', "http.response.body": "ok"},
        {"db.system": "postgresql", "db.statement": "SELECT 1", "db.query.text": "SELECT 1", "db.user": "me"},
        {"db.system": "mongodb", "db.operation": "find", "db.statement": '{"find": "c", "filter": {"text": "x"}}'},
        {"messaging.system": "rabbitmq", "messaging.message.conversation_id": "c-1", "messaging.operation": "receive"},
        {"celery.action": "run", "celery.args": "[1, 2]", "celery.result": "3", "celery.task_name": "add"},
        {"rpc.system": "grpc", "rpc.grpc.request.metadata.x": "[1]", "rpc.method": "Get"},
        {"graphql.document": "query { me }", "graphql.operation.type": "query"},
        {"mcp.method.name": "tools/list", "mcp.session.id": "s-1"},
        {"span.type": "web", "operation.name": "web.request", "resource.name": "GET /"},
    ],
)
def test_spans_of_other_trades_say_nothing(attributes: dict[str, object]) -> None:
    """HTTP, databases, queues and the like: kind other, and nothing invented."""
    assert shown(attributes) == {"kind": "other"}


def test_an_answer_in_pieces_under_any_prefix_is_one_message() -> None:
    """Text and calls are attributes of their own; the text may be a list of one."""
    calls = [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}]
    assert shown({**LLM, "acme.response.text": [ANSWERED], "acme.response.tool_calls": calls}) == {
        "kind": "llm",
        "output_text": ANSWERED,
        "output_tool_calls": [{"id": "c1", **CALL}],
    }


def test_a_prompt_and_an_answer_in_lists_of_one_are_texts() -> None:
    """Spring sends string arrays."""
    assert shown({**LLM, "gen_ai.prompt": [ASKED], "gen_ai.completion": [ANSWERED]}) == {
        "kind": "llm",
        "input_messages": [{"role": "user", "content": ASKED}],
        "output_text": ANSWERED,
    }


def test_what_a_tool_of_the_model_context_protocol_returns_is_its_text() -> None:
    """Out of the blocks; an error says so there, while the span may not."""
    tool = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "f"}
    failed = {"content": [{"type": "text", "text": "no such city"}], "isError": True}
    assert shown({**tool, "gen_ai.tool.call.result": failed}) == {
        "kind": "tool",
        "tool_name": "f",
        "tool_result": "no such city",
        "tool_error": "no such city",
    }
    kept = {"content": [{"id": 1}], "meta": {"page": 2}}
    assert shown({**tool, "gen_ai.tool.call.result": kept})["tool_result"] == kept


def test_the_question_stands_beside_the_history() -> None:
    """What is asked now is no part of what was said before (Cohere, LangChain)."""
    history = [{"role": "USER", "message": "hi"}, {"role": "CHATBOT", "message": "yo"}]
    request = {"preamble": "Be brief.", "chat_history": history, "message": ASKED, "modelId": "m"}
    assert shown({**LLM, "acme.request": request}) == {
        "kind": "llm",
        "system_prompt": "Be brief.",
        "request_model": "m",
        "input_messages": [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": "yo"},
            {"role": "user", "content": ASKED},
        ],
    }
    assert shown({"acme.kind": "agent", "acme.input": {"question": ASKED, "chat_history": history}}) == {
        "kind": "agent",
        "input_text": ASKED,
    }


def test_speech_is_no_model_call() -> None:
    """Speech to text and back would count among the calls of language models."""
    assert shown({"gen_ai.operation.name": "stt", "gen_ai.request.model": "nova"})["kind"] == "other"


def test_an_unknown_user_is_nobody() -> None:
    """Guardrails writes `unknown`; a plain key counts where no convention's says anything."""
    assert shown({"user.id": "unknown", "sessionId": "s-1"}) == {"kind": "other", "session_id": "s-1"}
    assert shown({"user.id": "unknown", "userId": "u-1"}) == {"kind": "other", "user_id": "u-1"}


def test_a_description_of_the_wanted_output_is_no_reference_answer() -> None:
    """CrewAI's `expected_output` tells the agent what form to answer in."""
    assert "expected" not in shown({"acme.span.type": "agent", "crewai.task.expected_output": "a list of cities"})
