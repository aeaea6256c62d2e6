"""Alignments: the port `Alignments`."""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from storage.alignments import (
    AlignedRow,
    AlignmentPhase,
    AlignmentRun,
    AlignmentStanding,
    AlignmentState,
    CallKind,
    FlipKind,
    ResolvedTarget,
    SourcedResult,
    StoredCall,
)
from storage.clickhouse.client import Database
from storage.errors import NotFound
from storage.model import Level, Score, TargetRef, storable
from storage.runs import RunState

FINALS = sorted(str(state) for state in AlignmentState if state.is_final)
COMPLETED = [str(RunState.SUCCEEDED), str(RunState.PARTIAL)]
MAX_US = 2**53
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MAX_ROWS = 5000
"""Of one INSERT."""
_RUN = ("RunId", "Kind", "Subject", "Selection", "Metrics", "Estimate", "Config", "RetryOf", "Author")
_EVENT = ("RunId", "Event", "State", "Phase", "Done", "Total", "Usage", "Detail")
_CALL = (
    "RunId", "Key", "Kind", "TraceIds", "SessionIds", "Response", "Calls", "InputTokens", "OutputTokens", "CostUsd",
)  # fmt: skip
_ROW = (
    "RunId", "FeedbackId", "RowId", "Level", "TraceId", "SpanId", "SessionId", "Split", "Fold", "Expected", "Recorded",
    "Before", "After", "Flip", "Reason",
)  # fmt: skip


