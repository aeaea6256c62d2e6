"""Requests for tests, byte by byte: what no message class would write."""

from __future__ import annotations

from collections.abc import Callable

from otlp_building import SPAN_ID, START_NS, TRACE_ID, any_value

from storage.otlp.errors import Malformed, TooLarge
from storage.otlp.native import varint
from storage.otlp.reference import Translated

VARINT, FIXED64, DELIMITED, GROUP, GROUP_END, FIXED32 = range(6)


def tag(number: int, wire: int) -> bytes:
    """Field number and wire type."""
    return varint(number << 3 | wire)


def put(number: int, *parts: bytes) -> bytes:
    """A length-delimited field."""
    content = b"".join(parts)
    return tag(number, DELIMITED) + varint(len(content)) + content


def integer(number: int, value: int) -> bytes:
    """A varint field."""
    return tag(number, VARINT) + varint(value % (1 << 64))


def fixed64(number: int, value: int) -> bytes:
    """A fixed64 field."""
    return tag(number, FIXED64) + value.to_bytes(8, "little")


def pair(value: bytes, key: bytes = b"key") -> bytes:
    """A KeyValue around the bytes of an AnyValue."""
    return put(1, key) + put(2, value)


def padded(number: int, width: int) -> bytes:
    """A varint of `width` bytes, longer than it need be where the number is small."""
    return bytes(number >> 7 * place & 127 | (128 if place < width - 1 else 0) for place in range(width))


def nested(levels: int, inner: bytes = b"") -> bytes:
    """An AnyValue of lists in lists."""
    for _ in range(levels):
        inner = put(5, put(1, inner))
    return inner


def groups(levels: int) -> bytes:
    """Unknown groups in each other."""
    return tag(15, GROUP) * levels + tag(15, GROUP_END) * levels


HEAD = put(1, TRACE_ID) + put(2, SPAN_ID) + fixed64(7, START_NS)
SHOP = put(1, pair(put(1, b"shop"), b"service.name"))
SCOPE = put(1, b"scope") + put(2, b"1.0")


def traces(*spans: bytes, resource: bytes = put(1, SHOP), scope: bytes = put(1, SCOPE)) -> bytes:
    """A request around the bytes of spans."""
    return put(1, resource, put(2, scope, *[put(2, span) for span in spans]))


def logs(*records: bytes, resource: bytes = put(1, SHOP), scope: bytes = put(1, SCOPE)) -> bytes:
    """A request around the bytes of records: the same fields enclose them as enclose spans."""
    return traces(*records, resource=resource, scope=scope)


def sent(value: object) -> bytes:
    """An AnyValue as SDKs encode it."""
    return bytes(any_value(value).SerializeToString())


def outcome(translate: Callable[[bytes], Translated], body: bytes) -> object:
    """What it returns or raises, comparable."""
    try:
        return translate(body)
    except (Malformed, TooLarge) as error:
        return type(error), str(error)
