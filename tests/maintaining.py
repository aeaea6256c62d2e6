"""What tests of maintenance store, as writers of several kinds would, and what must hold afterwards."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from storing import SentSpan

from storage.clickhouse.client import Database
from storage.clickhouse.maintenance import ClickHouseMaintenance
from storage.clickhouse.queue import ClickHouseQueue
from storage.maintenance import ArrivalWindow, MaintenanceWork

SPANS = (
    "Timestamp", "TraceId", "SpanId", "ParentSpanId", "SpanName", "ServiceName", "SpanAttributes", "Duration",
    "StatusCode", "RequestDigest", "RequestRows",
)  # fmt: skip
LOGS = ("Timestamp", "TraceId", "SpanId", "Body", "ServiceName", "RequestDigest", "RequestRows")
FOREIGN = b"\0" * 16

FRESH = """
SELECT TraceId, toUnixTimestamp64Nano(min(Timestamp)) AS start, toUnixTimestamp64Nano(max(Timestamp)) AS last_start,
       min(IngestedAt) AS first_ingested, count() AS spans, countIf(ParentSpanId = '') AS roots,
       countIf(StatusCode = 'Error') AS errors, countIf(ObservationKind = 'llm') AS llm,
       sumIf(InputTokens, ObservationKind IN ('llm', 'embedding')) AS tokens_in,
       sumIf(OutputTokens, ObservationKind = 'llm') AS tokens_out,
       round(sumIf(CostUsd, ObservationKind IN ('llm', 'embedding')), 6) AS usd, max(SessionId) AS session,
       TraceId IN (SELECT TraceId FROM otel_logs) AS has_logs
FROM otel_traces WHERE TraceId != '' GROUP BY TraceId ORDER BY TraceId
"""
SHOWN = """
SELECT TraceId, toUnixTimestamp64Nano(Start) AS start, toUnixTimestamp64Nano(LastStart) AS last_start,
       FirstIngested AS first_ingested, Spans AS spans, Roots AS roots, ErrorSpans AS errors, LlmSpansReported AS llm,
       InputTokensReported AS tokens_in, OutputTokensReported AS tokens_out, round(CostUsdReported, 6) AS usd,
       SessionId AS session, HasLogs AS has_logs
FROM traces ORDER BY TraceId
"""
FRESH_SESSIONS = """
SELECT m.SessionId AS SessionId, count() AS traces, sum(t.n) AS spans, round(sum(t.usd), 6) AS usd
FROM (SELECT DISTINCT SessionId, TraceId FROM otel_traces WHERE SessionId != '' AND TraceId != '') AS m
INNER JOIN (SELECT TraceId, count() AS n, sum(CostUsd) AS usd FROM otel_traces GROUP BY TraceId) AS t
  ON m.TraceId = t.TraceId
GROUP BY SessionId ORDER BY SessionId
"""
SHOWN_SESSIONS = """
SELECT SessionId, Traces AS traces, Spans AS spans, round(CostUsdReported, 6) AS usd FROM sessions ORDER BY SessionId
"""
UNHEARD = """
SELECT s.at, s.id, s.n, e.n
FROM (SELECT IngestedAt AS at, TraceId AS id, count() AS n FROM otel_traces WHERE TraceId != '' GROUP BY at, id) AS s
LEFT JOIN (SELECT IngestedAt AS at, TraceId AS id, sum(Spans) AS n FROM trace_events GROUP BY at, id) AS e
  ON s.at = e.at AND s.id = e.id
WHERE s.n > e.n
"""


def a_call(**other: Any) -> SentSpan:
    """A model call that reports what it used, in a session."""
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.usage.input_tokens": "7",
        "gen_ai.usage.output_tokens": "3",
        "gen_ai.usage.cost": "0.25",
        "session.id": "s-1",
    }
    return SentSpan(attributes=attributes | other.pop("attributes", {}), **other)


async def write(
    database: Database, spans: Sequence[SentSpan], *, digest: bytes = FOREIGN, request_rows: int | None = None
) -> None:
    """One INSERT that nothing takes for a repetition; without a digest it is another writer's."""
    rows = [
        (
            span.start_ns, span.trace_id, span.span_id, span.parent, span.name, span.service, dict(span.attributes),
            span.duration_ns, span.status, digest, (request_rows or len(spans)) * (digest != FOREIGN),
        )
        for span in spans
    ]  # fmt: skip
    await database.insert_rows("otel_traces", SPANS, rows, token=uuid.uuid4().hex)


async def write_logs(
    database: Database,
    logs: Sequence[tuple[int, SentSpan, str]],
    *,
    digest: bytes = FOREIGN,
    request_rows: int | None = None,
) -> None:
    """Log records (time in ns, span, body), likewise."""
    rows = [
        (
            time_ns,
            span.trace_id,
            span.span_id,
            body,
            span.service,
            digest,
            (request_rows or len(logs)) * (digest != FOREIGN),
        )
        for time_ns, span, body in logs
    ]
    await database.insert_rows("otel_logs", LOGS, rows, token=uuid.uuid4().hex)


async def closed_window(database: Database, *, pieces: int = 1) -> ArrivalWindow:
    """Everything that is stored now."""
    until_ms = 0
    newest = await database.query(
        "SELECT toUnixTimestamp64Milli(max(IngestedAt)) AS ms FROM (SELECT IngestedAt FROM otel_traces UNION ALL "
        "SELECT IngestedAt FROM otel_logs UNION ALL SELECT IngestedAt FROM trace_events)"
    )
    while until_ms < newest[0]["ms"]:
        until_ms = await ClickHouseQueue(database).safe_until_ms()
    return ArrivalWindow(since_ms=0, until_ms=until_ms, pieces=pieces)


async def maintained(database: Database, *, pieces: int = 1, at_once: int = 1000) -> MaintenanceWork:
    """One round over everything; returns what it did."""
    maintenance = ClickHouseMaintenance(database, repeated_spans=at_once)
    window = await closed_window(database, pieces=pieces)
    return await maintenance.remove_copies(window) + await maintenance.reconcile(window)


async def in_step(database: Database) -> bool:
    """Whether journal, rollups and sessions say what is stored; shows both where they do not."""
    assert await database.query(SHOWN) == await database.query(FRESH)
    assert await database.query(SHOWN_SESSIONS) == await database.query(FRESH_SESSIONS)
    assert await database.query(UNHEARD) == []
    return True
