"""Rows through a real ClickHouse: what was translated is what is read, and inline targets see the same."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from otlp_building import SPAN_ID, START_NS, TRACE_ID, logs, put, span, text_value, traces

from storage.clickhouse.client import Database
from storage.clickhouse.telemetry import ClickHouseSink, ClickHouseTelemetry
from storage.errors import Rejected, SchemaError
from storage.model import StoredLog, StoredSpan
from storage.otlp import columns, native
from storage.otlp.messages import TracesRequest
from storage.otlp.reference import (
    TIME_LIMIT_NS,
    request_digest,
    span_rows,
    translate_logs,
    translate_traces,
    with_derived,
)
from storage.otlp.stored import stored_logs, stored_spans

CAPTURES = sorted((Path(__file__).parents[2] / "examples" / "captures").glob("*/*.pb"))
SPAN_CAPTURES = [path for path in CAPTURES if not path.name.endswith(".logs.pb")]
LOG_CAPTURES = [path for path in CAPTURES if path.name.endswith(".logs.pb")]
LAST_NS = TIME_LIMIT_NS - 1


def name_of(path: Path) -> str:
    """`family/scenario` of a capture."""
    return f"{path.parent.name}/{path.name.split('.')[0]}"


async def store(database: Database, table: columns.TelemetryTable, block: bytes) -> None:
    """Insert one block."""
    await ClickHouseSink(database).insert(table, [block], token="")


def as_read(found: Iterable[StoredSpan]) -> list[StoredSpan]:
    """Without the arrival time, which only the server knows."""
    return [dataclasses.replace(item, ingested_ms=0) for item in found]


def in_order(sent: list[StoredSpan]) -> list[StoredSpan]:
    """As the store answers: each span once, by trace, then start."""
    once = {(item.trace_id, item.span_id): item for item in reversed(sent)}
    return sorted(once.values(), key=lambda item: (item.trace_id, item.start_ns, item.span_id))


@pytest.mark.parametrize("body", [path.read_bytes() for path in SPAN_CAPTURES], ids=map(name_of, SPAN_CAPTURES))
async def test_spans_of_a_real_capture_read_the_same_inline_and_stored(database: Database, body: bytes) -> None:
    """A score asked for with the spans in hand is the score that the stored spans get."""
    sent = stored_spans(body)
    await store(database, "otel_traces", translate_traces(body).block)
    found = await ClickHouseTelemetry(database).spans({s.trace_id for s in sent}, first_ns=0, last_ns=LAST_NS)
    assert as_read(found) == in_order(sent)


@pytest.mark.parametrize("body", [path.read_bytes() for path in LOG_CAPTURES], ids=map(name_of, LOG_CAPTURES))
async def test_logs_of_a_real_capture_read_the_same_inline_and_stored(database: Database, body: bytes) -> None:
    """Messages that travel as log events count as much as attributes."""
    sent = [log for log in stored_logs(body) if log.trace_id and log.event_name != "gen_ai.evaluation.result"]
    await store(database, "otel_logs", translate_logs(body).block)
    times = [log.time_ns for log in sent]
    found = await ClickHouseTelemetry(database).logs(
        {log.trace_id for log in sent}, first_ns=min(times, default=START_NS), last_ns=max(times, default=START_NS)
    )

    def key(log: StoredLog) -> tuple[Any, ...]:
        return (log.trace_id, log.time_ns, log.span_id, log.event_name, log.body)

    read = [dataclasses.replace(log, ingested_ms=0) for log in found]
    assert sorted(read, key=key) == sorted(sent, key=key)


async def test_every_column_of_a_span_comes_back(database: Database) -> None:
    """Also those that no reader asks for yet: links, trace state, digest."""
    request = TracesRequest()
    group = request.resource_spans.add()
    put(group.resource.attributes, [("service.name", "shop")])
    scoped = group.scope_spans.add()
    scoped.scope.name, scoped.scope.version = b"scope", b"1"
    for number in (1, 2):
        item = scoped.spans.add(
            **span(trace_id=b"\x77" * 16, span_id=bytes([number] * 8), name=b"n", trace_state=b"a=b")
        )
        item.end_time_unix_nano = START_NS + number
        item.parent_span_id = b"\x09" * 8
        item.status.code = number
        for place in range(number):
            put(item.events.add(time_unix_nano=START_NS + place, name=b"e%d" % place).attributes, [("p", place)])
            put(item.links.add(trace_id=b"\x05" * 16, span_id=b"\x06" * 8, trace_state=b"x").attributes, [("l", "v")])
    body = request.SerializeToString()
    await store(database, "otel_traces", translate_traces(body).block)
    sent = [column for column in columns.TRACES if column not in columns.DERIVED]
    names = ", ".join(f"`{column.name}`" for column in sent if column.type != columns.TIME)
    found = await database.query(
        f"SELECT {names.replace('`Events.Timestamp`', 'arrayMap(t -> toUnixTimestamp64Nano(t), `Events.Timestamp`)')}"
        f", toUnixTimestamp64Nano(Timestamp) AS ns FROM otel_traces WHERE TraceId = '{'77' * 16}' ORDER BY SpanId"
    )
    rows, _ = span_rows(body)
    expected = [
        [*[_plain(column, value) for column, value in zip(sent, row, strict=True)][1:], row.timestamp] for row in rows
    ]
    assert [list(row.values()) for row in found] == expected


def _plain(column: columns.Column, value: Any) -> Any:
    """A row's value as the driver shows it."""
    if column.type == "FixedString(16)":
        return value
    if column.type == columns.MAP:
        return {key.decode(): text.decode() for key, text in value}
    if isinstance(value, list):
        return [
            _plain(columns.Column("", column.type.removeprefix("Array(").removesuffix(")")), item) for item in value
        ]
    return value.decode() if isinstance(value, bytes) else value


