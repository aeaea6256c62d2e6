"""Telemetry in and out of ClickHouse: the ports `TelemetrySink` and `Telemetry`."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from storage.clickhouse.client import Database
from storage.clickhouse.engine_config import MIN_FREE_BYTES
from storage.errors import NotFound, Unavailable
from storage.model import Anchor, Level, SpanEvent, StoredLog, StoredSpan, TargetRef
from storage.otlp import columns
from storage.telemetry import StoredRequests, TargetRecord, TelemetryTable
from storage.together import together

INSERT_SETTINGS: Mapping[str, object] = {
    "async_insert": 0,  # an answer means: the part is committed
    "max_partitions_per_insert_block": 0,  # a group of requests may span many days
    "deduplicate_blocks_in_dependent_materialized_views": 1,
    "insert_allow_materialized_columns": 1,  # reading their expressions is 50 ms of CPU for each INSERT (ADR 0010)
    "min_free_disk_bytes_to_perform_insert": MIN_FREE_BYTES,  # nearer to the end it acknowledges what it cannot write
    # The first merge builds them (ADR 0014); queues and look-ups live on the others.
    "exclude_materialize_skip_indexes_on_insert": "idx_res_attr_key,idx_res_attr_value,idx_span_attr_key,"
    "idx_span_attr_value,idx_scope_attr_key,idx_scope_attr_value,idx_log_attr_key,idx_log_attr_value,"
    "idx_lower_span_name,idx_duration,idx_body",
}
INSERT_SECONDS = 20.0
"""A frozen server must not hold the callers of a group for longer; the token makes a repetition harmless."""
DAY_NS = 86_400_000_000_000
MAX_NS = 2**63 - 1
MAX_PARAMETER_BYTES = 100_000
"""ClickHouse refuses form values over 128 KiB."""


class ClickHouseSink:
    """`storage.telemetry.TelemetrySink` over ClickHouse."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def insert(self, table: TelemetryTable, blocks: Sequence[bytes], *, token: str) -> None:
        """Commit Native blocks; see the port."""
        try:
            async with asyncio.timeout(INSERT_SECONDS):
                await self._database.insert_native(
                    table,
                    blocks,
                    settings={**INSERT_SETTINGS, "insert_deduplication_token": token},
                    columns=[column.name for column in columns.TABLES[table]],
                )
        except TimeoutError:
            raise Unavailable(f"ClickHouse did not answer an INSERT within {INSERT_SECONDS:.0f} s") from None

    async def stored_requests(
        self, table: TelemetryTable, *, after_us: int, until_us: int, limit: int
    ) -> StoredRequests:
        """Complete requests of a window; see the port."""
        window = {"after_us": after_us, "until_us": until_us, "max_rows": limit}
        target = rf"(?i)\binto\s+\S*\b{table}\b"
        try:
            async with asyncio.timeout(INSERT_SECONDS):
                [row] = await self._database.rows("stored_requests", {"table": table, "target": target, **window})
        except TimeoutError:
            raise Unavailable(f"ClickHouse did not say within {INSERT_SECONDS:.0f} s what is stored") from None
        return StoredRequests(**row)

    async def free_bytes(self) -> int:
        """Free bytes of the fullest disk."""
        rows = await self._database.query("SELECT min(unreserved_space) AS free FROM system.disks")
        return int(rows[0]["free"])


