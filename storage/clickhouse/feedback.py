"""Feedback and resolutions: the port `Feedbacks`."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from storage.clickhouse.client import Database, statement
from storage.clickhouse.telemetry import pages
from storage.feedback import (
    FeedbackFilter,
    FeedbackRow,
    FeedbackStatus,
    Resolution,
    ResolutionMethod,
    ResolutionStatus,
    Snapshot,
)
from storage.model import Level, Score, TargetRef, storable

MAX_IDS = 1000
"""Ids in one parameter: ClickHouse refuses form values over 128 KiB."""
MAX_ROWS_AT_ONCE = 2000
"""In one INSERT: a snapshot may have hundreds of kilobytes."""
EVERYTHING = 2**53
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_COLUMNS = (
    "FeedbackId", "Queue", "BulkId", "Level", "TraceId", "SpanId", "SessionId", "MetricName", "MetricVersion",
    "EvaluationId", "Annotator", "JudgeValue", "JudgeLabel", "JudgeLabels", "JudgeText", "JudgeExplanation",
    "JudgeModel", "ExpectedValue", "ExpectedLabel", "ExpectedLabels", "ExpectedText", "Rationale", "InputSnapshot",
    "GroupKey", "Watermark", "Status", "By", "Reason",
)  # fmt: skip
_RESOLUTION = (
    "MetricName", "MetricVersion", "Level", "TraceId", "SpanId", "SessionId", "Watermark", "Status", "ExpectedValue",
    "ExpectedLabel", "ExpectedLabels", "ExpectedText", "Method", "Queue", "By", "Reason", "CountsFrom",
)  # fmt: skip
_ON_TARGETS = (
    "MetricName = {metric:String} AND Level = {level:String} AND TraceId IN {trace_ids:Array(String)} "
    "AND concat(TraceId, ' ', SpanId, ' ', SessionId) IN {targets:Array(String)}"
)
_COUNTS = "status = 'submitted'"
_OLDEST_FIRST = "created_us, feedback_id"
_BY_TARGET = "level, trace_id, span_id, session_id"


class ClickHouseFeedbacks:
    """`storage.feedback.Feedbacks` over ClickHouse."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, rows: Sequence[FeedbackRow]) -> None:
        """See the port, here and below."""
        new = [row for row in rows if row.created is None]
        dated = [row for row in rows if row.created is not None]
        await self._insert(_COLUMNS, new, [_to_row(row) for row in new])
        await self._insert((*_COLUMNS, "CreatedAt"), dated, [(*_to_row(row), _micros(row.created)) for row in dated])

    async def _insert(
        self, columns: Sequence[str], rows: Sequence[FeedbackRow], values: Sequence[Sequence[object]]
    ) -> None:
        for start in range(0, len(rows), MAX_ROWS_AT_ONCE):
            end = start + MAX_ROWS_AT_ONCE
            ids = ",".join(f"{row.feedback_id}.{row.status}" for row in rows[start:end])
            token = hashlib.blake2b(ids.encode(), digest_size=16).hexdigest()
            await self._database.insert_rows("feedback", columns, values[start:end], token=token)

    async def by_id(self, ids: Collection[uuid.UUID]) -> dict[uuid.UUID, FeedbackRow]:
        wanted = sorted(map(str, ids))
        found: dict[uuid.UUID, FeedbackRow] = {}
        for start in range(0, len(wanted), MAX_IDS):
            rows = await self._rows(
                "FeedbackId IN (SELECT toUUIDOrZero(arrayJoin({ids:Array(String)})))",
                {"ids": wanted[start : start + MAX_IDS]},
            )
            found |= {row.feedback_id: row for row in rows}
        return found

    async def history(self, feedback_id: uuid.UUID) -> list[FeedbackRow]:
        sql = _filled(rows="FeedbackId = {id:UUID}", current="1", order="updated_us, status")
        sql = sql.replace("LIMIT 1 BY FeedbackId", "LIMIT 1 BY FeedbackId, Status")
        rows = await self._database.query(sql, {"id": str(feedback_id), "max_rows": EVERYTHING})
        return [_from_row(row) for row in rows]

    async def page(self, chosen: FeedbackFilter, *, after: Sequence[str], limit: int) -> list[FeedbackRow]:
        before_us, before_id = after or (str(EVERYTHING), "")
        target = chosen.target
        parameters = {
            "metric": chosen.metric,
            "level": str(target.level if target else chosen.level or ""),
            "trace_id": target.trace_id if target else "",
            "span_id": target.span_id if target else "",
            "session_id": target.session_id if target else "",
            "annotator": storable(chosen.annotator),
            "queue": chosen.queue,
            "bulk_id": str(chosen.bulk_id),
            "start_us": _micros(chosen.start),
            "end_us": _micros(chosen.end) if chosen.end else EVERYTHING,
            "before_us": int(before_us),
            "before_id": before_id,
            "status": str(chosen.status or ""),
            "resolution": str(chosen.resolution or ""),
        }
        sql = _filled(
            rows=statement("feedback_where").strip(),
            current="({status:String} = '' OR status = {status:String})",
            order="created_us DESC, feedback_id DESC",
        )
        rows = await self._database.query(sql, parameters | {"max_rows": limit})
        return [_from_row(row) for row in rows]

    async def on(self, metric: str, targets: Collection[TargetRef]) -> dict[TargetRef, list[FeedbackRow]]:
        found: dict[TargetRef, list[FeedbackRow]] = defaultdict(list)
        for parameters in _by_target(metric, targets):
            for row in await self._rows(_ON_TARGETS, parameters, current=_COUNTS, order=_OLDEST_FIRST):
                found[row.target].append(row)
        return dict(found)

    async def resolve(self, resolutions: Sequence[Resolution]) -> None:
        rows = [
            (
                each.metric, each.metric_version, str(each.target.level), each.target.trace_id, each.target.span_id,
                each.target.session_id, each.watermark_ms, str(each.status), *_verdict(each.expected),
                str(each.method), storable(each.queue), storable(each.resolver), storable(each.reason),
                _micros(each.counts_from),
            )
            for each in resolutions
        ]  # fmt: skip
        if rows:
            await self._database.insert_rows("resolutions", _RESOLUTION, rows)

    async def resolutions(self, metric: str, targets: Collection[TargetRef]) -> dict[TargetRef, Resolution]:
        found: dict[TargetRef, Resolution] = {}
        for parameters in _by_target(metric, targets):
            for each in await self._resolutions(_ON_TARGETS, parameters):
                found[each.target] = each
        return found

    async def resolution_page(
        self, metric: str, status: ResolutionStatus | None, *, after: Sequence[str], limit: int
    ) -> list[Resolution]:
        before_us, before_metric, before_level, before_key = after or (str(EVERYTHING), "", "", "")
        parameters = {
            "metric": metric,
            "status": str(status or ""),
            "before_us": int(before_us),
            "before_metric": before_metric,
            "before_level": before_level,
            "before_key": before_key,
            "max_rows": limit,
        }
        return await self._resolutions(statement("resolutions_where").strip(), parameters)

    async def resolved(self, metric: str, *, limit: int | None = None) -> list[tuple[Resolution, list[FeedbackRow]]]:
        where = f"metric = {{metric:String}} AND status = 'resolved' ORDER BY {_BY_TARGET} LIMIT {{max_rows:UInt64}}"
        parameters = {"metric": metric, "max_rows": EVERYTHING if limit is None else limit}
        standing = await self._resolutions(where, parameters)
        if limit is None:
            rows = await self._rows(
                "MetricName = {metric:String}", {"metric": metric}, current=_COUNTS, order=_OLDEST_FIRST
            )
            said: dict[TargetRef, list[FeedbackRow]] = defaultdict(list)
            for row in rows:
                said[row.target].append(row)
        else:
            said = defaultdict(list, await self.on(metric, [each.target for each in standing]))
        return [(each, said[each.target]) for each in standing]

    async def _rows(
        self, where: str, parameters: Mapping[str, object], *, current: str = "1", order: str = _OLDEST_FIRST
    ) -> list[FeedbackRow]:
        sql = _filled(rows=where, current=current, order=order)
        return [_from_row(row) for row in await self._database.query(sql, {**parameters, "max_rows": EVERYTHING})]

    async def _resolutions(self, where: str, parameters: Mapping[str, object]) -> list[Resolution]:
        sql = statement("resolution_rows").replace("/*where*/", where)
        return [_resolution(row) for row in await self._database.query(sql, parameters)]


