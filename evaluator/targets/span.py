"""One stored span and its logs -> its record: what the span says of itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evaluator.targets.content import Content
from evaluator.targets.facts import Facts
from evaluator.targets.record import MODEL_KINDS, SpanRecord
from storage.dialects.documents import MAX_DOCUMENTS
from storage.dialects.lookup import Lookup
from storage.dialects.message import Message
from storage.dialects.messages import MAX_MESSAGES
from storage.dialects.table import table
from storage.dialects.values import encode
from storage.model import StoredLog, StoredSpan

_ASKED_AND_ANSWERED = frozenset({"agent", "chain", "guardrail", "evaluator", "tool", "other"})


def record_of(span: StoredSpan, own_logs: Sequence[StoredLog]) -> SpanRecord:
    """What one span says of itself; `own_logs` are the log records of this span.

    No input raises: what cannot be read stays absent.
    """
    rows = table()
    lookup = Lookup(rows, span, own_logs)
    kind = lookup.kind() or "other"
    content = Content(rows, lookup, kind)
    answer = content.answer() if kind == "llm" else []
    if kind == "llm" and not answer and content.prepares_a_prompt():
        kind = "chain"
        content = Content(rows, lookup, kind)
    facts = Facts(rows, lookup, kind)
    said = _said(kind, content, facts, lookup, answer)
    return SpanRecord.of(
        trace_id=span.trace_id, span_id=span.span_id, parent_span_id=span.parent_span_id, name=span.name,
        scope=span.scope_name, service_name=span.service_name, start_ns=span.start_ns,
        duration_ns=span.duration_ns, kind=kind, notes=_notes(said, lookup), **said,
        **_known(kind, facts, lookup),
    )  # fmt: skip


def told_apart(span: StoredSpan, own_logs: Sequence[StoredLog]) -> tuple[str, str, str | None]:
    """Kind, status and response id of a span as in its record, without reading what was said."""
    rows = table()
    lookup = Lookup(rows, span, own_logs)
    kind = lookup.kind() or "other"
    if kind == "llm":
        content = Content(rows, lookup, kind)
        if content.prepares_a_prompt() and not content.answer():
            kind = "chain"
    facts = Facts(rows, lookup, kind)
    return kind, facts.status(), facts.text("response_id") if kind == "llm" else None


def _said(kind: str, content: Content, facts: Facts, lookup: Lookup, answer: Sequence[Message]) -> dict[str, Any]:
    read: dict[str, Any] = {}
    match kind:
        case "llm":
            system, messages = content.conversation()
            read = {
                "system_prompt": system or None,
                "input_messages": tuple(messages),
                "output_messages": tuple(answer),
                "output_text": _joined(message.content for message in answer),
                "output_reasoning": _joined(message.reasoning for message in answer),
                "output_tool_calls": tuple(call for message in answer for call in message.tool_calls),
                "finish_reasons": facts.finish_reasons()
                or tuple(message.finish_reason for message in answer if message.finish_reason),
            }
        case "tool":
            read = _of_tool(content, facts, lookup)
        case "retriever" | "reranker":
            read = {"query": content.query() or None, "documents": tuple(content.documents())}
            if kind == "reranker":
                read["input_documents"] = tuple(content.documents("input_documents"))
        case "embedding":
            read = {"input_texts": tuple(content.input_texts())}
    if kind in _ASKED_AND_ANSWERED:
        read["input_text"] = content.text("input") or None
        read["output_text"] = content.text("output") or None
    return read


def _notes(said: Mapping[str, Any], lookup: Lookup) -> tuple[str, ...]:
    """What could not be read whole."""
    notes = [f"{key} could not be read: broken, too large or too deep" for key in lookup.unread()]
    if len(said.get("input_messages", ())) >= MAX_MESSAGES:
        notes.append(f"only the first {MAX_MESSAGES} messages were read")
    if len(said.get("documents", ())) >= MAX_DOCUMENTS:
        notes.append(f"only the first {MAX_DOCUMENTS} documents were read")
    return tuple(notes)


def _of_tool(content: Content, facts: Facts, lookup: Lookup) -> dict[str, Any]:
    result = content.result()
    name = facts.text("tool_name") or lookup.span.name.removeprefix("execute_tool ").removesuffix(".tool")
    return {
        "tool_name": name or None,
        "tool_call_id": facts.text("tool_call_id"),
        "tool_arguments": content.arguments(),
        "tool_result": result,
        "tool_error": _tool_error(content, facts, result),
    }


def _tool_error(content: Content, facts: Facts, result: object) -> str | None:
    """Why the tool failed: the span's error, else what it returned; None when it did not fail or nobody says why."""
    returned = result.get("error") if isinstance(result, dict) else None
    told = (
        isinstance(returned, str)
        and bool(returned)
        and isinstance(result, dict)
        and set(result) <= {"error", "status", "message", "code"}
    )
    if facts.status() != "error" and not content.failed() and not told:
        return None
    message = facts.error_message()
    if message and facts.says_why(message):
        return message
    text = str(returned) if told else encode(result) if result is not None else ""
    return text if text and facts.says_why(text) else None


def _known(kind: str, facts: Facts, lookup: Lookup) -> dict[str, Any]:
    request, response = facts.models()
    usage, aggregate = facts.usage(), facts.aggregated_usage()
    if kind not in MODEL_KINDS:
        usage, aggregate = {}, aggregate or usage
    session = facts.text("session_id")
    status = facts.status()
    own_metadata = facts.metadata("span_metadata")
    return {
        "request_model": request,
        "response_model": response,
        "provider": facts.provider(),
        "params": facts.params() if kind == "llm" else {},
        "usage": usage,
        "usage_aggregate": aggregate,
        "cost_usd": facts.cost_usd() if kind in MODEL_KINDS else None,
        "session_id": session,
        "session_id_generated": facts.session_generated(session),
        "user_id": facts.text("user_id"),
        "tags": facts.tags(),
        "metadata": facts.metadata() or own_metadata,
        "span_metadata": own_metadata,
        "agent_name": facts.agent_name(),
        "status": status,
        "error_type": facts.text("error_type") if status == "error" else None,
        "error_message": facts.error_message() if status == "error" else None,
        "response_id": facts.text("response_id") if kind == "llm" else None,
        "tools": _tools(kind, lookup),
        "prompt_variables": _variables(lookup),
        "expected": facts.text("expected"),
    }


def _tools(kind: str, lookup: Lookup) -> object:
    if kind not in ("llm", "agent"):
        return None
    return next((found.value for found in lookup.find("tools", kind) if found.value not in (None, "", [], {})), None)


def _variables(lookup: Lookup) -> dict[str, object]:
    for found in lookup.find("prompt_variables"):
        if isinstance(found.value, dict):
            return dict(found.value)
    return {}


def _joined(texts: Any) -> str | None:
    return "\n".join(text for text in texts if text) or None
