"""Results, append-only: the port `Results`."""

from __future__ import annotations

import hashlib
import math
import struct
import uuid
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from storage.clickhouse.client import Database, statement
from storage.clickhouse.telemetry import pages
from storage.clickhouse.unfinished import target_of
from storage.errors import NotFound
from storage.model import (
    Abstention,
    Anchor,
    Evaluation,
    Failure,
    Level,
    MetricKind,
    Outcome,
    OutputType,
    Purpose,
    Score,
    Status,
    TargetRef,
    Usage,
    storable,
)
from storage.results import OpenEvaluation, ResultCursor, ResultFilter, ValueCursor

MAX_US = 2**53
SHOWN = ("online", "ondemand", "backfill", "recompute")
"""Purposes of what is shown on spans."""
MAX_IDS = 1000
"""Ids in one parameter: ClickHouse refuses form values over 128 KiB."""
MAX_UINT32 = 2**32 - 1
_NO_DIGEST = "00" * 16
_OWN_METADATA = frozenset({"attempts", "retryable", "cost"})
"""Keys of the column that say what other fields of an `Evaluation` hold."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_COLUMNS = (
    "EvaluationId", "Attempt", "Level", "TraceId", "SpanId", "SessionId", "TargetTime", "StartTime", "ServiceName",
    "SpanName", "AnchorTraceId", "AnchorSpanId", "AnchorTime", "MetricName", "MetricVersion", "MetricDigest", "Kind",
    "Purpose", "Status", "ErrorCode", "ErrorMessage", "OutputType", "Value", "Label", "Labels", "Text", "Explanation",
    "RuleId", "RuleVersion", "RunId", "Trial", "Annotator", "Watermark", "InputDigest", "InputsDigest", "JudgeModel",
    "JudgeTraceId", "InputTokens", "OutputTokens", "CostUsd", "LatencyMs", "Metadata", "StartedAt", "EvaluatedAt",
)  # fmt: skip


class ClickHouseResults:
    """`storage.results.Results` over ClickHouse."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def append(self, evaluations: Sequence[Evaluation]) -> None:
        """Store results; see the port."""
        if not evaluations:
            return
        rows = [_to_row(evaluation) for evaluation in evaluations]
        ids = ",".join(f"{row[0]}.{row[1]}" for row in rows)
        token = hashlib.blake2b(ids.encode(), digest_size=16).hexdigest()
        await self._database.insert_rows("evaluations", _COLUMNS, rows, token=token)

    async def get(self, evaluation_id: uuid.UUID) -> Evaluation:
        """The newest attempt; see the port."""
        found = await self.existing([evaluation_id])
        if not found:
            raise NotFound(f"there is no result {evaluation_id}")
        return found[evaluation_id]

    async def existing(self, ids: Collection[uuid.UUID]) -> dict[uuid.UUID, Evaluation]:
        """The newest attempt of each; see the port."""
        everything = {"max_rows": 100_000, "purposes": []}
        where = _parameters(ResultFilter(include_superseded=True)) | _before(None) | everything
        wanted = [str(each) for each in ids]
        found: list[Evaluation] = []
        for start in range(0, len(wanted), MAX_IDS):
            rows = await self._rows("results", where | {"ids": wanted[start : start + MAX_IDS]})
            found += [_from_row(row) for row in rows]
        return {each.evaluation_id: each for each in sorted(found, key=lambda each: each.attempt)}

    async def newest(self, where: ResultFilter, *, before: ResultCursor | None, limit: int) -> list[Evaluation]:
        """Newest first; see the port."""
        rows = await self._rows("results", _parameters(where) | _before(before) | {"max_rows": limit})
        return [_from_row(row) for row in rows]

    async def ranked(
        self, where: ResultFilter, *, descending: bool, after: ValueCursor | None, limit: int
    ) -> list[Evaluation]:
        """By value; see the port."""
        place: dict[str, object] = {
            "placed": after is not None,
            "sign": -1 if descending else 1,
            "after_bits": _bits(after.value if after else 0.0),
            "after_id": str(after.evaluation_id) if after else "",
            "after_attempt": after.attempt if after else 0,
            "max_rows": limit,
        }
        rows = await self._rows("results_ranked", _parameters(where) | place)
        order = {(uuid.UUID(row["evaluation_id"]), row["attempt"]): number for number, row in enumerate(rows)}
        found = await self._attempts(order)
        return sorted(found, key=lambda each: order[each.evaluation_id, each.attempt])

    async def _attempts(self, wanted: Collection[tuple[uuid.UUID, int]]) -> list[Evaluation]:
        ids = [str(evaluation_id) for evaluation_id, _ in wanted]
        everything = _parameters(ResultFilter(include_superseded=True)) | _before(None) | {"max_rows": 100_000}
        found: list[Evaluation] = []
        for start in range(0, len(ids), MAX_IDS):
            rows = await self._rows("results", everything | {"ids": ids[start : start + MAX_IDS], "purposes": []})
            found += [_from_row(row) for row in rows if (uuid.UUID(row["evaluation_id"]), row["attempt"]) in wanted]
        return found

    async def unfinished(
        self, where: ResultFilter, *, before: OpenEvaluation | None, limit: int
    ) -> list[OpenEvaluation]:
        """Queued and computing; see the port."""
        if where.rule and where.run:
            return []
        place = {
            "before_us": before.since_us if before else MAX_US,
            "before_rule": before.rule if before else "",
            "before_metric": before.metric if before else "",
            "before_target": before.target.key if before else "",
            "max_rows": limit,
            "rule": f"run:{where.run}" if where.run else where.rule,
        }
        rows = await self._database.rows("results_open", _parameters(where) | place)
        return [
            OpenEvaluation(
                target=target_of(row.pop("level"), row.pop("target_id")), status=Status(row.pop("status")), **row
            )
            for row in rows
        ]

    async def _rows(self, name: str, parameters: Mapping[str, object]) -> list[dict[str, Any]]:
        return await self._database.query(statement(name).replace("/*where*/", statement("results_where")), parameters)

    async def arrived(self, where: ResultFilter, *, after: ResultCursor, limit: int) -> list[Evaluation]:
        """In order of arrival; see the port."""
        parameters = _parameters(where)
        parameters["until_us"] = min(int(str(parameters["until_us"])), await self._safe_until_us())
        place = {"after_us": after.inserted_us, "after_id": str(after.evaluation_id), "after_attempt": after.attempt}
        rows = await self._rows("results_arrived", parameters | place | {"max_rows": limit})
        return [_from_row(row) for row in rows]

    async def cursor_now(self) -> ResultCursor:
        """Everything after this is still to come; see the port."""
        return ResultCursor(inserted_us=await self._safe_until_us())

    async def reusable(self, target: TargetRef, metric_digest: str, input_digest: bytes) -> Evaluation | None:
        """A stored success with the same content; see the port."""
        where = ResultFilter(targets=(target,), statuses=(Status.SUCCESS,), include_superseded=True)
        for evaluation in await self.newest(where, before=None, limit=1000):
            if evaluation.metric_digest == metric_digest and evaluation.input_digest == input_digest:
                return evaluation
        return None

    async def current(
        self, metrics: Collection[str], *, trace_ids: Collection[str] = (), session_ids: Collection[str] = ()
    ) -> list[Evaluation]:
        """What counts now of these metrics; see the port."""
        found: list[Evaluation] = []
        everything = _parameters(ResultFilter(metrics=tuple(metrics))) | _before(None) | {"max_rows": 10_000_000}
        traces, sessions = sorted(trace_ids), sorted(session_ids)
        for start in range(0, len(traces), MAX_IDS):
            rows = await self._rows("results", everything | {"trace_ids": traces[start : start + MAX_IDS]})
            found += [_from_row(row) for row in rows]
        for start in range(0, len(sessions), MAX_IDS):
            part = [TargetRef(level=Level.SESSION, session_id=each) for each in sessions[start : start + MAX_IDS]]
            found += await self.newest(
                ResultFilter(targets=tuple(part), metrics=tuple(metrics)), before=None, limit=10_000_000
            )
        return found

    async def revised(self, targets: Collection[TargetRef]) -> Mapping[TargetRef, int]:
        """See the port."""
        found: dict[TargetRef, int] = {}
        known = {(str(target.level), target.key): target for target in targets}
        for page in pages([target.key for target in known.values()]):
            keys = {level: [key for key in page if (level, key) in known] for level in ("span", "trace", "session")}
            rows = await self._database.rows(
                "last_revisions",
                {"span_keys": keys["span"], "trace_ids": keys["trace"], "session_ids": keys["session"]},
            )
            found |= {known[row["level"], row["key"]]: row["revision_ms"] for row in rows}
        return found

    async def _safe_until_us(self) -> int:
        rows = await self._database.rows("safe_until", {"tables": r"\bevaluations\b", "lag_ms": 0})
        return int(rows[0]["until_us"])