def _filled(*, rows: str, current: str, order: str) -> str:
    sql = statement("feedback_rows").replace("/*rows*/", rows).replace("/*current*/", current)
    return sql.replace("/*order*/", order)


def _by_target(metric: str, targets: Iterable[TargetRef]) -> Iterator[dict[str, object]]:
    """Parameters of queries that together name all of the targets."""
    by_level: dict[Level, dict[str, TargetRef]] = defaultdict(dict)
    for target in targets:
        by_level[target.level][f"{target.trace_id} {target.span_id} {target.session_id}"] = target
    for level, named in by_level.items():
        for page in pages(list(named)):
            trace_ids = sorted({named[name].trace_id for name in page})
            yield {"metric": metric, "level": str(level), "trace_ids": trace_ids, "targets": page}


def _to_row(row: FeedbackRow) -> tuple[object, ...]:
    ref = row.target
    judge_value, judge_label, judge_labels, judge_text = _verdict(row.judged)
    return (
        row.feedback_id,
        storable(row.queue),
        row.bulk_id,
        str(ref.level),
        ref.trace_id,
        ref.span_id,
        ref.session_id,
        row.metric,
        row.metric_version,
        row.result_id,
        storable(row.annotator),
        judge_value,
        judge_label,
        judge_labels,
        judge_text,
        storable(row.judged.explanation) if row.judged else "",
        storable(row.judge_model),
        *_verdict(row.expected),
        storable(row.rationale),
        _snapshot_text(row.snapshot),
        storable(row.group_key),
        row.watermark_ms,
        str(row.status),
        storable(row.by),
        storable(row.reason),
    )


