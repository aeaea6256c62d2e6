"""The question and the answer of a run, out of whatever its framework wrapped around them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from storage.dialects.message import Message
from storage.dialects.messages import Side, messages_in
from storage.dialects.objects import is_object_repr, message_of_repr, text_of_repr
from storage.dialects.values import decode, encode

_MAX_DEPTH: Final = 8
_TELLING: Final[Mapping[Side, tuple[str, ...]]] = {
    "input": (
        "question", "query", "user_input", "user_message", "user_prompt", "query_str", "user_query", "input_value",
        "input_str", "message", "prompt", "input", "inputs", "user_msg", "text", "task", "topic", "request",
        "content", "search_query", "query_bundle", "new_message", "q",
    ),
    "output": (
        "answer", "final_output", "final_answer", "output", "outputs", "response", "result", "completion", "text",
        "content", "output_text", "message", "generated_text", "reply", "raw", "value", "summary",
    ),
}  # fmt: skip
"""Keys that name the question or the answer among others, most telling first."""
_NOISE: Final = frozenset({
    "tags", "metadata", "config", "callbacks", "run_manager", "run_id", "name", "streaming_callback",
    "generation_kwargs", "tools", "hook_context", "color", "verbose", "stop", "session_id", "thread_id",
})  # fmt: skip
"""Keys that frameworks add beside the arguments of a call."""
_ACTORS: Final = frozenset({"agent", "llm", "lm", "self", "model"})
"""Keys of those who act in a call: alone among what frameworks add, they ask nothing."""


def text_in(value: object, side: Side, depth: int = 0) -> str:
    """What was asked or answered: out of a message list, a call's arguments, an object; '' when there is nothing."""
    if isinstance(value, str):
        decoded = decode(value)
        if isinstance(decoded, str):
            return _said(decoded, side)
        value = decoded
    if depth > _MAX_DEPTH or not value:
        return ""
    if isinstance(value, list):
        return _of_list(value, side, depth)
    if isinstance(value, dict):
        return _of_object(value, side, depth)
    return ""


def last_text(messages: list[Message], side: Side) -> str:
    """The last user text (input) or the last assistant text (output) of a conversation."""
    role = "user" if side == "input" else "assistant"
    return next((message.content for message in reversed(messages) if message.role == role and message.content), "")


def call_arguments(value: object) -> object:
    """Arguments of a call out of `{"args": […], "kwargs": {…}}` and the like; anything else as it is."""
    value = decode(value) if isinstance(value, str) else value
    if not isinstance(value, dict):
        return value
    if value and (set(value) <= {"args", "kwargs"} or {"args", "kwargs"} <= set(value)):
        args, kwargs = value.get("args") or [], value.get("kwargs") or {}
        if kwargs and not args:
            return kwargs
        if isinstance(args, list) and len(args) == 1 and not kwargs:
            return decode(args[0]) if isinstance(args[0], str) else args[0]
        return value if args or kwargs else None
    if isinstance(value.get("inputs"), dict) and set(value) <= _NOISE | {"inputs", "input_str"}:
        return value["inputs"]
    if isinstance(value.get("input_str"), str) and set(value) <= _NOISE | {"inputs", "input_str", "kwargs"}:
        return decode(value["input_str"])
    if set(value) in ({"tool_name", "arguments"}, {"name", "arguments"}):
        return call_arguments(value["arguments"])
    if set(value) == {"tool_input"} or set(value) == {"tool_args"}:
        return call_arguments(next(iter(value.values())))
    return value


def _said(text: str, side: Side) -> str:
    if not is_object_repr(text):
        return text
    return last_text(messages_in(text, side), side) or text_of_repr(text, _TELLING[side])


def _of_list(value: list[object], side: Side, depth: int) -> str:
    messages = messages_in(value, side)
    if text := last_text(messages, side):
        return text
    if len(value) == 1 and not any(message.role != "assistant" or message.tool_calls for message in messages):
        return text_in(value[0], side, depth + 1)
    if all(isinstance(item, (str, int, float, bool)) for item in value):
        return "" if all(isinstance(item, str) and is_object_repr(item) for item in value) else encode(value)
    return ""


def _of_object(value: Mapping[str, object], side: Side, depth: int) -> str:
    if messages := messages_in(value, side):
        return last_text(messages, side)
    if value and (set(value) <= {"args", "kwargs"} or {"args", "kwargs"} <= set(value)):
        return _of_call(value, side, depth)
    told = {key: item for key, item in value.items() if _tells(key, item)}
    if side == "input" and len(told) < len(value) and told.keys() <= _ACTORS:
        return ""
    if len(told) == 1:
        only = next(iter(told.values()))
        verdict = side == "output" and isinstance(only, (bool, int, float))  # `{"passed": true}` is an answer
        if side == "output" and isinstance(value.get("name"), str) and not told.keys() <= set(_TELLING[side]):
            return encode(value)  # `{"name": "Paris", "country": "France"}`: all of it is the answer
        return encode(told) if verdict else text_in(only, side, depth + 1)
    if text := _named(told, side, depth):
        return text
    if told and all(isinstance(item, (str, int, float, bool)) for item in told.values()):
        return encode(told)
    below = {text for item in told.values() if isinstance(item, dict) and (text := _strictly(item, side, depth + 1))}
    return below.pop() if len(below) == 1 else ""


def _tells(key: str, item: object) -> bool:
    if item in (None, "", [], {}) or key in _NOISE:
        return False
    return not (isinstance(item, str) and is_object_repr(item) and message_of_repr(item) is None)


def _named(told: Mapping[str, object], side: Side, depth: int) -> str:
    for key in _TELLING[side]:
        if key in told and (text := text_in(told[key], side, depth + 1)):
            return text
    return ""


def _strictly(value: Mapping[str, object], side: Side, depth: int) -> str:
    """Text of one component's part of a pipeline: of a message list or under a key that says so, nothing else."""
    if depth > _MAX_DEPTH:
        return ""
    if messages := messages_in(value, side):
        return last_text(messages, side)
    return _named({key: item for key, item in value.items() if _tells(key, item)}, side, depth)


def _of_call(value: Mapping[str, object], side: Side, depth: int) -> str:
    args, kwargs = value.get("args") or [], value.get("kwargs") or {}
    positional = args if isinstance(args, list) else [args]
    if len(positional) == 1 and not kwargs:
        return text_in(positional[0], side, depth + 1)
    if kwargs and not positional:
        return text_in(kwargs, side, depth + 1)
    texts = [item for item in positional if isinstance(item, str) and not is_object_repr(item)]
    return texts[0] if len(texts) == 1 else encode(value) if positional or kwargs else ""
