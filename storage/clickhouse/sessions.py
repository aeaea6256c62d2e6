"""What belongs to a session."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from storage.clickhouse.client import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceWindow:
    """A trace, how many spans it has, and in which time they start, nanoseconds."""

    trace_id: str
    first_ns: int
    last_ns: int
    spans: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionTraces:
    """The first traces of a session by arrival, out of `count`; 0 = the session is not known."""

    count: int
    traces: tuple[TraceWindow, ...]


async def traces_of_session(database: Database, session_id: str, *, limit: int) -> SessionTraces:
    """At most `limit` traces, the one that arrived first before the others."""
    rows = await database.rows("session_traces", {"session_id": session_id, "max_rows": limit})
    count = rows[0]["count"] if rows else 0
    return SessionTraces(
        count=count,
        traces=tuple(TraceWindow(**{name: value for name, value in row.items() if name != "count"}) for row in rows),
    )


def pages(traces: Sequence[TraceWindow], *, page_spans: int, max_spans: int) -> Iterator[Sequence[TraceWindow]]:
    """Runs of traces of about `page_spans` spans together, as long as all have at most `max_spans`; at least one."""
    page: list[TraceWindow] = []
    total = 0
    for trace in traces:
        if total and total + trace.spans > max_spans:
            break
        if page and sum(each.spans for each in page) + trace.spans > page_spans:
            yield page
            page = []
        page.append(trace)
        total += trace.spans
    if page:
        yield page
