"""The encoder against the reference on real requests: same bytes, whatever it remembers."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from otlp_building import START_NS, put, span, text_value, traces

from benchmarks.spans import LOADS, request
from storage.clickhouse.client import Database
from storage.clickhouse.telemetry import ClickHouseSink
from storage.otlp.encode import REMEMBERED_PAIR_BYTES, Encoder
from storage.otlp.messages import LogsRequest
from storage.otlp.reference import Translated, translate_logs, translate_traces
from storage.otlp.wire import Memo
from storage.telemetry import TelemetryTable

CAPTURES = sorted((Path(__file__).parents[1] / "fixtures" / "otlp").glob("*/*.pb"))
SPANS = [path.read_bytes() for path in CAPTURES if not path.name.endswith(".logs.pb")]
LOGS = [path.read_bytes() for path in CAPTURES if path.name.endswith(".logs.pb")]


def test_every_capture_gives_the_block_of_the_reference_and_none_needs_it() -> None:
    """31 instrumentations, byte for byte, cold and warm, all on the fast path."""
    encoder = Encoder()
    for _ in ("cold", "warm"):
        assert [encoder.encode_traces(body) for body in SPANS] == [translate_traces(body) for body in SPANS]
        assert [encoder.encode_logs(body) for body in LOGS] == [translate_logs(body) for body in LOGS]
    assert (len(SPANS) > 100, len(LOGS) > 10, encoder.left_to_reference) == (True, True, 0)


@pytest.mark.parametrize("load", LOADS)
def test_the_loads_of_the_benchmarks_give_the_block_of_the_reference(load: str) -> None:
    """A figure for a different result would say nothing."""
    body = request(load, 0)
    assert Encoder().encode_traces(body) == translate_traces(body)


def test_a_refused_span_is_left_to_the_reference_with_its_neighbours() -> None:
    """Count and reason have one source."""
    body = traces(span(), span(trace_id=b"\x01"), span(start_time_unix_nano=2**63))
    encoder = Encoder()
    assert (encoder.encode_traces(body), encoder.left_to_reference) == (translate_traces(body), 1)


def test_a_cold_a_warm_and_an_overflowing_memory_give_the_same_bytes() -> None:
    """What was remembered, forgotten or never kept cannot be seen in a block."""
    expected = [translate_traces(body) for body in SPANS]
    cold = [Encoder().encode_traces(body) for body in SPANS]
    warm, tiny = Encoder(), Encoder(remembered_pairs=3)
    for body in SPANS:
        warm.encode_traces(body)
    assert cold == expected
    assert [warm.encode_traces(body) for body in reversed(SPANS)] == expected[::-1]
    assert [tiny.encode_traces(body) for body in SPANS] == expected


def test_unique_attributes_never_fill_more_than_the_bound() -> None:
    """A sender of ever new attributes makes the memory start empty again; long ones are not kept at all."""
    asked: list[bytes] = []

    def reverse(raw: bytes) -> bytes:
        asked.append(raw)
        return raw[::-1]

    memo = Memo(reverse, entries=100, longest=REMEMBERED_PAIR_BYTES)
    sizes = set()
    for number in range(1000):
        assert memo[b"%d" % number] == (b"%d" % number)[::-1]
        sizes.add(len(memo))
    long = b"x" * (REMEMBERED_PAIR_BYTES + 1)
    assert (memo[long], long in memo, memo[b"999"], len(asked)) == (long, False, b"999", 1001)
    assert sizes == set(range(1, 101))


def test_a_sender_of_unique_attributes_and_resources_does_not_grow_the_encoder() -> None:
    """20,000 keys and 2,000 resources that never come again, and room for 500: measured in bytes."""
    encoder = Encoder(remembered_pairs=500)
    tracemalloc.start()
    try:
        for number in range(2000):
            keys = [(f"{number} {place}", "v") for place in range(10)]
            encoder.encode_traces(traces(span(attributes=keys), resource=[(f"r{number}", "x" * 100)]))
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 1_000_000


def test_threads_share_a_memory() -> None:
    """Large bodies are translated in a thread while small ones are translated beside it."""
    encoder = Encoder(remembered_pairs=50)
    bodies = SPANS * 2
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(encoder.encode_traces, bodies)) == [translate_traces(body) for body in bodies]


@pytest.mark.parametrize("keys", [255, 256, 257, 65_535, 65_536, 65_537, 70_000])
def test_dictionaries_are_the_same_around_the_widths_of_their_indexes(keys: int) -> None:
    """Keys of attributes and names of spans, resources repeated on every span."""
    names = [b"key %d" % number for number in range(keys)]
    body = traces(
        span(attributes=[(name, 1) for name in names]),
        *[span(name=name) for name in names[:300]],
        resource=[("service.name", "shop"), *[(name, 1) for name in names[: min(keys, 257)]]],
    )
    encoder = Encoder()
    assert (encoder.encode_traces(body), encoder.left_to_reference) == (translate_traces(body), 0)


def test_as_many_service_names_as_a_byte_can_tell_apart_and_more() -> None:
    """Each resource has rows of its own, so these dictionaries are written in runs."""
    for services in (255, 256, 257):
        body = b"".join(
            traces(span(), span(), resource=[("service.name", f"s{n}"), (f"k{n}", n)]) for n in range(services)
        )
        assert Encoder().encode_traces(body) == translate_traces(body)


def random_logs(dice: random.Random) -> bytes:
    """Logs of several resources and scopes with values of every kind."""
    values = [None, "text", "", 7, -7, 2.5, True, b"raw", ["a", 1], {"k": "v"}, "long " * 200]
    message = LogsRequest()
    for number in range(dice.randrange(1, 4)):
        group = message.resource_logs.add(schema_url=b"r%d" % dice.randrange(2))
        put(group.resource.attributes, [("service.name", f"s{number}"), ("pid", dice.randrange(9))])
        for _ in range(dice.randrange(3)):
            scoped = group.scope_logs.add(schema_url=b"s%d" % dice.randrange(2))
            scoped.scope.name, scoped.scope.version = b"scope", b"%d" % dice.randrange(2)
            put(scoped.scope.attributes, [("scope", dice.choice(values))] * dice.randrange(3))
            for _ in range(dice.randrange(5)):
                record = scoped.log_records.add(time_unix_nano=START_NS, severity_number=dice.randrange(30))
                put(record.attributes, [(f"k{n}", dice.choice(values)) for n in range(dice.randrange(6))])
                if dice.random() < 0.8:
                    record.body.CopyFrom(text_value(b"body %d" % dice.randrange(9)))
                    record.trace_id = dice.choice((b"", bytes(16), dice.randbytes(16)))
    return bytes(message.SerializeToString())


def test_logs_of_every_shape_give_the_block_of_the_reference() -> None:
    """Captures of logs are few: 300 more, built at random with a fixed seed."""
    dice = random.Random(4)
    bodies = [random_logs(dice) for _ in range(300)]
    encoder = Encoder()
    assert [encoder.encode_logs(body) for body in bodies] == [translate_logs(body) for body in bodies]
    assert encoder.left_to_reference == 0


@pytest.mark.parametrize(
    ("table", "encode", "bodies"),
    [("otel_traces", Encoder.encode_traces, SPANS), ("otel_logs", Encoder.encode_logs, LOGS)],
)
async def test_clickhouse_reads_every_capture_from_blocks_one_after_the_other(
    fresh_database: Database, table: TelemetryTable, encode: Callable[[Encoder, bytes], Translated], bodies: list[bytes]
) -> None:
    """A group is committed as the blocks of its requests, joined."""
    encoder = Encoder()
    blocks = [encode(encoder, body) for body in bodies]
    await ClickHouseSink(fresh_database).insert(table, [item.block for item in blocks], token="")
    found = await fresh_database.query(
        f"SELECT count() AS n, countIf(ServiceName != ResourceAttributes['service.name']) AS wrong FROM {table}"
    )
    assert found == [{"n": sum(item.rows for item in blocks), "wrong": 0}]


async def test_clickhouse_reads_wide_dictionaries_of_keys(database: Database) -> None:
    """32-bit indexes on one span, on two resources the same keys again."""
    keys = [(f"key {number}", number) for number in range(65_537)]
    body = traces(span(trace_id=b"\x66" * 16, attributes=keys)) + traces(
        span(trace_id=b"\x66" * 16), span(trace_id=b"\x66" * 16), resource=keys[:300]
    )
    await ClickHouseSink(database).insert("otel_traces", [Encoder().encode_traces(body).block], token="")
    found = await database.query(
        "SELECT length(SpanAttributes) AS span, SpanAttributes['key 65536'] AS last, length(ResourceAttributes) AS "
        f"resource, ResourceAttributes['key 299'] AS other FROM otel_traces WHERE TraceId = '{'66' * 16}' ORDER BY span"
    )
    shared = {"span": 0, "last": "", "resource": 300, "other": "299"}
    assert found == [shared, shared, {"span": 65_537, "last": "65536", "resource": 1, "other": ""}]
