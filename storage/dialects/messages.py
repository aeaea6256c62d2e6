"""Message lists of any known shape, wherever they are packed: requests, responses, states, batches, event lists."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Literal

from storage.dialects.message import (
    ROLES,
    Message,
    Parts,
    content_of,
    first_of,
    identifier,
    result_text,
    text_at,
    tool_call,
)
from storage.dialects.objects import message_of_repr
from storage.dialects.opened import CONTENT_KEYS, opened
from storage.dialects.values import decode

Side = Literal["input", "output"]

MAX_MESSAGES: Final = 20_000
"""Messages beyond this are dropped; a record says so."""

_PACKED: Final[Mapping[Side, tuple[str, ...]]] = {
    "input": (
        "messages", "input_messages", "contents", "inputs", "input", "request", "request_data", "chat_history",
        "history", "prompt_messages", "items", "prompt", "prompts", "body", "state",
    ),
    "output": (
        "choices", "generations", "candidates", "replies", "output_messages", "output", "outputs", "message",
        "response", "response_data", "messages", "content", "update", "result", "data", "body",
    ),
}  # fmt: skip
"""Keys under which a message list stands inside an object, by side, most telling first."""

_ITEM_TYPES: Final = frozenset(
    {"function_call", "function_call_output", "reasoning", "custom_tool_call", "custom_tool_call_output", "mcp_call"}
)
_TEXT_KEYS: Final = frozenset({"role", "content", "parts", "finish_reason"})
_CALL_KEYS: Final = frozenset({"tool_calls", "toolCalls", "function_call", "additional_kwargs", "function_call_name"})
_SYSTEM_KEYS: Final = (
    "instructions", "system", "system_instruction", "systemInstruction", "system_prompt", "preamble",
)  # fmt: skip
_HISTORY_KEYS: Final = frozenset({"chat_history", "history"})
_ASKED_KEYS: Final = ("question", "query", "message", "user_input", "input", "prompt")
"""Keys of what is asked now, beside what was said before."""
_MAX_DEPTH: Final = 8


def messages_in(value: object, side: Side) -> list[Message]:
    """Messages of a decoded value, in order; empty when it holds no message list.  A bare text is no message list."""
    return _messages(value, side, 0)


def text_message(text: str, side: Side) -> Message:
    """The message that a bare prompt or completion amounts to."""
    return Message(role="user" if side == "input" else "assistant", content=text)


def _messages(value: object, side: Side, depth: int) -> list[Message]:
    if isinstance(value, str):
        value = decode(value) if value[:1] in '[{"' else value
    if depth > _MAX_DEPTH or not value:
        return []
    if isinstance(value, str):
        return [message] if (message := message_of_repr(value)) else []
    if isinstance(value, list):
        return _listed(value, side, depth)
    if isinstance(value, dict):
        return _message(value, side) or _packed(value, side, depth)
    return []


def _listed(values: list[object], side: Side, depth: int) -> list[Message]:
    if isinstance(values[0], list) and all(isinstance(item, list) for item in values):
        pairs = [pair for item in values[:MAX_MESSAGES] if (pair := _pair(item)) is not None]
        if len(pairs) == len(values[:MAX_MESSAGES]):
            return pairs
        return _messages(values[0], side, depth + 1)  # a batch: the first conversation is the one that was sent
    if isinstance(values[0], str) and all(isinstance(item, str) for item in values):
        shown = (message_of_repr(item) for item in values[:MAX_MESSAGES] if isinstance(item, str))
        return [message for message in shown if message is not None]
    found: list[Message] = []
    loose = Parts()
    for item in values[:MAX_MESSAGES]:
        read = _message(item, side) if isinstance(item, dict) else []
        if not read and isinstance(item, dict) and side == "output":
            read = _packed(item, side, depth + 1)
        if read:
            found.extend(read)
        elif isinstance(item, dict):
            loose.add(item)
    if not found:
        return _built(loose, "user" if side == "input" else "assistant", "", "", "")
    itemised = any(isinstance(item, dict) and item.get("type") in _ITEM_TYPES for item in values[:MAX_MESSAGES])
    return merged(found) if itemised else found


def _pair(item: object) -> Message | None:
    """`("human", "text")`."""
    if isinstance(item, list) and len(item) == 2 and all(isinstance(part, str) for part in item):
        role = ROLES.get(item[0].lower())
        return Message(role=role, content=item[1]) if role else None
    return None


def _packed(value: Mapping[str, object], side: Side, depth: int) -> list[Message]:
    found: list[Message] = []
    for key in _PACKED[side]:
        inner = value.get(key)
        if isinstance(inner, (list, dict)) or (isinstance(inner, str) and inner[:1] in "[{"):
            found = _messages(inner, side, depth + 1)
            if found:
                asked = text_at(value, _ASKED_KEYS) if key in _HISTORY_KEYS and side == "input" else ""
                found = [*found, text_message(asked, side)] if asked else found
                break
    instructions = first_of(value, _SYSTEM_KEYS) if found and side == "input" else None
    return [*system_messages(instructions), *found] if instructions else found


def system_messages(value: object) -> list[Message]:
    """Instructions that stand beside a conversation: a text, parts, or an object with parts."""
    parts = Parts()
    if isinstance(value, dict) and not isinstance(value.get("text"), str):
        value = first_of(value, ("parts", "content", "contents"))
    parts.add(content_of(value))
    return [Message(role="system", content="\n".join(parts.texts))] if parts.texts else []


def _message(item: Mapping[str, object], side: Side) -> list[Message]:
    """The message in one object, with the tool results it carries as messages of their own; empty when it is none."""
    outer = item
    item, role = opened(item, "user" if side == "input" else "assistant")
    if (text := _only_text(item, role)) is not None:
        return [text]
    kind = item.get("type")
    if kind in _ITEM_TYPES and "role" not in item:
        parts = Parts()
        parts.add(item)
        return _built(parts, "assistant", "", "", "")
    if not role:
        return []
    if role == "tool" and not isinstance(item.get("parts"), list):
        return _tool_messages(item, outer)
    parts = Parts()
    _add_content(item, parts)
    if item.keys() <= _TEXT_KEYS:
        return _built(parts, role, "", "", text_at(item, ("finish_reason",)))
    _add_calls(item, parts)
    reasoning = first_of(item, ("reasoning_content", "reasoning", "thinking"))
    if isinstance(reasoning, str) and reasoning:
        parts.reasoning.append(reasoning)
    finish = text_at(item, ("finish_reason", "stop_reason", "finishReason"))
    return _built(parts, role, identifier(item) if role == "tool" else "", text_at(item, ("name",)), finish)


def _tool_messages(item: Mapping[str, object], outer: Mapping[str, object]) -> list[Message]:
    """The answers of tools in a message of theirs; `outer` is the object around it."""
    parts = Parts()
    body = content_of(first_of(item, CONTENT_KEYS))
    if body is None and isinstance(contents := item.get("contents"), list):
        parts.add(contents)
        if parts.results:
            return parts.results
        body = "\n".join(parts.texts) or None
    if body is None and outer is not item and isinstance(beside := outer.get("function"), list):
        return [_returned(decoded) for entry in beside if isinstance(decoded := _decoded(entry), dict)]  # AutoGen
    if isinstance(body, dict) and body.get("type") == "function" and isinstance(body.get("function"), dict):
        return []  # Langfuse lists the tools that may be called as messages
    if _holds_results(body):
        parts.add(body)
        return parts.results
    return [_returned({**item, "content": body})]


def _returned(result: Mapping[str, object]) -> Message:
    """A tool's answer in an object of its own."""
    body = result_text(first_of(result, CONTENT_KEYS))
    return Message(
        role="tool", content=body, tool_call_id=identifier(result), name=text_at(result, ("name", "tool_name"))
    )