class ClickHouseTelemetry:
    """`storage.telemetry.Telemetry` over ClickHouse."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def locate(
        self, refs: Sequence[TargetRef], *, time_hint_ns: int | None = None
    ) -> Mapping[TargetRef, TargetRecord]:
        """Find targets by id; see the port."""
        span_refs = [ref for ref in refs if ref.level is Level.SPAN]
        trace_ids = {ref.trace_id for ref in refs if ref.level is Level.TRACE}
        found = await self._sessions([ref for ref in refs if ref.level is Level.SESSION])
        traces, anchors = await together(
            self.traces(trace_ids | {ref.trace_id for ref in span_refs}), settled_anchors(self._database, trace_ids)
        )
        wanted = set(span_refs)
        for row in await self._span_rows(span_refs, traces, time_hint_ns):
            ref = TargetRef(level=Level.SPAN, trace_id=row["trace_id"], span_id=row["span_id"])
            if ref in wanted:  # ids are matched one by one in SQL: a span id may exist in another trace too
                found[ref] = _span_record(ref, row, traces.get(ref.trace_id))
        for trace_id in trace_ids & traces.keys():
            record = traces[trace_id]
            found[record.ref] = replace(record, anchor=anchors.get(trace_id, record.anchor))
        return found

    async def traces(self, trace_ids: Collection[str]) -> Mapping[str, TargetRecord]:
        """Where traces stand; see the port."""
        if not trace_ids:
            return {}
        rows = await self._database.rows("locate_traces", {"trace_ids": sorted(trace_ids)})
        return {row["trace_id"]: _trace_record(row) for row in rows}

    async def _sessions(self, refs: Sequence[TargetRef]) -> dict[TargetRef, TargetRecord]:
        found: dict[TargetRef, TargetRecord] = {}
        for page in pages([ref.session_id for ref in refs]):
            located, settled = await together(
                self._database.rows("locate_sessions", {"session_ids": page}),
                self._database.rows("settled_session_anchors", {"session_ids": page}),
            )
            anchors = {row["session_id"]: _anchor(*row["anchor"]) for row in settled}
            rows_of: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
            for row in located:
                rows_of[row["session_id"]].append(row)
            below = await self._settled_traces({row["trace_id"] for row in located})
            for session_id, rows in rows_of.items():
                record = _session_record(session_id, rows)
                traces = (replace(each, anchor=below.get(each.ref.trace_id, each.anchor)) for each in record.traces)
                anchor = anchors.get(session_id, record.anchor)
                found[record.ref] = replace(record, anchor=anchor, traces=tuple(traces))
        return found

    async def _settled_traces(self, trace_ids: Collection[str]) -> dict[str, Anchor]:
        """Where earlier results of the traces of sessions stand, page by page: a session may have thousands."""
        anchors: dict[str, Anchor] = {}
        for page in pages(sorted(trace_ids)):
            anchors |= await settled_anchors(self._database, page)
        return anchors

    async def _span_rows(
        self, refs: Sequence[TargetRef], traces: Mapping[str, TargetRecord], time_hint_ns: int | None
    ) -> list[dict[str, Any]]:
        if not refs:
            return []
        windows = [(record.first_ns, record.last_ns) for record in traces.values()]
        first = min((first for first, _ in windows), default=0)
        last = max((last for _, last in windows), default=MAX_NS)
        if not windows and time_hint_ns is not None:  # the rollup lags behind only after a crash
            first, last = max(0, time_hint_ns - DAY_NS), min(MAX_NS, time_hint_ns + DAY_NS)
        return await self._database.rows(
            "locate_spans",
            {
                "trace_ids": sorted({ref.trace_id for ref in refs}),
                "span_ids": sorted({ref.span_id for ref in refs}),
                "first_ns": first,
                "last_ns": last,
            },
        )

    async def trace_of_span(self, span_id: str) -> str:
        """The trace that holds a span, for people who have only the span's id (reads a whole column).

        Raises:
            NotFound: No span has this id, or spans of several traces have.
        """
        rows = await self._database.query(
            "SELECT DISTINCT TraceId AS trace_id FROM otel_traces WHERE SpanId = {span_id:String} LIMIT 2",
            {"span_id": span_id},
        )
        if len(rows) != 1:
            raise NotFound(f"there is no span {span_id}" if not rows else f"several traces have a span {span_id}")
        return str(rows[0]["trace_id"])

    async def spans(self, trace_ids: Collection[str], *, first_ns: int, last_ns: int) -> list[StoredSpan]:
        """Spans of traces in a window; see the port."""
        rows = await self._database.rows(
            "fetch_spans", {"trace_ids": sorted(trace_ids), "first_ns": first_ns, "last_ns": last_ns}
        )
        return [_stored_span(row) for row in rows]

    async def logs(self, trace_ids: Collection[str], *, first_ns: int, last_ns: int) -> list[StoredLog]:
        """Logs of traces in a window; see the port."""
        first_s, last_s = log_window(first_ns, last_ns)
        rows = await self._database.rows(
            "fetch_logs", {"trace_ids": sorted(trace_ids), "first_s": first_s, "last_s": last_s}
        )
        return [StoredLog(attributes=first_wins(row.pop("keys"), row.pop("texts")), **row) for row in rows]


async def settled_anchors(database: Database, trace_ids: Collection[str]) -> dict[str, Anchor]:
    """The spans on which earlier trace results stand, by trace id: later results go to the same place."""
    if not trace_ids:
        return {}
    rows = await database.rows("settled_anchors", {"trace_ids": sorted(trace_ids)})
    return {row["trace_id"]: _anchor(row["trace_id"], *row["anchor"]) for row in rows}


def _anchor(trace_id: str, span_id: str, time_ns: int, service_name: str, span_name: str) -> Anchor:
    return Anchor(trace_id=trace_id, span_id=span_id, time_ns=time_ns, service_name=service_name, span_name=span_name)


def _span_record(ref: TargetRef, row: Mapping[str, Any], trace: TargetRecord | None) -> TargetRecord:
    start = row["start_ns"]
    return TargetRecord(
        ref=ref,
        target_time_ns=start,
        start_ns=start,
        watermark_ms=row["watermark_ms"],
        anchor=_anchor(ref.trace_id, ref.span_id, start, row["service_name"], row["span_name"]),
        trace_ids=(ref.trace_id,),
        first_ns=trace.first_ns if trace else start,
        last_ns=trace.last_ns if trace else start,
        observation_kind=row["observation_kind"],
        traces=(trace,) if trace else (),
    )


def _trace_record(row: Mapping[str, Any]) -> TargetRecord:
    trace_id = row["trace_id"]
    return TargetRecord(
        ref=TargetRef(level=Level.TRACE, trace_id=trace_id),
        target_time_ns=row["first_ingested_ms"] * 1_000_000,
        start_ns=row["first_ns"],
        watermark_ms=row["watermark_ms"],
        anchor=_anchor(trace_id, row["anchor_span_id"], row["anchor_ns"], row["anchor_service"], row["anchor_name"]),
        trace_ids=(trace_id,),
        first_ns=row["first_ns"],
        last_ns=row["last_ns"],
        spans=row["spans"],
        logs=row["logs"],
    )


def _session_record(session_id: str, rows: Sequence[Mapping[str, Any]]) -> TargetRecord:
    """Out of the rows of its traces, the one whose part of the session arrived first before the others."""
    traces = tuple(map(_trace_record, rows))
    return TargetRecord(
        ref=TargetRef(level=Level.SESSION, session_id=session_id),
        target_time_ns=rows[0]["session_first_ms"] * 1_000_000,
        start_ns=min(trace.start_ns for trace in traces),
        watermark_ms=max(trace.watermark_ms for trace in traces),
        anchor=traces[0].anchor,
        trace_ids=tuple(trace.ref.trace_id for trace in traces),
        first_ns=min(trace.first_ns for trace in traces),
        last_ns=max(trace.last_ns for trace in traces),
        spans=sum(trace.spans for trace in traces),
        logs=sum(trace.logs for trace in traces),
        traces=traces,
    )


def pages(texts: Sequence[str]) -> Iterator[list[str]]:
    """The texts, in runs that one parameter of a query can hold."""
    page: list[str] = []
    size = 0
    for text in dict.fromkeys(texts):
        length = 2 * len(text.encode()) + 3  # every byte may need an escape
        if page and size + length > MAX_PARAMETER_BYTES:
            yield page
            page, size = [], 0
        page.append(text)
        size += length
    if page:
        yield page


def _stored_span(row: dict[str, Any]) -> StoredSpan:
    events = zip(
        row.pop("event_times_ns"), row.pop("event_names"), row.pop("event_keys"), row.pop("event_texts"), strict=True
    )
    return StoredSpan(
        attributes=first_wins(row.pop("keys"), row.pop("texts")),
        resource_attributes=first_wins(row.pop("resource_keys"), row.pop("resource_texts")),
        events=tuple(
            SpanEvent(time_ns=time, name=name, attributes=first_wins(keys, texts)) for time, name, keys, texts in events
        ),
        **row,
    )


def first_wins(keys: Sequence[str], texts: Sequence[str]) -> dict[str, str]:
    """A map of parallel arrays; of equal keys the first counts, as in ClickHouse's `map['key']`."""
    found: dict[str, str] = {}
    for key, text in zip(keys, texts, strict=True):
        found.setdefault(key, text)
    return found


def log_window(first_ns: int, last_ns: int) -> tuple[int, int]:
    """Seconds in which logs of spans in a window are looked for: an hour of slack, within what a DateTime can hold."""
    hour, limit = 3600, 2**32 - 1
    return max(0, first_ns // 10**9 - hour), min(limit, last_ns // 10**9 + hour)
