"""Traces that are complete, or of which something arrived."""

from __future__ import annotations

from storage.clickhouse.client import Database
from storage.model import Anchor, Level, TargetRef
from storage.queue import Completion, Look, Ready
from storage.telemetry import TargetRecord


async def ready_traces(
    database: Database, completion: Completion, look: Look, *, arriving: bool = False
) -> list[Ready]:
    """Complete traces; `arriving` = traces of which something arrived, complete or not."""
    idle_ms = 0 if arriving else completion.idle_ms
    arrived_from_ms, arrived_until_ms = look.arrived_ms or (look.since_ms - idle_ms - 1, look.until_ms)
    rows = await database.rows(
        "ready_traces",
        {
            "grace_one_ms": min(idle_ms, completion.grace_one_ms),
            "grace_many_ms": min(idle_ms, completion.grace_many_ms),
            "idle_ms": idle_ms,
            "since_ms": look.since_ms,
            "until_ms": look.until_ms,
            "arrived_from_ms": arrived_from_ms,
            "arrived_until_ms": arrived_until_ms,
            "after_id": look.after_id,
            "shards": sorted(look.shards),
            "sample_ppm": look.sample_ppm,
            "every": look.arrived_ms is not None,
            "arriving": arriving,
            "max_rows": look.limit,
        },
    )
    return [
        Ready(
            record=TargetRecord(
                ref=TargetRef(level=Level.TRACE, trace_id=row["trace_id"]),
                target_time_ns=row["first_ingested_ms"] * 1_000_000,
                start_ns=row["first_ns"],
                watermark_ms=row["watermark_ms"],
                anchor=Anchor(
                    trace_id=row["trace_id"],
                    span_id=row["anchor_span_id"],
                    time_ns=row["anchor_ns"],
                    service_name=row["anchor_service"],
                    span_name=row["anchor_name"],
                ),
                trace_ids=(row["trace_id"],),
                first_ns=row["first_ns"],
                last_ns=row["last_ns"],
                spans=row["spans"],
                logs=row["logs"],
            ),
            ready_ms=row["ready_ms"],
            bucket=row["bucket"],
            has_logs=bool(row["has_logs"]),
        )
        for row in rows
    ]