def _decoded(value: object) -> object:
    return decode(value) if isinstance(value, str) else value


def _only_text(item: Mapping[str, object], role: str) -> Message | None:
    """A message of nothing but a text, as most are; None when there may be more to it."""
    if role == "tool" or not role or not item.keys() <= _TEXT_KEYS:
        return None
    text = item.get("content")
    if text is None and isinstance(parts := item.get("parts"), list) and len(parts) == 1:
        part = parts[0]
        if isinstance(part, dict) and len(part) == 2 and part.get("type") == "text":
            text = part.get("content")
    elif isinstance(text, str) and text[:1] == "[":
        return None
    if not isinstance(text, str) or not text:
        return None
    finish = item.get("finish_reason")
    return Message(role=role, content=text, finish_reason=finish if isinstance(finish, str) else "")


def _holds_results(body: object) -> bool:
    return isinstance(body, list) and any(
        isinstance(part, dict)
        and (
            str(part.get("type", "")) in ("tool_result", "tool-result", "tool_call_response")
            or "toolResult" in part
            or "tool_call_result" in part
            or "toolResponse" in part
        )
        for part in body
    )


def _add_content(item: Mapping[str, object], parts: Parts) -> None:
    for key in CONTENT_KEYS:
        content = item.get(key)
        if content is None or content == "" or content == []:
            continue
        content = content_of(content)
        if isinstance(content, dict) and isinstance(content.get("parts"), list):
            content = content["parts"]
        if isinstance(content, (str, list, Mapping)):
            parts.add(content)
            break
    if isinstance(contents := item.get("contents"), list):
        seen = Parts()
        seen.add(contents)
        if not parts.texts:
            parts.texts = seen.texts
        parts.reasoning, parts.results = seen.reasoning, seen.results
        parts.media, parts.attached = seen.media, seen.attached
        parts.calls = seen.calls


