"""Results that others sent: the ports `storage.external.ResultEvents` and `WaitingResults`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from storage.clickhouse.client import Database
from storage.clickhouse.telemetry import MAX_NS
from storage.external import RefusedResult, Responder, ResultEvent, WaitingResult
from storage.model import Level, TargetRef, is_id, storable

_WAITING = ("Subject", "Key", "ArrivedAt", "TraceId", "SessionId", "Subjects", "Body", "Settled")
_REFUSED = ("Key", "Reason", "Name", "TraceId", "SpanId", "SessionId", "ServiceName", "ArrivedAt")


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


class ClickHouseWaitingResults:
    """`storage.external.WaitingResults` over ClickHouse."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, waiting: Sequence[WaitingResult]) -> None:
        """See the port, here and below."""
        await self._write(waiting, settled=0)

    async def settle(self, waiting: Sequence[WaitingResult]) -> None:
        await self._write(waiting, settled=1)

    async def _write(self, waiting: Sequence[WaitingResult], *, settled: int) -> None:
        rows = [
            (
                storable(subject), each.key, each.arrived_ms, storable(each.trace_id), storable(each.session_id),
                [storable(other) for other in each.subjects], "" if settled else storable(each.body), settled,
            )
            for each in waiting
            for subject in each.subjects
        ]  # fmt: skip
        if rows:
            await self._database.insert_rows("external_waiting", _WAITING, rows)

    async def touched(
        self, *, since_ms: int, until_ms: int, responses: bool, after_key: str, limit: int
    ) -> list[WaitingResult]:
        window = {"since_ms": since_ms, "until_ms": until_ms, "responses": responses}
        rows = await self._database.rows("external_touched", window | {"after_key": after_key, "max_rows": limit})
        return [_waiting(row) for row in rows]

    async def expired(self, *, after_ms: int, until_ms: int, limit: int) -> list[WaitingResult]:
        window = {"after_ms": after_ms, "until_ms": until_ms, "max_rows": limit}
        return [_waiting(row) for row in await self._database.rows("external_expired", window)]

    async def kinds(self) -> set[str]:
        return {row["kind"] for row in await self._database.rows("external_kinds")}

    async def refuse(self, refused: Sequence[RefusedResult]) -> None:
        rows = [
            (
                each.key, each.reason, storable(each.name), storable(each.trace_id), storable(each.span_id),
                storable(each.session_id), storable(each.service), each.arrived_ms,
            )
            for each in refused
        ]  # fmt: skip
        if rows:
            await self._database.insert_rows("external_refused", _REFUSED, rows)

    async def refusals(self, *, hours: int) -> dict[str, int]:
        rows = await self._database.rows("external_refusals", {"hours": hours})
        return {row["reason"]: row["refused"] for row in rows}


def _waiting(row: Mapping[str, Any]) -> WaitingResult:
    return WaitingResult(
        key=row["key"],
        subjects=tuple(row["subjects"]),
        arrived_ms=row["arrived_ms"],
        trace_id=row["trace_id"],
        session_id=row["session_id"],
        body=row["body"],
    )
