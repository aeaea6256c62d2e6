"""Derived columns of the encoder against the reference, which asks `derive` about every span."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import pytest
from derived_rows import captured, every_value_of_every_key, mutants, revalued, row, sent
from otlp_building import put, text_value

from storage.dialects.derive import derive
from storage.dialects.sql import derived_columns
from storage.otlp import columns, native
from storage.otlp.encode import Encoder
from storage.otlp.messages import TracesRequest
from storage.otlp.reference import SpanRow, translate_traces

CODES = {b"": 0, b"Unset": 0, b"Ok": 1, b"Error": 2}


def requests(rows: Sequence[SpanRow], dice: random.Random) -> Iterator[bytes]:
    """Requests of some spans of some scopes of some resources each."""
    left = iter(rows)
    for first in left:
        request = TracesRequest()
        for each in (first, *(each for _, each in zip(range(dice.randrange(60)), left, strict=False))):
            if not request.resource_spans or dice.random() < 0.1:
                group = request.resource_spans.add()
                put(group.resource.attributes, [(key, text_value(text)) for key, text in each.resource_attributes])
                group.scope_spans.add().scope.name = each.scope_name
            elif dice.random() < 0.1:
                group.scope_spans.add().scope.name = each.scope_name
            span = group.scope_spans[-1].spans.add(name=each.name)
            span.status.code = CODES[each.status_code]
            put(span.attributes, [(key, text_value(text)) for key, text in each.attributes])
            for name, pairs in zip(each.event_names, each.event_attributes, strict=True):
                put(span.events.add(name=name).attributes, [(key, text_value(text)) for key, text in pairs])
        yield bytes(request.SerializeToString())


def differences(rows: list[SpanRow], seed: int) -> int:
    """Requests of which a block differs: cold, warm, and with hardly any memory."""
    bodies = list(requests(rows, random.Random(seed)))
    expected = [translate_traces(body) for body in bodies]
    warm, forgetful = Encoder(), Encoder(remembered_pairs=40)
    runs = (warm, warm, forgetful)
    different = sum(
        encoder.encode_traces(body) != block for encoder in runs for body, block in zip(bodies, expected, strict=True)
    )
    assert (warm.left_to_reference, forgetful.left_to_reference) == (0, 0)
    return different


def test_mutants_of_captures_have_the_columns_of_the_reference() -> None:
    """Known keys beside each other, twice, on resources; the same keys with other values; fixed seed."""
    rows = [*mutants(captured(), 2_500, seed=1), *revalued(captured(), 2_500, seed=2)]
    random.Random(3).shuffle(rows)
    assert differences(rows, seed=4) == 0


def test_hostile_values_of_every_key_have_the_columns_of_the_reference() -> None:
    """All under one id, and a part of the others: ClickHouse is asked about all."""
    rows = list(every_value_of_every_key())
    ids = [each for each in rows if b"session.id" in dict(each.attributes)]
    assert differences([*ids, *random.Random(5).sample(rows, 2_500)], seed=6) == 0


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(10))
def test_many_more_mutants_have_the_columns_of_the_reference(seed: int) -> None:
    """The long run."""
    rows = [*mutants(captured(), 20_000, seed), *revalued(captured(), 20_000, seed), *every_value_of_every_key()]
    random.Random(seed).shuffle(rows)
    assert differences(rows, seed) == 0


def test_the_receiver_writes_every_column_that_clickhouse_would_compute() -> None:
    """Names, types and order; one that is missing would cost every INSERT the reading of its expression."""
    stored = [column for column in derived_columns() if column.default == "MATERIALIZED"]
    assert tuple(columns.Column(column.name, column.type) for column in stored) == columns.DERIVED
    block = native.block(columns.DERIVED, [derive(sent(row(attributes=[(b"gen_ai.system", b"OpenAI")])))])
    assert (block[:2], b"\x06openai" in block) == (b"\x09\x01", True)


def test_a_cost_of_minus_nothing_is_not_lost_among_costs_of_nothing() -> None:
    """0.0 and -0.0 compare equal; rows that are one and the same object are written once for all of them."""
    rows = [row(attributes=[(b"llm.cost.total", cost)]) for cost in (b"0", b"-0", b"0")]
    assert differences(rows, seed=7) == 0
