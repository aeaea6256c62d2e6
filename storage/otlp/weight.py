"""How many messages a request holds, counted before it is parsed.

A parsed empty span takes 90 times its two bytes on the wire, a row even more: 64 KB of gzip can be 64 MB of empty spans
and 6 GB of memory.  The count costs about a microsecond a message, so only bodies are counted that are larger than
gRPC's usual limit of 4 MiB, which hardly any exporter sends.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from storage.otlp.errors import TooLarge

COUNT_FROM_BYTES = 4 << 20
MAX_MESSAGES = 4_000_000
"""Spans, attributes, values, … in one request.  64 MiB of small spans with eight attributes have three millions."""
_MAX_DEPTH = 100


def check_weight(message: Any, body: bytes) -> None:
    """Refuse a body (to be parsed as `message`, a class of `storage.otlp.messages`) with too many messages in it.

    Raises:
        TooLarge: There are more than MAX_MESSAGES.
    """
    if len(body) >= COUNT_FROM_BYTES:
        _count(body, 0, len(body), message.DESCRIPTOR, 0, 0)


@cache
def _children(descriptor: Any) -> dict[int, Any]:
    """Tag (field number and wire type `length-delimited`) -> type of the message in it."""
    return {field.number << 3 | 2: field.message_type for field in descriptor.fields if field.message_type}


def _count(body: bytes, at: int, end: int, descriptor: Any, seen: int, depth: int) -> int:
    """Messages in `body[at:end]` and `seen`; what is no protobuf ends the count: the parser refuses it."""
    children = _children(descriptor)
    while at < end and depth < _MAX_DEPTH:
        tag, at = _varint(body, at, end)
        wire = tag & 7
        if wire == 2:
            size, at = _varint(body, at, end)
            child = children.get(tag)
            if child is not None:
                seen += 1
                if seen > MAX_MESSAGES:
                    raise TooLarge(f"the request holds more than {MAX_MESSAGES} messages; send smaller batches")
                if size:
                    seen = _count(body, at, min(at + size, end), child, seen, depth + 1)
            at += size
        elif wire == 0:
            at = _varint(body, at, end)[1]
        elif wire in (1, 5):
            at += 8 if wire == 1 else 4
        else:
            return seen  # groups are in no OTLP message
    return seen


def _varint(body: bytes, at: int, end: int) -> tuple[int, int]:
    number = shift = 0
    while at < end:
        byte = body[at]
        at += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number, at
        shift += 7
        if shift > 63:
            return 0, end
    return 0, end
