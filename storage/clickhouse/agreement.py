"""Labels of people beside verdicts of judges: the port `Labels`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from storage.agreement import Label, LabelFilter, LabelledTarget
from storage.clickhouse.client import Database, statement
from storage.feedback import ResolutionStatus
from storage.model import Level, Score, TargetRef

PARTS = 1_000_000
"""A share is told in millionths."""
END_OF_TIME_US = 2**53
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NO_SEGMENT = "CAST(map(), 'Map(String, String)')"
_SEGMENT = "JSONExtract(InputSnapshot, 'segment', 'Map(String, String)')"


class ClickHouseLabels:
    """`storage.agreement.Labels` over ClickHouse."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def count(self, chosen: LabelFilter) -> int:
        """See the port, here and below."""
        [row] = await self._database.rows("agreement_count", _parameters(chosen))
        return int(row["targets"])

    async def read(self, chosen: LabelFilter, *, share: float = 1.0) -> Sequence[LabelledTarget]:
        parts = {"metric": chosen.metric, "parts": max(1, min(PARTS, round(share * PARTS)))}
        sql = statement("agreement_labels").replace("/*segment*/", _SEGMENT if chosen.segments else _NO_SEGMENT)
        rows = await self._database.query(sql, _parameters(chosen) | parts)
        standing = {_target(row): row for row in await self._database.rows("agreement_resolutions", parts)}
        verdicts: dict[TargetRef, dict[int, Score]] = defaultdict(dict)
        for row in await self._database.rows("agreement_verdicts", parts | {"versions": list(chosen.versions)}):
            if (found := _score(row)) is not None:
                verdicts[_target(row)][row["metric_version"]] = found
        said: dict[TargetRef, list[dict[str, Any]]] = defaultdict(list)
        for row in rows:
            said[_target(row)].append(row)
        return [_labelled(target, of, standing.get(target), verdicts.get(target, {})) for target, of in said.items()]


def _labelled(
    target: TargetRef, rows: Sequence[dict[str, Any]], standing: Mapping[str, Any] | None, verdicts: Mapping[int, Score]
) -> LabelledTarget:
    counts_from = standing["counts_from_us"] if standing else 0
    counting = sorted(
        (row for row in rows if row["created_us"] >= counts_from), key=lambda row: (row["created_us"], row["annotator"])
    )
    status = ResolutionStatus(standing["status"]) if standing else ResolutionStatus.OPEN
    return LabelledTarget(
        target=target,
        status=status,
        resolved=_score(standing) if standing and status is ResolutionStatus.RESOLVED else None,
        group_key=rows[0]["group_key"],
        labels=tuple(label for row in counting if (label := _label(row)) is not None),
        verdicts=verdicts,
        segment=rows[0]["segment"],
    )


def _label(row: Mapping[str, Any]) -> Label | None:
    expected = _score(row)
    if expected is None:
        return None
    return Label(
        annotator=row["annotator"],
        expected=expected,
        judged=_score(row, prefix="judge_"),
        metric_version=row["metric_version"],
        queue=row["queue"],
    )


def _score(row: Mapping[str, Any], *, prefix: str = "") -> Score | None:
    value, label, labels, text = (row[f"{prefix}{name}"] for name in ("value", "label", "labels", "text"))
    if value is None and not (label or labels or text):
        return None
    return Score(value=value, label=label, labels=tuple(labels), text=text)


def _target(row: Mapping[str, Any]) -> TargetRef:
    return TargetRef(
        level=Level(row["level"]), trace_id=row["trace_id"], span_id=row["span_id"], session_id=row["session_id"]
    )


def _parameters(chosen: LabelFilter) -> dict[str, object]:
    return {
        "metric": chosen.metric,
        "queue": chosen.queue,
        "start_us": _micros(chosen.start) if chosen.start else 0,
        "end_us": _micros(chosen.end) if chosen.end else END_OF_TIME_US,
    }


def _micros(time: datetime) -> int:
    return (time - _EPOCH) // timedelta(microseconds=1)
