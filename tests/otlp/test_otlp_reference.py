"""The rows of a request, whole."""

from __future__ import annotations

import hashlib

import pytest
from otlp_building import SPAN_ID, START_NS, TRACE_ID, logs, put, span, text_value, traces

from storage.otlp import native
from storage.otlp.columns import LOGS, TRACES
from storage.otlp.errors import Malformed, TooLarge
from storage.otlp.messages import TracesRequest
from storage.otlp.reference import (
    EVENT_TIME_LIMIT_NS,
    TIME_LIMIT_NS,
    LogRow,
    SpanRow,
    log_rows,
    span_rows,
    translate_logs,
    translate_traces,
    with_derived,
)
from storage.otlp.weight import MAX_MESSAGES

TRACE_HEX, SPAN_HEX = TRACE_ID.hex().encode(), SPAN_ID.hex().encode()


def test_a_span_becomes_a_row_with_every_column() -> None:
    """One span with everything that a span can have, compared as a whole."""
    request = TracesRequest()
    group = request.resource_spans.add()
    put(group.resource.attributes, [("host.id", 7), ("service.name", "first"), ("service.name", "second")])
    scoped = group.scope_spans.add()
    scoped.scope.name, scoped.scope.version = b"scope", b"1.2"
    item = scoped.spans.add(**span(name=b"chat", kind=3, end_time_unix_nano=START_NS + 5, trace_state=b"a=b"))
    item.parent_span_id = b"\x11" * 8
    item.status.code, item.status.message = 2, b"boom"
    put(item.attributes, [("a", 1), ("a", 2), ("list", ["x"])])
    put(item.events.add(time_unix_nano=START_NS + 1, name=b"choice").attributes, [("index", 0)])
    put(item.links.add(trace_id=b"\x22" * 16, span_id=b"\x33" * 8, trace_state=b"c=d").attributes, [("n", True)])
    body = request.SerializeToString()
    expected = SpanRow(
        timestamp=START_NS,
        trace_id=TRACE_HEX,
        span_id=SPAN_HEX,
        parent_span_id=b"11" * 8,
        trace_state=b"a=b",
        name=b"chat",
        kind=b"Client",
        service_name=b"first",
        resource_attributes=[(b"host.id", b"7"), (b"service.name", b"first"), (b"service.name", b"second")],
        scope_name=b"scope",
        scope_version=b"1.2",
        attributes=[(b"a", b"1"), (b"a", b"2"), (b"list", b'["x"]')],
        duration=5,
        status_code=b"Error",
        status_message=b"boom",
        event_times=[START_NS + 1],
        event_names=[b"choice"],
        event_attributes=[[(b"index", b"0")]],
        link_trace_ids=[b"22" * 16],
        link_span_ids=[b"33" * 8],
        link_trace_states=[b"c=d"],
        link_attributes=[[(b"n", b"true")]],
        request_digest=hashlib.sha256(body).digest()[:16],
        request_rows=1,
    )
    assert span_rows(body) == ([expected], [])


def test_a_log_becomes_a_row_with_every_column() -> None:
    """The observed time stands in for a missing one; flags and severity keep their low eight bits."""
    body = logs(
        {
            "observed_time_unix_nano": START_NS,
            "trace_id": TRACE_ID,
            "span_id": SPAN_ID,
            "flags": 0x101,
            "severity_number": 9,
            "severity_text": b"INFO",
            "body": text_value(b"hello"),
            "event_name": b"gen_ai.choice",
            "attributes": [("k", {"b": 1})],
        }
    )
    expected = LogRow(
        timestamp=START_NS,
        trace_id=TRACE_HEX,
        span_id=SPAN_HEX,
        trace_flags=1,
        severity_text=b"INFO",
        severity_number=9,
        service_name=b"shop",
        body=b"hello",
        resource_schema_url=b"https://resource",
        resource_attributes=[(b"service.name", b"shop")],
        scope_schema_url=b"https://scope",
        scope_name=b"scope",
        scope_version=b"1.0",
        scope_attributes=[(b"scope.key", b"7")],
        attributes=[(b"k", b'{"b":1}')],
        event_name=b"gen_ai.choice",
        request_digest=hashlib.sha256(body).digest()[:16],
        request_rows=1,
    )
    assert log_rows(body) == ([expected], [])


def test_an_empty_request_has_no_rows_and_no_bytes() -> None:
    """Exporters send empty requests as probes; they are fine."""
    assert [(t.rows, t.rejected, t.block) for t in (translate_traces(b""), translate_logs(b""))] == [(0, 0, b"")] * 2


def test_missing_and_zero_ids_are_empty_and_the_span_is_stored() -> None:
    """As the Collector stores them: the data of such a span is still worth reading."""
    body = traces(span(trace_id=b"", span_id=b""), span(trace_id=bytes(16), span_id=bytes(8), parent_span_id=bytes(8)))
    rows, refusals = span_rows(body)
    assert ([(row.trace_id, row.span_id, row.parent_span_id) for row in rows], refusals) == ([(b"", b"", b"")] * 2, [])


@pytest.mark.parametrize("field", ["trace_id", "span_id", "parent_span_id"])
def test_a_span_with_an_id_of_wrong_length_is_refused_alone(field: str) -> None:
    """Its neighbours are stored, and RequestRows counts what is stored."""
    rows, refusals = span_rows(traces(span(), span(**{field: b"\x01" * 5}), span()))
    wanted = 16 if field == "trace_id" else 8
    assert ([row.request_rows for row in rows], refusals) == ([2, 2], [f"{field} has 5 bytes instead of {wanted}"])


