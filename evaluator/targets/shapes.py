"""Values of attributes and events that are no plain message list: requests, events, answers in pieces, tool results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from storage.dialects.message import Message, content_of, first_of, result_text, tool_call
from storage.dialects.messages import messages_in, system_messages, text_message
from storage.dialects.objects import is_object_repr
from storage.dialects.values import decode, encode, texts_in
from storage.dialects.wrappers import call_arguments

_MCP_KEYS: Final = frozenset(
    {"content", "isError", "is_error", "structuredContent", "structured_content", "_meta", "meta"}
)
"""Keys of what a tool of the Model Context Protocol returns."""


def request_messages(value: Mapping[str, object]) -> list[Message]:
    """A request whose prompt is one text."""
    for key in ("prompt", "input", "message", "user_message", "query", "question", "text"):
        text = value.get(key)
        if isinstance(text, str) and is_said(text):
            return [
                *system_messages(first_of(value, ("instructions", "system", "system_prompt"))),
                text_message(text, "input"),
            ]
    return []


def event_messages(role: str, attributes: Mapping[str, str], body: str, key: str) -> list[Message]:
    """A message event: the body of a log, or the attributes of a span event."""
    packed = body or attributes.get("gen_ai.event.content", "") or attributes.get("event_content", "")
    value = decode(packed) if packed else dict(attributes)
    if isinstance(value, str):
        value = {"content": value}
    if not isinstance(value, dict):
        return []
    inner = value.get("message")
    if isinstance(inner, str):
        inner = {"content": inner}
    if isinstance(inner, dict):
        value = {**inner, "finish_reason": value.get("finish_reason")}
    elif key in value and "content" not in value:
        value = {**value, "content": value[key]}
    content = value.get("content")
    if role == "tool" and isinstance(content, str):
        parts = content_of(content)
        value = {**value, "content": parts}
    spoken = value.get("role")
    given = spoken if isinstance(spoken, str) and role != "tool" and not value.get("tool_call_id") else role
    return messages_in([{**value, "role": given if given != "model" else "assistant"}], "input")


def pieced_answer(pieces: list[object]) -> list[Message]:
    """An answer whose text, tool calls and reasoning are three attributes."""
    text, calls, reasoning = (*pieces, None, None, None)[:3]
    if isinstance(text, list) and all(isinstance(item, str) for item in text):
        text = "\n".join(text)
    elif isinstance(text, (list, dict)):
        text = result_text(text)
    listed = calls if isinstance(calls, list) else []
    read = tuple(call for entry in listed if isinstance(entry, dict) and (call := tool_call(entry)))
    thought = "\n".join(texts_in(reasoning)) if reasoning else ""
    if not read and not (isinstance(text, str) and text) and not thought:
        return []
    return [
        Message(role="assistant", content=text if isinstance(text, str) else "", tool_calls=read, reasoning=thought)
    ]


def returned(value: object) -> object:
    """What a tool returned, out of a tool message, content blocks, or a wrapper with one key."""
    if isinstance(value, str):
        decoded = decode(value)
        if isinstance(decoded, str):
            return value
        value = decoded
    if isinstance(value, dict):
        if (raw := value.get("raw_output")) is not None and "blocks" in value:
            return raw
        messages = [message for message in messages_in([value], "output") if message.role == "tool"]
        if messages:
            return messages[0].content
        blocks = value.get("content")
        if isinstance(blocks, list) and value.keys() <= _MCP_KEYS and all(map(_is_block, blocks)):
            return result_text(blocks)
        for key in ("output", "outputs", "result"):
            if key in value and (len(value) == 1 or set(value) <= {key, "tags", "color", "name", "kwargs", "metadata"}):
                return returned(value[key])
        return value
    if isinstance(value, list):
        text = result_text(value)
        if not text.startswith("[") or text != encode(value):
            return text
        tool_messages = [message for message in messages_in(value, "output") if message.role == "tool"]
        return tool_messages[0].content if tool_messages else value
    return value


def _is_block(value: object) -> bool:
    return isinstance(value, dict) and "type" in value


def embedded(value: object) -> list[str]:
    """Texts that were embedded: a text, a list of them, messages, or a call's arguments; token ids are no texts."""
    if isinstance(value, str):
        return [value] if is_said(value) else []
    if isinstance(value, list):
        if all(isinstance(item, str) for item in value):
            return [text for item in value if isinstance(text := decode(item), str) and not is_object_repr(text)]
        plain = [_embedded_text(item) for item in value if isinstance(item, dict) and "role" not in item]
        if len(plain) == len(value) and all(plain):
            return plain
        return [message.content for message in messages_in(value, "input")]
    if isinstance(value, dict):
        arguments = call_arguments(value)
        if arguments is not value:
            return embedded(arguments)
        held = first_of(value, ("texts", "text", "input", "inputs", "query", "documents", "content", "value", "values"))
        return embedded(held) if held is not None else []
    return []


def _embedded_text(item: Mapping[str, object]) -> str:
    inner = item.get("embedding")
    holder = inner if isinstance(inner, dict) else item
    text = first_of(holder, ("text", "content", "page_content", "input"))
    return text if isinstance(text, str) else ""


def is_said(text: str) -> bool:
    """Whether a bare text can be something that was said, rather than an object or a structure."""
    return bool(text) and not is_object_repr(text) and text.strip() != ""