async def test_hostile_attribute_keys_and_duplicates_are_stored_as_sent(database: Database) -> None:
    """Dots, quotes, backslashes, NUL, emptiness, bytes that are no UTF-8; of equal keys SQL finds the first."""
    keys = [b"a.b.c", b"it's", b'"quoted"', b"back\\slash", b"nul\x00byte", b"", b"\xff\xfe", b"twice", b"twice"]
    pairs = [(key, text_value(b"v%d" % place)) for place, key in enumerate(keys)]
    body = traces(span(trace_id=b"\x88" * 16, name=b"\xff", attributes=pairs))
    await store(database, "otel_traces", translate_traces(body).block)
    found = await database.query(
        "SELECT arrayMap(k -> hex(k), mapKeys(SpanAttributes)) AS keys, mapValues(SpanAttributes) AS texts, "
        "SpanAttributes['twice'] AS twice, SpanAttributes['it\\'s'] AS quote, hex(SpanName) AS name "
        f"FROM otel_traces WHERE TraceId = '{'88' * 16}'"
    )
    expected = {
        "keys": [key.hex().upper() for key in keys],
        "texts": [f"v{place}" for place in range(len(keys))],
        "twice": "v7",
        "quote": "v1",
        "name": "FF",
    }
    assert found == [expected]


async def test_ten_thousand_attributes_on_one_span_are_stored(database: Database) -> None:
    """More keys than one byte of dictionary index can tell apart."""
    body = traces(span(trace_id=b"\x99" * 16, attributes=[(f"key {n}", n) for n in range(10_000)]))
    await store(database, "otel_traces", translate_traces(body).block)
    found = await database.query(
        "SELECT length(SpanAttributes) AS n, SpanAttributes['key 9999'] AS last "
        f"FROM otel_traces WHERE TraceId = '{'99' * 16}'"
    )
    assert found == [{"n": 10_000, "last": "9999"}]


async def test_the_same_span_twice_in_a_request_is_two_rows(database: Database) -> None:
    """The store keeps what came; readers take each span once."""
    twice = traces(span(trace_id=b"\xaa" * 16), span(trace_id=b"\xaa" * 16))
    await store(database, "otel_traces", translate_traces(twice).block)
    rows = await database.query(f"SELECT RequestDigest, RequestRows FROM otel_traces WHERE TraceId = '{'aa' * 16}'")
    read = await ClickHouseTelemetry(database).spans({"aa" * 16}, first_ns=0, last_ns=LAST_NS)
    assert (rows, len(read)) == ([{"RequestDigest": request_digest(twice), "RequestRows": 2}] * 2, 1)


