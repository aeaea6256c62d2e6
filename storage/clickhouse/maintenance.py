"""Keeps what is derived from stored rows in step with them: the port `Maintenance`."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Any

from storage.clickhouse.client import Database, statement
from storage.maintenance import ArrivalWindow, MaintenanceWork
from storage.telemetry import TelemetryTable

PIECE_ROWS = 1_000_000
"""Rows of a window that one query groups: some 100 MB of memory."""
REPEATED_SPANS = 100_000
"""Spans whose contents one statement compares, and of which it removes copies."""
IDS_BYTES = 100_000
"""Ids in one parameter: ClickHouse refuses form values over 128 KiB."""
LONGEST_ID = 1000
"""A foreign writer may store any text as an id; traces with longer ones are not compared."""
REQUESTS_AT_ONCE = 1000
SLACK_MS = 120_000
"""How much earlier than its rollup says a trace may have begun: the rollup's first row is perhaps what is missing."""
_ROLLUP = (
    "TraceId, Start, LastStart, End, FirstIngested, LastIngested, Spans, Roots, Logs, ErrorSpans, LlmSpansReported, "
    "InputTokensReported, OutputTokensReported, CostUsdReported, Root, LocalRoot, ServiceNames, Environment, "
    "SessionId, UserId, SessionIds"
)
_JOURNAL = "IngestedAt, TraceId, SessionId, Spans, Roots, Logs, MinTime, MaxTime"
_SESSIONS = "SessionId, TraceId, FirstIngested"
_ROUND_COLUMNS = (
    "Worker", "SpansRemoved", "ForeignSpansRemoved", "LogsRemoved", "JournalAdded", "RollupsRepaired", "SessionsAdded",
)  # fmt: skip
_WITHOUT_IDS: Mapping[TelemetryTable, Mapping[str, str]] = {
    "otel_traces": {
        "/*keys*/": "(ServiceName, SpanName, toDateTime(Timestamp))",
        "/*rows*/": "(TraceId = '' OR SpanId = '')",
        "/*results*/": ", EvalKeys, EvalValues",
    },
    "otel_logs": {"/*keys*/": "(ServiceName, TimestampTime)", "/*rows*/": "1", "/*results*/": ""},
}
_DELETE = {"lightweight_delete_mode": "lightweight_update", "lightweight_deletes_sync": 1}


