"""The queue of online rules as queries over what arrived: the ports `Queue` and `Leases`."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict

from storage.clickhouse import unfinished
from storage.clickhouse.candidates import candidates
from storage.clickhouse.client import Database
from storage.clickhouse.ready import ready_traces
from storage.clickhouse.session_queue import (
    candidate_sessions,
    missing_parents,
    ready_sessions,
    session_progress,
    session_ready,
)
from storage.clickhouse.telemetry import MAX_NS
from storage.clickhouse.unfinished import pages_of
from storage.model import Level, MetricKind, TargetRef, storable
from storage.queue import (
    TAKEN_UP_AGAIN,
    Arrival,
    Candidate,
    Candidates,
    Completion,
    Decided,
    Decision,
    LedgerDecision,
    Look,
    Probe,
    Ready,
    SessionProgress,
    Stream,
    TraceProgress,
    Watched,
    first_arrival_ms,
)
from storage.telemetry import TargetRecord

log = logging.getLogger(__name__)

_COLUMNS = (
    "RuleId", "RuleVersion", "MetricName", "Level", "TargetId", "Watermark", "Decision", "Reason", "Attempt",
    "NextAttemptAt", "Worker", "Tries", "FirstAttemptAt",
)  # fmt: skip


class ClickHouseQueue:
    """`storage.queue.Queue` over ClickHouse."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def safe_until_ms(self) -> int:
        """See the port."""
        rows = await self._database.rows(
            "safe_until", {"tables": r"\b(otel_(traces|logs)|completions)\b", "lag_ms": 20}
        )
        return int(rows[0]["until_us"]) // 1000

    async def probe(self) -> Probe:
        """See the port."""
        rows = await self._database.rows("probe", {"tables": r"\botel_(traces|logs)\b", "lag_ms": 20})
        return Probe(until_ms=int(rows[0]["until_us"]) // 1000, newest_ms=int(rows[0]["newest_ms"]))

    async def ready(self, stream: Stream, completion: Completion, look: Look) -> list[Ready]:
        """See the port."""
        if stream.level is Level.SESSION:
            return await ready_sessions(self._database, look, quiet_ms=stream.quiet_ms)
        return await ready_traces(self._database, completion, look, arriving=stream.level is Level.SPAN)

    async def candidates(self, ready: Sequence[Ready], wanted: Sequence[Candidates]) -> list[Candidate]:
        """See the port."""
        if wanted and wanted[0].level is Level.SESSION:
            return await candidate_sessions(self._database, ready, wanted)
        return await candidates(self._database, ready, wanted)

    async def session_progress(self, session_id: str, *, quiet_ms: int) -> SessionProgress | None:
        """See the port."""
        return await session_progress(self._database, session_id, quiet_ms=quiet_ms)

    async def missing_parents(self, record: TargetRecord) -> int:
        """See the port."""
        return await missing_parents(self._database, record)

    async def matches(self, record: TargetRecord, wanted: Candidates) -> bool:
        """See the port."""
        if wanted.level is Level.SESSION:
            return bool(await candidate_sessions(self._database, [session_ready(record)], [wanted]))
        trace = Ready(
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
            ready_ms=0,
        )
        return any(found.record.ref == record.ref for found in await self.candidates([trace], [wanted]))

    async def decided(self, rules: Collection[str], targets: Sequence[TargetRecord]) -> Decided:
        """See the port."""
        settled: dict[tuple[str, str, str], dict[int, LedgerDecision]] = {}
        for part in pages_of(targets):
            rows = await self._database.rows(
                "decided",
                {
                    "rules": sorted(rules),
                    "level": str(part[0].ref.level),
                    "targets": [record.ref.key for record in part],
                    "first_ms": min(map(first_arrival_ms, part)),
                    "last_ms": max(record.watermark_ms for record in part),
                    "taken_up_again": list(TAKEN_UP_AGAIN),
                },
            )
            for row in rows:
                key = row["rule"], row["metric"], row["target_id"]
                settled.setdefault(key, {})[row["watermark_ms"]] = row["decision"]
        return settled

    async def begun_by(self, worker: str, rule: str, targets: Sequence[TargetRecord]) -> set[tuple[str, str]]:
        """See the port."""
        return await unfinished.begun_by(self._database, worker, rule, targets)

    async def arrivals(
        self, trace_ids: Collection[str], *, from_ms: int, until_ms: int
    ) -> Mapping[str, Sequence[Arrival]]:
        """See the port."""
        found: dict[str, list[Arrival]] = {}
        window = {"from_ms": from_ms, "until_ms": until_ms}
        for row in await self._database.rows("arrivals_of_traces", {"trace_ids": sorted(trace_ids), **window}):
            arrival = Arrival(at_ms=row["at_ms"], roots=row["roots"], logs=row["logs"])
            found.setdefault(row["trace_id"], []).append(arrival)
        return found

    async def arrived_slots(self, *, from_ms: int, until_ms: int, slot_ms: int) -> Mapping[int, int]:
        """See the port."""
        window = {"from_ms": from_ms, "until_ms": until_ms, "slot_ms": slot_ms}
        rows = await self._database.rows("arrived_slots", window)
        return {row["slot"]: row["arrivals"] for row in rows}

    async def record(self, decisions: Sequence[Decision]) -> None:
        """See the port."""
        if decisions:
            rows = [
                (
                    decision.rule, decision.rule_version, decision.metric, str(decision.target.level),
                    decision.target.key, decision.watermark_ms, decision.decision, storable(decision.reason),
                    decision.attempt, decision.next_attempt_ms, decision.worker, decision.tries,
                    decision.first_attempt_ms,
                )
                for decision in decisions
            ]  # fmt: skip
            await self._database.insert_rows("decisions", _COLUMNS, rows)
            _tell(decisions)

    async def abandoned(self, *, limit: int) -> list[Decision]:
        """See the port."""
        return await unfinished.abandoned(self._database, limit=limit)

    async def retries_due(self, *, except_rules: Collection[str] = (), limit: int) -> list[Decision]:
        """See the port."""
        return await unfinished.retries_due(self._database, except_rules=except_rules, limit=limit)

    async def waiting_due(self, rules: Collection[str], *, limit: int) -> list[Decision]:
        """See the port."""
        return await unfinished.waiting_due(self._database, rules, limit=limit)

    async def results_there(
        self, metrics: Collection[str], targets: Sequence[TargetRecord]
    ) -> Mapping[tuple[str, str], int]:
        """See the port."""
        found: dict[tuple[str, str], int] = {}
        for part in pages_of(targets):
            session = part[0].ref.level is Level.SESSION
            ids = {
                "trace_ids": [] if session else sorted({record.ref.trace_id for record in part}),
                "session_ids": [record.ref.session_id for record in part] if session else [],
            }
            rows = await self._database.rows(
                "results_there", {"metrics": sorted(metrics), "level": str(part[0].ref.level), **ids}
            )
            for row in rows:
                by_others = row["kind"] == MetricKind.EXTERNAL
                found[row["metric"], row["target_id"]] = 2**62 if by_others else row["watermark_ms"]
        return found

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
        return await unfinished.woken(self._database, watched, after_us=after_us, until_us=until_us, again=again)

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
        row = rows[0] | {"rooted": bool(rows[0]["rooted"]), "ended": bool(rows[0]["ended"])}
        del row["quiet_ms"]
        return TraceProgress(**row)

    async def cursor_ms(self, name: str) -> int | None:
        """See the port."""
        return (await self.cursors_ms([name])).get(name)

    async def move_cursor(self, name: str, to_ms: int) -> None:
        """See the port."""
        await self.move_cursors({name: to_ms})

    async def cursors_ms(self, names: Collection[str]) -> Mapping[str, int]:
        """See the port."""
        rows = await self._database.rows("cursors_get", {"names": sorted(names), "shard": 0})
        return {row["name"]: row["cursor_ms"] for row in rows}

    async def move_cursors(self, to_ms: Mapping[str, int]) -> None:
        """See the port."""
        rows = [(name, 0, at_ms) for name, at_ms in to_ms.items()]
        await self._database.insert_rows("cursors", ("Name", "Shard", "Cursor"), rows)


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


def _tell(decisions: Sequence[Decision]) -> None:
    """One line of the log for each."""
    if not log.isEnabledFor(logging.DEBUG):
        return
    for decision in decisions:
        log.debug(
            "decision",
            extra={
                "target": decision.target.key,
                "target_level": str(decision.target.level),
                "rule": decision.rule,
                "metric": decision.metric,
                "decision": decision.decision,
                "reason": decision.reason,
                "attempt": decision.attempt,
                "revision_ms": decision.watermark_ms,
            },
        )
