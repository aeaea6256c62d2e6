"""Stringification, against values worked out from Go's strconv and encoding/json."""

from __future__ import annotations

import math
from typing import Any

import pytest
from otlp_building import any_value, text_value

from storage.otlp.anyvalue import text
from storage.otlp.messages import AnyValue

CASES: list[tuple[Any, bytes]] = [
    (None, b""),
    ("", b""),
    ("käse", "käse".encode()),
    (True, b"true"),
    (False, b"false"),
    (0, b"0"),
    (-(2**63), b"-9223372036854775808"),
    (2**63 - 1, b"9223372036854775807"),
    (0.0, b"0"),
    (-0.0, b"-0"),
    (1.0, b"1"),
    (0.1, b"0.1"),
    (1e-6, b"0.000001"),
    (9.9e-7, b"9.9e-7"),
    (1e-7, b"1e-7"),
    (1.5e-10, b"1.5e-10"),
    (5e-324, b"5e-324"),
    (1e20, b"100000000000000000000"),
    (1e21, b"1e+21"),
    (1.7976931348623157e308, b"1.7976931348623157e+308"),
    (123456789012345680.0, b"123456789012345680"),
    (math.nan, b"NaN"),
    (math.inf, b"Infinity"),
    (-math.inf, b"-Infinity"),
    (b"", b""),
    (b"\x00\xff", b"AP8="),
    ([], b"[]"),
    ({}, b"{}"),
    (["a", 1, 1.5, True, None, b"", b"x"], b'["a",1,1.5,true,null,null,"eA=="]'),
    ({"b": 1, "a": {"z": [], "é": "x"}}, '{"a":{"z":[],"é":"x"},"b":1}'.encode()),
    (["<>&"], b'["<>&"]'),
    (['"\\\b\f\n\r\t\x00\x1f\x7f'], b'["\\"\\\\\\b\\f\\n\\r\\t\\u0000\\u001f\x7f"]'),
    (["\u2028\u2029"], b'["\\u2028\\u2029"]'),
    ([1e-7, 1e21], b"[1e-7,1e+21]"),
    ([1, math.nan], b""),
    ({"deep": [{"x": -math.inf}]}, b""),
]


@pytest.mark.parametrize(("value", "expected"), CASES, ids=repr)
def test_a_value_becomes_the_text_that_the_collectors_exporter_writes(value: object, expected: bytes) -> None:
    """Dashboards and SQL made for the Collector's tables must find the same strings in ours."""
    assert text(any_value(value)) == expected


def test_bytes_that_are_not_utf8_are_kept_in_strings_and_replaced_in_json() -> None:
    """A String column takes any bytes; JSON text does not, and Go replaces each bad byte."""
    bad = text_value(b"ok \xff\xe2\x82 end")
    array = AnyValue()
    array.array_value.values.add().CopyFrom(bad)
    assert (text(bad), text(array)) == (b"ok \xff\xe2\x82 end", b'["ok \\ufffd\\ufffd\\ufffd end"]')


def test_of_equal_keys_in_a_kvlist_the_last_wins() -> None:
    """Go builds a map from the list before it writes JSON."""
    value = AnyValue()
    for number in (1, 2):
        value.kvlist_value.values.add(key=b"k").value.int_value = number
    assert text(value) == b'{"k":2}'