class ClickHouseMaintenance:
    """`storage.maintenance.Maintenance` over ClickHouse."""

    def __init__(
        self, database: Database, *, piece_rows: int = PIECE_ROWS, repeated_spans: int = REPEATED_SPANS
    ) -> None:
        self._database = database
        self._piece_rows = piece_rows
        self._repeated_spans = repeated_spans

    async def next_window(self, *, since_ms: int, until_ms: int, seconds: int) -> ArrivalWindow | None:
        """See the port."""
        found = (
            await self._database.rows(
                "reconcile_arrivals", {"since_ms": since_ms, "until_ms": until_ms, "seconds": seconds}
            )
        )[0]
        if found["first_ms"] is None:
            return None
        return ArrivalWindow(
            since_ms=found["first_ms"] - 1,
            until_ms=min(until_ms, found["first_ms"] + seconds * 1000),
            pieces=1 + found["rows"] // self._piece_rows,
        )

    async def copies(self, window: ArrivalWindow) -> MaintenanceWork:
        """See the port."""
        found = MaintenanceWork()
        for part in await self._repeated(window):
            found += await self._span_copies(part)
        for table in _WITHOUT_IDS:
            found += _of(table, await self._request_copies(table, window))
        return found

    async def remove_copies(self, window: ArrivalWindow) -> MaintenanceWork:
        """See the port."""
        done = MaintenanceWork()
        for part in await self._repeated(window):
            if found := await self._span_copies(part):
                settings = {**_DELETE, "optimize_use_projections": 0}
                await self._database.execute(_text("duplicates_delete_spans"), part, settings=settings)
                done += found
        for table in _WITHOUT_IDS:
            while parts := await self._request_copies(table, window):
                named = {
                    "arrivals_ms": sorted({part["arrival_ms"] for part in parts}),
                    "parts": [f"{part['digest']} {part['arrival_ms']} {part['day']}" for part in parts],
                }
                await self._database.execute(_for("duplicates_delete_requests", table), named, settings=_DELETE)
                done += _of(table, parts)
                if len(parts) < REQUESTS_AT_ONCE:
                    break
        return done

    async def _repeated(self, window: ArrivalWindow) -> list[dict[str, object]]:
        """Parts of a window that have spans which seem to be stored more than once, so many that their contents can be
        compared at once."""
        parts: list[dict[str, object]] = []
        for piece in _pieces(window):
            rows = await self._database.query(f"SELECT count() AS n FROM ({_text('duplicates_repeated')})", piece)
            finer = -(-rows[0]["n"] // self._repeated_spans)
            parts += [
                {**piece, "pieces": window.pieces * finer, "piece": number * window.pieces + piece["piece"]}
                for number in range(finer)
            ]
        return parts

    async def _span_copies(self, part: Mapping[str, object]) -> MaintenanceWork:
        rows = await self._database.query(
            f"SELECT countIf(NOT foreign) AS own, countIf(foreign) AS others FROM ({_text('duplicates_spans')})", part
        )
        return MaintenanceWork(spans_removed=rows[0]["own"], foreign_spans_removed=rows[0]["others"])

    async def _request_copies(self, table: TelemetryTable, window: ArrivalWindow) -> list[dict[str, Any]]:
        bounds = {"since_ms": window.since_ms, "until_ms": window.until_ms, "max_rows": REQUESTS_AT_ONCE}
        return await self._database.query(_for("duplicates_requests", table), bounds)

    async def differing(self, window: ArrivalWindow) -> int:
        """See the port."""
        return sum([len(await self._differences(chunk, [])) for chunk in await self._suspects(window)])

    async def reconcile(self, window: ArrivalWindow) -> MaintenanceWork:
        """See the port.

        The journal's missing rows go in last: as long as they are missing, a repetition wakes their traces again.
        """
        journal, unheard = await self._unheard(window)
        rollups = 0
        woken = frozenset(unheard)
        late = [(trace_id, window.since_ms) for trace_id in unheard]
        for chunk in [*await self._suspects(window), *_chunks(late, until_ms=window.until_ms)]:
            rollups += await self._repair(chunk, [trace_id for trace_id in chunk.trace_ids if trace_id in woken])
        sessions = 0
        for piece in _pieces(window):
            if journal:
                await self._add("trace_events", _JOURNAL, "reconcile_journal", piece)
            if missing := await self._count("reconcile_sessions", piece):
                await self._add("session_traces", _SESSIONS, "reconcile_sessions", piece)
                sessions += missing
        return MaintenanceWork(journal_added=journal, rollups_repaired=rollups, sessions_added=sessions)

    async def _unheard(self, window: ArrivalWindow) -> tuple[int, list[str]]:
        """How many rows the journal lacks, and of which traces."""
        rows = [
            (
                await self._database.query(
                    "SELECT count() AS n, groupUniqArray(TraceId) AS trace_ids "
                    f"FROM ({statement('reconcile_journal')})",
                    piece,
                )
            )[0]
            for piece in _pieces(window)
        ]
        return sum(row["n"] for row in rows), [trace_id for row in rows for trace_id in row["trace_ids"]]

    async def _suspects(self, window: ArrivalWindow) -> list[_Chunk]:
        rows = [row for piece in _pieces(window) for row in await self._database.rows("reconcile_suspects", piece)]
        return _chunks([(row["trace_id"], row["first_ms"]) for row in rows], until_ms=window.until_ms)

    async def _differences(self, chunk: _Chunk, woken: Sequence[str]) -> list[dict[str, Any]]:
        return await self._database.query(
            f"SELECT TraceId AS trace_id, differs FROM ({statement('reconcile_rollup')})", chunk.bounds(woken)
        )

    async def _repair(self, chunk: _Chunk, woken: Sequence[str]) -> int:
        """Bring rollups in step and wake their traces; returns how many rollups differed."""
        found = await self._differences(chunk, woken)
        if found:
            named = {"trace_ids": [row["trace_id"] for row in found]}
            await self._database.run("reconcile_wake", named, settings=_once())
            await self._add("traces_rollup", _ROLLUP, "reconcile_rollup", {**chunk.bounds(woken), **named})
        return sum(row["differs"] for row in found)

    async def _count(self, name: str, parameters: Mapping[str, object]) -> int:
        rows = await self._database.query(f"SELECT count() AS n FROM ({statement(name)})", parameters)
        return int(rows[0]["n"])

    async def _add(self, table: str, columns: str, name: str, parameters: Mapping[str, object]) -> None:
        await self._database.execute(
            f"INSERT INTO {table} ({columns}) SELECT {columns} FROM ({statement(name)})", parameters, settings=_once()
        )

    async def remember(self, worker: str, work: MaintenanceWork) -> None:
        """See the port."""
        await self._database.insert_rows("maintenance_rounds", _ROUND_COLUMNS, [(worker, *astuple(work))])

    async def total(self) -> MaintenanceWork:
        """See the port."""
        rows = await self._database.rows("maintenance_total")
        return MaintenanceWork(**rows[0])

    async def apply_patches(self, *, quiet_seconds: int) -> list[str]:
        """See the port."""
        found = await self._database.rows("patched_days", {"quiet_seconds": quiet_seconds})
        days = [row["day"] for row in found]
        for day in days:
            await self._database.execute(
                f"ALTER TABLE otel_traces APPLY PATCHES IN PARTITION ID '{int(day)}'", settings={"mutations_sync": 1}
            )
        return days


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chunk:
    """Traces that are compared in one statement; nothing of them came before `first_ms`."""

    trace_ids: Sequence[str]
    first_ms: int
    until_ms: int

    def bounds(self, woken: Sequence[str]) -> dict[str, object]:
        return {
            "trace_ids": list(self.trace_ids),
            "first_ms": self.first_ms - SLACK_MS,
            "until_ms": self.until_ms,
            "woken": list(woken),
        }


def _chunks(traces: Sequence[tuple[str, int]], *, until_ms: int) -> list[_Chunk]:
    """In order of their first arrivals, so that each chunk reads a short time."""
    chunks: list[_Chunk] = []
    ids: list[str] = []
    first_ms, size = 0, IDS_BYTES
    for trace_id, at_ms in sorted(traces, key=lambda trace: trace[1]):
        if len(trace_id) > LONGEST_ID:
            continue
        if size + len(trace_id) + 3 > IDS_BYTES:
            ids, first_ms, size = [], at_ms, 0
            chunks.append(_Chunk(trace_ids=ids, first_ms=first_ms, until_ms=until_ms))
        ids.append(trace_id)
        size += len(trace_id) + 3
    return chunks


def _text(name: str) -> str:
    """A statement with those that it is made of."""
    text = statement(name)
    for part in ("duplicates_spans", "duplicates_repeated", "arrived_keys"):
        text = text.replace(f"/*{part}*/", statement(part))
    return text


def _pieces(window: ArrivalWindow) -> list[dict[str, int]]:
    bounds = {"since_ms": window.since_ms, "until_ms": window.until_ms, "pieces": window.pieces}
    return [{**bounds, "piece": piece} for piece in range(window.pieces)]


def _for(name: str, table: TelemetryTable) -> str:
    text = statement(name).replace("/*table*/", table)
    for mark, meaning in _WITHOUT_IDS[table].items():
        text = text.replace(mark, meaning)
    return text


def _of(table: TelemetryTable, parts: Sequence[Mapping[str, Any]]) -> MaintenanceWork:
    rows = sum(part["rows"] for part in parts)
    return MaintenanceWork(logs_removed=rows) if table == "otel_logs" else MaintenanceWork(spans_removed=rows)


def _once() -> dict[str, object]:
    """Two equal repairs are two, also where ClickHouse takes an equal INSERT for a repetition of the first."""
    return {"insert_deduplication_token": uuid.uuid4().hex}
