"""What a span does not say but its trace knows: arguments and results of tools, session, user, tags, metadata."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from evaluator.targets.record import SpanRecord
from evaluator.targets.tree import Changes
from storage.dialects.message import Message, ToolCall
from storage.dialects.values import decode_json

_OF_THE_TRACE = ("session_id", "user_id", "tags", "metadata")


def told_by_model_calls(records: Sequence[SpanRecord]) -> Changes:
    """Tool spans -> arguments, result and call id, out of the model calls around them.

    By call id; a tool span without one by its name, when one call of this name is left and says nothing else.
    """
    calls, results = _conversation(records)
    open_calls = dict(calls)
    tools = [record for record in records if record.kind == "tool"]
    for tool in tools:
        open_calls.pop(tool.tool_call_id or "", None)
    changes: Changes = {}
    for tool in tools:
        call = calls.get(tool.tool_call_id or "") or _only_fitting(tool, open_calls)
        if call is None:
            continue
        open_calls.pop(call.id, None)
        learned = _learned(tool, call, results.get(call.id))
        if learned:
            changes[tool.span_id] = {**learned, "filled": tool.filled | frozenset(learned)}
    return changes


def told_by_trace(records: Sequence[SpanRecord], trace: Mapping[str, object]) -> Changes:
    """Spans -> session, user, tags and metadata of their trace, where they have none."""
    changes: Changes = {}
    for record in records:
        learned = {name: trace[name] for name in _OF_THE_TRACE if trace[name] and not getattr(record, name)}
        if learned:
            changes[record.span_id] = {**learned, "filled": record.filled | frozenset(learned)}
    return changes


def _conversation(records: Sequence[SpanRecord]) -> tuple[dict[str, ToolCall], dict[str, Message]]:
    calls: dict[str, ToolCall] = {}
    results: dict[str, Message] = {}
    for record in records:
        if record.kind != "llm":
            continue
        for call in record.output_tool_calls:
            if call.id:
                calls.setdefault(call.id, call)
        for message in record.input_messages:
            if message.role == "tool" and message.tool_call_id:
                results.setdefault(message.tool_call_id, message)
            for call in message.tool_calls:
                if call.id:
                    calls.setdefault(call.id, call)
    return calls, results


def _only_fitting(tool: SpanRecord, calls: Mapping[str, ToolCall]) -> ToolCall | None:
    if tool.tool_call_id:
        return None
    fitting = list(_fitting(tool, calls))
    return fitting[0] if len(fitting) == 1 else None


def _fitting(tool: SpanRecord, calls: Mapping[str, ToolCall]) -> Iterator[ToolCall]:
    for call in calls.values():
        if call.name == tool.tool_name and (tool.tool_arguments is None or tool.tool_arguments == call.arguments):
            yield call


def _why(content: str) -> str:
    """The error in a tool's answer: `{"error": "…"}`, else all of it."""
    said = decode_json(content)
    error = said.get("error") if isinstance(said, dict) else None
    return error if isinstance(error, str) and error else content


def _learned(tool: SpanRecord, call: ToolCall, result: Message | None) -> dict[str, object]:
    learned: dict[str, object] = {}
    if tool.tool_call_id is None:
        learned["tool_call_id"] = call.id
    if tool.tool_arguments is None and call.arguments not in (None, ""):
        learned["tool_arguments"] = call.arguments
    if result is not None and result.content:
        if tool.tool_result is None:
            learned["tool_result"] = decode_json(result.content)
        if tool.tool_error is None and tool.status == "error":
            learned["tool_error"] = _why(result.content)
    return learned
