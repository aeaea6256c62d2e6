"""The queue of online rules as queries over what arrived: the ports `Queue` and `Leases`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, replace
from typing import Any

from storage.clickhouse.client import Database, statement
from storage.clickhouse.telemetry import MAX_NS, log_window, settled_anchors
from storage.model import Anchor, Level, TargetRef, is_id, storable
from storage.queue import Candidates, Completion, Decision, ReadyTrace, TraceProgress, Watched
from storage.telemetry import TargetRecord

_FILTER = "/*filter*/"
MAX_TARGETS = 1000
"""Targets in one parameter: ClickHouse refuses form values over 128 KiB."""
_COLUMNS = (
    "RuleId", "RuleVersion", "MetricName", "Level", "TargetId", "Watermark", "Decision", "Reason", "Attempt",
    "NextAttemptAt", "Worker",
)  # fmt: skip


class ClickHouseQueue:
    """`storage.queue.Queue` over ClickHouse."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def safe_until_ms(self) -> int:
        """See the port."""
        rows = await self._database.rows("safe_until", {"tables": r"\botel_(traces|logs)\b", "lag_ms": 20})
        return int(rows[0]["until_us"]) // 1000

    async def ready_traces(
        self,
        completion: Completion,
        *,
        since_ms: int,
        until_ms: int,
        after_id: str,
        shards: Collection[int],
        limit: int,
    ) -> list[ReadyTrace]:
        """See the port."""
        window = {"since_ms": since_ms, "until_ms": until_ms, "after_id": after_id}
        rows = await self._database.rows(
            "ready_traces", {**asdict(completion), **window, "shards": sorted(shards), "max_rows": limit}
        )
        return [
            ReadyTrace(
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
                has_logs=bool(row["has_logs"]),
                ready_ms=row["ready_ms"],
            )
            for row in rows
        ]

    async def candidates(self, traces: Sequence[ReadyTrace], wanted: Candidates) -> list[TargetRecord]:
        """See the port."""
        if not traces:
            return []
        by_id = {trace.record.ref.trace_id: trace for trace in traces}
        parameters: dict[str, object] = {
            "trace_ids": sorted(by_id),
            "log_trace_ids": sorted(key for key, trace in by_id.items() if trace.has_logs),
            "first_ns": min(trace.record.first_ns for trace in traces),
            "last_ns": max(trace.record.last_ns for trace in traces),
            "first_s": log_window(min(trace.record.first_ns for trace in traces), 0)[0],
            "sample_ppm": wanted.sample_ppm,
            **wanted.filter_parameters,
        }
        if wanted.level is Level.TRACE:
            rows = await self._filtered("candidate_traces", wanted, parameters)
            anchors = await settled_anchors(self._database, [row["trace_id"] for row in rows])
            records = [by_id[row["trace_id"]].record for row in rows]
            return [replace(record, anchor=anchors.get(record.ref.trace_id, record.anchor)) for record in records]
        rows = await self._filtered("candidate_spans", wanted, parameters)
        found: list[TargetRecord] = []
        for row in rows:
            if not is_id(row["span_id"], 16):
                continue
            trace = by_id[row["trace_id"]].record
            ref = TargetRef(level=Level.SPAN, trace_id=row["trace_id"], span_id=row["span_id"])
            start = row["start_ns"]
            anchor = Anchor(
                trace_id=ref.trace_id,
                span_id=ref.span_id,
                time_ns=start,
                service_name=row["service_name"],
                span_name=row["span_name"],
            )
            found.append(
                TargetRecord(
                    ref=ref,
                    target_time_ns=start,
                    start_ns=start,
                    watermark_ms=row["watermark_ms"],
                    anchor=anchor,
                    trace_ids=(ref.trace_id,),
                    first_ns=trace.first_ns,
                    last_ns=trace.last_ns,
                    observation_kind=row["observation_kind"],
                    traces=(trace,),
                )
            )
        return found

    async def _filtered(self, name: str, wanted: Candidates, parameters: dict[str, object]) -> list[dict[str, Any]]:
        return await self._database.query(statement(name).replace(_FILTER, wanted.filter_sql), parameters)

    async def matches(self, record: TargetRecord, wanted: Candidates) -> bool:
        """See the port."""
        trace = ReadyTrace(
            record=TargetRecord(
                ref=TargetRef(level=Level.TRACE, trace_id=record.trace_ids[0]),
                target_time_ns=record.target_time_ns,
                start_ns=record.first_ns,
                watermark_ms=record.watermark_ms,
                anchor=record.anchor,
                trace_ids=record.trace_ids,
                first_ns=max(0, record.first_ns),
                last_ns=min(MAX_NS, record.last_ns),
            ),
            has_logs=False,
            ready_ms=0,
        )
        return any(found.ref == record.ref for found in await self.candidates([trace], wanted))

    async def decided(self, rule: str, targets: Sequence[TargetRecord]) -> set[tuple[str, str, int]]:
        """See the port."""
        settled: set[tuple[str, str, int]] = set()
        for start in range(0, len(targets), MAX_TARGETS):
            part = targets[start : start + MAX_TARGETS]
            rows = await self._database.rows(
                "decided",
                {
                    "rules": [rule],
                    "level": str(part[0].ref.level),
                    "targets": [record.ref.key for record in part],
                    "first_ms": min(record.watermark_ms for record in part),
                    "last_ms": max(record.watermark_ms for record in part),
                },
            )
            settled |= {(row["metric"], row["target_id"], row["watermark_ms"]) for row in rows}
        return settled

    async def record(self, decisions: Sequence[Decision]) -> None:
        """See the port."""
        if decisions:
            rows = [
                (
                    decision.rule, decision.rule_version, decision.metric, str(decision.target.level),
                    decision.target.key, decision.watermark_ms, decision.decision, storable(decision.reason),
                    decision.attempt, decision.next_attempt_ms, decision.worker,
                )
                for decision in decisions
            ]  # fmt: skip
            await self._database.insert_rows("decisions", _COLUMNS, rows)

    async def abandoned(self, *, limit: int) -> list[Decision]:
        """See the port."""
        return [
            Decision(
                rule=row["rule"],
                rule_version=row["rule_version"],
                metric=row["metric"],
                target=target_of(row["level"], row["target_id"]),
                watermark_ms=row["watermark_ms"],
                decision="started",
                attempt=row["attempt"],
            )
            for row in await self._database.rows("abandoned", {"max_rows": limit})
        ]

    async def waiting_due(self, rules: Collection[str], *, limit: int) -> list[Decision]:
        """See the port."""
        rows = await self._database.rows("waiting_due", {"rules": sorted(rules), "max_rows": limit})
        return [
            Decision(
                rule=row["rule"],
                rule_version=row["rule_version"],
                metric=row["metric"],
                target=target_of(row["level"], row["target_id"]),
                watermark_ms=row["watermark_ms"],
                decision="waiting",
                attempt=row["attempt"],
            )
            for row in rows
        ]

    async def results_until_us(self) -> int:
        """See the port."""
        rows = await self._database.rows("safe_until", {"tables": r"\bevaluations\b", "lag_ms": 0})
        return int(rows[0]["until_us"])

    async def arrived_metrics(self, metrics: Collection[str], *, after_us: int, until_us: int) -> set[str]:
        """See the port."""
        window = {"after_us": after_us, "until_us": until_us}
        rows = await self._database.rows("arrived_metrics", window | {"metrics": sorted(metrics)})
        return {row["metric"] for row in rows}

    async def woken(
        self, watched: Watched, *, after_us: int, until_us: int, again: Collection[TargetRef]
    ) -> list[Decision]:
        """See the port."""
        rows = await self._database.rows(
            "woken",
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

    async def decisions_of(self, rule: str, target: TargetRef) -> list[tuple[Decision, bool]]:
        """See the port."""
        rows = await self._database.rows(
            "decisions_of_target", {"rule": rule, "level": str(target.level), "target_id": target.key}
        )
        return [
            (
                Decision(
                    rule=rule,
                    rule_version=0,
                    metric=row["metric"],
                    target=target,
                    watermark_ms=row["watermark_ms"],
                    decision=row["decision"],
                    reason=row["reason"],
                    attempt=row["attempt"],
                    next_attempt_ms=row["next_attempt_ms"],
                ),
                bool(row["alive"]),
            )
            for row in rows
        ]

    async def progress(self, trace_id: str, completion: Completion) -> TraceProgress | None:
        """See the port."""
        rows = await self._database.rows("completion_of_trace", {"trace_id": trace_id, **asdict(completion)})
        if not rows:
            return None
        row = rows[0] | {"rooted": bool(rows[0]["rooted"])}
        return TraceProgress(**row)

    async def cursor_ms(self, name: str) -> int | None:
        """See the port."""
        rows = await self._database.rows("cursor_get", {"name": name, "shard": 0})
        return int(rows[0]["cursor_ms"]) if rows else None

    async def move_cursor(self, name: str, to_ms: int) -> None:
        """See the port."""
        await self._database.insert_rows("cursors", ("Name", "Shard", "Cursor"), [(name, 0, to_ms)])


class ClickHouseLeases:
    """`storage.leases.Leases` over ClickHouse: conditional UPDATEs, which the server serialises."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def take(self, name: str, owner: str, *, ttl_seconds: float) -> list[int]:
        """See the port."""
        await self._database.run("lease_take", {"name": name, "me": owner, "ttl_ms": int(ttl_seconds * 1000)})
        return [row["shard"] for row in await self._database.rows("lease_own", {"name": name, "me": owner})]

    async def release(self, owner: str) -> None:
        """See the port."""
        await self._database.run("lease_release", {"me": owner})


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
