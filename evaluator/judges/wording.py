"""A question as the OpenAI wire writes it, which litellm takes too: messages, media, and how the schema is held to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evaluator.judges.plain import instruction
from evaluator.judges.port import Media, MediaNotTaken, Mode, Question

TOOL_NAME = "verdict"
_AUDIO_FORMATS: Mapping[str, str] = {
    "audio/wav": "wav", "audio/x-wav": "wav", "audio/wave": "wav", "audio/mpeg": "mp3", "audio/mp3": "mp3",
}  # fmt: skip


def messages(question: Question, mode: Mode) -> list[dict[str, Any]]:
    """The messages of a question, earlier answers and what was wrong with them last.

    Raises:
        MediaNotTaken: There is no way to send one of its media.
    """
    system = question.system + instruction(question.schema) if mode is Mode.WORDS else question.system
    content: str | list[dict[str, Any]] = question.user
    if question.media:
        content = [{"type": "text", "text": question.user}, *map(_part, question.media)]
    written: list[dict[str, Any]] = [{"role": "system", "content": system}, {"role": "user", "content": content}]
    for answer, complaint in question.earlier:
        written.append({"role": "assistant", "content": answer})
        written.append({"role": "user", "content": complaint})
    return written


def held_to(schema: Mapping[str, object], mode: Mode) -> dict[str, Any]:
    """The fields of a request that hold the model to a schema."""
    match mode:
        case Mode.SCHEMA:
            return {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": TOOL_NAME, "strict": True, "schema": dict(schema)},
                }
            }
        case Mode.TOOL:
            function = {"name": TOOL_NAME, "description": "Gives the verdict.", "parameters": dict(schema)}
            return {
                "tools": [{"type": "function", "function": function}],
                "tool_choice": {"type": "function", "function": {"name": TOOL_NAME}},
            }
        case Mode.WORDS:
            return {}


def _part(media: Media) -> dict[str, Any]:
    place = media.url or f"data:{media.media_type};base64,{media.data}"
    if media.media_type.startswith("image/"):
        return {"type": "image_url", "image_url": {"url": place}}
    if media.url:
        raise MediaNotTaken(f"{media.media_type} can be sent as data only, not as an address")
    if media.media_type.startswith("audio/"):
        if (form := _AUDIO_FORMATS.get(media.media_type)) is None:
            raise MediaNotTaken(f"{media.media_type} cannot be sent; {', '.join(sorted(_AUDIO_FORMATS))} can")
        return {"type": "input_audio", "input_audio": {"data": media.data, "format": form}}
    return {"type": "file", "file": {"filename": media.name or "file", "file_data": place}}
