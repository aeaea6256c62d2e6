"""Synthetic telemetry: the port `storage.self_test.SelfTests`."""

from __future__ import annotations

import re
import secrets

from storage.clickhouse.client import Database
from storage.clickhouse.erasable import ERASED
from storage.model import Evaluation, StoredSpan

DRAWN = 10_000
"""Ids of which one is likely to be in the least sample that is of use."""
_COLUMNS = (
    "Timestamp", "TraceId", "SpanId", "ParentSpanId", "SpanName", "SpanKind", "ServiceName", "ResourceAttributes",
    "SpanAttributes", "Duration", "StatusCode",
)  # fmt: skip
_OF_TRACE = "TraceId IN {traces}"
_PATCHED = ("otel_traces", "otel_logs")
"""Tables of which rows are deleted as by an UPDATE: a mutation may lose one of write-back's."""
_PLANNED = re.compile(r"\{(\w+)\}")


class ClickHouseSelfTests:
    """`storage.self_test.SelfTests` over ClickHouse."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def sampled_id(self, ppm: int, *, session: bool = False) -> str:
        """See the port."""
        prefix = f"assay-self-test-{secrets.token_hex(4)}-" if session else secrets.token_hex(8)
        rows = await self._database.query(
            "SELECT concat({prefix:String}, lower(hex(number + 1))) AS id FROM numbers({drawn:UInt32}) "
            "WHERE cityHash64(id, 'assay') % 1000000 < {ppm:UInt32} LIMIT 1"
            if session
            else "SELECT concat({prefix:String}, leftPad(lower(hex(number + 1)), 16, '0')) AS id "
            "FROM numbers({drawn:UInt32}) WHERE cityHash64(id, 'assay') % 1000000 < {ppm:UInt32} LIMIT 1",
            {"prefix": prefix, "drawn": DRAWN, "ppm": ppm},
        )
        return str(rows[0]["id"]) if rows else ""

    async def push(self, span: StoredSpan) -> None:
        """See the port."""
        row: tuple[object, ...] = (
            span.start_ns, span.trace_id, span.span_id, span.parent_span_id, span.name, span.kind, span.service_name,
            dict(span.resource_attributes), dict(span.attributes), span.duration_ns, span.status_code,
        )  # fmt: skip
        await self._database.insert_rows("otel_traces", _COLUMNS, [row])

    async def shown(self, result: Evaluation) -> bool:
        """See the port."""
        if result.anchor is None:
            return False
        rows = await self._database.query(
            "SELECT arrayExists(k -> startsWith(k, 'gen_ai.evaluation.') "
            "AND has(splitByChar('.', k), {metric:String}), mapKeys(EvaluationAttributes)) AS shown "
            "FROM spans WHERE TraceId = {trace_id:String} AND SpanId = {span_id:String} LIMIT 1",
            {"metric": result.metric, "trace_id": result.anchor.trace_id, "span_id": result.anchor.span_id},
        )
        return bool(rows and rows[0]["shown"])

    async def remove(self, trace_id: str, *, session_id: str = "") -> None:
        """See the port."""
        parameters: dict[str, object] = {
            "traces": [trace_id],
            "all_traces": [trace_id],
            "sessions": [session_id] if session_id else [],
            "all_sessions": [session_id] if session_id else [],
            "evaluations": [],
            "neighbours": [],
            "root_session": session_id,
            "root_user": "",
        }
        for table, erasable in ERASED.items():
            if erasable.rows != "0":
                patched = table in _PATCHED
                condition = _PLANNED.sub(_bound, _OF_TRACE if patched else erasable.rows)
                mode = {"lightweight_delete_mode": "lightweight_update"} if patched else {}
                await self._database.execute(
                    f"DELETE FROM {table} WHERE {condition}",
                    parameters,
                    settings={"lightweight_deletes_sync": 1, **mode},
                )


def _bound(found: re.Match[str]) -> str:
    name = found[1]
    return f"{{{name}:{'String' if name.startswith('root_') else 'Array(String)'}}}"
