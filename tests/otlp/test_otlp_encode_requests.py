"""The encoder against the reference on requests made by hand: split, reordered, repeated, cut, refused, unknown."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from otlp_building import SPAN_ID, START_NS, TRACE_ID
from otlp_wire_building import (
    FIXED32,
    HEAD,
    SCOPE,
    SHOP,
    fixed64,
    groups,
    integer,
    logs,
    nested,
    outcome,
    pair,
    put,
    sent,
    tag,
    traces,
)

from storage.otlp.encode import Encoder
from storage.otlp.errors import TooLarge
from storage.otlp.reference import (
    EVENT_TIME_LIMIT_NS,
    MAX_EXPANDED_BYTES,
    ROW_BYTES,
    TIME_LIMIT_NS,
    Translated,
    translate_logs,
    translate_traces,
)


def test_the_builders_of_these_tests_build_what_they_say() -> None:
    """A case that is refused by accident compares nothing."""
    body = traces(HEAD + put(9, pair(put(1, b"value"))))
    assert (translate_traces(body).rows, translate_logs(logs(put(9, TRACE_ID))).rows) == (1, 1)


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
