"""Where a session stands: its traces, what cannot move, and what it has seen."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest
from storing import SECOND_NS, SentSpan, a_result, located, new_trace_id, store, store_log

from storage.clickhouse.client import Database
from storage.clickhouse.results import ClickHouseResults
from storage.clickhouse.telemetry import ClickHouseTelemetry
from storage.model import MAX_SESSION_ID_BYTES, Level, TargetRef
from storage.telemetry import TargetRecord

EVERY_PLANE = "".join(chr(plane * 0x10000 + 0x1234) for plane in range(17)) + "\U0010fffd"
HOSTILE_IDS = {
    "quotes": "it's \"quoted\" `back` \\' \\\\ '); DROP TABLE otel_traces --",
    "controls": "tab\tline\nreturn\rnull\0bell\a",
    "every plane": EVERY_PLANE,
    "braces": "x {session_ids:Array(String)} %s %(x)s [',']",
    "blank": "   ",
    "10 KB": "é'" * 3_500,
    "the longest": "'" * MAX_SESSION_ID_BYTES,
}


def now_ms() -> int:
    """Server and tests run on one machine."""
    return time.time_ns() // 1_000_000


def session(session_id: str) -> TargetRef:
    """As a target."""
    return TargetRef(level=Level.SESSION, session_id=session_id)


def turn(session_id: str, **other: Any) -> SentSpan:
    """A root that says which session it is of."""
    return SentSpan(attributes={"session.id": session_id}, **other)


async def test_a_session_stands_on_the_root_of_the_trace_that_arrived_first(database: Database) -> None:
    """Traces in order of arrival; first and last start over all; watermark = the newest arrival, logs included."""
    at, session_id = now_ms() - 60_000, new_trace_id()
    first = turn(session_id, name="first")
    second = turn(session_id, name="second", start_ns=first.start_ns - 5 * SECOND_NS, service="bot")
    child = SentSpan(trace_id=first.trace_id, parent=first.span_id, start_ns=first.start_ns + 3 * SECOND_NS)
    await store(database, first, ingested_ms=at)
    await store(database, second, ingested_ms=at + 100)
    await store(database, child, ingested_ms=at + 200)
    found = await located(database, session(session_id))
    whole = TargetRecord(
        ref=session(session_id),
        target_time_ns=at * 1_000_000,
        start_ns=second.start_ns,
        watermark_ms=at + 200,
        anchor=first.anchor,
        trace_ids=(first.trace_id, second.trace_id),
        first_ns=second.start_ns,
        last_ns=child.start_ns,
    )
    traces = (await located(database, first.trace), await located(database, second.trace))
    assert (found, found.traces, found.spans, found.logs) == (whole, traces, 3, 0)
    await store_log(database, second)
    after = await located(database, session(session_id))
    assert (after.watermark_ms > at + 200, after.logs) == (True, 1)
    assert replace(after, watermark_ms=at + 200) == whole


async def test_the_first_arrival_is_that_of_the_id_and_not_of_the_trace(database: Database) -> None:
    """A trace may have begun before anybody said which session it is of."""
    at, session_id = now_ms() - 60_000, new_trace_id()
    early = SentSpan(name="silent")
    await store(database, early, ingested_ms=at)
    await store(database, turn(session_id, name="other"), ingested_ms=at + 10)
    await store(
        database,
        SentSpan(trace_id=early.trace_id, parent=early.span_id, attributes={"session.id": session_id}),
        ingested_ms=at + 20,
    )
    found = await located(database, session(session_id))
    assert (found.target_time_ns, found.anchor.span_name) == ((at + 10) * 1_000_000, "other")


async def test_a_session_spans_services_and_a_trace_belongs_to_every_session_it_names(database: Database) -> None:
    """Two services of one session in one trace; one trace that names two sessions counts for both."""
    one, two = new_trace_id(), new_trace_id()
    shared = turn(one, service="web")
    await store(database, shared, SentSpan(trace_id=shared.trace_id, parent=shared.span_id, service="db",
                                           attributes={"session.id": two}))  # fmt: skip
    found = await ClickHouseTelemetry(database).locate([session(one), session(two), session("nobody's")])
    assert {ref.session_id: record.trace_ids for ref, record in found.items()} == {
        one: (shared.trace_id,),
        two: (shared.trace_id,),
    }


async def test_later_results_stand_where_the_first_one_does(database: Database) -> None:
    """Of any metric, the session's and its traces': an anchor that moved would leave a stale copy behind."""
    session_id = new_trace_id()
    first = turn(session_id)
    other = SentSpan(trace_id=first.trace_id, name="elsewhere")
    await store(database, first)
    assert (await located(database, session(session_id))).anchor == first.anchor
    await ClickHouseResults(database).append(
        [a_result(other, target=session(session_id)), a_result(other, target=first.trace)]
    )
    found = await located(database, session(session_id))
    assert (found.anchor, [trace.anchor for trace in found.traces]) == (other.anchor, [other.anchor])


@pytest.mark.parametrize("name", HOSTILE_IDS)
async def test_a_session_is_found_by_whatever_text_its_id_is(database: Database, name: str) -> None:
    """Quotes, control characters, every plane of Unicode, tens of kilobytes."""
    sent = turn(HOSTILE_IDS[name])
    await store(database, sent)
    found = await ClickHouseTelemetry(database).locate([session(HOSTILE_IDS[name]), session("another")])
    assert {ref: record.trace_ids for ref, record in found.items()} == {
        session(HOSTILE_IDS[name]): (sent.trace_id,),
    }


async def test_many_sessions_with_long_ids_are_located_together(database: Database) -> None:
    """More than one parameter can hold."""
    sent = [turn(f"{number}" + "'" * 10_000) for number in range(30)]
    await store(database, *sent)
    refs = [session(span.attributes["session.id"]) for span in sent]
    found = await ClickHouseTelemetry(database).locate(refs)
    assert [found[ref].trace_ids for ref in refs] == [(span.trace_id,) for span in sent]


async def test_a_trace_whose_id_is_none_is_no_part_of_a_session(database: Database) -> None:
    """A foreign writer may store any text as an id."""
    session_id = new_trace_id()
    sent = turn(session_id)
    await store(database, sent, replace(sent, trace_id="not hex"), replace(sent, trace_id="0" * 32))
    assert (await located(database, session(session_id))).trace_ids == (sent.trace_id,)


def test_a_session_id_without_end_is_refused() -> None:
    """With the limit in the message."""
    with pytest.raises(ValueError, match=f"may have {MAX_SESSION_ID_BYTES} bytes"):
        session("x" * (MAX_SESSION_ID_BYTES + 1))
