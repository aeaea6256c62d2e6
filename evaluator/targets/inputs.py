"""The named inputs that templates and conditions can ask of a target.  What it lacks is not in the mapping."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from evaluator.targets import rendering
from evaluator.targets.context import context_of_span, context_of_trace
from evaluator.targets.record import SessionRecord, SpanRecord, TraceRecord
from storage.dialects.message import Message, ToolCall
from storage.dialects.values import encode

INPUT_NAMES: Final = (
    "input", "output", "context", "messages", "system_prompt", "tools", "tool_calls", "first_user_message",
    "last_user_message", "expected", "metadata", "trajectory",
)  # fmt: skip
"""Every name that a template may use."""


def named_inputs(
    record: SpanRecord | TraceRecord | SessionRecord, trace: TraceRecord | None = None
) -> Mapping[str, str]:
    """Readable text by name, for a span, a trace or a session.

    Args:
        trace: The trace of a span, where it is known: its context lies in neighbours.

    `messages` of a span is what the model was given; of a trace or session it ends with the answer.
    """
    match record:
        case SpanRecord():
            values = _of_span(record, trace)
        case TraceRecord():
            values = _of_trace(record)
        case SessionRecord():
            values = _of_session(record)
    return {name: text for name in INPUT_NAMES if (text := values.get(name))}


Values = dict[str, str | None]


def _of_span(record: SpanRecord, trace: TraceRecord | None) -> Values:
    users = [message.content for message in record.input_messages if message.role == "user" and message.content]
    asked = [record.input_text] if record.input_text else []
    said = users or asked
    return {
        "input": _input(record),
        "output": _output(record),
        "context": context_of_span(record, trace),
        "messages": rendering.conversation(record.input_messages),
        "system_prompt": record.system_prompt,
        "tools": _json(record.tools),
        "tool_calls": "\n".join(map(rendering.call, _calls(record))),
        "first_user_message": said[0] if said else None,
        "last_user_message": said[-1] if said else None,
        "expected": record.expected,
        "metadata": _json(dict(record.metadata)),
        "trajectory": rendering.step(record) if record.kind in ("llm", "tool", "retriever", "reranker") else None,
    }


def _input(record: SpanRecord) -> str | None:
    match record.kind:
        case "llm":
            alone = len(record.input_messages) == 1 and not record.input_messages[0].tool_calls
            return record.input_messages[0].content if alone else rendering.conversation(record.input_messages)
        case "tool":
            return _json(record.tool_arguments) or record.input_text
        case "retriever" | "reranker":
            return record.query
        case "embedding":
            return "\n".join(record.input_texts)
        case _:
            return record.input_text


def _output(record: SpanRecord) -> str | None:
    match record.kind:
        case "llm":
            return rendering.answer(record)
        case "tool":
            return record.outcome()
        case "retriever" | "reranker":
            return rendering.documents(record.documents)
        case _:
            return record.output_text


def _calls(record: SpanRecord) -> Sequence[ToolCall]:
    if record.kind == "tool" and record.tool_name:
        return (ToolCall(id=record.tool_call_id or "", name=record.tool_name, arguments=record.tool_arguments),)
    return record.output_tool_calls


def _of_trace(trace: TraceRecord) -> Values:
    messages = _exchange(trace)
    users = [message.content for message in messages if message.role == "user" and message.content]
    models = [span for span in trace.spans if span.kind == "llm" and span.duplicate_of is None]
    return {
        "input": trace.input_text,
        "output": trace.output_text,
        "context": context_of_trace(trace),
        "messages": rendering.conversation(messages),
        "system_prompt": next((span.system_prompt for span in models if span.system_prompt), None),
        "tools": next((text for span in trace.spans if (text := _json(span.tools))), None),
        "tool_calls": "\n".join(_made(trace)),
        "first_user_message": users[0] if users else trace.input_text,
        "last_user_message": users[-1] if users else trace.input_text,
        "expected": next((span.expected for span in trace.spans if span.expected), None),
        "metadata": _json(dict(trace.metadata)),
        "trajectory": _trajectory(trace),
    }


def _exchange(trace: TraceRecord) -> list[Message]:
    """The conversation as the longest model call saw it, with the answer; else question and answer of the trace."""
    models = [span for span in trace.spans if span.kind == "llm" and span.duplicate_of is None and span.input_messages]
    longest = max(reversed(models), key=lambda span: len(span.input_messages), default=None)
    if longest is not None:
        return [*longest.input_messages, *longest.output_messages]
    asked = [Message(role="user", content=trace.input_text)] if trace.input_text else []
    return [*asked, Message(role="assistant", content=trace.output_text)] if trace.output_text else asked


def _made(trace: TraceRecord) -> Iterator[str]:
    """Tool calls of a trace with what they returned: of its tool spans, else of its model calls."""
    ran = [span for span in trace.spans if span.kind == "tool" and span.duplicate_of is None]
    if ran:
        yield from map(rendering.step, ran)
        return
    results = {
        message.tool_call_id: message.content
        for span in trace.spans
        for message in span.input_messages
        if message.role == "tool"
    }
    for span in trace.spans:
        if span.kind == "llm" and span.duplicate_of is None:
            for made in span.output_tool_calls:
                returned = results.get(made.id)
                yield f"tool {rendering.call(made)}" + (f" -> {returned}" if returned else "")


def _trajectory(trace: TraceRecord) -> str:
    steps = [line for span in trace.spans if span.duplicate_of is None and (line := rendering.step(span))]
    return "\n".join(f"{number}. {line}" for number, line in enumerate(steps, 1))


def _of_session(session: SessionRecord) -> Values:
    turns = [_of_trace(trace) for trace in session.traces]
    return {
        "input": _first(turns, "input"),
        "output": _first(turns[::-1], "output"),
        "context": _joined(turns, "context"),
        "messages": "\n".join(filter(None, map(_turn, session.traces))),
        "system_prompt": _first(turns, "system_prompt"),
        "tools": _first(turns, "tools"),
        "tool_calls": _joined(turns, "tool_calls"),
        "first_user_message": _first(turns, "first_user_message"),
        "last_user_message": _first(turns[::-1], "last_user_message"),
        "expected": _first(turns[::-1], "expected"),
        "metadata": _first(turns, "metadata"),
        "trajectory": _numbered(turns, "trajectory"),
    }


def _turn(trace: TraceRecord) -> str:
    """One trace of a conversation: the question, the tools that ran, the answer."""
    made = "\n".join(_made(trace))
    question = f"user: {trace.input_text}" if trace.input_text else ""
    reply = f"assistant: {trace.output_text}" if trace.output_text else ""
    return "\n".join(filter(None, (question, made, reply)))


def _first(turns: Sequence[Values], name: str) -> str | None:
    return next((text for turn in turns if (text := turn.get(name))), None)


def _joined(turns: Sequence[Values], name: str) -> str:
    return "\n".join(text for turn in turns if (text := turn.get(name)))


def _numbered(turns: Sequence[Values], name: str) -> str:
    return "\n\n".join(f"Turn {number}\n{text}" for number, turn in enumerate(turns, 1) if (text := turn.get(name)))


def _json(value: object) -> str | None:
    return None if value in (None, "", {}, [], ()) else encode(value)
