"""People's verdicts checked against versions: the port `Rechecks`."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from storage.clickhouse.client import Database
from storage.model import Level, Score, TargetRef, storable
from storage.rechecking import Recheck, RecheckedRow, RecheckState, RowVerdict

_RECHECK = ("MetricName", "MetricVersion", "State", "Counts", "Reason")
_ROW = (
    "MetricName", "MetricVersion", "Level", "TraceId", "SpanId", "SessionId", "Verdict", "Expected", "Concluded",
    "Explanation",
)  # fmt: skip


class ClickHouseRechecks:
    """`storage.rechecking.Rechecks` over ClickHouse."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def metrics(self) -> set[str]:
        """See the port, here and below."""
        return {row["metric"] for row in await self._database.rows("recheck_metrics")}

    async def latest(self, metrics: Collection[str]) -> dict[str, Recheck]:
        rows = await self._database.rows("rechecks", {"metrics": sorted(metrics), "version": 0})
        return {row["metric"]: _recheck(row) for row in rows}

    async def get(self, metric: str, version: int) -> Recheck | None:
        rows = await self._database.rows("rechecks", {"metrics": [metric], "version": version})
        return _recheck(rows[0]) if rows else None

    async def enter(self, recheck: Recheck) -> None:
        row = (recheck.metric, recheck.version, str(recheck.state), dict(recheck.counts), storable(recheck.reason))
        await self._database.insert_rows("rechecks", _RECHECK, [row])

    async def keep(self, metric: str, rows: Sequence[RecheckedRow]) -> None:
        values = [
            (
                metric, row.version, str(row.target.level), row.target.trace_id, row.target.span_id,
                row.target.session_id, str(row.verdict), _text(row.expected), _text(row.concluded),
                storable(row.explanation),
            )
            for row in rows
        ]  # fmt: skip
        if values:
            await self._database.insert_rows("rechecked_rows", _ROW, values)

    async def rows(self, metric: str, version: int) -> dict[TargetRef, RecheckedRow]:
        return await self._rows(metric, version, version)

    async def before(self, metric: str, version: int) -> dict[TargetRef, RecheckedRow]:
        return await self._rows(metric, 0, version - 1)

    async def _rows(self, metric: str, lowest: int, highest: int) -> dict[TargetRef, RecheckedRow]:
        parameters = {"metric": metric, "lowest": lowest, "highest": highest}
        found = [_row(row) for row in await self._database.rows("rechecked_rows", parameters)]
        return {row.target: row for row in found}

    async def regression_targets(self, metric: str) -> dict[TargetRef, int]:
        rows = await self._database.rows("regression_targets", {"metric": metric})
        return {_target(row): row["solved_in"] for row in rows}


def _recheck(row: Mapping[str, Any]) -> Recheck:
    return Recheck(
        metric=row["metric"],
        version=row["version"],
        state=RecheckState(row["state"]),
        counts={str(name): int(count) for name, count in row["counts"].items()},
        reason=row["reason"],
        updated=datetime.fromtimestamp(row["at_us"] / 1_000_000, UTC),
    )


def _row(row: Mapping[str, Any]) -> RecheckedRow:
    return RecheckedRow(
        target=_target(row),
        version=row["version"],
        verdict=RowVerdict(row["verdict"]),
        expected=_score(row["expected"]),
        concluded=_score(row["concluded"]) if row["concluded"] else None,
        explanation=row["explanation"],
        solved_in=row["solved_in"],
    )


def _target(row: Mapping[str, Any]) -> TargetRef:
    return TargetRef(
        level=Level(row["level"]), trace_id=row["trace_id"], span_id=row["span_id"], session_id=row["session_id"]
    )


def _text(score: Score | None) -> str:
    if score is None:
        return ""
    body = {"value": score.value, "label": score.label, "labels": list(score.labels), "text": score.text}
    said = {name: value for name, value in body.items() if value not in (None, "", [])}
    return storable(json.dumps(said, separators=(",", ":"), ensure_ascii=False))


def _score(text: str) -> Score:
    body = json.loads(text)
    return Score(
        value=body.get("value"),
        label=body.get("label", ""),
        labels=tuple(body.get("labels", ())),
        text=body.get("text", ""),
    )
