"""Traces: order, totals, twins, and what spans learn from their neighbours."""

from __future__ import annotations

import dataclasses
import random

import pytest
from target_spans import ANSWER, QUESTION, TRACE, agent_trace, asks_tool, chat, span, text, tool_said

from evaluator.targets.normalise import normalise_session, normalise_span, normalise_trace
from storage.model import StoredLog, StoredSpan


def test_totals_count_every_model_call_once_and_no_agent_sum() -> None:
    """The agent repeats the tokens of its calls; they are shown as its sums and not added again."""
    trace = normalise_trace(agent_trace())
    assert (trace.llm_calls, trace.usage_total) == (2, {"input_tokens": 30, "output_tokens": 7})
    assert trace.spans[0].usage_aggregate == {"input_tokens": 30, "output_tokens": 7}
    assert trace.spans[0].usage == {}


def test_session_and_user_of_any_span_hold_for_all() -> None:
    """Often only the root carries them, sometimes only a child."""
    trace = normalise_trace(agent_trace())
    assert (trace.session_id, trace.user_id) == ("s-1", "u-1")
    assert {(record.session_id, record.user_id) for record in trace.spans} == {("s-1", "u-1")}


def test_a_silent_tool_learns_its_arguments_and_result_from_the_model_calls_around_it() -> None:
    """By call id; what it did not say itself stands apart when it is shown."""
    tool = normalise_trace(agent_trace()).spans[2]
    assert (tool.tool_arguments, tool.tool_result) == ({"city": "Paris"}, {"sky": "sunny"})
    shown = tool.to_dict()
    assert "tool_result" not in shown
    assert shown["from_trace"] == {
        "tool_arguments": {"city": "Paris"}, "tool_result": {"sky": "sunny"}, "session_id": "s-1", "user_id": "u-1",
    }  # fmt: skip


def test_a_tool_without_a_call_id_is_matched_by_name_only_when_one_call_fits() -> None:
    """Two calls of one tool cannot be told apart: nothing is guessed."""
    tool = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "f"}
    one = [span(1, attributes=chat([text("user", "q")], [asks_tool("c1", "f", {"a": 1})])), span(2, attributes=tool)]
    assert normalise_trace(one).spans[1].tool_arguments == {"a": 1}
    two = {**asks_tool("c1", "f", {"a": 1})}
    two["parts"] = [*asks_tool("c1", "f", {"a": 1})["parts"], *asks_tool("c2", "f", {"a": 2})["parts"]]  # type: ignore[misc]
    several = [span(1, attributes=chat([text("user", "q")], [two])), span(2, attributes=tool)]
    assert normalise_trace(several).spans[1].tool_arguments is None


def test_question_and_answer_of_a_trace_are_those_of_its_run() -> None:
    """The agent did not say them: the first call's last user message, the last call's text."""
    trace = normalise_trace(agent_trace())
    assert (trace.input_text, trace.output_text) == (QUESTION, ANSWER)


def test_the_order_of_arrival_does_not_matter() -> None:
    """The root may come last."""
    expected = normalise_trace(agent_trace())
    for seed in range(5):
        shuffled = agent_trace()
        random.Random(seed).shuffle(shuffled)
        assert normalise_trace(shuffled) == expected


def test_a_span_that_came_twice_is_there_once() -> None:
    """Retries of an exporter may double spans."""
    assert normalise_trace([*agent_trace(), *agent_trace()]) == normalise_trace(agent_trace())


def test_a_model_call_inside_a_model_call_is_one_call() -> None:
    """The richer one counts, whichever is the outer."""
    bare = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}
    full = chat([text("user", "q")], [text("assistant", "a")])
    for outer, inner, poorer in ((bare, full, 0), (full, bare, 1)):
        trace = normalise_trace([span(1, lasts_ms=50, attributes=outer), span(2, parent=1, attributes=inner)])
        assert (trace.llm_calls, trace.usage_total) == (1, {"input_tokens": 10, "output_tokens": 2})
        assert [record.duplicate_of for record in trace.spans] == (
            [f"{2:016x}", None] if poorer == 0 else [None, f"{1:016x}"]
        )


def test_model_calls_nested_many_times_are_one_call() -> None:
    """A chain of wrappers around one call."""
    full = chat([text("user", "q")], [text("assistant", "a")])
    nested = [span(number, parent=number - 1, lasts_ms=500 - number, attributes=full) for number in range(1, 40)]
    assert normalise_trace(nested).llm_calls == 1


