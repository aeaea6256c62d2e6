"""The derived columns in Python against ClickHouse's expressions: no difference, on anything."""

from __future__ import annotations

import math

import pytest
from derived_rows import captured, computed, every_value_of_every_key, mutants, revalued, sent

from storage.clickhouse.client import Database
from storage.dialects.derive import Derived, derive
from storage.otlp.reference import SpanRow

MUTANTS = 12_000


def differences(rows: list[SpanRow], server: list[Derived]) -> list[tuple[SpanRow, dict[str, tuple[object, object]]]]:
    """Rows on which both disagree, with (ours, ClickHouse's) of each column; 0.0 and -0.0 are two values."""
    assert len(rows) == len(server)
    found = []
    for row, theirs in zip(rows, server, strict=True):
        ours = derive(sent(row))
        if ours != theirs or math.copysign(1, ours.cost_usd) != math.copysign(1, theirs.cost_usd):
            pairs = zip(ours._fields, ours, theirs, strict=True)
            found.append((row, {name: (mine, other) for name, mine, other in pairs if mine != other}))
    return found


async def test_every_capture_gives_what_clickhouse_computes(database: Database) -> None:
    """66 instrumentations, those that the table was made from and those that it never saw."""
    rows = captured()
    server = await computed(database, rows)
    assert differences(rows, server) == []
    assert (len(rows) > 600, len(set(server)) > 200) == (True, True)


async def test_every_key_with_every_hostile_value_gives_what_clickhouse_computes(database: Database) -> None:
    """Fillers, quotes, numbers of every spelling, texts that are not UTF-8; each under each key, on either carrier."""
    rows = list(every_value_of_every_key())
    assert differences(rows, await computed(database, rows)) == []


async def test_mutants_of_captures_give_what_clickhouse_computes(database: Database) -> None:
    """Keys beside each other, twice, on the wrong carrier; fixed seed."""
    rows = [*mutants(captured(), MUTANTS // 2, seed=20261121), *revalued(captured(), MUTANTS // 2, seed=20261121)]
    server = await computed(database, rows)
    assert differences(rows, server) == []
    assert len(set(server)) > MUTANTS // 3


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(10))
async def test_many_more_mutants_give_what_clickhouse_computes(database: Database, seed: int) -> None:
    """The long run."""
    rows = list(mutants(captured(), 5 * MUTANTS, seed))
    assert differences(rows, await computed(database, rows)) == []