class ClickHouseAlignments:
    """`storage.alignments.Alignments` over ClickHouse."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, run: AlignmentRun) -> None:
        """See the port, here and below."""
        selection = {"sources": list(run.source_ids)}
        config = {**run.config, "lineage": list(run.lineage)}
        row = (
            run.run_id, "alignment", run.metric, _json(selection), [f"{run.metric}@{run.version}"], "{}",
            _json(config), run.retry_of, storable(run.author),
        )  # fmt: skip
        await self._database.insert_rows("runs", _RUN, [row])

    async def get(self, run_id: str) -> AlignmentStanding:
        found = await self._standings([run_id])
        if not found:
            raise NotFound(f"there is no alignment {run_id!r}")
        return found[0]

    async def newest(self, metric: str, *, before: tuple[int, str] | None, limit: int) -> list[AlignmentStanding]:
        before_us, before_id = before or (MAX_US, "")
        place = {"before_us": before_us, "before_id": before_id, "max_rows": limit}
        rows = await self._database.rows("alignment_list", {"metric": metric, **place})
        return await self._standings([row["run_id"] for row in rows])

    async def unfinished(self, shards: Collection[int]) -> list[str]:
        rows = await self._database.rows("alignments_unfinished", {"shards": sorted(shards), "finals": FINALS})
        return [row["run_id"] for row in rows]

    async def is_final(self, run_id: str) -> bool:
        rows = await self._database.rows("run_is_final", {"run_id": run_id, "finals": FINALS})
        return bool(rows[0]["final"])

    async def enter(self, standing: AlignmentStanding) -> None:
        await self._record("state", standing, state=str(standing.state), detail=_json(standing.outcome))

    async def progress(self, standing: AlignmentStanding) -> None:
        await self._record("progress", standing)

    async def note(self, run_id: str, notes: Mapping[str, object]) -> None:
        await self._insert(run_id, "checkpoint", detail=_json(notes))

    async def request_cancel(self, run_id: str) -> None:
        await self._insert(run_id, "cancel_requested")

    async def decide(self, run_id: str, decision: Mapping[str, object]) -> None:
        await self._insert(run_id, "resolution", detail=_json(decision))

    async def keep_calls(self, run_id: str, calls: Sequence[StoredCall]) -> None:
        rows = [
            (
                run_id, call.key, str(call.kind), list(call.trace_ids), list(map(storable, call.session_ids)),
                storable(call.response), call.calls, call.input_tokens, call.output_tokens, call.cost_usd,
            )
            for call in calls
        ]  # fmt: skip
        if rows:
            await self._database.insert_rows("alignment_calls", _CALL, rows)

    async def calls(self, run_ids: Collection[str]) -> dict[bytes, StoredCall]:
        rows = await self._database.rows("alignment_calls", {"run_ids": list(run_ids)})
        found = (StoredCall(key=bytes.fromhex(row.pop("key")), kind=CallKind(row.pop("kind")), **row) for row in rows)
        return {call.key: call for call in found}

    async def spent(self, run_id: str) -> dict[str, float]:
        [row] = await self._database.rows("alignment_spent", {"run_id": run_id})
        return {name: float(amount) for name, amount in row.items()}

    async def keep_rows(self, run_id: str, rows: Sequence[AlignedRow]) -> None:
        for start in range(0, len(rows), MAX_ROWS):
            written = [_row(run_id, row) for row in rows[start : start + MAX_ROWS]]
            await self._database.insert_rows("alignment_rows", _ROW, written)

    async def rows(self, run_id: str) -> list[AlignedRow]:
        found = await self._database.rows("alignment_rows", {"run_id": run_id})
        return [
            AlignedRow(
                feedback_id=uuid.UUID(str(row["feedback_id"])),
                row_id=row["row_id"],
                target=_target(row),
                split=row["split"],
                fold=row["fold"],
                expected=row["expected"],
                recorded=row["recorded"],
                before=tuple(row["before"]),
                after=tuple(row["after"]),
                flip=FlipKind(row["flip"]),
                reason=row["reason"],
            )
            for row in found
        ]

    async def resolved(self, metric: str) -> list[ResolvedTarget]:
        return [
            ResolvedTarget(target=_target(row), expected=expected, recorded=_score(row["recorded"]))
            for row in await self._database.rows("alignment_resolved", {"metric": metric})
            if (expected := _score(row["expected"])) is not None
        ]

    async def sourced(self, metric: str, source_ids: Collection[str] = ()) -> list[SourcedResult]:
        parameters = {"metric": metric, "source_ids": list(source_ids), "completed": COMPLETED}
        return [
            SourcedResult(
                source_id=row["source_id"],
                kind=row["kind"],
                name=row["name"],
                created_us=row["created_us"],
                target=_target(row),
                score=score,
            )
            for row in await self._database.rows("alignment_sources", parameters)
            if (score := _score(row["verdict"])) is not None
        ]

    # -----------------------------------------------------------------------------------------------------------------

    async def _standings(self, run_ids: Sequence[str]) -> list[AlignmentStanding]:
        if not run_ids:
            return []
        rows = await self._database.rows("alignment_get", {"run_ids": list(run_ids), "finals": FINALS})
        return [_standing(row) for row in rows]

    async def _record(self, event: str, standing: AlignmentStanding, *, state: str = "", detail: str = "") -> None:
        row = (
            standing.run.run_id, event, state, str(standing.phase or ""), standing.done, standing.total,
            {name: float(amount) for name, amount in standing.usage.items()}, storable(detail),
        )  # fmt: skip
        await self._database.insert_rows("run_events", _EVENT, [row])

    async def _insert(self, run_id: str, event: str, *, detail: str = "") -> None:
        row: tuple[object, ...] = (run_id, event, "", "", 0, 0, {}, storable(detail))
        await self._database.insert_rows("run_events", _EVENT, [row])


def _row(run_id: str, row: AlignedRow) -> tuple[object, ...]:
    ref = row.target
    return (  # in the order of `_ROW`
        run_id, row.feedback_id, row.row_id, str(ref.level), ref.trace_id, ref.span_id, storable(ref.session_id),
        row.split, row.fold, storable(row.expected), storable(row.recorded), list(map(storable, row.before)),
        list(map(storable, row.after)), str(row.flip), storable(row.reason),
    )  # fmt: skip


def _score(verdict: Sequence[Any]) -> Score | None:
    value, label, labels, text = verdict
    if value is None and not (label or labels or text):
        return None
    return Score(value=value, label=label, labels=tuple(labels), text=text)


def _target(row: Mapping[str, Any]) -> TargetRef:
    return TargetRef(
        level=Level(row["level"]), trace_id=row["trace_id"], span_id=row["span_id"], session_id=row["session_id"]
    )


def _standing(row: Mapping[str, Any]) -> AlignmentStanding:
    config = json.loads(row["config"])
    lineage = tuple(config.pop("lineage", ())) or (row["run_id"],)
    name, _, version = row["metrics"][0].rpartition("@")
    run = AlignmentRun(
        run_id=row["run_id"],
        metric=name,
        version=int(version),
        source_ids=tuple(json.loads(row["selection"]).get("sources", ())),
        config=config,
        lineage=lineage,
        retry_of=row["retry_of"],
        author=row["author"],
        created=_moment(row["created_us"]),
    )
    return AlignmentStanding(
        run=run,
        state=AlignmentState(row["state"]),
        phase=AlignmentPhase(row["phase"]) if row["phase"] else None,
        done=row["done"],
        total=row["total"],
        usage=dict(row["usage"]),
        notes=json.loads(row["notes"] or "{}"),
        outcome=json.loads(row["outcome"] or "{}"),
        decision=json.loads(row["decision"]) if row["decision"] else None,
        cancel_requested=bool(row["cancel_requested"]),
        updated=_moment(row["updated_us"]) if row["updated_us"] else None,
    )


def _moment(micros: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micros)


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
