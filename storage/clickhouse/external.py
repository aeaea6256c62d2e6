"""Results that others sent: the port `storage.external.ResultEvents`."""

from __future__ import annotations

from collections.abc import Collection

from storage.clickhouse.client import Database
from storage.clickhouse.telemetry import MAX_NS
from storage.external import Responder, ResultEvent
from storage.model import Level, TargetRef, is_id


class ClickHouseResultEvents:
    """`storage.external.ResultEvents` over ClickHouse."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def arrived(self, *, since_ms: int, until_ms: int, limit: int, max_characters: int) -> list[ResultEvent]:
        """See the port."""
        window = {"since_ms": since_ms, "until_ms": until_ms}
        rows = await self._database.rows(
            "result_events", window | {"max_rows": limit, "max_characters": max_characters}
        )
        return [ResultEvent(**row) for row in rows]

    async def responders(
        self, response_ids: Collection[str], *, trace_ids: Collection[str], first_ns: int, last_ns: int
    ) -> list[Responder]:
        """See the port."""
        if not response_ids:
            return []
        rows = await self._database.rows(
            "responders",
            {
                "response_ids": sorted(response_ids),
                "trace_ids": sorted(trace_ids),
                "first_ns": max(0, first_ns),
                "last_ns": min(MAX_NS, last_ns),
            },
        )
        return [
            Responder(
                response_id=row["response_id"],
                ref=TargetRef(level=Level.SPAN, trace_id=row["trace_id"], span_id=row["span_id"]),
                kind=row["kind"],
                start_ns=row["start_ns"],
            )
            for row in rows
            if is_id(row["trace_id"], 32) and is_id(row["span_id"], 16)
        ]
