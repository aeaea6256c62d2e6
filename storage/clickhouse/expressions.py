"""Expressions over spans, computed as a user that reads view `spans` only: the port `SpanExpressions`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from storage.clickhouse.client import Database, code_of, statement
from storage.errors import Rejected, StorageError, Unavailable
from storage.expressions import SpanExpression, Value
from storage.model import Level, TargetRef
from storage.telemetry import TargetRecord

_EXPRESSION = "/*expression*/"
_OWN_LIMITS = frozenset({159, 241, 396})
"""Time, memory, rows of the answer; `(total)` in the message is the whole server's memory."""
_WRAPPERS = ("Nullable(", "LowCardinality(")


def too_much(error: Unavailable) -> bool:
    """Whether a query met the limits of its own user: asking again would not help, and hold up others for as long."""
    return code_of(error) in _OWN_LIMITS and "(total)" not in str(error)


class ClickHouseExpressions:
    """`storage.expressions.SpanExpressions` over ClickHouse; `database` is a connection of that user."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def type_of(self, expression: SpanExpression) -> str:
        """See the port."""
        tried = f"SELECT ({expression.sql}) AS value FROM (SELECT * FROM spans LIMIT 1)"
        await self._database.query(
            tried, expression.parameters
        )  # a type alone does not tell whether it can be computed
        rows = await self._database.query(f"DESCRIBE TABLE ({tried})", expression.parameters)
        name = str(rows[0]["type"])
        while name.startswith(_WRAPPERS):
            name = name.partition("(")[2].removesuffix(")")
        return name

    async def values(self, expression: SpanExpression, records: Sequence[TargetRecord]) -> Mapping[TargetRef, Value]:
        """See the port."""
        if not records:
            return {}
        return await (self._of_targets if expression.aggregate else self._of_spans)(expression, records)

    async def values_between(self, expression: SpanExpression, *, since_ns: int, until_ns: int) -> bytes:
        """See the port."""
        window = {"since_ns": since_ns, "until_ns": until_ns}
        try:
            return await self._database.native(
                statement("span_values_between").replace(_EXPRESSION, expression.sql),
                {**expression.parameters, **window},
            )
        except Unavailable as error:
            raise _rejected(error) from error

    async def _rows(self, sql: str, parameters: Mapping[str, object]) -> list[dict[str, Any]]:
        try:
            return await self._database.query(sql, parameters)
        except Unavailable as error:
            raise _rejected(error) from error

    async def _of_spans(self, expression: SpanExpression, records: Sequence[TargetRecord]) -> Mapping[TargetRef, Value]:
        wanted = {record.ref for record in records}
        rows = await self._rows(
            statement("span_values").replace(_EXPRESSION, expression.sql),
            {
                **expression.parameters,
                "trace_ids": sorted({ref.trace_id for ref in wanted}),
                "span_ids": sorted({ref.span_id for ref in wanted}),
                "first_ns": min(record.start_ns for record in records),
                "last_ns": max(record.start_ns for record in records),
            },
        )
        found = {
            TargetRef(level=Level.SPAN, trace_id=row["trace_id"], span_id=row["span_id"]): row["value"] for row in rows
        }
        return {ref: value for ref, value in found.items() if ref in wanted}  # ids were matched one by one

    async def _of_targets(
        self, expression: SpanExpression, records: Sequence[TargetRecord]
    ) -> Mapping[TargetRef, Value]:
        members = [(trace_id, number) for number, record in enumerate(records) for trace_id in record.trace_ids]
        rows = await self._rows(
            statement("target_values").replace(_EXPRESSION, expression.sql),
            {
                **expression.parameters,
                "trace_ids": [trace_id for trace_id, _ in members],
                "targets": [number for _, number in members],
                "first_ns": min(record.first_ns for record in records),
                "last_ns": max(record.last_ns for record in records),
            },
        )
        return {records[row["target"]].ref: row["value"] for row in rows}


def _rejected(error: Unavailable) -> StorageError:
    return Rejected(f"it takes too much: {error}") if too_much(error) else error
