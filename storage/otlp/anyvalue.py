"""AnyValue -> String, byte for byte as the Collector's clickhouseexporter does (pdata `Value.AsString`).

| value            | text                                                                                            |
|------------------|-------------------------------------------------------------------------------------------------|
| string           | as it is, also where it is not UTF-8                                                            |
| int              | decimal                                                                                         |
| bool             | `true` / `false`                                                                                |
| double           | shortest digits that read back; exponent only below 1e-6 and from 1e21 (`1e-7`, `1e+21`); no     |
|                  | trailing `.0`; `-0`, `NaN`, `Infinity`, `-Infinity`                                             |
| bytes            | standard base64 with padding                                                                    |
| array, kvlist    | compact JSON, see below                                                                         |
| unset            | empty                                                                                           |

Inside JSON (Go's encoding/json without HTML escaping): keys sorted by their bytes, the last of equal keys wins;
U+2028 and U+2029 escaped; control characters `\\u00XX` but for `\\b \\f \\n \\r \\t`; a byte that is not UTF-8
becomes `\\ufffd`; bytes are a base64 string, or `null` when empty; unset is `null`; one NaN or infinity anywhere makes
the whole value empty, because Go's encoder fails and the exporter drops that error.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

Attributes = list[tuple[bytes, bytes]]
"""Key and stringified value, in the order they were sent; equal keys may repeat."""

_NAMED = {
    ord('"'): '\\"',
    ord("\\"): "\\\\",
    8: "\\b",
    9: "\\t",
    10: "\\n",
    12: "\\f",
    13: "\\r",
    0x2028: "\\u2028",
    0x2029: "\\u2029",
}
_ESCAPES = (
    {code: f"\\u{code:04x}" for code in range(32)}
    | {0xDC00 + byte: "\\ufffd" for byte in range(128, 256)}  # how `surrogateescape` shows a byte that is not UTF-8
    | _NAMED
)


class _NoJson(ValueError):
    """JSON has no NaN and no infinity."""


def attributes(pairs: Iterable[Any]) -> Attributes:
    """KeyValue messages -> stringified pairs."""
    return [(pair.key, text(pair.value)) for pair in pairs]


def text(value: Any) -> bytes:
    """One AnyValue as the bytes of its String."""
    kind = value.WhichOneof("value")
    if kind == "string_value":
        return bytes(value.string_value)
    if kind == "int_value":
        return b"%d" % value.int_value
    if kind == "bool_value":
        return b"true" if value.bool_value else b"false"
    if kind == "double_value":
        return double(value.double_value)
    if kind == "bytes_value":
        return base64.b64encode(value.bytes_value)
    if kind in ("array_value", "kvlist_value"):
        try:
            return _json(value).encode()
        except _NoJson:
            return b""
    return b""


def _json(value: Any) -> str:
    kind = value.WhichOneof("value")
    if kind == "string_value":
        return _quoted(value.string_value)
    if kind == "int_value":
        return str(value.int_value)
    if kind == "double_value":
        if not math.isfinite(value.double_value):
            raise _NoJson
        return _finite(value.double_value)
    if kind == "bool_value":
        return "true" if value.bool_value else "false"
    if kind == "array_value":
        return "[" + ",".join([_json(item) for item in value.array_value.values]) + "]"
    if kind == "kvlist_value":
        last = {pair.key: pair.value for pair in value.kvlist_value.values}
        return "{" + ",".join([f"{_quoted(key)}:{_json(last[key])}" for key in sorted(last)]) + "}"
    if kind == "bytes_value" and value.bytes_value:
        return '"' + base64.b64encode(value.bytes_value).decode() + '"'
    return "null"


def _quoted(raw: bytes) -> str:
    return '"' + raw.decode("utf-8", "surrogateescape").translate(_ESCAPES) + '"'


def double(number: float) -> bytes:
    """A double as the bytes of its String."""
    if math.isnan(number):
        return b"NaN"
    if math.isinf(number):
        return b"Infinity" if number > 0 else b"-Infinity"
    return _finite(number).encode()


def _finite(number: float) -> str:
    digits = repr(number)
    size = abs(number)
    if size != 0 and (size < 1e-6 or size >= 1e21):
        mantissa, exponent = digits.split("e")
        return f"{mantissa.removesuffix('.0')}e{exponent[0]}{exponent[1:].lstrip('0')}"
    if "e" in digits:
        digits = format(Decimal(digits), "f")
    return digits.removesuffix(".0")
