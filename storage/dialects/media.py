"""Images, sounds and files inside messages, as far as they were sent along: an address, or the bytes in base64."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

_HOLDERS: Final = (
    "inline_data", "inlineData", "file_data", "fileData", "image_url", "input_image", "image", "source", "input_audio",
    "file", "message_content",
)  # fmt: skip
_ADDRESSES: Final = ("url", "uri", "file_url", "file_uri", "fileUri")
_BYTES: Final = ("data", "content", "file_data", "bytes")
_MAX_DEPTH: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Attached:
    """One of them.

    Attributes:
        media_type: As `Message.media` has it: a mime type where one is known, else a modality such as `image`.
        url: http(s) address; '' = none was sent.
        data: Base64; '' = not sent.
    """

    media_type: str
    url: str = ""
    data: str = field(default="", repr=False)


def attached(part: Mapping[str, object], media_type: str) -> Attached:
    """What a part of a message holds, in any vendor's vocabulary."""
    url, data = _found(part, 0)
    return Attached(media_type=media_type, url=url, data="" if url else data)


def _found(part: Mapping[str, object], depth: int) -> tuple[str, str]:
    for key in (*_ADDRESSES, *_HOLDERS, *_BYTES):
        value = part.get(key)
        if isinstance(value, Mapping) and depth < _MAX_DEPTH:
            url, data = _found(value, depth + 1)
        elif isinstance(value, str):
            url, data = _text(value, is_bytes=key in _BYTES)
        else:
            continue
        if url or data:
            return url, data
    return "", ""


def _text(value: str, *, is_bytes: bool) -> tuple[str, str]:
    if value.startswith("data:"):
        head, comma, data = value.partition(",")
        return "", data if comma and head.endswith(";base64") else ""
    if value.startswith(("https://", "http://")):
        return value, ""
    return "", value if is_bytes else ""