def _before(cursor: ResultCursor | None) -> dict[str, object]:
    if cursor is None:
        return {"before_us": MAX_US, "before_id": "", "before_attempt": 0}
    return {
        "before_us": cursor.inserted_us,
        "before_id": str(cursor.evaluation_id),
        "before_attempt": cursor.attempt,
    }


def _parameters(where: ResultFilter) -> dict[str, object]:
    targets = [f"{ref.level} {ref.trace_id} {ref.span_id} {ref.session_id}" for ref in where.targets]
    trace_ids = sorted({ref.trace_id for ref in where.targets})
    return {
        "ids": [],
        "metrics": list(where.metrics),
        "levels": [str(level) for level in where.levels],
        "trace_ids": [] if "" in trace_ids else trace_ids,  # sessions have none
        "targets": targets,
        "statuses": [str(status) for status in where.statuses],
        "rule": where.rule,
        "rules": list(where.rules),
        "run": where.run,
        "purposes": [str(purpose) for purpose in where.purposes] or ([] if where.run else list(SHOWN)),
        "kinds": [str(kind) for kind in where.kinds],
        "labels": list(where.labels),
        "bounded": where.minimum is not None or where.maximum is not None,
        "minimum_bits": _bits(-math.inf if where.minimum is None else where.minimum),
        "maximum_bits": _bits(math.inf if where.maximum is None else where.maximum),
        "since_us": _micros(where.since) if where.since else 0,
        "until_us": _micros(where.until) if where.until else MAX_US,
        "superseded": where.include_superseded or bool(where.run),
    }


