"""Sessions in the queue of online rules: which are over, which of them somebody wants, and how far one is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from storage.clickhouse.candidates import APART_NS, GROUPS, Groups, by_hash_alone, grouped, sampled
from storage.clickhouse.client import Database, statement
from storage.model import Anchor, Level, TargetRef
from storage.queue import Candidate, Candidates, FirstTrace, Look, Ready, SessionProgress
from storage.telemetry import TargetRecord

MAX_PARAMETER_BYTES = 100_000
"""ClickHouse refuses form values over 128 KiB, and a session's id may be any text."""

MAX_TRACES = 1000
"""Trace ids in one parameter."""


async def ready_sessions(database: Database, look: Look, *, quiet_ms: int) -> list[Ready]:
    """Sessions that are over; their records lack their traces (`storage.telemetry.Telemetry.locate` knows them)."""
    arrived_from_ms, arrived_until_ms = look.arrived_ms or (
        look.since_ms - quiet_ms - 1,  # where a page ended in the middle of a millisecond, that is part of the next
        look.until_ms - quiet_ms,
    )
    rows = await database.rows(
        "ready_sessions",
        {
            "quiet_ms": quiet_ms,
            "since_ms": look.since_ms,
            "until_ms": look.until_ms,
            "arrived_from_ms": arrived_from_ms,
            "arrived_until_ms": arrived_until_ms,
            "after_id": look.after_id,
            "shards": sorted(look.shards),
            "sample_ppm": look.sample_ppm,
            "every": look.arrived_ms is not None,
            "max_rows": look.limit,
        },
    )
    found: list[Ready] = []
    for row in rows:
        trace_id, span_id, time_ns, service_name, span_name = row["anchor"]
        first_trace_id, first_ns, last_ns = row["started_first"]
        record = TargetRecord(
            ref=TargetRef(level=Level.SESSION, session_id=row["session_id"]),
            target_time_ns=row["first_ingested_ms"] * 1_000_000,
            start_ns=row["first_ns"],
            watermark_ms=row["watermark_ms"],
            anchor=Anchor(
                trace_id=trace_id, span_id=span_id, time_ns=time_ns, service_name=service_name, span_name=span_name
            ),
            trace_ids=(),
            first_ns=row["first_ns"],
            last_ns=row["last_ns"],
            spans=row["spans"],
            logs=row["logs"],
        )
        first = FirstTrace(trace_id=first_trace_id, first_ns=first_ns, last_ns=last_ns)
        found.append(
            Ready(record=record, ready_ms=row["ready_ms"], bucket=row["bucket"], has_logs=row["logs"] > 0, first=first)
        )
    return found


async def candidate_sessions(
    database: Database, ready: Sequence[Ready], wanted: Sequence[Candidates]
) -> list[Candidate]:
    """`storage.queue.Queue.candidates`, for sessions: filters and scopes are about the trace that started first."""
    buckets = [each.bucket for each in ready if each.bucket is not None]
    if len(buckets) == len(ready) and all(map(by_hash_alone, wanted)):
        return sampled(ready, buckets, wanted)
    found: dict[str, set[int]] = {}
    for groups in grouped(wanted, key="SessionId"):
        for part in _pages(ready):
            await _match(database, part, groups, found)
    return [
        Candidate(record=each.record, of=each, wanted=tuple(sorted(found[each.record.ref.session_id])))
        for each in ready
        if each.record.ref.session_id in found
    ]


async def _match(database: Database, ready: Sequence[Ready], groups: Groups, found: dict[str, set[int]]) -> None:
    firsts = [each.first for each in ready if each.first is not None]
    parameters: dict[str, object] = {
        "session_ids": [each.record.ref.session_id for each in ready if each.first is not None],
        "first_trace_ids": [first.trace_id for first in firsts],
        "trace_ids": sorted({first.trace_id for first in firsts}),
        "first_ns": min(first.first_ns for first in firsts),
        "last_ns": max(first.last_ns for first in firsts),
        **groups.parameters,
    }
    for row in await database.query(statement("candidate_sessions").replace(GROUPS, groups.sql), parameters):
        places = [place for number in row["wanted"] for place in groups.members[number - 1]]
        found.setdefault(row["session_id"], set()).update(places)


def _pages(ready: Sequence[Ready]) -> Iterator[Sequence[Ready]]:
    """Runs whose ids one parameter can hold; those whose first traces start near each other together."""
    ordered = sorted(ready, key=lambda each: each.first.first_ns if each.first else 0)
    page: list[Ready] = []
    size = 0
    for each in ordered:
        if each.first is None:
            continue
        length = 2 * len(each.record.ref.session_id.encode()) + 40  # every byte may need an escape
        apart = page and page[-1].first is not None and each.first.first_ns - page[-1].first.first_ns > APART_NS
        if page and (size + length > MAX_PARAMETER_BYTES or apart):
            yield page
            page, size = [], 0
        page.append(each)
        size += length
    if page:
        yield page


async def session_progress(database: Database, session_id: str, *, quiet_ms: int) -> SessionProgress | None:
    """How far one session is; None for an unknown one."""
    rows = await database.rows("completion_of_session", {"session_id": session_id, "quiet_ms": quiet_ms})
    if not rows:
        return None
    row = rows[0]
    started = [(trace_id, first_ms) for trace_id, _, first_ms in row.pop("started")]
    return SessionProgress(**row | {"ended": bool(row["ended"]), "started": tuple(started)})


def session_ready(record: TargetRecord) -> Ready:
    """A located session as a filter takes it."""
    first = min(record.traces, key=lambda trace: (trace.start_ns, trace.ref.trace_id))
    window = FirstTrace(trace_id=first.ref.trace_id, first_ns=first.first_ns, last_ns=first.last_ns)
    return Ready(record=record, ready_ms=0, first=window)


async def missing_parents(database: Database, record: TargetRecord) -> int:
    """How many parents of spans of a target's traces are not stored."""
    missing = 0
    for start in range(0, len(record.trace_ids), MAX_TRACES):
        part = {"trace_ids": list(record.trace_ids[start : start + MAX_TRACES])}
        rows = await database.rows("missing_parents", part | {"first_ns": record.first_ns, "last_ns": record.last_ns})
        missing += sum(row["parents"] for row in rows)
    return missing