def _add_calls(item: Mapping[str, object], parts: Parts) -> None:
    """Calls that stand beside the content.  The same calls can stand in it as well, and in LangChain's extras."""
    if _CALL_KEYS.isdisjoint(item):
        return
    extras = item.get("additional_kwargs")
    for holder in (item, extras if isinstance(extras, dict) else {}):
        listed = first_of(holder, ("tool_calls", "toolCalls"))
        if isinstance(listed, str):
            listed = decode(listed)
        if isinstance(listed, list) and listed:
            calls = [call for entry in listed if isinstance(entry, dict) and (call := tool_call(entry))]
            if calls:
                parts.calls = calls
                return
        if (
            isinstance(function := holder.get("function_call"), dict)
            and not parts.calls
            and (call := tool_call(function))
        ):
            parts.calls = [call]
            return
    name = text_at(item, ("function_call_name",))
    if name and not parts.calls:
        arguments = item.get("function_call_arguments_json")
        call = tool_call({"name": name, "arguments": arguments})
        parts.calls = [call] if call else []


def _built(parts: Parts, role: str, tool_call_id: str, name: str, finish: str) -> list[Message]:
    """Tool results come first: the text of a user's turn follows what the tools returned."""
    if parts.results and not (parts.texts or parts.calls or parts.media or parts.reasoning or tool_call_id):
        return parts.results
    own = Message(
        role=role, content="\n".join(parts.texts), tool_calls=tuple(parts.calls), tool_call_id=tool_call_id, name=name,
        media=tuple(parts.media), attached=tuple(parts.attached), reasoning="\n".join(parts.reasoning),
        finish_reason=finish,
    )  # fmt: skip
    if not own.says_something and (parts.results or not role):
        return parts.results
    return [*parts.results, own]


def merged(messages: Iterable[Message]) -> list[Message]:
    """Assistant items of the Responses API (reasoning, text, calls, each its own item) as the one message they are."""
    joined: list[Message] = []
    for message in messages:
        last = joined[-1] if joined else None
        if last and last.role == message.role == "assistant" and not (last.content and message.content):
            joined[-1] = Message(
                role="assistant",
                content=last.content or message.content,
                tool_calls=last.tool_calls + message.tool_calls,
                name=last.name or message.name,
                media=last.media + message.media,
                attached=last.attached + message.attached,
                reasoning="\n".join(filter(None, (last.reasoning, message.reasoning))),
                finish_reason=message.finish_reason or last.finish_reason,
            )
        else:
            joined.append(message)
    return joined
