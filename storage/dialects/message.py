"""One chat message, whatever vocabulary its sender wrote it in: OpenAI, Anthropic, Gemini, Bedrock, LangChain, …"""

from __future__ import annotations

import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from storage.dialects.media import Attached, attached
from storage.dialects.values import decode, decode_json, encode

ROLES: Final[Mapping[str, str]] = {
    "user": "user", "human": "user", "humanmessage": "user", "humanmessagechunk": "user", "customer": "user",
    "assistant": "assistant", "ai": "assistant", "model": "assistant", "aimessage": "assistant", "bot": "assistant",
    "aimessagechunk": "assistant", "chatbot": "assistant", "agent": "assistant", "assistantmessage": "assistant",
    "usermessage": "user", "systemmessage": "system", "systemmessagechunk": "system", "toolmessage": "tool",
    "toolmessagechunk": "tool", "functionmessage": "tool", "functionexecutionresultmessage": "tool",
    "system": "system", "developer": "system", "tool": "tool", "function": "tool", "tool_result": "tool",
    "toolresult": "tool", "ipython": "tool",
    "gen_ai.system.message": "system", "gen_ai.user.message": "user", "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool", "gen_ai.choice": "assistant", "gen_ai.assistant.reasoning": "assistant",
}  # fmt: skip
"""Lower-case spelling of a role, a message class or an event name -> role."""
SPOKEN_ROLES: Final[Mapping[str, str]] = {
    **ROLES, "tool-response": "tool", "tool_response": "tool", "tool-call": "assistant", "tool_call": "assistant",
}  # fmt: skip
"""The same for the text under `role`; as the type of an object some of these name a part of a message."""

_CALL_TYPES: Final = frozenset({
    "tool_call", "tool_use", "tool-call", "function_call", "toolcall", "server_tool_use", "server_tool_call",
    "mcp_call", "custom_tool_call", "functioncall", "builtin-tool-call", "dynamic-tool", "mcp_tool_use",
})  # fmt: skip
_RESULT_TYPES: Final = frozenset({
    "tool_call_response", "tool_result", "tool-result", "function_call_output", "tool-return", "function_response",
    "custom_tool_call_output", "toolresult", "tool_call_result", "server_tool_call_response", "builtin-tool-return",
    "functionresult", "mcp_tool_result", "retry-prompt", "web_search_tool_result", "tool_message",
})  # fmt: skip
_REASONING_TYPES: Final = frozenset({"reasoning", "thinking", "thought", "reasoning_text", "summary_text"})
_MEDIA_TYPES: Final = frozenset({
    "blob", "uri", "file", "image", "image_url", "input_image", "audio", "input_audio", "input_file", "document",
    "video", "image-url", "audio-url", "document-url", "video-url", "binary", "media", "output_image", "video_url",
})  # fmt: skip
_WITHHELD_CALLS: Final = ("toolUse", "functionCall", "function_call", "tool_call", "toolCall", "toolRequest")
_WITHHELD_RESULTS: Final = (
    "toolResult",
    "functionResponse",
    "function_response",
    "tool_call_result",
    "tool_result",
    "toolResponse",
)
_MEDIA_KEYS: Final = (
    "inline_data",
    "inlineData",
    "file_data",
    "fileData",
    "image_url",
    "image",
    "source",
    "input_audio",
    "file",
)
_ID_KEYS: Final = (
    "call_id", "tool_call_id", "toolCallId", "tool_use_id", "toolUseId", "callId", "id", "ref",
)  # fmt: skip
_NAME_KEYS: Final = ("name", "tool_name", "toolName")
_ARGUMENT_KEYS: Final = ("arguments", "args", "input", "parameters", "kwargs")
_RESULT_KEYS: Final = ("response", "result", "output", "content", "value", "return_value")
_MAX_PART_DEPTH: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A call that a model asked for.  `arguments` is a decoded JSON value where it parses, else text."""

    id: str = ""
    name: str = ""
    arguments: object = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message.  `role` is `system`, `user`, `assistant` or `tool`; `media` holds mime types of what is not text,
    `attached` these things themselves, as far as they were sent.
    """

    role: str
    content: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""
    name: str = ""
    media: tuple[str, ...] = ()
    attached: tuple[Attached, ...] = field(default=(), compare=False, repr=False)
    reasoning: str = ""
    finish_reason: str = ""

    @property
    def says_something(self) -> bool:
        """Whether anything but the role was sent.  An empty tool result is something: the tool returned nothing."""
        return bool(
            self.content
            or self.tool_calls
            or self.media
            or self.reasoning
            or (self.role == "tool" and self.tool_call_id)
        )


