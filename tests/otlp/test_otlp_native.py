"""Golden bytes of the Native writer, and what a real ClickHouse reads from them."""

from __future__ import annotations

import pytest

from storage.clickhouse.client import Database
from storage.otlp import native
from storage.otlp.columns import Column


def u64(number: int) -> bytes:
    """As Native writes a UInt64."""
    return number.to_bytes(8, "little")


GOLDEN = {
    "String": ([b"", b"ab"], b"\x00\x02ab"),
    "FixedString(16)": ([b"0123456789abcdef"], b"0123456789abcdef"),
    "UInt8": ([0, 255], b"\x00\xff"),
    "UInt32": ([1], b"\x01\x00\x00\x00"),
    "UInt64": ([2**64 - 1], b"\xff" * 8),
    "Float64": ([1.5, -0.0], b"\0\0\0\0\0\0\xf8\x3f" + b"\0\0\0\0\0\0\0\x80"),
    "DateTime64(9)": ([1], u64(1)),
    "Tuple(a LowCardinality(String), b UInt64, c LowCardinality(String))": (
        [(b"x", 1, b"z"), (b"y", 2, b"z")],
        u64(0x600)
        + u64(2)
        + b"\x01x\x01y"
        + u64(2)
        + b"\x00\x01"  # a
        + u64(1)
        + u64(2)  # b
        + u64(0x600)
        + u64(1)
        + b"\x01z"
        + u64(2)
        + b"\x00\x00",  # c
    ),
    "LowCardinality(String)": ([b"a", b"b", b"a"], u64(0x600) + u64(2) + b"\x01a\x01b" + u64(3) + b"\x00\x01\x00"),
    "Array(String)": ([[b"a"], [], [b"b", b"c"]], u64(1) + u64(1) + u64(3) + b"\x01a\x01b\x01c"),
    "Array(LowCardinality(String))": ([[], []], u64(0) + u64(0)),
    "Map(LowCardinality(String), String)": (
        [[(b"k", b"v"), (b"k", b"")], []],
        u64(2) + u64(2) + u64(0x600) + u64(1) + b"\x01k" + u64(2) + b"\x00\x00" + b"\x01v\x00",
    ),
    "Array(Map(LowCardinality(String), String))": (
        [[[(b"k", b"v")], []]],
        u64(2) + u64(1) + u64(1) + u64(0x600) + u64(1) + b"\x01k" + u64(1) + b"\x00" + b"\x01v",
    ),
}


@pytest.mark.parametrize("kind", GOLDEN)
def test_each_type_has_its_golden_bytes(kind: str) -> None:
    """Worked out by hand from the table in `storage/otlp/native.py`."""
    values, expected = GOLDEN[kind]
    assert native.data(kind, values) == expected


def test_a_block_names_its_columns_and_puts_the_state_before_the_offsets() -> None:
    """Two columns, one row."""
    columns = (Column("n", "UInt8"), Column("m", "Map(LowCardinality(String), String)"))
    expected = (
        b"\x02\x01"  # columns, rows
        + b"\x01n\x05UInt8\x07"
        + b"\x01m\x23Map(LowCardinality(String), String)"
        + u64(1)  # state of LowCardinality
        + u64(0)  # offsets
    )
    assert native.block(columns, [(7, [])]) == expected


@pytest.mark.parametrize(("number", "expected"), [(0, b"\x00"), (127, b"\x7f"), (128, b"\x80\x01"), (300, b"\xac\x02")])
def test_lengths_are_leb128(number: int, expected: bytes) -> None:
    """Values of the protobuf encoding guide."""
    assert native.varint(number) == expected


def test_an_unknown_type_is_refused() -> None:
    """A column added to `columns.py` without a writer is found at the first block."""
    with pytest.raises(ValueError, match="no writer for columns of type Decimal"):
        native.data("Decimal(1, 2)", [1])


@pytest.mark.parametrize("keys", [1, 255, 256, 257, 65_535, 65_536, 65_537])
async def test_clickhouse_reads_dictionaries_around_the_widths_of_their_indexes(database: Database, keys: int) -> None:
    """8, 16 and 32 bits: one key more or less must not shift a value."""
    columns = (Column("i", "UInt32"), Column("w", "LowCardinality(String)"))
    table = f"words_{keys}"
    await database.execute(f"CREATE TABLE {table} (i UInt32, w LowCardinality(String)) ENGINE = Memory")
    rows = [(number, b"key %d" % (number % keys)) for number in range(keys + 1)]
    await database.insert_native(table, [native.block(columns, rows)], settings={})
    found = await database.query(
        f"SELECT count() AS n, uniqExact(w) AS distinct, countIf(w = concat('key ', toString(i % {keys}))) AS right "
        f"FROM {table}"
    )
    assert found == [{"n": keys + 1, "distinct": keys, "right": keys + 1}]


@pytest.mark.parametrize("known", [1, 2, 255, 256, 257, 65_537])
def test_words_by_place_are_words(known: int) -> None:
    """Rows that share their words name them once; values that repeat have one place in the dictionary."""
    values = [b"%d" % (number // 2) for number in range(known)]
    places = [*range(known), 0, known - 1, known // 2]
    assert native.words_by_place(values, places) == native.words([([values[place] for place in places], 1)])