def test_a_model_span_around_several_calls_is_no_call_itself() -> None:
    """Its tokens are the sum of theirs."""
    full = chat([text("user", "q")], [text("assistant", "a")])
    sums = chat([text("user", "q")], [text("assistant", "a")], tokens=(20, 4))
    trace = normalise_trace(
        [span(1, lasts_ms=90, attributes=sums), span(2, parent=1, attributes=full), span(3, parent=1, attributes=full)]
    )
    assert (trace.llm_calls, trace.usage_total) == (2, {"input_tokens": 20, "output_tokens": 4})
    assert trace.spans[0].usage_aggregate == {"input_tokens": 20, "output_tokens": 4}


def test_a_tool_that_calls_a_model_inside_a_model_span_is_two_calls() -> None:
    """Something happened in between: the inner call is not the outer one."""
    full = chat([text("user", "q")], [text("assistant", "a")])
    tool = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "f"}
    trace = normalise_trace(
        [span(1, lasts_ms=90, attributes=full), span(2, parent=1, attributes=tool), span(3, parent=2, attributes=full)]
    )
    assert trace.llm_calls == 2


def test_parents_that_never_came_and_circles_leave_no_span_out() -> None:
    """Every span is in the tree exactly once."""
    plain = {"input.value": "x"}
    broken = [
        span(1, parent=99, attributes=plain),
        span(2, parent=3, attributes=plain),
        span(3, parent=2, attributes=plain),
        span(4, parent=4, attributes=plain),
    ]
    trace = normalise_trace(broken)
    listed = [child for children in trace.children.values() for child in children]
    assert sorted(listed) == [f"{number:016x}" for number in (1, 2, 3, 4)]
    assert trace.root_span == f"{1:016x}"


def test_content_in_logs_is_joined_by_span() -> None:
    """Logs of other spans and other traces are not this span's."""
    bare = span(1, attributes={"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"})

    def log(span_id: str, body: str, trace_id: str = TRACE) -> StoredLog:
        return StoredLog(trace_id=trace_id, span_id=span_id, event_name="gen_ai.user.message", body=body)

    logs = [
        log(bare.span_id, '{"content":"mine"}'),
        log("f" * 16, '{"content":"other span"}'),
        log(bare.span_id, '{"content":"other trace"}', "b" * 32),
    ]
    assert [message.content for message in normalise_span(bare, logs).input_messages] == ["mine"]
    assert normalise_trace([bare], logs).spans[0].input_messages == normalise_span(bare, logs).input_messages


def test_a_trace_without_spans_is_refused() -> None:
    """There is nothing to say about nothing."""
    with pytest.raises(ValueError, match="at least one span"):
        normalise_trace([])


def test_spans_of_another_trace_are_passed_over() -> None:
    """The first span names the trace."""
    stranger = dataclasses.replace(span(7, attributes={"input.value": "x"}), trace_id="b" * 32)
    assert normalise_trace([*agent_trace(), stranger]) == normalise_trace(agent_trace())


def test_a_session_is_in_order_of_its_traces() -> None:
    """By start, not by arrival."""

    def turn(trace_id: str, start_ms: int) -> list[StoredSpan]:
        one = span(1, start_ms=start_ms, attributes=chat([text("user", "q")], [text("assistant", "a")]))
        return [dataclasses.replace(one, trace_id=trace_id)]

    late, early = normalise_trace(turn("c" * 32, 900)), normalise_trace(turn("d" * 32, 100))
    assert [trace.trace_id for trace in normalise_session("s", [late, early]).traces] == ["d" * 32, "c" * 32]


def test_a_failed_tool_without_a_message_learns_why_from_the_next_model_call() -> None:
    """The span says only that it failed; the conversation says why."""
    call = asks_tool("c1", "f", {"a": 1})
    tool = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "f",
        "gen_ai.tool.call.id": "c1",
        "error.type": "TOOL_ERROR",
    }
    trace = normalise_trace(
        [
            span(1, attributes=chat([text("user", "q")], [call])),
            span(2, attributes=tool, status_code="Error", status_message="TOOL_ERROR"),
            span(3, attributes=chat([text("user", "q"), call, tool_said("c1", {"error": "no such city"})], [])),
        ]
    )
    assert trace.spans[1].tool_error == "no such city"
    assert (
        "tool_error"
        not in normalise_span(span(2, attributes=tool, status_code="Error", status_message="TOOL_ERROR")).to_dict()
    )
