"""ClickHouse's Native format, as `INSERT … FORMAT Native` over HTTP reads it (no client protocol version).

A block is `varint columns, varint rows`, then per column its name, its type, a state prefix where the type has one, and
its values.  Integers are little-endian, varints LEB128.  Blocks may follow each other.

| type                   | values                                                                                    |
|------------------------|-------------------------------------------------------------------------------------------|
| String                 | varint length and bytes, per row                                                          |
| FixedString(16)        | the bytes                                                                                 |
| UInt8, …, Float64      | as they are                                                                               |
| DateTime64(9)          | Int64 nanoseconds since the epoch                                                         |
| Array(T)               | UInt64 end offset per row, then all elements as T                                         |
| Map(K, V)              | UInt64 end offset per row, then all keys as K, then all values as V                       |
| LowCardinality(String) | nothing where there are no values; else UInt64 `0x600 | width` (0, 1, 2: indexes of 8,    |
|                        | 16, 32 bits), UInt64 number of keys, keys as String, UInt64 number of values, indexes     |
| Tuple(name T, …)       | all values of the first element, then all of the second, …                                |

The state prefix of LowCardinality is UInt64 1, once and before the offsets of what encloses it; those of a tuple's
elements stand before the values of the first.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterable, Sequence
from itertools import accumulate, chain
from typing import Any

from storage.otlp.columns import Column

_NUMBERS = {"UInt8": "B", "UInt32": "I", "UInt64": "Q", "Float64": "d", "DateTime64(9)": "Q"}
_LOW_CARDINALITY_STATE = struct.pack("<Q", 1)
_ONE_BYTE = tuple(bytes((number,)) for number in range(128))


def block(columns: Sequence[Column], rows: Sequence[Sequence[Any]]) -> bytes:
    """Rows (values in the order of `columns`; text as bytes, maps as lists of pairs) -> one block; none -> b''."""
    if not rows:
        return b""
    parts = [varint(len(columns)), varint(len(rows))]
    for column, values in zip(columns, zip(*rows, strict=True), strict=True):
        parts += (string(column.name.encode()), string(column.type.encode()), state(column.type))
        parts.append(data(column.type, values))
    return b"".join(parts)


def varint(number: int) -> bytes:
    """LEB128 of a number from 0."""
    if number < 128:
        return _ONE_BYTE[number]
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def string(raw: bytes) -> bytes:
    """One String."""
    return varint(len(raw)) + raw


def state(kind: str) -> bytes:
    """The state prefix of a type."""
    return _LOW_CARDINALITY_STATE * kind.count("LowCardinality(")


def data(kind: str, values: Sequence[Any]) -> bytes:
    """The values of one column of type `kind`, without name and state prefix."""
    if kind in _NUMBERS:
        return struct.pack(f"<{len(values)}{_NUMBERS[kind]}", *values)
    if kind == "String":
        return b"".join(map(string, values))
    if kind == "FixedString(16)":
        return b"".join(values)
    if kind == "LowCardinality(String)":
        return words([(values, 1)])
    if kind.startswith("Array("):
        return _offsets(values) + data(kind[len("Array(") : -1], list(chain.from_iterable(values)))
    if kind.startswith("Map("):
        key_kind, value_kind = kind[len("Map(") : -1].split(", ")
        pairs = list(chain.from_iterable(values))
        keys, texts = zip(*pairs, strict=True) if pairs else ((), ())
        return _offsets(values) + data(key_kind, keys) + data(value_kind, texts)
    if kind.startswith("Tuple("):
        kinds = [element.split(" ", 1)[1] for element in kind[len("Tuple(") : -1].split(", ")]
        elements = zip(kinds, zip(*values, strict=True), strict=True) if values else ()
        return b"".join([data(element, of_element) for element, of_element in elements])
    raise ValueError(f"no writer for columns of type {kind}")


def _offsets(lists: Sequence[Sequence[Any]]) -> bytes:
    return struct.pack(f"<{len(lists)}Q", *accumulate(map(len, lists)))


class _Places(dict[bytes, int]):
    """Word -> its place in the dictionary, in the order in which words are asked for."""

    def __missing__(self, word: bytes) -> int:
        place = self[word] = len(self)
        return place


def words(runs: Iterable[tuple[Sequence[bytes], int]]) -> bytes:
    """Values of LowCardinality(String): each run's, as many times as it says (from 1)."""
    index = _Places()
    places = [(list(map(index.__getitem__, run)), times) for run, times in runs]
    if not index:
        return b""
    letter = _letter(len(index))
    total = struct.pack("<Q", sum(len(run) * times for run, times in places))
    packed = [struct.pack(f"<{len(run)}{letter}", *run) * times for run, times in places]
    return b"".join((_dictionary(index), total, *packed))


def words_by_place(values: Sequence[bytes], places: Sequence[int]) -> bytes:
    """`words` of `values[place]` for each place; `values`, which may repeat, are in the order in which places begin."""
    if len(values) > 1 << 8:
        return words([([values[place] for place in places], 1)])
    index = _Places()
    known = bytes(map(index.__getitem__, values)).ljust(1 << 8, b"\0")
    return b"".join((_dictionary(index), struct.pack("<Q", len(places)), bytes(places).translate(known)))


def _dictionary(index: Collection[bytes]) -> bytes:
    width = "BHI".index(_letter(len(index)))
    return b"".join((struct.pack("<QQ", 0x600 | width, len(index)), *map(string, index)))


def _letter(words: int) -> str:
    return "B" if words <= 1 << 8 else "H" if words <= 1 << 16 else "I"
