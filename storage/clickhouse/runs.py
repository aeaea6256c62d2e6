"""Finite evaluations: the port `Runs`."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from storage.clickhouse.client import Database, statement
from storage.clickhouse.unfinished import MAX_TARGETS, target_of
from storage.errors import NotFound
from storage.model import Level, TargetRef, storable
from storage.runs import (
    LedgerState,
    QueuedTarget,
    RecentCost,
    Run,
    RunFailures,
    RunKind,
    RunStanding,
    RunState,
    RunTally,
    Selected,
    SelectedTarget,
)
from storage.telemetry import TargetRecord

FINALS = sorted(str(state) for state in RunState if state.is_final)
MAX_US = 2**53
EVERYTHING = 2**32 - 1
FILTER = "/*filter*/"
_EXPERIMENT = "SpanAttributes['assay.experiment.id'] != '' OR ResourceAttributes['assay.experiment.id'] != ''"
_EVENT = ("RunId", "Event", "State", "Done", "Total", "Usage", "Detail")
_DECISION = ("RuleId", "MetricName", "Level", "TargetId", "Watermark", "Decision", "Attempt")
_PAGE_OF = {Level.SPAN: "run_spans", Level.TRACE: "run_traces", Level.SESSION: "run_sessions"}
_COSTS = ("judge_calls", "input_tokens", "output_tokens", "cost_usd", "unpriced")


def ledger_of(run_id: str) -> str:
    """`RuleId` of a run's decisions."""
    return f"run:{run_id}"


