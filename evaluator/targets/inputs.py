"""The named inputs that templates and conditions can ask of a target.  What it lacks is not in the mapping."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias

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
MAX_ERRORS: Final = 50
"""Causes of errors that a conversation shows, and how many characters of each."""
MAX_CAUSE: Final = 1_000
_STEPS: Final = frozenset({"llm", "tool", "retriever", "reranker"})
Reader: TypeAlias = Callable[[], str | None]


class NamedInputs(Mapping[str, str]):
    """Text by name, in the order of `INPUT_NAMES`; each is made when it is first asked for.  Blank ones are absent."""

    def __init__(self, readers: Mapping[str, Reader]) -> None:
        self._readers = readers
        self._texts: dict[str, str] = {}

    def __getitem__(self, name: str) -> str:
        text = self._texts.get(name)
        if text is None:
            text = self._texts[name] = self._readers[name]() or ""
        if not text:
            raise KeyError(name)
        return text

    def __iter__(self) -> Iterator[str]:
        return (name for name in INPUT_NAMES if name in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def named_inputs(
    record: SpanRecord | TraceRecord | SessionRecord, trace: TraceRecord | None = None
) -> Mapping[str, str]:
    """Readable text by name, for a span, a trace or a session (docs/targets.md says what each is).

    Args:
        trace: The trace of a span, where it is known: its context lies in neighbours.

    `messages` of a span is what the model was given; of a trace or session it ends with the answer.
    """
    match record:
        case SpanRecord():
            return NamedInputs(_of_span(record, trace))
        case TraceRecord():
            return NamedInputs(_of_trace(record))
        case SessionRecord():
            return NamedInputs(_of_session(record))


def _of_span(record: SpanRecord, trace: TraceRecord | None) -> dict[str, Reader]:
    return {
        "input": lambda: _input(record),
        "output": lambda: _output(record),
        "context": lambda: context_of_span(record, trace),
        "messages": lambda: rendering.conversation(record.input_messages),
        "system_prompt": lambda: record.system_prompt,
        "tools": lambda: _json(record.tools),
        "tool_calls": lambda: "\n".join(map(rendering.call, _calls(record))),
        "first_user_message": lambda: next(_asked(record.input_messages), record.input_text),
        "last_user_message": lambda: next(_asked(record.input_messages[::-1]), record.input_text),
        "expected": lambda: record.expected,
        "metadata": lambda: _json(dict(record.metadata)),
        "trajectory": lambda: rendering.step(record) if record.kind in _STEPS else None,
    }


def _asked(messages: Sequence[Message]) -> Iterator[str]:
    return (message.content for message in messages if message.role == "user" and message.content)


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


def _of_trace(trace: TraceRecord) -> dict[str, Reader]:
    return {
        "input": lambda: trace.input_text,
        "output": lambda: trace.output_text,
        "context": lambda: context_of_trace(trace),
        "messages": lambda: _with_errors(rendering.conversation(_exchange(trace)), trace),
        "system_prompt": lambda: next((span.system_prompt for span in _model_calls(trace) if span.system_prompt), None),
        "tools": lambda: next((text for span in trace.spans if (text := _json(span.tools))), None),
        "tool_calls": lambda: "\n".join(_made(trace)),
        "first_user_message": lambda: next(_asked(_exchange(trace)), trace.input_text),
        "last_user_message": lambda: next(_asked(_exchange(trace)[::-1]), trace.input_text),
        "expected": lambda: next((span.expected for span in trace.spans if span.expected), None),
        "metadata": lambda: _json(dict(trace.metadata)),
        "trajectory": lambda: _trajectory(trace),
    }


def _model_calls(trace: TraceRecord) -> Iterator[SpanRecord]:
    return (span for span in trace.spans if span.kind == "llm" and span.duplicate_of is None)


def _exchange(trace: TraceRecord) -> list[Message]:
    """The conversation as the longest model call saw it, with the answer; else question and answer of the trace."""
    models = [span for span in _model_calls(trace) if span.input_messages]
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
    for span in _model_calls(trace):
        for made in span.output_tool_calls:
            returned = results.get(made.id)
            yield f"tool {rendering.call(made)}" + (f" -> {returned}" if returned else "")


def _with_errors(said: str, trace: TraceRecord) -> str:
    """A conversation, and below it what went wrong in its run and is not said in it, each cause once."""
    lines: dict[str, str] = {}
    for span in trace.spans:
        if span.status == "error" and span.duplicate_of is None:
            causes = [each for each in (span.tool_error, span.error_message, span.error_type) if each]
            if not any(_cause(each) in said for each in (*causes, *_results(span))):
                why = _cause(causes[0]) if causes else "no message"
                named = span.tool_name or span.agent_name or span.name
                lines.setdefault(why, f"error in {span.kind} {named}: {why}")
    return "\n".join(filter(None, (said, *itertools.islice(lines.values(), MAX_ERRORS))))


def _cause(error: str) -> str:
    """An error without its stack trace."""
    return error.strip().partition("\n")[0].partition("Traceback (most recent call last)")[0].strip()[:MAX_CAUSE]


def _results(span: SpanRecord) -> Iterator[str]:
    """What a failed tool returned: a conversation in which the model was told so says it in its own words."""
    if span.kind == "tool" and span.tool_result:
        yield encode(span.tool_result)


def _trajectory(trace: TraceRecord) -> str:
    steps = [line for span in trace.spans if span.duplicate_of is None and (line := rendering.step(span))]
    return "\n".join(f"{number}. {line}" for number, line in enumerate(steps, 1))


def _of_session(session: SessionRecord) -> dict[str, Reader]:
    turns = [NamedInputs(_of_trace(trace)) for trace in session.traces]
    backwards = turns[::-1]
    return {
        "input": lambda: _first(turns, "input"),
        "output": lambda: _first(backwards, "output"),
        "context": lambda: _joined(turns, "context", "\n\n"),
        "messages": lambda: "\n".join(filter(None, map(_turn, session.traces))),
        "system_prompt": lambda: _first(turns, "system_prompt"),
        "tools": lambda: _first(turns, "tools"),
        "tool_calls": lambda: _joined(turns, "tool_calls", "\n"),
        "first_user_message": lambda: _first(turns, "first_user_message"),
        "last_user_message": lambda: _first(backwards, "last_user_message"),
        "expected": lambda: _first(backwards, "expected"),
        "metadata": lambda: _first(turns, "metadata"),
        "trajectory": lambda: _numbered(turns, "trajectory"),
    }


def _turn(trace: TraceRecord) -> str:
    """One trace of a conversation: the question, the tools that ran, the answer, and what went wrong."""
    made = "\n".join(_made(trace))
    question = f"user: {trace.input_text}" if trace.input_text else ""
    reply = f"assistant: {trace.output_text}" if trace.output_text else ""
    return _with_errors("\n".join(filter(None, (question, made, reply))), trace)


def _first(turns: Sequence[Mapping[str, str]], name: str) -> str | None:
    return next((turn[name] for turn in turns if name in turn), None)


def _joined(turns: Sequence[Mapping[str, str]], name: str, between: str) -> str:
    return between.join(turn[name] for turn in turns if name in turn)


def _numbered(turns: Sequence[Mapping[str, str]], name: str) -> str:
    numbered = enumerate(turns, 1)
    return "\n\n".join(f"Turn {number}\n{turn[name]}" for number, turn in numbered if name in turn)


def _json(value: object) -> str | None:
    return None if value in (None, "", {}, [], ()) else encode(value)