@dataclass(slots=True)
class Parts:
    """What the parts of one message add up to."""

    texts: list[str] = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)
    calls: list[ToolCall] = field(default_factory=list)
    results: list[Message] = field(default_factory=list)
    media: list[str] = field(default_factory=list)
    attached: list[Attached] = field(default_factory=list)

    def add(self, part: object, depth: int = 0) -> None:
        """Read one part: a text, or an object in any vendor's vocabulary.  What is not known adds nothing."""
        if isinstance(part, str):
            if part:
                self.texts.append(part)
        elif isinstance(part, list) and depth < _MAX_PART_DEPTH:
            for item in part:
                self.add(item, depth + 1)
        elif isinstance(part, dict) and depth < _MAX_PART_DEPTH:
            self._add_object(part, depth)

    def _add_object(self, part: Mapping[str, object], depth: int) -> None:
        wrapped = part.get("message_content")
        if isinstance(wrapped, dict):
            part = {**part, **wrapped}
        kind = _kind(part)
        if kind == "text" and isinstance(text := part.get("content", part.get("text")), str):
            if text:
                (self.reasoning if part.get("thought") is True else self.texts).append(text)
        elif kind in _CALL_TYPES:
            nested = part.get("tool_call")
            self._add_call(nested if isinstance(nested, dict) else part)
        elif kind in _RESULT_TYPES:
            self._add_result(part)
        elif kind in _REASONING_TYPES or part.get("thought") is True:
            self._add_reasoning(part)
        elif kind in _MEDIA_TYPES:
            self._add_media(part)
        elif not self._add_keyed(part):
            text = first_of(part, ("text", "content", "refusal", "prompt", "completion"))
            if isinstance(text, dict):
                text = first_of(text, ("value", "text"))
            if isinstance(text, (str, list)):
                self.add(text, depth + 1)

    def _add_keyed(self, part: Mapping[str, object]) -> bool:
        """Parts without a type that are told by their only key, as Bedrock, Gemini and Haystack write them."""
        for key in _WITHHELD_CALLS:
            if isinstance(call := part.get(key), dict):
                self._add_call(call)
                return True
        for key in _WITHHELD_RESULTS:
            if isinstance(result := part.get(key), dict):
                self._add_result(result)
                return True
        if isinstance(reasoning := part.get("reasoningContent", part.get("reasoning")), (dict, str)):
            self._add_reasoning({"text": reasoning} if isinstance(reasoning, str) else reasoning)
            return True
        if not isinstance(part.get("text"), str) and any(isinstance(part.get(key), (dict, str)) for key in _MEDIA_KEYS):
            self._add_media(part)
            return True
        return False

    def _add_media(self, part: Mapping[str, object]) -> None:
        self.media.append(_mime_type(part))
        self.attached.append(attached(part, self.media[-1]))

    def _add_call(self, call: Mapping[str, object]) -> None:
        if (read := tool_call(call)) is not None:
            self.calls.append(read)

    def _add_result(self, result: Mapping[str, object]) -> None:
        origin = result.get("origin")
        if isinstance(origin, dict):
            result = {**origin, **result}
        body = first_of(result, _RESULT_KEYS)
        self.results.append(
            Message(
                role="tool",
                content=result_text(body),
                tool_call_id=identifier(result),
                name=text_at(result, _NAME_KEYS),
            )
        )

    def _add_reasoning(self, part: Mapping[str, object]) -> None:
        found = first_of(
            part, ("content", "text", "thinking", "reasoning", "reasoning_text", "reasoningText", "summary")
        )
        if isinstance(found, dict):
            found = found.get("text")
        if isinstance(found, list):
            found = "\n".join(text for item in found if (text := _reasoning_line(item)))
        if isinstance(found, str) and found:
            self.reasoning.append(found)


