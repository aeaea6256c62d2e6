"""Reads what arrived, in the words of the tests."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from storage.clickhouse.client import Database

FOREIGN = "RequestDigest = toFixedString('', 16)"
"""Rows of a writer that is not Assay's exporter."""
DEADLINE_SECONDS = 30.0
POLL_SECONDS = 0.05


async def derived_spans(database: Database, trace_id: str) -> list[dict[str, Any]]:
    """What view `spans` derives from the raw attributes of a trace, root first."""
    return await database.query(
        "SELECT SpanName, SpanKind, ServiceName, SessionId, UserId, ObservationKind, Model, InputTokens, OutputTokens,"
        " Environment, SpanAttributes['gen_ai.response.finish_reasons'] AS FinishReasons,"
        " abs(dateDiff('second', IngestedAt, now64(3))) < 60 AS IngestedNow"
        " FROM spans WHERE TraceId = {trace_id:String} ORDER BY ParentSpanId",
        {"trace_id": trace_id},
    )


async def trace(database: Database, trace_id: str) -> list[dict[str, Any]]:
    """The trace as view `traces` counts it; empty when it is not there."""
    return await database.query(
        "SELECT Spans, Roots, HasLogs, LlmSpansReported, InputTokensReported, OutputTokensReported, SessionId, UserId,"
        " Environment, RootService, RootName FROM traces WHERE TraceId = {trace_id:String}",
        {"trace_id": trace_id},
    )


async def events(database: Database, trace_id: str) -> list[dict[str, Any]]:
    """Log records of a trace."""
    return await database.query(
        "SELECT EventName, Body, ServiceName, SeverityNumber, LogAttributes['session.id'] AS SessionId, ScopeName,"
        " abs(dateDiff('second', IngestedAt, now64(3))) < 60 AS IngestedNow"
        " FROM otel_logs WHERE TraceId = {trace_id:String}",
        {"trace_id": trace_id},
    )


async def count(database: Database, table: str, where: str = "1") -> int:
    """Rows of a table."""
    return int((await database.query(f"SELECT count() AS rows FROM {table} WHERE {where}"))[0]["rows"])


async def until_count(database: Database, table: str, rows: int) -> None:
    """Wait until a table has this many rows.

    Raises:
        TimeoutError: It has fewer after DEADLINE_SECONDS.
    """
    async with asyncio.timeout(DEADLINE_SECONDS):
        while await count(database, table) < rows:  # noqa: ASYNC110  (another process writes: only asking tells)
            await asyncio.sleep(POLL_SECONDS)


async def written_columns(database: Database, table: str) -> dict[str, str]:
    """Name -> type of the columns that a writer fills (not those that ClickHouse computes)."""
    described = await database.query(f"DESCRIBE TABLE {table}")
    return {row["name"]: row["type"] for row in described if row["default_type"] in ("", "DEFAULT")}


async def comparable(database: Database, table: str, columns: Mapping[str, str], where: str) -> list[Any]:
    """Rows as tuples of the columns' exact values, sorted: times in nanoseconds, maps as sorted pairs.

    Maps are sorted because clickhouseexporter sorts them by key, where Assay keeps the order of the sender.
    """
    shown = ", ".join(f"{_exactly(name, kind)} AS c{position}" for position, (name, kind) in enumerate(columns.items()))
    rows = await database.query(f"SELECT {shown} FROM {table} WHERE {where}")
    return sorted((tuple(row.values()) for row in rows), key=repr)


def _exactly(name: str, kind: str) -> str:
    pairs = "arraySort(CAST({}, 'Array(Tuple(String, String))'))"
    if kind.startswith("Map("):
        return pairs.format(f"`{name}`")
    if kind.startswith("Array(Map("):
        return f"arrayMap(m -> {pairs.format('m')}, `{name}`)"
    if kind.startswith("DateTime64"):
        return f"toUnixTimestamp64Nano(`{name}`)"
    if kind.startswith("Array(DateTime64"):
        return f"arrayMap(t -> toUnixTimestamp64Nano(t), `{name}`)"
    return f"`{name}`"