def test_a_log_with_an_id_of_wrong_length_is_refused_alone() -> None:
    """As for spans."""
    translated = translate_logs(logs({"trace_id": b"\x01"}, {"time_unix_nano": START_NS}))
    assert (translated.rows, translated.rejected, translated.reason) == (1, 1, "trace_id has 1 bytes instead of 16")


def test_a_time_of_zero_is_stored_and_a_time_that_cannot_be_stored_is_refused() -> None:
    """The last nanosecond that fits is accepted, the first that does not is counted."""
    times = [0, TIME_LIMIT_NS - 1, TIME_LIMIT_NS, 2**63, 2**64 - 1]
    rows, refusals = span_rows(traces(*[span(start_time_unix_nano=time) for time in times]))
    assert ([row.timestamp for row in rows], len(refusals)) == (times[:2], 3)


def test_an_event_time_that_wraps_its_column_refuses_its_span() -> None:
    """Event times are in no key, so their limit is that of the column."""
    good = {"time_unix_nano": EVENT_TIME_LIMIT_NS - 1}
    bad = {"time_unix_nano": EVENT_TIME_LIMIT_NS}
    rows, refusals = span_rows(traces(span(events=[good]), span(events=[bad])))
    assert ([row.event_times for row in rows], len(refusals)) == ([[EVENT_TIME_LIMIT_NS - 1]], 1)


def test_an_end_before_the_start_wraps_the_duration() -> None:
    """As in the exporter; `traces_rollup` counts it as 0."""
    rows, _ = span_rows(traces(span(end_time_unix_nano=START_NS - 1)))
    assert rows[0].duration == 2**64 - 1


def test_unknown_kinds_and_codes_are_empty() -> None:
    """A newer protocol must not stop an older receiver."""
    rows, _ = span_rows(traces(span(kind=99, status={"code": 77}), span(kind=-1, status={"code": -5})))
    assert [(row.kind, row.status_code) for row in rows] == [(b"", b"")] * 2


def test_bytes_that_are_not_utf8_are_stored_as_sent_wherever_they_are() -> None:
    """One bad byte must not cost a request."""
    bad = b"\xff\x00\xc3"
    rows, refusals = span_rows(
        traces(
            span(name=bad, trace_state=bad, status={"message": bad}, attributes=[(bad, text_value(bad))]),
            resource=[("service.name", text_value(bad))],
        )
    )
    row = rows[0]
    assert (row.name, row.trace_state, row.status_message, row.attributes, row.service_name, refusals) == (
        (bad, bad, bad, [(bad, bad)], bad, [])
    )  # fmt: skip


@pytest.mark.parametrize(
    "body", [b"\xff", b"\x0a\x05\x01", b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f", b"\x08\x01\x0a"]
)
def test_bytes_that_are_no_request_are_malformed(body: bytes) -> None:
    """Truncated and foreign bytes end in one error, for both signals."""
    for translate in (translate_traces, translate_logs):
        with pytest.raises(Malformed, match="not a protobuf Export"):
            translate(body)


def test_resources_that_would_fill_the_memory_when_repeated_are_refused() -> None:
    """300 KB of OTLP: one resource of 100 KB on 100,000 empty spans would be 10 GB of rows."""
    request = TracesRequest()
    group = request.resource_spans.add()
    put(group.resource.attributes, [("big", "x" * 100_000)])
    scoped = group.scope_spans.add()
    for _ in range(100_000):
        scoped.spans.add()
    with pytest.raises(TooLarge, match="with resource and scope on each"):
        translate_traces(request.SerializeToString())


def test_millions_of_empty_messages_are_refused_before_they_are_parsed() -> None:
    """8 MB of two-byte attributes, which compress to 8 KB, would need 250 MB once parsed; 64 MB of spans 6 GB."""
    body = b"\x4a\x00" * (MAX_MESSAGES + 1)
    for number in (2, 2, 1):
        body = bytes([number << 3 | 2]) + native.varint(len(body)) + body
    with pytest.raises(TooLarge, match="more than 4000000 messages"):
        translate_traces(body)


def test_a_million_empty_spans_are_refused() -> None:
    """Few enough to parse, too many to be rows."""
    spans = b"\x12\x00" * 1_000_000
    scoped = b"\x12" + native.varint(len(spans)) + spans
    with pytest.raises(TooLarge, match="the rows"):
        translate_traces(b"\x0a" + native.varint(len(scoped)) + scoped)


def test_large_bodies_are_counted_and_translated_all_the_same() -> None:
    """The count must refuse nothing that is good, whatever is in it."""
    values = ["x" * 3_000_000, 1, -1, 2.5, True, b"raw", ["a", {"k": [1]}], {"m": {}}, None]
    rows, refusals = span_rows(traces(*[span(attributes=[("k", value) for value in values]) for _ in range(2)]))
    assert ([len(row.attributes) for row in rows], refusals) == ([9, 9], [])


def test_the_block_is_the_rows() -> None:
    """`translate_*` adds nothing of its own to the specification."""
    body, log_body = traces(span(), span(name=b"x")), logs({"body": text_value(b"x")})
    assert translate_traces(body).block == native.block(TRACES, [with_derived(row) for row in span_rows(body)[0]])
    assert translate_logs(log_body).block == native.block(LOGS, log_rows(log_body)[0])