def _bits(number: float) -> int:
    """A number as it lies in memory: as text a server may read it one bit off."""
    return int.from_bytes(struct.pack("<d", number), "little")


def _micros(time: datetime) -> int:
    return (time - _EPOCH) // timedelta(microseconds=1)  # exact: no float in between


def _to_row(evaluation: Evaluation) -> tuple[object, ...]:
    score = evaluation.outcome if isinstance(evaluation.outcome, Score) else None
    failure = evaluation.outcome if isinstance(evaluation.outcome, Failure) else None
    explanation = evaluation.outcome.reason if isinstance(evaluation.outcome, Abstention) else ""
    ref, anchor, usage = evaluation.target, evaluation.anchor, evaluation.usage
    metadata = {storable(name): storable(value) for name, value in evaluation.metadata.items()}
    if usage.attempts:
        metadata["attempts"] = str(usage.attempts)
    if failure and failure.retryable:
        metadata["retryable"] = "true"
    if usage.cost_usd is None and (usage.input_tokens or usage.output_tokens):
        metadata["cost"] = "unknown"
    return (
        evaluation.evaluation_id,
        evaluation.attempt,
        str(ref.level),
        ref.trace_id,
        ref.span_id,
        ref.session_id,
        evaluation.target_time_ns,
        evaluation.start_ns,
        anchor.service_name if anchor else "",
        anchor.span_name if anchor else "",
        anchor.trace_id if anchor else "",
        anchor.span_id if anchor else "",
        anchor.time_ns if anchor else 0,
        evaluation.metric,
        evaluation.metric_version,
        evaluation.metric_digest,
        str(evaluation.kind),
        str(evaluation.purpose),
        str(evaluation.status),
        failure.code if failure else "",
        storable(failure.message) if failure else "",
        str(evaluation.output_type),
        score.value if score else None,
        storable(score.label) if score else "",
        [storable(label) for label in score.labels] if score else [],
        storable(score.text) if score else "",
        storable(score.explanation if score else explanation),
        evaluation.rule,
        evaluation.rule_version,
        evaluation.run,
        evaluation.trial,
        storable(evaluation.annotator),
        evaluation.watermark_ms,
        evaluation.input_digest.ljust(16, b"\0"),
        evaluation.inputs_digest.ljust(16, b"\0"),
        storable(evaluation.judge_model),
        evaluation.judge_trace_id,
        min(usage.input_tokens, MAX_UINT32),  # an endpoint may report any number
        min(usage.output_tokens, MAX_UINT32),
        usage.cost_usd or 0.0,
        min(usage.latency_ms, MAX_UINT32),
        metadata,
        _micros(evaluation.started) // 1000,
        _micros(evaluation.evaluated),
    )


