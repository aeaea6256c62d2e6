"""The encoder against the reference on attributes made by hand: each kind of value at its edges, each odd encoding."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable

import pytest
from otlp_building import START_NS, TRACE_ID
from otlp_wire_building import (
    GROUP_END,
    HEAD,
    SCOPE,
    SHOP,
    fixed64,
    groups,
    integer,
    logs,
    nested,
    outcome,
    padded,
    pair,
    put,
    sent,
    tag,
    traces,
)

from storage.otlp.encode import Encoder
from storage.otlp.reference import translate_logs, translate_traces

LENGTHS = (0, 1, 2, 3, 123, 124, 125, 126, 127, 128, 129, 130, 507, 512, 16_376, 16_377, 16_378, 16_379, 16_380, 16_381)
LONG_LENGTHS = (16_382, 16_383, 16_384, 16_385, 70_000, 2_097_143, 2_097_147, 2_097_148, 2_097_151, 2_097_152)
INTEGERS = tuple(1 << bits for bits in range(0, 64, 7))
PLAIN = {
    **{f"text of {size}": pair(put(1, b"x" * size)) for size in LENGTHS + LONG_LENGTHS},
    **{f"key of {size}": pair(put(1, b"v"), b"k" * size) for size in (0, 1, 125, 126, 127, 128, 129, 300, 17_000)},
    **{f"long key and text, {size}": pair(put(1, b"v" * size), b"k" * 127) for size in (0, 124, 127, 128, 16_380)},
    **{f"integer {n + d}": pair(sent(n + d)) for n in INTEGERS for d in (-1, 0, 1) if n + d < 1 << 63},
    **{f"integer {n}": pair(sent(n)) for n in (-1, -128, -(1 << 31), -(1 << 63), (1 << 63) - 1)},
    **{
        f"double {number!r}": pair(sent(number))
        for number in (
            0.0,
            -0.0,
            0.1,
            1.0,
            1e-6,
            9.9e-7,
            5e-324,
            1e20,
            1e21,
            1.7e308,
            2.0**53,
            -2.5,
            math.nan,
            math.inf,
        )
    },
    "double of another NaN": pair(b"\x21" + struct.pack("<Q", 0xFFF8_0000_0000_0001)),
    "true": pair(sent(True)),
    "false": pair(sent(False)),
    "unset": pair(sent(None)),
    "bytes": pair(sent(b"\x00\xff")),
    "empty bytes": pair(sent(b"")),
    "list": pair(sent(["a", 1, 1.5, True, None, b"x", [], {}])),
    "map": pair(sent({"b": 1, "a": {"é": "\u2028"}})),
    "list with a NaN": pair(sent([math.nan])),
    "long list": pair(sent(["some text of forty bytes or thereabouts"] * 20)),
    "text that is not UTF-8": pair(put(1, b"\xff\x00\xc3")),
    "key that is not UTF-8": pair(put(1, b"v"), b"\xff\x00\xc3"),
    "list that is not UTF-8": pair(put(5, put(1, put(1, b"\xff\x00\xc3")))),
}
ODD = {
    "empty": b"",
    "no value": put(1, b"key"),
    "no key": put(2, put(1, b"value")),
    "value before key": put(2, put(1, b"value")) + put(1, b"key"),
    "two keys": put(1, b"old") + pair(put(1, b"value")),
    "key again behind": pair(put(1, b"value")) + put(1, b"new"),
    "two values": pair(put(1, b"old")) + put(2, put(1, b"new")),
    "two lists, merged": pair(put(5, put(1, put(1, b"a")))) + put(2, put(5, put(1, put(1, b"b")))),
    "two oneof fields": pair(put(1, b"text") + integer(3, 5)),
    "two strings in a value": pair(put(1, b"old") + put(1, b"new")),
    "integer, then nothing new": pair(integer(3, 5) + integer(99, 1)),
    "unknown field before": integer(99, 1) + pair(put(1, b"v")),
    "unknown field behind": pair(put(1, b"v")) + put(99, b"zz"),
    "unknown field in the value": pair(put(99, b"zz") + put(1, b"v")),
    "unknown kind of value": pair(put(8, b"zz")),
    "unknown group": pair(put(1, b"v")) + groups(1),
    "group end alone": pair(put(1, b"v")) + tag(1, GROUP_END),
    "field number 0": pair(put(1, b"v")) + b"\x02\x00",
    "key as varint": integer(1, 5) + put(2, put(1, b"v")),
    "value as fixed64": put(1, b"key") + fixed64(2, 7),
    "text as varint": pair(integer(1, 7)),
    "integer as fixed64": pair(fixed64(3, 7)),
    "double as varint": pair(integer(4, 7)),
    "bool of 2": pair(integer(2, 2)),
    "bool of many bytes": pair(b"\x10" + b"\x80" * 9 + b"\x01"),
    "key length in two bytes": b"\x0a\x83\x00key" + put(2, put(1, b"v")),
    "value length in two bytes": put(1, b"key") + b"\x12\x83\x00" + put(1, b"v"),
    "text length in two bytes": put(1, b"key") + put(2, b"\x0a\x81\x00v"),
    "long text, lengths in four bytes": put(1, b"key") + put(2, b"\x0a\xc8\x81\x80\x00", b"x" * 200),
    **{
        f"text of {size}, lengths in {width} bytes": put(1, b"key")
        + (b"\x12" + padded(size + 1 + width, width) + b"\x0a" + padded(size, width) + b"x" * size)
        for width, sizes in ((2, (100, *range(120, 130))), (3, (200, *range(16_374, 16_386))), (4, (2_097_140,)))
        for size in sizes
    },
    "long key that ends as a value begins": put(1, b"k" * 127 + b"\x12")
    + put(2, b"\x10\x01" + put(99, b"12345"))
    + put(98, b"1234"),
    "tag in two bytes": b"\x8a\x00\x03key" + put(2, put(1, b"v")),
    "integer in two bytes for one": pair(b"\x18\x85\x00"),
    "integer in ten bytes for one": pair(b"\x18\x85" + b"\x80" * 8 + b"\x00"),
    "integer of nine bytes, the last zero": pair(b"\x18" + b"\x80" * 8 + b"\x00"),
    "integer beyond 64 bits": pair(b"\x18" + b"\xff" * 9 + b"\x7f"),
    "integer of eleven bytes": pair(b"\x18" + b"\xff" * 10 + b"\x01"),
    "integer without end": pair(b"\x18\xff"),
    "integer without bytes": pair(b"\x18"),
    "integer and one byte more": pair(b"\x18\x05\x05"),
    "double of seven bytes": pair(b"\x21" + bytes(7)),
    "double of nine bytes": pair(b"\x21" + bytes(9)),
    "text longer than its value": put(1, b"key") + put(2, b"\x0a\x05v"),
    "text shorter than its value": put(1, b"key") + put(2, b"\x0a\x01vvv"),
    "value longer than the attribute": put(1, b"key") + b"\x12\x7f" + put(1, b"v"),
    "key longer than the attribute": b"\x0a\x7fkey",
    "key only a tag": b"\x0a",
    "a damaged list": pair(put(5, put(1, b"\x0a\x05v"))),
    **{f"{levels} lists in each other": pair(nested(levels)) for levels in (30, 45, 46, 47, 48, 49, 50, 60)},
    **{f"{levels} lists, then text": pair(nested(levels, put(1, b"v"))) for levels in (44, 45, 46, 47, 48, 49)},
    **{
        f"{levels} groups in each other": pair(put(1, b"v")) + groups(levels) for levels in (60, 93, 94, 95, 96, 97, 99)
    },
}
TRACE_PLACES: dict[str, Callable[[bytes], bytes]] = {
    "span": lambda raw: traces(HEAD + put(9, raw), HEAD),
    "event": lambda raw: traces(HEAD + put(11, put(2, b"e"), put(3, raw))),
    "link": lambda raw: traces(HEAD + put(13, put(1, TRACE_ID), put(4, raw))),
    "resource": lambda raw: traces(HEAD, HEAD, resource=put(1, put(1, raw), SHOP)),
    "service name": lambda raw: traces(HEAD, resource=put(1, put(1, raw.replace(b"key", b"service.name")))),
    "scope": lambda raw: traces(HEAD, scope=put(1, SCOPE, put(3, raw))),
}
LOG_PLACES: dict[str, Callable[[bytes], bytes]] = {
    "log": lambda raw: logs(fixed64(1, START_NS) + put(6, raw)),
    "resource": lambda raw: logs(fixed64(1, START_NS), resource=put(1, put(1, raw), SHOP)),
    "scope": lambda raw: logs(fixed64(1, START_NS), b"", scope=put(1, SCOPE, put(3, raw))),
}


@pytest.mark.parametrize("name", [*PLAIN, *ODD])
def test_an_attribute_gives_the_same_block_wherever_it_stands(name: str) -> None:
    """Every kind of value at its boundaries, and every way to encode it wrongly or unusually."""
    raw = (PLAIN | ODD)[name]
    encoder = Encoder()
    expected = {place: outcome(translate_traces, build(raw)) for place, build in TRACE_PLACES.items()}
    expected_logs = {place: outcome(translate_logs, build(raw)) for place, build in LOG_PLACES.items()}
    for _ in ("not seen before", "remembered"):
        found = {place: outcome(encoder.encode_traces, build(raw)) for place, build in TRACE_PLACES.items()}
        found_logs = {place: outcome(encoder.encode_logs, build(raw)) for place, build in LOG_PLACES.items()}
        assert (found, found_logs) == (expected, expected_logs)


@pytest.mark.parametrize("name", PLAIN)
def test_a_plain_attribute_needs_no_reference(name: str) -> None:
    """What SDKs send must not fall back to the slow path, or the encoder is fast only on paper."""
    encoder = Encoder()
    translated = encoder.encode_traces(TRACE_PLACES["span"](PLAIN[name]))
    assert (translated.rows, encoder.left_to_reference) == (2, 0)
