"""Work that was begun, or waits: the ledger's own questions about what no poll finds."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from storage.clickhouse.client import Database
from storage.clickhouse.session_queue import MAX_PARAMETER_BYTES
from storage.model import Level, TargetRef
from storage.queue import Decision, Watched, first_arrival_ms
from storage.telemetry import TargetRecord

MAX_TARGETS = 1000
"""Targets in one parameter: ClickHouse refuses form values over 128 KiB."""
HOUR_MS = 3_600_000


async def begun_by(database: Database, worker: str, rule: str, targets: Sequence[TargetRecord]) -> set[tuple[str, str]]:
    """See `storage.queue.Queue`."""
    found: set[tuple[str, str]] = set()
    for part in pages_of(targets):
        rows = await database.rows(
            "begun_by",
            {
                "worker": worker,
                "rule": rule,
                "level": str(part[0].ref.level),
                "targets": [record.ref.key for record in part],
                "first_ms": min(record.watermark_ms for record in part),
                "last_ms": max(record.watermark_ms for record in part),
            },
        )
        asked = {(record.ref.key, record.watermark_ms) for record in part}
        found |= {(row["metric"], row["target_id"]) for row in rows if (row["target_id"], row["watermark_ms"]) in asked}
    return found


async def abandoned(database: Database, *, limit: int) -> list[Decision]:
    """See `storage.queue.Queue`."""
    return [
        Decision(
            rule=row["rule"],
            rule_version=row["rule_version"],
            metric=row["metric"],
            target=target_of(row["level"], row["target_id"]),
            watermark_ms=row["watermark_ms"],
            decision="started",
            attempt=row["attempt"],
            tries=row["tries"],
            first_attempt_ms=row["first_attempt_ms"],
        )
        for row in await database.rows("abandoned", {"max_rows": limit})
    ]


async def retries_due(database: Database, *, except_rules: Collection[str] = (), limit: int) -> list[Decision]:
    """See `storage.queue.Queue`."""
    return [
        Decision(
            rule=row["rule"],
            rule_version=row["rule_version"],
            metric=row["metric"],
            target=target_of(row["level"], row["target_id"]),
            watermark_ms=row["watermark_ms"],
            decision="retrying",
            reason=row["reason"],
            attempt=row["attempt"],
            first_attempt_ms=row["first_attempt_ms"],
        )
        for row in await database.rows("retries_due", {"except_rules": sorted(except_rules), "max_rows": limit})
    ]


async def waiting_due(database: Database, rules: Collection[str], *, limit: int) -> list[Decision]:
    """See `storage.queue.Queue`."""
    rows = await database.rows("waiting_due", {"rules": sorted(rules), "max_rows": limit})
    return [
        Decision(
            rule=row["rule"],
            rule_version=row["rule_version"],
            metric=row["metric"],
            target=target_of(row["level"], row["target_id"]),
            watermark_ms=row["watermark_ms"],
            decision="waiting",
            attempt=row["attempt"],
            next_attempt_ms=row["next_attempt_ms"],
        )
        for row in rows
    ]


async def woken(
    database: Database, watched: Watched, *, after_us: int, until_us: int, again: Collection[TargetRef]
) -> list[Decision]:
    """See `storage.queue.Queue`."""
    rows = await database.rows(
        "woken_sessions" if watched.level is Level.SESSION else "woken",
        {
            "rule": watched.rule,
            "metric": watched.metric,
            "level": str(watched.level),
            "required": sorted(watched.required),
            "after_us": after_us,
            "until_us": until_us,
            "again": sorted(target.key for target in again),
        },
    )
    return [
        Decision(
            rule=watched.rule,
            rule_version=row["rule_version"],
            metric=watched.metric,
            target=target_of(str(watched.level), row["target_id"]),
            watermark_ms=row["watermark_ms"],
            decision=row["decision"],
            attempt=row["attempt"],
        )
        for row in rows
    ]


def pages_of(targets: Sequence[TargetRecord]) -> Iterator[Sequence[TargetRecord]]:
    """Targets in pages, those of an hour together: the ledger is sorted by the hour of the watermark."""
    ordered = sorted(targets, key=first_arrival_ms)
    part: list[TargetRecord] = []
    size = 0
    for each in ordered:
        length = 2 * len(each.ref.key.encode()) + 3  # every byte of a session's id may need an escape
        full = len(part) == MAX_TARGETS or size + length > MAX_PARAMETER_BYTES
        if part and (full or first_arrival_ms(each) - first_arrival_ms(part[0]) > HOUR_MS):
            yield part
            part, size = [], 0
        part.append(each)
        size += length
    if part:
        yield part


def target_of(level: str, target_id: str) -> TargetRef:
    """Inverse of `TargetRef.key`."""
    match Level(level):
        case Level.SPAN:
            trace_id, _, span_id = target_id.partition(":")
            return TargetRef(level=Level.SPAN, trace_id=trace_id, span_id=span_id)
        case Level.TRACE:
            return TargetRef(level=Level.TRACE, trace_id=target_id)
        case Level.SESSION:
            return TargetRef(level=Level.SESSION, session_id=target_id)
