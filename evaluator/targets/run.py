"""What happened in a run, as text: the spans of a trace, or those below an agent, in start order."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Final

from evaluator.targets import rendering
from evaluator.targets.record import SpanRecord
from storage.dialects.message import Message
from storage.dialects.values import encode

MAX_ERRORS: Final = 50
"""Causes of errors that a conversation shows, out of those of so many failed spans, and how many characters of each."""
MAX_FAILED: Final = 200
MAX_CAUSE: Final = 1_000
_TRACEBACK: Final = "Traceback (most recent call last)"


def model_calls(spans: Sequence[SpanRecord]) -> Iterator[SpanRecord]:
    """Every model call once."""
    return (span for span in spans if span.kind == "llm" and span.duplicate_of is None)


def exchange(spans: Sequence[SpanRecord], question: str | None, answer: str | None) -> list[Message]:
    """The conversation as the longest model call saw it, with its answer; else question and answer of the run."""
    models = [span for span in model_calls(spans) if span.input_messages]
    longest = max(reversed(models), key=lambda span: len(span.input_messages), default=None)
    if longest is not None:
        return [*longest.input_messages, *longest.output_messages]
    asked = [Message(role="user", content=question)] if question else []
    return [*asked, Message(role="assistant", content=answer)] if answer else asked


def tool_calls(spans: Sequence[SpanRecord]) -> str:
    """Tool calls of a run with what they returned, one a line: of its tool spans, else of its model calls."""
    ran = [span for span in spans if span.kind == "tool" and span.duplicate_of is None]
    return "\n".join(map(rendering.step, ran) if ran else _asked_for(spans))


def _asked_for(spans: Sequence[SpanRecord]) -> Iterator[str]:
    results = {
        message.tool_call_id: message.content
        for span in spans
        for message in span.input_messages
        if message.role == "tool"
    }
    for span in model_calls(spans):
        for made in span.output_tool_calls:
            returned = results.get(made.id)
            yield f"tool {rendering.call(made)}" + (f" -> {returned}" if returned else "")


def with_errors(said: str, spans: Sequence[SpanRecord]) -> str:
    """A conversation, and below it what went wrong in its run and is not said in it, each cause once."""
    lines: dict[str, str] = {}
    failed = (span for span in spans if span.status == "error" and span.duplicate_of is None)
    for span in itertools.islice(failed, MAX_FAILED):
        causes = [cause for each in (span.tool_error, span.error_message, span.error_type) if (cause := _cause(each))]
        told = encode(span.tool_result) if span.kind == "tool" and span.tool_result else ""  # the model was told so
        if not any(each in said for each in (*causes, told) if each):
            why = causes[0] if causes else "no message"
            lines.setdefault(why, f"error in {span.kind} {span.tool_name or span.agent_name or span.name}: {why}")
    return "\n".join(filter(None, (said, *itertools.islice(lines.values(), MAX_ERRORS))))


def _cause(error: str | None) -> str:
    """An error without its stack trace: what stands before it, else its last line."""
    lines = (error or "").strip().splitlines() or [""]
    first = lines[0].partition(_TRACEBACK)[0].strip()
    return (first or lines[-1].strip())[:MAX_CAUSE]


def trajectory(spans: Sequence[SpanRecord]) -> str:
    """The steps of a run, numbered: agents, model calls, tools, retrievals, guardrails and what failed."""
    steps = [line for span in spans if span.duplicate_of is None and (line := rendering.step(span))]
    return "\n".join(f"{number}. {line}" for number, line in enumerate(steps, 1))
