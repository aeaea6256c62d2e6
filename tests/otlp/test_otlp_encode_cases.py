"""The encoder against the reference on bytes made by hand: what no SDK sends, and what every SDK sends at its edges."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable

import pytest
from otlp_building import SPAN_ID, START_NS, TRACE_ID, any_value

from storage.otlp.encode import Encoder
from storage.otlp.errors import Malformed, TooLarge
from storage.otlp.native import varint
from storage.otlp.reference import (
    EVENT_TIME_LIMIT_NS,
    MAX_EXPANDED_BYTES,
    ROW_BYTES,
    TIME_LIMIT_NS,
    Translated,
    translate_logs,
    translate_traces,
)

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


def outcome(translate: Callable[[bytes], Translated], body: bytes) -> object:
    """What it returns or raises, comparable."""
    try:
        return translate(body)
    except (Malformed, TooLarge) as error:
        return type(error), str(error)


def test_the_builders_of_these_tests_build_what_they_say() -> None:
    """A case that is refused by accident compares nothing."""
    body = traces(HEAD + put(9, pair(put(1, b"value"))))
    assert (translate_traces(body).rows, translate_logs(logs(put(9, TRACE_ID))).rows) == (1, 1)


def sent(value: object) -> bytes:
    """An AnyValue as SDKs encode it."""
    return bytes(any_value(value).SerializeToString())


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


EVENT = put(11, fixed64(1, START_NS), put(2, b"e"), put(3, pair(put(1, b"v"))))
LINK = put(13, put(1, TRACE_ID), put(2, SPAN_ID), put(3, b"a=b"), put(4, pair(put(1, b"v"))))
ATTRIBUTE = put(9, pair(put(1, b"v")))
WHOLE = (
    HEAD + put(3, b"a=b") + put(4, SPAN_ID) + put(5, b"name") + integer(6, 3) + fixed64(8, START_NS + 5) + ATTRIBUTE
    + integer(10, 1) + EVENT + LINK + put(15, put(2, b"boom"), integer(3, 2)) + tag(16, FIXED32) + bytes(4)
)  # fmt: skip
UNKNOWN = integer(99, 1) + put(98, b"zz") + fixed64(97, 1) + tag(96, FIXED32) + bytes(4) + groups(3)
SPANS = {
    "whole": traces(WHOLE, HEAD, WHOLE),
    "fields in reverse": traces(put(15, integer(3, 1)) + LINK + EVENT + ATTRIBUTE + integer(6, 2) + HEAD),
    "attributes between others": traces(ATTRIBUTE + HEAD + ATTRIBUTE + EVENT + ATTRIBUTE + EVENT),
    "fields twice": traces(WHOLE + WHOLE),
    "status in two pieces": traces(HEAD + put(15, put(2, b"boom")) + put(15, integer(3, 2))),
    "status again, empty": traces(HEAD + put(15, put(2, b"boom"), integer(3, 2)) + put(15)),
    "status cut across pieces": traces(HEAD + put(15, b"\x12\x04bo") + put(15, b"om\x18\x02")),
    "empty status": traces(HEAD + put(15)),
    "damaged status": traces(HEAD + put(15, b"\x12\x04bo")),
    "unknown fields everywhere": put(
        1, UNKNOWN, put(1, SHOP, UNKNOWN), put(2, UNKNOWN, put(1, SCOPE, UNKNOWN), put(2, WHOLE, UNKNOWN))
    ) + UNKNOWN,
    "resource in two pieces": put(1, put(1, SHOP), put(1, put(1, pair(put(1, b"v")))), put(2, put(2, HEAD))),
    "resource cut across pieces": put(1, put(1, SHOP[:9]), put(1, SHOP[9:]), put(2, put(2, HEAD))),
    "resource behind its spans": put(1, put(2, put(2, HEAD)), put(1, SHOP)),
    "resource with a damaged entity": traces(HEAD, resource=put(1, SHOP, put(3, b"\x0a\x05v"))),
    "no resource and no scope": traces(HEAD, resource=b"", scope=b""),
    "empty resource and scope": traces(HEAD, resource=put(1), scope=put(1)),
    "scope in two pieces": traces(HEAD, scope=put(1, put(1, b"one")) + put(1, put(2, b"2.0"))),
    "scope behind its spans": put(1, put(1, SHOP), put(2, put(2, HEAD), put(1, SCOPE))),
    "no request": b"",
    "a resource without spans": traces(),
    "empty spans": traces(b"", b""),
    "several resources and scopes": b"".join(
        put(1, put(1, put(1, pair(put(1, name), b"service.name")), *more), put(2, put(1, put(1, name)), put(2, WHOLE)),
            put(2, put(1, SCOPE)), put(2, put(2, HEAD), put(2, HEAD)))
        for name, more in ((b"a", ()), (b"b", (SHOP, put(1, pair(sent(5))))), (b"a", (SHOP,)))
    ) + put(1) + put(1, put(1, put(1, pair(put(1, b"unused"), b"unused")))),
    "the same span twice": traces(WHOLE, WHOLE),
    "equal keys": traces(HEAD + ATTRIBUTE + put(9, pair(sent(2))) + ATTRIBUTE),
    "bytes that are not UTF-8": traces(HEAD + put(3, b"\xff") + put(5, b"\xff") + put(15, put(2, b"\xff"))),
    "zero and missing ids": traces(HEAD + put(4, SPAN_ID), HEAD + put(4, bytes(8)), HEAD, put(1, bytes(16)), put(2)),
    "ids of zeros but for one": traces(put(1, bytes(15) + b"\1") + put(2, b"\1" + bytes(7)), put(2, bytes(7) + b"\1")),
    "ids with the bytes of separators": traces(put(1, b" " * 16) + put(2, b"\x10" * 8), put(1, b"\0" * 8 + b" " * 8)),
    **{f"{what} of {size} bytes": traces(WHOLE, HEAD + put(number, b"\1" * size))
       for what, number in (("trace id", 1), ("span id", 2), ("parent id", 4)) for size in (1, 8, 15, 16, 17, 32)},
    "ids wrong by turns": traces(put(1, b"\1" * 15) + put(2, SPAN_ID), put(1, b"\1" * 17), HEAD),
    "link with a short id": traces(HEAD + put(13, put(1, b"\1" * 5)), WHOLE),
    "link with zero and missing ids": traces(HEAD + put(13, put(2, bytes(8))) + put(13) + LINK),
    "kinds and codes": traces(*[HEAD + integer(6, n) + put(15, integer(3, n)) for n in (0, 1, 2, 3, 4, 5, 6, 77, -1)]),
    "no time, no end, end before start": traces(b"", HEAD, HEAD + fixed64(8, START_NS - 1), fixed64(8, 1 << 63)),
    "start at the limit": traces(fixed64(7, TIME_LIMIT_NS - 1), fixed64(7, TIME_LIMIT_NS), fixed64(7, (1 << 64) - 1)),
    "event at the limit": traces(HEAD + put(11, fixed64(1, EVENT_TIME_LIMIT_NS - 1))),
    "event beyond the limit": traces(HEAD, HEAD + put(11, fixed64(1, EVENT_TIME_LIMIT_NS))),
    "several reasons": traces(fixed64(7, 1 << 63), put(1, b"x"), HEAD + put(13, put(2, b"x"))),
    "span as varint": put(1, put(2, integer(2, 1))),
    "name as varint": traces(HEAD + integer(5, 1)),
    "start as varint": traces(integer(7, 1)),
}  # fmt: skip


@pytest.mark.parametrize("name", SPANS)
def test_a_request_of_spans_gives_the_same_block_or_the_same_refusal(name: str) -> None:
    """Split, reordered, repeated, unknown, refused: counts and reasons too."""
    assert outcome(Encoder().encode_traces, SPANS[name]) == outcome(translate_traces, SPANS[name])


URLS = (put(3, b"https://resource"), put(3, b"https://scope"))
RECORD = (
    fixed64(1, START_NS) + integer(2, 9) + put(3, b"INFO") + put(5, put(1, b"hello")) + put(6, pair(sent(1)))
    + tag(8, FIXED32) + b"\1\1\0\0" + put(9, TRACE_ID) + put(10, SPAN_ID) + fixed64(11, START_NS + 1) + put(12, b"e")
)  # fmt: skip
RECORDS = {
    "whole": put(1, put(1, SHOP), URLS[0], put(2, put(1, SCOPE, put(3, pair(sent(7)))), put(2, RECORD), URLS[1])),
    "observed time only": logs(fixed64(11, START_NS), b""),
    "time at the limit": logs(fixed64(1, TIME_LIMIT_NS - 1), fixed64(1, TIME_LIMIT_NS), fixed64(11, TIME_LIMIT_NS)),
    "short ids": logs(RECORD, put(9, b"\1"), put(10, b"\1" * 9)),
    "zero and missing ids": logs(RECORD, put(9, bytes(16)) + put(10, bytes(8)), b""),
    "body in two pieces": logs(put(5, put(1, b"old")) + put(5, put(1, b"new"))),
    "lists of a body in two pieces": logs(put(5, nested(2)) + put(5, nested(1))),
    "body cut across pieces": logs(put(5, b"\x0a\x05he") + put(5, b"llo")),
    "damaged body": logs(put(5, b"\x0a\x05he")),
    **{f"body of {size}": logs(put(5, put(1, b"x" * size))) for size in (0, 1, 125, 126, 127, 128, 129, 500, 20_000)},
    **{f"body of {levels} lists": logs(put(5, nested(levels))) for levels in (30, 45, 46, 47, 48, 49, 50, 60)},
    "body length in two bytes": logs(put(5, b"\x0a\x81\x00v")),
    "two strings in a body": logs(put(5, put(1, b"old") + put(1, b"new"))),
    "two oneof fields in a body": logs(put(5, put(1, b"old") + integer(3, 5)), put(5, integer(3, 5) + put(1, b"old"))),
    "unknown field in a body": logs(put(5, put(1, b"text") + put(99, b"zz"))),
    "bodies of every kind": logs(
        *[put(5, sent(value)) for value in (None, "", "é", 0, -1, 1.5, True, b"\xff", ["x"], {"k": [None]})]
    ),
    "body that is not UTF-8": logs(put(5, put(1, b"\xff"))),
    "severities beyond a byte": logs(*[integer(2, number) + put(3, b"S") for number in (-1, 0, 24, 256, 999)]),
    "several resources and scopes": b"".join(
        put(1, put(1, put(1, pair(put(1, name), b"service.name"))), URLS[number % 2],
            put(2, put(1, put(1, name), put(3, pair(put(1, name)))), put(2, RECORD), put(2, RECORD), URLS[1]),
            put(2, put(1, SCOPE)), put(2, put(2, RECORD)))
        for number, name in enumerate((b"a", b"b", b"a"))
    ),
    "unknown fields": logs(RECORD + UNKNOWN, resource=put(1, SHOP, UNKNOWN), scope=put(1, SCOPE, UNKNOWN)),
    "resource in two pieces": logs(RECORD, resource=put(1, SHOP) + put(1, SHOP)),
    "no request": b"",
    "no records": logs(),
    "fields twice": logs(RECORD + RECORD),
}  # fmt: skip


@pytest.mark.parametrize("name", RECORDS)
def test_a_request_of_logs_gives_the_same_block_or_the_same_refusal(name: str) -> None:
    """As for spans."""
    assert outcome(Encoder().encode_logs, RECORDS[name]) == outcome(translate_logs, RECORDS[name])


@pytest.mark.parametrize(
    ("encode", "reference", "body"),
    [
        (Encoder.encode_traces, translate_traces, traces(WHOLE, HEAD)),
        (Encoder.encode_logs, translate_logs, RECORDS["whole"]),
    ],
    ids=["traces", "logs"],
)
def test_a_request_cut_anywhere_has_the_same_outcome(
    encode: Callable[[Encoder, bytes], Translated], reference: Callable[[bytes], Translated], body: bytes
) -> None:
    """Every prefix of a whole request, and every request without one of its bytes."""
    encoder = Encoder()

    def fast(raw: bytes) -> Translated:
        return encode(encoder, raw)

    cuts = [body[:place] for place in range(len(body))] + [body[:n] + body[n + 1 :] for n in range(len(body))]
    assert [outcome(fast, cut) for cut in cuts] == [outcome(reference, cut) for cut in cuts]


def test_rows_that_would_fill_the_memory_are_refused_as_by_the_reference() -> None:
    """300 KB of OTLP that would be 10 GB of rows; for logs by the scope's attributes too."""
    large = pair(put(1, b"x" * 100_000))
    body = traces(*[b""] * 100_000, resource=put(1, put(1, large)))
    log_body = logs(*[b""] * 100_000, scope=put(1, put(3, large)))
    expected = outcome(translate_traces, body)
    assert (outcome(Encoder().encode_traces, body), outcome(Encoder().encode_logs, log_body)) == (expected, expected)


@pytest.mark.soak
def test_the_last_row_that_fits_is_accepted_and_the_next_is_not() -> None:
    """Both sides of the limit, because the encoder adds up on its own: rows without content of 512 bytes each."""
    rows = MAX_EXPANDED_BYTES // ROW_BYTES
    found = [outcome(Encoder().encode_traces, traces(*[b""] * n, resource=b"", scope=b"")) for n in (rows, rows + 1)]
    assert [item.rows if isinstance(item, Translated) else item for item in found] == [
        rows,
        outcome(translate_traces, traces(*[b""] * (rows + 1), resource=b"", scope=b"")),
    ]


def test_millions_of_empty_messages_are_refused_before_they_are_parsed() -> None:
    """Also where a frame would not see them: within the attributes of one span."""
    body = traces(put(9, pair(put(5, b"\x0a\x00" * 4_000_001))))
    with pytest.raises(TooLarge, match="more than 4000000 messages"):
        Encoder().encode_traces(body)
