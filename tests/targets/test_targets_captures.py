"""What judges are shown of real captures, at all three levels, against the ground truth of what happened."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from evaluator.targets.inputs import named_inputs
from evaluator.targets.normalise import normalise_session
from evaluator.targets.outline import ReadTrace
from evaluator.targets.record import TraceRecord
from storage.otlp.stored import stored_logs, stored_spans

CAPTURES = Path(__file__).parent.parent / "fixtures" / "otlp"
Inputs = Mapping[str, str]


def captures(name: str = "*/*") -> Iterator[tuple[str, list[TraceRecord], dict[str, dict[str, Any]]]]:
    """`family/scenario`, its traces, and what is expected of its spans by id."""
    for path in sorted(CAPTURES.glob(f"{name}.expected.yaml")):
        body = path.with_name(path.name.replace(".expected.yaml", ".pb"))
        spans = stored_spans(body.read_bytes())
        spoken = body.with_suffix(".logs.pb")
        logs = stored_logs(spoken.read_bytes()) if spoken.exists() else []
        ids = dict.fromkeys(span.trace_id for span in spans)
        traces = [ReadTrace([each for each in spans if each.trace_id == trace_id], logs).record for trace_id in ids]
        told = yaml.safe_load(path.read_text("utf-8"))
        yield f"{path.parent.name}/{body.stem}", traces, {each["span_id"]: each["expected"] for each in told["spans"]}


def said(inputs: Inputs, name: str, text: str) -> bool:
    """Whether an input says a text, white space aside."""
    return " ".join(text.split()) in " ".join(inputs.get(name, "").split())


def unsaid_of_span(expected: Mapping[str, Any], inputs: Inputs) -> Iterator[str]:
    """What a span should show and does not."""
    match expected.get("kind"):
        case "llm":
            for message in expected.get("input_messages") or ():
                content = message.get("content")
                if isinstance(content, str) and not said(inputs, "messages", content) and message["role"] == "user":
                    yield f"messages: {content}"
            if (text := expected.get("output_text")) and not said(inputs, "output", text):
                yield f"output: {text}"
            if (text := expected.get("system_prompt")) and not said(inputs, "system_prompt", text):
                yield f"system_prompt: {text}"
        case "tool":
            if (name := expected.get("tool_name")) and not said(inputs, "trajectory", name):
                yield f"trajectory: {name}"
        case "retriever" | "reranker":
            for document in expected.get("documents") or ():
                for name in ("output", "context"):
                    if (content := document.get("content")) and not said(inputs, name, content):
                        yield f"{name}: {content}"
    why = expected.get("error_message_contains")
    if why and expected.get("kind") in ("llm", "tool") and not said(inputs, "trajectory", why):
        yield f"trajectory: {why}"


def unsaid_of_whole(expected: Mapping[str, Any], inputs: Inputs) -> Iterator[str]:
    """What a trace or session should show of one of its spans and does not."""
    match expected.get("kind"):
        case "llm":
            if (text := expected.get("output_text")) and not said(inputs, "trajectory", text):
                yield f"trajectory: {text}"
        case "tool":
            for name in ("trajectory", "tool_calls"):
                if (tool := expected.get("tool_name")) and not said(inputs, name, tool):
                    yield f"{name}: {tool}"
        case "retriever":
            for document in expected.get("documents") or ():
                if (content := document.get("content")) and not said(inputs, "context", content):
                    yield f"context: {content}"
    why = expected.get("error_message_contains")
    if why and expected.get("kind") in ("llm", "tool"):
        for name in ("messages", "trajectory"):
            if not said(inputs, name, why):
                yield f"{name}: {why}"


def test_every_capture_shows_what_happened_in_it_at_every_level() -> None:
    """Questions, answers, tools, documents and errors: on the span, on its trace, on a session of its traces."""
    missing: list[str] = []
    checked = 0
    for name, traces, expected in captures():
        session = named_inputs(normalise_session("s", traces))
        for trace in traces:
            whole = named_inputs(trace)
            for span in trace.spans:
                wanted = expected.get(span.span_id)
                if wanted is None or span.duplicate_of is not None:
                    continue
                checked += 1
                missing += [f"{name} span {each}" for each in unsaid_of_span(wanted, named_inputs(span, trace))]
                missing += [f"{name} trace {each}" for each in unsaid_of_whole(wanted, whole)]
                missing += [f"{name} session {each}" for each in unsaid_of_whole(wanted, session)]
    assert (missing, checked > 500) == ([], True)


CONVERSATION = """\
user: What is the weather in Paris and what is the ACME stock price?
assistant calls get_weather({"city": "Paris"})
tool: {"temp_c": 18, "condition": "sunny"}
assistant calls get_stock_price({"symbol": "ACME"})
tool: Error: stock service unavailable
assistant: It is 18°C and sunny in Paris, but I could not look up the ACME stock price."""
TURN = """\
user: What is the weather in Paris and what is the ACME stock price?
tool get_weather({"city": "Paris"}) -> {"temp_c": 18, "condition": "sunny"}
tool get_stock_price({"symbol": "ACME"}) -> error: stock service unavailable
assistant: It is 18°C and sunny in Paris, but I could not look up the ACME stock price."""


def test_an_agent_that_met_an_error_is_shown_as_a_conversation() -> None:
    """Messages in order, tool calls with results, the error where it happened and no second time."""
    [(_, [trace], _)] = captures("langfuse/agent")
    session = normalise_session("s", [trace])
    assert (named_inputs(trace)["messages"], named_inputs(session)["messages"]) == (CONVERSATION, TURN)


def test_the_start_of_a_workflow_is_no_question() -> None:
    """The question of such a run is what its first model call was asked."""
    [(_, [trace], _)] = captures("openinference-llama-index/agent")
    assert trace.input_text == "What is the weather in Paris and what is the ACME stock price?"
