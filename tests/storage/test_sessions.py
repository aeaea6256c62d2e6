"""What a session is made of, read in pages that fit into memory."""

from __future__ import annotations

import pytest
from storing import SentSpan, a_chat, store

from storage.clickhouse.client import Database
from storage.clickhouse.sessions import TraceWindow, pages, traces_of_session


def windows(*spans: int) -> list[TraceWindow]:
    """Traces of so many spans."""
    return [TraceWindow(trace_id=str(place), first_ns=0, last_ns=1, spans=n) for place, n in enumerate(spans)]


@pytest.mark.parametrize(
    ("spans", "sizes"),
    [((), []), ((1, 1, 1), [[1, 1, 1]]), ((6, 6, 1), [[6], [6, 1]]), ((99,), [[99]]), ((6, 20, 1), [[6]])],
)
def test_a_page_has_about_so_many_spans_and_a_session_at_most_so_many(
    spans: tuple[int, ...], sizes: list[list[int]]
) -> None:
    """One trace is always read, however large it is."""
    read = [[trace.spans for trace in page] for page in pages(windows(*spans), page_spans=10, max_spans=25)]
    assert read == sizes


async def test_traces_come_in_order_of_arrival_and_their_number_is_told(fresh_database: Database) -> None:
    """Whatever their clocks say; a trace counts once, and spans of it without the session's id count, too."""
    named = {"session.id": "s"}
    first, second = a_chat(attributes=named), a_chat(attributes=named, start_ns=1)
    await store(fresh_database, first, a_chat(), ingested_ms=1_700_000_000_000)
    child = SentSpan(trace_id=second.trace_id, parent=second.span_id, start_ns=5)
    await store(fresh_database, second, child, ingested_ms=1_700_000_001_000)
    late = SentSpan(trace_id=second.trace_id, start_ns=9, attributes=named)
    await store(fresh_database, late, ingested_ms=1_700_000_002_000)
    found = await traces_of_session(fresh_database, "s", limit=10)
    assert (found.count, found.traces) == (
        2,
        (
            TraceWindow(trace_id=first.trace_id, first_ns=first.start_ns, last_ns=first.start_ns, spans=1),
            TraceWindow(trace_id=second.trace_id, first_ns=1, last_ns=9, spans=3),
        ),
    )
    cut = await traces_of_session(fresh_database, "s", limit=1)
    assert (cut.count, [trace.trace_id for trace in cut.traces]) == (2, [first.trace_id])
    assert (await traces_of_session(fresh_database, "nobody's", limit=1)).count == 0