def _verdict(score: Score | None) -> tuple[float | None, str, list[str], str]:
    if score is None:
        return None, "", [], ""
    return score.value, storable(score.label), [storable(label) for label in score.labels], storable(score.text)


def _score(value: float | None, label: str, labels: Sequence[str], text: str, explanation: str = "") -> Score | None:
    if value is None and not (label or labels or text):
        return None
    return Score(value=value, label=label, labels=tuple(labels), text=text, explanation=explanation)


def _snapshot_text(snapshot: Snapshot) -> str:
    body = {
        "inputs": dict(snapshot.inputs),
        "span_kind": snapshot.span_kind,
        "has_media": snapshot.has_media,
        "segment": dict(snapshot.segment),
    }
    return storable(json.dumps(body, separators=(",", ":"), ensure_ascii=False))


def _snapshot(text: str) -> Snapshot:
    body = json.loads(text or "{}")
    return Snapshot(
        inputs=body.get("inputs", {}),
        span_kind=body.get("span_kind", ""),
        has_media=body.get("has_media", False),
        segment=body.get("segment", {}),
    )


def _target(row: Mapping[str, Any]) -> TargetRef:
    return TargetRef(
        level=Level(row["level"]), trace_id=row["trace_id"], span_id=row["span_id"], session_id=row["session_id"]
    )


def _from_row(row: Mapping[str, Any]) -> FeedbackRow:
    expected = _score(row["value"], row["label"], row["labels"], row["text"])
    if expected is None:
        raise AssertionError(f"feedback {row['feedback_id']} expects nothing")
    return FeedbackRow(
        feedback_id=uuid.UUID(row["feedback_id"]),
        target=_target(row),
        metric=row["metric"],
        metric_version=row["metric_version"],
        annotator=row["annotator"],
        expected=expected,
        rationale=row["rationale"],
        result_id=uuid.UUID(row["result_id"]),
        judged=_score(
            row["judge_value"], row["judge_label"], row["judge_labels"], row["judge_text"], row["judge_explanation"]
        ),
        judge_model=row["judge_model"],
        snapshot=_snapshot(row["snapshot"]),
        group_key=row["group_key"],
        watermark_ms=row["watermark_ms"],
        queue=row["queue"],
        bulk_id=uuid.UUID(row["bulk_id"]),
        status=FeedbackStatus(row["status"]),
        by=row["by"],
        reason=row["reason"],
        created=_moment(row["created_us"]),
        updated=_moment(row["updated_us"]),
    )


def _resolution(row: Mapping[str, Any]) -> Resolution:
    return Resolution(
        target=_target(row),
        metric=row["metric"],
        metric_version=row["metric_version"],
        status=ResolutionStatus(row["status"]),
        expected=_score(row["value"], row["label"], row["labels"], row["text"]),
        method=ResolutionMethod(row["method"]),
        queue=row["queue"],
        resolver=row["by"],
        reason=row["reason"],
        watermark_ms=row["watermark_ms"],
        counts_from=_moment(row["counts_from_us"]) if row["counts_from_us"] else None,
        updated=_moment(row["updated_us"]),
    )


def _micros(time: datetime | None) -> int:
    return 0 if time is None else (time - _EPOCH) // timedelta(microseconds=1)  # exact: no float in between


def _moment(micros: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micros)