def _from_row(row: Mapping[str, Any]) -> Evaluation:
    metadata = row["metadata"]
    anchor = Anchor(
        trace_id=row["anchor_trace_id"],
        span_id=row["anchor_span_id"],
        time_ns=row["anchor_ns"],
        service_name=row["service_name"],
        span_name=row["span_name"],
    )
    return Evaluation(
        evaluation_id=uuid.UUID(row["evaluation_id"]),
        attempt=row["attempt"],
        target=TargetRef(
            level=Level(row["level"]), trace_id=row["trace_id"], span_id=row["span_id"], session_id=row["session_id"]
        ),
        target_time_ns=row["target_time_ns"],
        start_ns=row["start_ns"],
        anchor=anchor if anchor.span_id else None,
        metric=row["metric"],
        metric_version=row["metric_version"],
        metric_digest=row["metric_digest"],
        kind=MetricKind(row["kind"]),
        purpose=Purpose(row["purpose"]),
        output_type=OutputType(row["output_type"]),
        outcome=_outcome(row, metadata),
        rule=row["rule"],
        rule_version=row["rule_version"],
        watermark_ms=row["watermark_ms"],
        run=row["run"],
        trial=row["trial"],
        annotator=row["annotator"],
        input_digest=bytes.fromhex(row["input_digest"].removesuffix(_NO_DIGEST)),
        inputs_digest=bytes.fromhex(row["inputs_digest"].removesuffix(_NO_DIGEST)),
        judge_model=row["judge_model"],
        judge_trace_id=row["judge_trace_id"],
        usage=Usage(
            input_tokens=row["input_tokens"],
            output_tokens=row["output_tokens"],
            cost_usd=_cost(row, metadata),
            latency_ms=row["latency_ms"],
            attempts=int(metadata.get("attempts", 0)),
        ),
        metadata={name: value for name, value in metadata.items() if name not in _OWN_METADATA},
        started=datetime.fromtimestamp(row["started_ms"] / 1000, UTC),
        evaluated=datetime.fromtimestamp(row["evaluated_us"] / 1_000_000, UTC),
        inserted_us=row["inserted_us"],
    )


def _cost(row: Mapping[str, Any], metadata: Mapping[str, str]) -> float | None:
    """None where the price was not known, and where nothing was asked of a model."""
    if metadata.get("cost") == "unknown" or not (row["input_tokens"] or row["output_tokens"] or row["cost_usd"]):
        return None
    return float(row["cost_usd"])


def _outcome(row: Mapping[str, Any], metadata: Mapping[str, str]) -> Outcome:
    match Status(row["status"]):
        case Status.SUCCESS:
            return Score(
                value=row["value"],
                label=row["label"],
                labels=tuple(row["labels"]),
                text=row["text"],
                explanation=row["explanation"],
            )
        case Status.FAILED:
            retryable = metadata.get("retryable") == "true"
            return Failure(code=row["error_code"], message=row["error_message"], retryable=retryable)
        case status:
            return Abstention(reason=row["explanation"], status=status)