def tool_call(value: Mapping[str, object]) -> ToolCall | None:
    """A tool call in any vendor's vocabulary; None when it has no name."""
    nested = value.get("tool_call")
    if isinstance(nested, dict):
        value = nested
    function = value.get("function")
    inner = function if isinstance(function, dict) else value
    name = text_at(inner, _NAME_KEYS)
    if not name:
        return None
    arguments = first_of(inner, _ARGUMENT_KEYS)
    if isinstance(arguments, str):
        arguments = decode_json(arguments)
    return ToolCall(id=identifier(value), name=name, arguments=arguments)


def result_text(body: object) -> str:
    """What a tool returned, as text: the text of content blocks, else JSON."""
    if body is None:
        return ""
    if isinstance(body, str):
        return body
    if isinstance(body, list) and body:
        blocks = [_block_text(item) for item in body]
        if all(block is not None for block in blocks):
            return "\n".join(block for block in blocks if block)
    if isinstance(body, dict):
        if body.get("type") in ("text", "json", "error-text") and "value" in body:
            return encode(body["value"])
        block = _block_text(body) if body.get("type") == "text" else None
        if block is not None:
            return block
    return encode(body)


def identifier(value: Mapping[str, object]) -> str:
    """Id of a tool call, by which its result names it."""
    return text_at(value, _ID_KEYS)


def text_at(value: Mapping[str, object], keys: tuple[str, ...]) -> str:
    """First text that is not empty under one of `keys`; '' when there is none."""
    for key in keys:
        found = value.get(key)
        if isinstance(found, str) and found:
            return found
    return ""


def first_of(value: Mapping[str, object], keys: tuple[str, ...]) -> object:
    """First value that is not None under one of `keys`."""
    for key in keys:
        if (found := value.get(key)) is not None:
            return found
    return None


def looks_like_parts(value: object) -> bool:
    """Whether a list is made of content parts rather than of messages."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(
            isinstance(item, dict)
            and "role" not in item
            and (
                _kind(item) in ("text", "input_text", "output_text")
                or _kind(item) in _CALL_TYPES | _RESULT_TYPES | _REASONING_TYPES | _MEDIA_TYPES
                or (len(item) <= 2 and isinstance(item.get("text"), str))
                or any(isinstance(item.get(key), dict) for key in _WITHHELD_CALLS + _WITHHELD_RESULTS)
            )
            for item in value[:20]
        )
    )


def content_of(value: object) -> object:
    """Content that is a JSON list of parts in a string, decoded; else as it is."""
    if isinstance(value, str) and value[:2] in ("[{", "[ "):
        decoded = decode(value)
        if looks_like_parts(decoded):
            return decoded
    return value


def _kind(part: Mapping[str, object]) -> str:
    kind = part.get("type") or part.get("part_kind") or part.get("block_type") or part.get("$type")
    return kind.lower() if isinstance(kind, str) else ""


def _block_text(block: object) -> str | None:
    """Text of one content block; None when the object is no content block."""
    if not isinstance(block, dict):
        return None
    if _kind(block) in ("text", "input_text", "output_text") or set(block) == {"text"}:
        text = block.get("text", block.get("content"))
        return text if isinstance(text, str) else None
    return encode(block["json"]) if set(block) == {"json"} else None


def _reasoning_line(item: object) -> str:
    if isinstance(item, str):
        return item
    return text_at(item, ("text", "content")) if isinstance(item, dict) else ""


def _mime_type(part: Mapping[str, object]) -> str:
    """Mime type of a part, as far as it was sent: declared, of a data URL, of a file name; else its modality."""
    for key in ("mime_type", "media_type", "mimeType", "mediaType"):
        if isinstance(mime := part.get(key), str) and mime:
            return mime
    for key in (*_MEDIA_KEYS, "url", "uri", "file_url", "data", "content", "input_image"):
        nested = part.get(key)
        if isinstance(nested, dict):
            if found := _mime_type(nested):
                return found
        elif isinstance(nested, str):
            if nested.startswith("data:"):
                return nested[5:100].split(";")[0].split(",")[0]
            if len(nested) < 2048 and (guessed := mimetypes.guess_type(nested)[0]):
                return guessed
    kind = _kind(part).removeprefix("input_").removeprefix("output_").removesuffix("_url").removesuffix("-url")
    return str(part.get("modality") or kind or "")