class ClickHouseRuns:
    """`storage.runs.Runs` over ClickHouse."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, run: Run) -> None:
        """See the port, here and below."""
        columns = (
            "RunId", "Kind", "Subject", "Selection", "Metrics", "Estimate", "Config", "RetryOf", "Author",
        )  # fmt: skip
        row = (
            run.run_id, str(run.kind), run.subject, _json(run.selection), list(run.metrics), _json(run.estimate),
            _json(run.config), run.retry_of, run.author,
        )  # fmt: skip
        await self._database.insert_rows("runs", columns, [row])

    async def get(self, run_id: str) -> RunStanding:
        found = await self._standings([run_id])
        if not found:
            raise NotFound(f"there is no run {run_id!r}")
        return found[0]

    async def newest(
        self, *, states: Collection[RunState], before: tuple[int, str] | None, limit: int
    ) -> list[RunStanding]:
        before_us, before_id = before or (MAX_US, "")
        rows = await self._database.rows(
            "run_list",
            {
                "states": [str(state) for state in states],
                "finals": FINALS,
                "before_us": before_us,
                "before_id": before_id,
                "max_rows": limit,
            },
        )
        return await self._standings([row["run_id"] for row in rows])

    async def _standings(self, run_ids: Sequence[str]) -> list[RunStanding]:
        if not run_ids:
            return []
        rows = await self._database.rows("run_get", {"run_ids": list(run_ids), "finals": FINALS})
        return [_standing(row) for row in rows]

    async def unfinished(self, shards: Collection[int]) -> list[str]:
        rows = await self._database.rows("runs_unfinished", {"shards": sorted(shards), "finals": FINALS})
        return [row["run_id"] for row in rows]

    async def is_final(self, run_id: str) -> bool:
        rows = await self._database.rows("run_is_final", {"run_id": run_id, "finals": FINALS})
        return bool(rows[0]["final"])

    async def enter(self, run_id: str, state: RunState, *, total: int, tally: RunTally, detail: str = "") -> None:
        row = (run_id, "state", str(state), tally.done, total, _usage(tally), storable(detail))
        await self._database.insert_rows("run_events", _EVENT, [row])

    async def progress(self, run_id: str, *, total: int, tally: RunTally, checkpoint: Sequence[str | int]) -> None:
        rows: list[tuple[object, ...]] = [(run_id, "progress", "", tally.done, total, _usage(tally), "")]
        if checkpoint:
            rows.append((run_id, "checkpoint", "", 0, 0, {}, _json(list(checkpoint))))
        await self._database.insert_rows("run_events", _EVENT, rows)

    async def request_cancel(self, run_id: str) -> None:
        await self._database.insert_rows("run_events", _EVENT, [(run_id, "cancel_requested", "", 0, 0, {}, "")])

    async def tally(self, run_id: str) -> RunTally:
        [row] = await self._database.rows("run_tally", {"run_id": run_id, "ledger": ledger_of(run_id)})
        decisions = {str(decision): int(pairs) for decision, pairs in row.pop("decisions")}
        return RunTally(decisions=decisions, **row)

    async def failures(self, run_id: str) -> list[RunFailures]:
        return [
            RunFailures(metric=row["metric"], code=row["code"], count=row["failures"], message=row["message"])
            for row in await self._database.rows("run_failures", {"run_id": run_id})
        ]

    async def unpaid(self, run_id: str) -> dict[str, int]:
        rows = await self._database.rows("run_unpaid", {"ledger": ledger_of(run_id)})
        return {row["metric"]: row["pairs"] for row in rows}

    async def page(
        self, selected: Selected, *, after: Sequence[str | int], until_ns: int, limit: int
    ) -> list[SelectedTarget]:
        start_ns, *ids = after
        place = {"after_ns": start_ns, "until_ns": min(until_ns, selected.until_ns), **_ids(ids)}
        rows = await self._database.query(_page(selected), parameters_of(selected) | place | {"max_rows": limit})
        return [
            SelectedTarget(
                ref=_ref(selected.level, row),
                start_ns=row["start_ns"],
                observation_kind=row.get("observation_kind", ""),
                first_trace_id=row.get("first_trace_id", ""),
            )
            for row in rows
        ]

    async def count(self, selected: Selected) -> dict[str, int]:
        kind = "observation_kind" if selected.level is Level.SPAN else "''"
        sql = f"SELECT {kind} AS kind, count() AS targets FROM ({_page(selected)}) GROUP BY kind"
        place = {"after_ns": selected.since_ns, "until_ns": selected.until_ns, **_ids(())}
        rows = await self._database.query(sql, parameters_of(selected) | place | {"max_rows": EVERYTHING})
        return {row["kind"]: row["targets"] for row in rows}

    async def count_scored(self, selected: Selected, metrics: Mapping[str, int]) -> dict[str, int]:
        found: dict[str, int] = {}
        for metric, version in metrics.items():
            [row] = await self._database.rows("run_count_scored", _scored(selected, metric, version))
            found[metric] = row["targets"]
        return found

    async def enqueue(self, run_id: str, targets: Sequence[TargetRecord], metrics: Sequence[str]) -> None:
        rows = [
            (ledger_of(run_id), metric, str(record.ref.level), record.ref.key, record.watermark_ms, "waiting", 1)
            for record in targets
            for metric in metrics
        ]
        if rows:
            await self._database.insert_rows("decisions", _DECISION, rows)

    async def enqueue_failures(self, run_id: str, of_run: str, metrics: Collection[str]) -> None:
        ledgers = {"ledger": ledger_of(run_id), "of_ledger": ledger_of(of_run)}
        parameters = {**ledgers, "of_run": of_run, "metrics": sorted(metrics)}
        await self._database.run("run_enqueue_failures", parameters)

    async def enqueue_scored(self, run_id: str, selected: Selected, metrics: Mapping[str, int]) -> None:
        for metric, version in metrics.items():
            parameters = _scored(selected, metric, version) | {"ledger": ledger_of(run_id)}
            await self._database.run("run_enqueue_scored", parameters)

    async def queued(self, run_id: str, *, after: Sequence[str | int], limit: int) -> list[QueuedTarget]:
        level, target_id = after or ("", "")
        place = {"after_level": level, "after_id": target_id, "max_rows": limit}
        rows = await self._database.rows("run_queued", {"ledger": ledger_of(run_id), **place})
        return [
            QueuedTarget(ref=target_of(row["level"], row["target_id"]), watermark_ms=dict(row["metrics"]))
            for row in rows
        ]

    async def queued_metrics(self, run_id: str) -> dict[str, int]:
        rows = await self._database.rows("run_queued_metrics", {"ledger": ledger_of(run_id)})
        return {row["metric"]: row["targets"] for row in rows}

    async def settled(self, run_id: str, targets: Sequence[TargetRecord]) -> set[tuple[str, str, int]]:
        found: set[tuple[str, str, int]] = set()
        for part in _parts(targets):
            wanted = {"level": str(part[0].ref.level), "targets": [record.ref.key for record in part]}
            rows = await self._database.rows("run_settled", {"ledger": ledger_of(run_id), **wanted})
            found |= {(row["metric"], row["target_id"], row["watermark_ms"]) for row in rows}
        return found

    async def concluded(
        self, metrics: Mapping[str, int], targets: Sequence[TargetRecord]
    ) -> dict[tuple[str, str], int]:
        found: dict[tuple[str, str], int] = {}
        for part in _parts(targets):
            times = [record.target_time_ns for record in part]
            refs = [record.ref for record in part]
            parameters = {
                "metrics": sorted(metrics),
                "versions": [metrics[name] for name in sorted(metrics)],
                "level": str(refs[0].level),
                "trace_ids": sorted({ref.trace_id for ref in refs}),
                "session_ids": sorted({ref.session_id for ref in refs}),
                "first_ns": min(times),
                "last_ns": max(times),
            }
            rows = await self._database.rows("run_concluded", parameters)
            found |= {(row["metric"], row["target_id"]): row["watermark_ms"] for row in rows}
        return found

    async def decided_by(self, rule: str, targets: Sequence[TargetRecord]) -> dict[tuple[str, str], LedgerState]:
        found: dict[tuple[str, str], LedgerState] = {}
        for part in _parts(targets):
            wanted = {"level": str(part[0].ref.level), "targets": [record.ref.key for record in part]}
            for row in await self._database.rows("run_decided_by", {"rule": rule, **wanted}):
                found[row["metric"], row["target_id"]] = LedgerState(
                    decision=row["decision"], watermark_ms=row["watermark_ms"], under_way=bool(row["under_way"])
                )
        return found

    async def close(self, run_id: str, reason: str) -> None:
        await self._database.run("run_close", {"ledger": ledger_of(run_id), "reason": reason})

    async def sweep(self, *, quiet_seconds: int) -> None:
        await self._database.run("run_sweep", {"quiet_seconds": quiet_seconds, "finals": FINALS})

    async def recent_costs(self, metrics: Collection[str], level: Level) -> dict[str, RecentCost]:
        rows = await self._database.rows("metric_costs", {"metrics": sorted(metrics), "level": str(level)})
        return {row.pop("metric"): RecentCost(**row) for row in rows}


def _parts(targets: Sequence[TargetRecord]) -> Iterator[Sequence[TargetRecord]]:
    for start in range(0, len(targets), MAX_TARGETS):
        yield targets[start : start + MAX_TARGETS]


def _page(selected: Selected) -> str:
    return statement(_PAGE_OF[selected.level]).replace(FILTER, condition(selected))


def condition(selected: Selected) -> str:
    """What spans are tested by; of traces and sessions the page does not test this."""
    conditions = [selected.filter_sql]
    if selected.scope:
        conditions.append("ServiceName = {scope:String} OR ResourceAttributes['assay.project'] = {scope:String}")
    if selected.experiment_ppm is not None:
        conditions.append(
            "cityHash64(TraceId, 'assay') % 1000000 < "
            f"if({_EXPERIMENT}, {{experiment_ppm:UInt32}}, {{production_ppm:UInt32}})"
        )
    return ") AND (".join(conditions)


def parameters_of(selected: Selected) -> dict[str, object]:
    """What a selection binds, but for its window."""
    return {
        "arrived_ms": selected.arrived_ms,
        "sample_ppm": max(selected.sample_ppm, selected.experiment_ppm or 0),
        "production_ppm": selected.sample_ppm,
        "experiment_ppm": selected.experiment_ppm or 0,
        "scope": selected.scope,
        **selected.filter_parameters,
    }


def _scored(selected: Selected, metric: str, version: int) -> dict[str, object]:
    return {
        "metric": metric,
        "version": version,
        "level": str(selected.level),
        "after_ns": selected.since_ns,
        "until_ns": selected.until_ns,
        "sample_ppm": selected.sample_ppm,
    }


def _ids(ids: Sequence[str | int]) -> dict[str, object]:
    first, second = (*ids, "", "")[:2]
    return {"after_id": first, "after_span_id": second}


def _ref(level: Level, row: Mapping[str, Any]) -> TargetRef:
    match level:
        case Level.SPAN:
            return TargetRef(level=level, trace_id=row["trace_id"], span_id=row["span_id"])
        case Level.TRACE:
            return TargetRef(level=level, trace_id=row["trace_id"])
        case Level.SESSION:
            return TargetRef(level=level, session_id=row["session_id"])


def _usage(tally: RunTally) -> dict[str, float]:
    costs = {name: float(getattr(tally, name)) for name in _COSTS}
    return {name: float(count) for name, count in (*tally.decisions.items(), *costs.items()) if count}


def _tally(usage: Mapping[str, float]) -> RunTally:
    return RunTally(
        decisions={name: int(count) for name, count in usage.items() if name not in _COSTS},
        judge_calls=int(usage.get("judge_calls", 0)),
        input_tokens=int(usage.get("input_tokens", 0)),
        output_tokens=int(usage.get("output_tokens", 0)),
        cost_usd=usage.get("cost_usd", 0.0),
        unpriced=int(usage.get("unpriced", 0)),
    )


def _standing(row: Mapping[str, Any]) -> RunStanding:
    run = Run(
        run_id=row["run_id"],
        kind=RunKind(row["kind"]),
        subject=row["subject"],
        selection=json.loads(row["selection"]),
        metrics=tuple(row["metrics"]),
        estimate=json.loads(row["estimate"]),
        config=json.loads(row["config"]),
        retry_of=row["retry_of"],
        author=row["author"],
        created=datetime.fromtimestamp(row["created_us"] / 1_000_000, UTC),
    )
    return RunStanding(
        run=run,
        state=RunState(row["state"]),
        total=row["total"],
        tally=_tally(row["usage"]),
        detail=row["detail"],
        checkpoint=tuple(json.loads(row["checkpoint"] or "[]")),
        cancel_requested=bool(row["cancel_requested"]),
        updated=datetime.fromtimestamp(row["updated_us"] / 1_000_000, UTC) if row["updated_us"] else None,
    )


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
