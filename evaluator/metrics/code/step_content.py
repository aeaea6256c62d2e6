"""`input` and `output` of a step, by its kind; what was not captured is not an empty text (docs/code-metrics.md)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from evaluator.targets import rendering
from evaluator.targets.record import SpanRecord
from storage.dialects.documents import Document
from storage.dialects.message import Message, ToolCall
from storage.dialects.values import encode

Wants: TypeAlias = Callable[[str], bool]
Shape: TypeAlias = Any
MAX_DEPTH: Final = 64


def said(side: str, content: str | None, **more: Shape) -> Shape:
    """Content, or its absence.  `side` is `input` or `output`."""
    return ("content", {"content": plain(content), **more}) if content is not None else ("absent", side)


def input_of(record: SpanRecord, wants: Wants) -> Shape:
    """What went into a span."""
    if not wants("input"):
        return None
    match record.kind:
        case "llm":
            return _conversation(record, wants)
        case "tool":
            return _arguments(record)
        case "retriever" | "reranker":
            documents = _documents(record.input_documents) if record.kind == "reranker" else ("list", [])
            return said("input", record.query, documents=documents)
        case "embedding":
            texts = "\n".join(record.input_texts) if record.input_texts else None
            return said("input", texts, texts=plain(record.input_texts))
        case _:
            return said("input", record.input_text or None)


def output_of(record: SpanRecord, wants: Wants) -> Shape:
    """What came out of a span."""
    if not wants("output"):
        return None
    match record.kind:
        case "llm":
            answered = record.output_messages or record.output_text or record.output_tool_calls
            return said(
                "output",
                (record.output_text or "") if answered else None,
                reasoning=plain(record.output_reasoning),
                tool_calls=_calls(record.output_tool_calls),
                messages=_messages(record.output_messages) if wants("messages") else ("list", []),
            )
        case "tool":
            outcome = record.outcome() if record.tool_result is not None or record.tool_error else None
            return said("output", outcome, result=plain(record.tool_result), error=plain(record.tool_error))
        case "retriever" | "reranker":
            texts = rendering.documents(record.documents) if record.documents else None
            return said("output", texts, documents=_documents(record.documents) if wants("documents") else ("list", []))
        case _:
            return said("output", record.output_text or None)


def plain(value: object, depth: int = 0) -> Shape:
    """JSON of it: mappings, lists, text that UTF-8 can hold, numbers, True, False, None; what is deeper is text."""
    match value:
        case str():
            return value if value.isascii() else value.encode("utf-8", "replace").decode()
        case None | bool() | int() | float():
            return value
        case _ if depth >= MAX_DEPTH:
            return json.dumps(value, default=str, ensure_ascii=True) if depth == MAX_DEPTH else str(value)
        case Mapping():
            return {plain(str(key)): plain(item, depth + 1) for key, item in value.items()}
        case Sequence() if not isinstance(value, (bytes, bytearray)):
            return [plain(item, depth + 1) for item in value]
        case _:
            return plain(str(value))


def _conversation(record: SpanRecord, wants: Wants) -> Shape:
    messages = record.input_messages
    if not messages and not record.system_prompt:
        return "absent", "input"
    alone = len(messages) == 1 and not messages[0].tool_calls
    return said(
        "input",
        (messages[0].content if alone else rendering.conversation(messages)) if wants("content") else "",
        system_prompt=plain(record.system_prompt),
        messages=_messages(messages) if wants("messages") else ("list", []),
    )


def _arguments(record: SpanRecord) -> Shape:
    given = record.tool_arguments
    if given is None:
        return said("input", record.input_text or None, arguments=None)
    return said("input", given if isinstance(given, str) else encode(given), arguments=plain(given))


def _messages(messages: Sequence[Message]) -> Shape:
    return "list", [
        (
            "message",
            {
                "role": plain(each.role),
                "content": plain(each.content),
                "name": plain(each.name) or None,
                "tool_calls": _calls(each.tool_calls),
                "tool_call_id": plain(each.tool_call_id) or None,
            },
        )
        for each in messages
    ]


def _calls(calls: Sequence[ToolCall]) -> Shape:
    return "list", [
        ("tool_call", {"id": plain(each.id), "name": plain(each.name), "arguments": plain(each.arguments)})
        for each in calls
    ]


def _documents(documents: Sequence[Document]) -> Shape:
    return "list", [
        (
            "document",
            {
                "content": plain(each.content),
                "id": plain(each.id),
                "score": each.score,
                "metadata": plain(each.metadata),
            },
        )
        for each in documents
    ]
