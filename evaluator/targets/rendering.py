"""Records as text that a judge can read: conversations, tool calls, documents, the steps of a run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from evaluator.targets.record import SpanRecord
from storage.dialects.documents import Document
from storage.dialects.message import Message, ToolCall
from storage.dialects.values import encode


def conversation(messages: Iterable[Message]) -> str:
    """`role: content` for each message, with the tools it calls below it."""
    return "\n".join(_message(message) for message in messages)


def call(called: ToolCall) -> str:
    """`name(arguments)`."""
    arguments = "" if called.arguments in (None, "", {}) else encode(called.arguments)
    return f"{called.name}({arguments})"


def answer(record: SpanRecord) -> str:
    """What a model answered: its text, then the tools it calls."""
    return "\n".join(
        filter(None, (record.output_text or "", *(f"calls {call(made)}" for made in record.output_tool_calls)))
    )


def documents(found: Sequence[Document]) -> str:
    """Texts of documents, with an empty line between them; those without text are left out."""
    return "\n\n".join(dict.fromkeys(document.content for document in found if document.content))


def step(record: SpanRecord) -> str:
    """One line on what a span of a run did; '' for spans that only hold others."""
    match record.kind:
        case "tool":
            made = ToolCall(name=record.tool_name or record.name, arguments=record.tool_arguments)
            return f"tool {call(made)} -> {record.outcome() or '(result not captured)'}"
        case "llm":
            return f"model{_named(record)}: {answer(record) or _failure(record) or '(answer not captured)'}"
        case "retriever" | "reranker":
            texts = [document.content or document.id for document in record.documents]
            return f"{record.kind} {record.query or ''} -> {encode(texts)}" if texts or record.query else ""
        case "agent":
            return f"agent {record.agent_name or record.name} starts" + (
                f": {record.error_message}" if record.error_message else ""
            )
        case "guardrail":
            return f"guardrail {record.name}: {record.output_text or record.error_message or '(no verdict captured)'}"
        case _:
            return f"{record.name}: {_failure(record)}" if record.status == "error" and record.error_message else ""


def _message(message: Message) -> str:
    said = message.content
    media = "".join(f" [{kind}]" for kind in message.media)
    caller = f" {message.name}" if message.role == "tool" and message.name else ""
    lines = [f"{message.role}{caller}: {said}{media}".rstrip(" ")] if said or media or not message.tool_calls else []
    lines += [f"{message.role} calls {call(made)}" for made in message.tool_calls]
    return "\n".join(lines)


def _named(record: SpanRecord) -> str:
    name = record.response_model or record.request_model
    return f" {name}" if name else ""


def _failure(record: SpanRecord) -> str:
    return f"error: {record.error_message or record.error_type or 'no message'}" if record.status == "error" else ""
