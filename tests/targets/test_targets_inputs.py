"""Named inputs: what a prompt template gets to see of a span, a trace, a session."""

from __future__ import annotations

from target_spans import agent_trace, chat, rag_trace, span, text

from evaluator.targets.inputs import INPUT_NAMES, named_inputs
from evaluator.targets.normalise import normalise_session, normalise_span, normalise_trace
from evaluator.targets.run import MAX_ERRORS


def test_the_context_of_a_model_call_is_what_was_retrieved_before_it() -> None:
    """Documents sit on a sibling span."""
    trace = normalise_trace(rag_trace())
    assert named_inputs(trace.spans[2], trace) == {
        "input": "How long?",
        "output": "30 days.",
        "context": "Refunds within 30 days.\n\nShipping takes 5 days.",
        "messages": "user: How long?",
        "system_prompt": "Be brief.",
        "first_user_message": "How long?",
        "last_user_message": "How long?",
        "trajectory": "model m: 30 days.",
    }


def test_what_was_retrieved_after_a_model_call_is_not_its_context() -> None:
    """The model cannot have seen it."""
    late = rag_trace()
    late[1] = span(9, parent=1, attributes=late[1].attributes)
    trace = normalise_trace(late)
    call = next(record for record in trace.spans if record.kind == "llm")
    assert "context" not in named_inputs(call, trace)


def test_a_tool_that_ran_before_a_model_call_is_part_of_its_context() -> None:
    """Tools fetch as well as retrievers do."""
    trace = normalise_trace(agent_trace())
    assert named_inputs(trace.spans[3], trace)["context"] == 'get_weather returned: {"sky": "sunny"}'
    assert "context" not in named_inputs(trace.spans[1], trace)


def test_without_a_retriever_the_context_is_the_one_in_the_prompt() -> None:
    """Under a heading, or between tags."""
    headed = "Context:\nRefunds within 30 days.\nShipping takes 5 days.\n\nQuestion: How long?"
    tagged = "İİİ <Context>Refunds within 30 days.</CONTEXT> How long?"  # `İ`.lower() has two characters
    contexts = [
        named_inputs(normalise_span(span(1, attributes=chat([text("user", prompt)], []))))["context"]
        for prompt in (headed, tagged)
    ]
    assert contexts == ["Refunds within 30 days.\nShipping takes 5 days.", "Refunds within 30 days."]


def test_what_a_span_lacks_is_not_in_the_mapping() -> None:
    """A template that asks for it abstains; nothing is an empty text."""
    assert named_inputs(normalise_span(span(1, attributes={"http.method": "POST"}))) == {}


def test_a_trace_is_shown_with_its_tools_and_steps() -> None:
    """Role and content by line, tool calls and results where they happened."""
    assert named_inputs(normalise_trace(agent_trace())) == {
        "input": "What is the weather in Paris?",
        "output": "It is sunny in Paris.",
        "context": 'get_weather returned: {"sky": "sunny"}',
        "messages": (
            "user: What is the weather in Paris?\n"
            'assistant calls get_weather({"city": "Paris"})\n'
            'tool: {"sky": "sunny"}\n'
            "assistant: It is sunny in Paris."
        ),
        "tool_calls": 'tool get_weather({"city": "Paris"}) -> {"sky": "sunny"}',
        "first_user_message": "What is the weather in Paris?",
        "last_user_message": "What is the weather in Paris?",
        "trajectory": (
            "1. agent travel starts\n"
            '2. model m: calls get_weather({"city": "Paris"})\n'
            '3. tool get_weather({"city": "Paris"}) -> {"sky": "sunny"}\n'
            "4. model m: It is sunny in Paris."
        ),
    }


def test_a_failed_tool_shows_its_error_instead_of_a_result() -> None:
    """A judge must see that it failed."""
    attributes = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "f",
        "gen_ai.tool.call.arguments": {"a": 1},
    }
    failed = normalise_span(span(1, attributes=attributes, status_code="Error", status_message="no such city"))
    assert named_inputs(failed) == {
        "input": '{"a": 1}',
        "output": "error: no such city",
        "tool_calls": 'f({"a": 1})',
        "trajectory": 'tool f({"a": 1}) -> error: no such city',
    }


def test_a_session_is_shown_turn_by_turn() -> None:
    """First question, last answer, and every turn between."""
    session = normalise_session("s", [normalise_trace(rag_trace()), normalise_trace(agent_trace())])
    inputs = named_inputs(session)
    assert inputs["messages"].count("user: ") == 2
    assert (inputs["input"], inputs["output"]) in {
        ("How long?", "It is sunny in Paris."),
        ("What is the weather in Paris?", "30 days."),
    }
    assert inputs["trajectory"].startswith("Turn 1\n1. ")


def test_every_name_is_one_that_templates_may_use() -> None:
    """The list of names is the contract with the templates."""
    trace = normalise_trace(agent_trace())
    given = {name for record in trace.spans for name in named_inputs(record, trace)} | set(named_inputs(trace))
    assert given <= set(INPUT_NAMES)


def test_what_happened_below_an_agent_is_its_own() -> None:
    """Its conversation, the tools that it called, its steps; not what stands beside it."""
    beside = span(9, attributes=chat([text("user", "Something else?")], [text("assistant", "No.")]))
    trace = normalise_trace([*agent_trace(), beside])
    assert named_inputs(trace.spans[0], trace) == {
        "context": 'get_weather returned: {"sky": "sunny"}',
        "messages": (
            "user: What is the weather in Paris?\n"
            'assistant calls get_weather({"city": "Paris"})\n'
            'tool: {"sky": "sunny"}\n'
            "assistant: It is sunny in Paris."
        ),
        "tool_calls": 'tool get_weather({"city": "Paris"}) -> {"sky": "sunny"}',
        "trajectory": (
            "1. agent travel starts\n"
            '2. model m: calls get_weather({"city": "Paris"})\n'
            '3. tool get_weather({"city": "Paris"}) -> {"sky": "sunny"}\n'
            "4. model m: It is sunny in Paris."
        ),
    }


def test_an_error_that_is_only_a_stack_trace_is_its_last_line() -> None:
    """And many errors are shown by their causes, up to a limit."""
    trace = "Traceback (most recent call last):\n  File x\nRuntimeError: no route to host\n"
    failing = [
        span(n, attributes={}, name="step", status_code="Error", status_message=trace if n < 3 else f"cause {n}")
        for n in range(1, 300)
    ]
    lines = named_inputs(normalise_trace(failing))["messages"].splitlines()
    assert lines[:2] == ["error in other step: RuntimeError: no route to host", "error in other step: cause 3"]
    assert len(lines) == MAX_ERRORS