async def test_times_at_both_ends_are_found_and_a_later_one_would_be_lost(fresh_database: Database) -> None:
    """Why the limit is 2106 and not 2262: ClickHouse takes a later row, and then does not find it by its time."""
    row = span_rows(traces(span()))[0][0]
    year_2255 = 9_000_000_000 * 10**9
    for number, time in enumerate((0, TIME_LIMIT_NS - 1, year_2255)):
        block = native.block(columns.TRACES, [with_derived(row._replace(timestamp=time, span_id=b"%016x" % number))])
        await store(fresh_database, "otel_traces", block)
    found = await fresh_database.query(
        "SELECT SpanId, toString(Timestamp) AS time FROM otel_traces "
        "WHERE Timestamp = toDateTime64(0, 9) OR Timestamp > toDateTime64('2106-01-01 00:00:00', 9) ORDER BY SpanId"
    )
    expected = [("0" * 16, "1970-01-01 00:00:00.000000000"), ("0" * 15 + "1", "2106-02-07 06:28:15.999999999")]
    assert [tuple(line.values()) for line in found] == expected


async def test_the_column_lists_fit_the_migrated_tables(database: Database) -> None:
    """The receiver checks at its start what this test checks now."""
    for table in columns.TABLES:
        described = await database.query(f"DESCRIBE TABLE {table}")
        columns.verify(table, {line["name"]: line["type"] for line in described})


async def test_a_table_that_lacks_columns_is_refused_with_all_of_them() -> None:
    """One message, one repair."""
    described = {column.name: column.type for column in columns.LOGS if column.name != "EventName"} | {"Body": "UInt8"}
    with pytest.raises(SchemaError, match=r"Body String \(the server has UInt8\); EventName .* no such column"):
        columns.verify("otel_logs", described)


async def test_a_log_without_trace_is_stored_with_the_time_it_was_observed(database: Database) -> None:
    """TimestampTime is the server's default, computed from the same time."""
    body = logs({"observed_time_unix_nano": START_NS, "body": text_value(b"alone")})
    await store(database, "otel_logs", translate_logs(body).block)
    found = await database.query(
        "SELECT toUnixTimestamp(TimestampTime) AS seconds, TraceId, Body FROM otel_logs WHERE Body = 'alone'"
    )
    assert found == [{"seconds": START_NS // 10**9, "TraceId": "", "Body": "alone"}]


async def test_bytes_that_are_no_block_are_rejected_and_nothing_is_stored(fresh_database: Database) -> None:
    """The committer relies on it: a refused body leaves no trace and is refused for good."""
    block = translate_traces(traces(span())).block
    for bad in (block[:-3], block + b"\x01\x01garbage"):
        with pytest.raises(Rejected):
            await store(fresh_database, "otel_traces", bad)
    assert await fresh_database.query("SELECT count() AS n FROM otel_traces") == [{"n": 0}]


def test_inline_spans_read_bad_bytes_with_replacements_and_the_first_of_equal_keys() -> None:
    """What `m['k']` says in SQL is what a metric sees."""
    body = traces(span(name=b"\xff", attributes=[("k", 1), ("k", 2)]))
    expected = StoredSpan(
        trace_id=TRACE_ID.hex(),
        span_id=SPAN_ID.hex(),
        name="\ufffd",
        kind="Unspecified",
        service_name="shop",
        scope_name="scope",
        start_ns=START_NS,
        duration_ns=2**64 - START_NS,
        status_code="Unset",
        attributes={"k": "1"},
        resource_attributes={"service.name": "shop"},
    )
    assert stored_spans(body) == [expected]


async def test_bad_bytes_and_equal_keys_read_the_same_inline_and_stored(database: Database) -> None:
    """The two that no real capture has."""
    body = traces(
        span(trace_id=b"\xbb" * 16, name=b"\xff", attributes=[("k", 1), ("k", 2), ("b", text_value(b"\xfe!"))])
    )
    await store(database, "otel_traces", translate_traces(body).block)
    found = await ClickHouseTelemetry(database).spans({"bb" * 16}, first_ns=0, last_ns=LAST_NS)
    assert as_read(found) == stored_spans(body)
