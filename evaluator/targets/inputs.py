"""The named inputs that templates and conditions can ask of a target.  What it lacks is not in the mapping."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias

from evaluator.targets import rendering, run
from evaluator.targets.context import RUNS, context_of_span, context_of_trace, ids_below
from evaluator.targets.record import SessionRecord, SpanRecord, TraceRecord
from storage.dialects.message import Message, ToolCall
from storage.dialects.values import encode

INPUT_NAMES: Final = (
    "input", "output", "context", "messages", "system_prompt", "tools", "tool_calls", "first_user_message",
    "last_user_message", "expected", "metadata", "trajectory",
)  # fmt: skip
"""Every name that a template may use."""
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

    `messages` of a model call is what it was given; of a run, a trace or a session it ends with the answer.
    """
    match record:
        case SpanRecord():
            return NamedInputs(_of_span(record, trace))
        case TraceRecord():
            return NamedInputs(_of_trace(record))
        case SessionRecord():
            return NamedInputs(_of_session(record))


def _of_span(record: SpanRecord, trace: TraceRecord | None) -> dict[str, Reader]:
    if record.kind in RUNS and trace is not None:
        return _of_run(record, trace)
    return {
        **_of_itself(record),
        "context": lambda: context_of_span(record, trace),
        "messages": lambda: rendering.conversation(record.input_messages),
        "tool_calls": lambda: "\n".join(map(rendering.call, _calls(record))),
        "trajectory": lambda: rendering.step(record) if record.kind in _STEPS else None,
    }


def _of_run(record: SpanRecord, trace: TraceRecord) -> dict[str, Reader]:
    """Of an agent or a chain: what happened below it is its own."""

    def below() -> list[SpanRecord]:
        ids = ids_below(record.span_id, trace)
        return [span for span in trace.spans if span.span_id in ids]

    def messages() -> str:
        spans = below()
        said = rendering.conversation(run.exchange(spans, record.input_text, record.output_text))
        return run.with_errors(said, [record, *spans])

    return {
        **_of_itself(record),
        "context": lambda: context_of_span(record, trace),
        "messages": messages,
        "tool_calls": lambda: run.tool_calls(below()),
        "trajectory": lambda: run.trajectory([record, *below()]),
    }


def _of_itself(record: SpanRecord) -> dict[str, Reader]:
    return {
        "input": lambda: _input(record),
        "output": lambda: _output(record),
        "system_prompt": lambda: record.system_prompt,
        "tools": lambda: _json(record.tools),
        "first_user_message": lambda: next(_asked(record.input_messages), record.input_text),
        "last_user_message": lambda: next(_asked(record.input_messages[::-1]), record.input_text),
        "expected": lambda: record.expected,
        "metadata": lambda: _json(dict(record.metadata)),
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
    spans = trace.spans

    def exchanged() -> list[Message]:
        return run.exchange(spans, trace.input_text, trace.output_text)

    return {
        "input": lambda: trace.input_text,
        "output": lambda: trace.output_text,
        "context": lambda: context_of_trace(trace),
        "messages": lambda: run.with_errors(rendering.conversation(exchanged()), spans),
        "system_prompt": lambda: next(
            (call.system_prompt for call in run.model_calls(spans) if call.system_prompt), None
        ),
        "tools": lambda: next((text for span in spans if (text := _json(span.tools))), None),
        "tool_calls": lambda: run.tool_calls(spans),
        "first_user_message": lambda: next(_asked(exchanged()), trace.input_text),
        "last_user_message": lambda: next(_asked(exchanged()[::-1]), trace.input_text),
        "expected": lambda: next((span.expected for span in spans if span.expected), None),
        "metadata": lambda: _json(dict(trace.metadata)),
        "trajectory": lambda: run.trajectory(spans),
    }


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
    made = run.tool_calls(trace.spans)
    question = f"user: {trace.input_text}" if trace.input_text else ""
    reply = f"assistant: {trace.output_text}" if trace.output_text else ""
    return run.with_errors("\n".join(filter(None, (question, made, reply))), trace.spans)


def _first(turns: Sequence[Mapping[str, str]], name: str) -> str | None:
    return next((turn[name] for turn in turns if name in turn), None)


def _joined(turns: Sequence[Mapping[str, str]], name: str, between: str) -> str:
    return between.join(turn[name] for turn in turns if name in turn)


def _numbered(turns: Sequence[Mapping[str, str]], name: str) -> str:
    numbered = enumerate(turns, 1)
    return "\n\n".join(f"Turn {number}\n{turn[name]}" for number, turn in numbered if name in turn)


def _json(value: object) -> str | None:
    return None if value in (None, "", {}, [], ()) else encode(value)
