"""What the client returns and raises."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status as RpcStatus

from evaluator.metrics.record import MetricRecord
from evaluator.online.explaining.explanation import Explanation, FalseClause
from evaluator.online.explaining.stages import Stage, StageReport
from evaluator.online.rules.applied import Applied, Change
from evaluator.online.rules.record import RuleRecord
from evaluator.server import convert, convert_definitions, convert_metrics, convert_targets
from evaluator.server.enums import (
    ACTION_FROM_PROTO,
    DECISION_FROM_PROTO,
    KIND_FROM_PROTO,
    OUTPUT_TYPE_FROM_PROTO,
    PURPOSE_FROM_PROTO,
    STATUS_FROM_PROTO,
)
from evaluator.server.errors import DETAILS_KEY
from evaluator.v1 import definitions_pb2, evaluator_pb2, metrics_pb2, rules_pb2
from storage.model import Failure, MetricKind, OutputType, Purpose, Status, TargetRef, Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldViolation:
    """One field of a request that was refused."""

    field: str
    description: str


class CallFailed(Exception):
    """The service refused a call, or could not be reached.

    Attributes:
        code: Name of the gRPC status, `NOT_FOUND` for example.
        reason: UPPER_SNAKE, `METRIC_NOT_FOUND` for example; '' where the service could not be reached.
        message: What happened, for people.
        field_violations: Which fields of the request are not acceptable, and why.
        retry_seconds: How long to wait before asking again; None where asking again does not help.
        metadata: More about the reason, such as `position` of a filter's error, or `current_version`.
    """

    def __init__(
        self,
        *,
        code: str,
        message: str,
        reason: str = "",
        field_violations: tuple[FieldViolation, ...] = (),
        retry_seconds: float | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{reason or code}: {message}")
        self.code = code
        self.reason = reason
        self.message = message
        self.field_violations = field_violations
        self.retry_seconds = retry_seconds
        self.metadata = dict(metadata or {})


def call_failed(error: Any) -> CallFailed:
    """The refusal in an error of gRPC, synchronous or not."""
    code: grpc.StatusCode = error.code()
    info, bad, retry = _details(error.trailing_metadata() or ())
    return CallFailed(
        code=code.name,
        message=error.details() or "",
        reason=info.reason,
        field_violations=tuple(
            FieldViolation(field=violation.field, description=violation.description)
            for violation in bad.field_violations
        ),
        retry_seconds=retry.retry_delay.ToTimedelta().total_seconds() if retry.HasField("retry_delay") else None,
        metadata=info.metadata,
    )


def _details(trailing_metadata: Any) -> tuple[ErrorInfo, BadRequest, RetryInfo]:
    status, info, bad, retry = RpcStatus(), ErrorInfo(), BadRequest(), RetryInfo()
    try:
        status.ParseFromString(next((value for key, value in trailing_metadata if key == DETAILS_KEY), b""))
    except DecodeError:  # a proxy may have made this answer; code and message are there all the same
        return info, bad, retry
    for detail in status.details:
        for known in (info, bad, retry):
            detail.Unpack(known)
    return info, bad, retry


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one metric version concluded on one target.

    `value` is None where there is no score: a failure is never a 0.  Fields that are not known before the end
    (`metric_digest`, `kind`, `output_type`, `usage`, times) are empty while `status` is `queued` or `computing`.
    `result_id` is '' for inline targets.
    """

    result_id: str
    target: TargetRef
    metric: str
    metric_version: int
    status: Status
    metric_digest: str = ""
    kind: MetricKind | None = None
    output_type: OutputType | None = None
    value: float | None = None
    label: str = ""
    labels: tuple[str, ...] = ()
    text: str = ""
    explanation: str = ""
    error: Failure | None = None
    rule: str = ""
    rule_version: int = 0
    judge_model: str = ""
    usage: Usage = field(default_factory=Usage)
    watermark_time: datetime | None = None
    evaluate_time: datetime | None = None
    insert_time: datetime | None = None
    attempt: int = 0
    purpose: Purpose | None = None
    run_id: str = ""
    trial: int = 0
    judge_trace_id: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    inputs_digest: str = ""
    outdated_time: datetime | None = None
    """Of a list: when something came to the target that this result has not seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """One message of a watch: a result, or None where only the cursor moved.  `cursor` says where to go on."""

    result: Result | None
    cursor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How far the successes of a trial differ.

    Attributes:
        mean, minimum, maximum: Of the values; None where they have none.
        standard_deviation: Of the sample (n - 1); None below two values.
        agreement: Share of the successes that gave the most frequent verdict, in (0.0, 1.0].
        successes: 1 or more.
    """

    mean: float | None
    standard_deviation: float | None
    minimum: float | None
    maximum: float | None
    agreement: float
    successes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A metric tried on one target: `spread` is None where nothing succeeded, `usage` what all of it cost."""

    results: tuple[Result, ...]
    spread: Spread | None
    usage: Usage
    warnings: tuple[str, ...]


def result(message: evaluator_pb2.Result) -> Result:
    """A result off the wire."""
    return Result(
        result_id=message.result_id,
        target=convert_targets.target_ref(message.target, "result.target"),
        metric=message.metric,
        metric_version=message.metric_version,
        status=STATUS_FROM_PROTO[message.status],
        metric_digest=message.metric_digest,
        kind=KIND_FROM_PROTO.get(message.kind),
        output_type=OUTPUT_TYPE_FROM_PROTO.get(message.output_type),
        value=message.value if message.HasField("value") else None,
        label=message.label,
        labels=tuple(message.labels),
        text=message.text,
        explanation=message.explanation,
        error=_failure(message.error) if message.HasField("error") else None,
        rule=message.rule,
        rule_version=message.rule_version,
        judge_model=message.judge_model,
        usage=_usage(message.usage),
        watermark_time=_time(message, "watermark_time"),
        evaluate_time=_time(message, "evaluate_time"),
        insert_time=_time(message, "insert_time"),
        attempt=message.attempt,
        purpose=PURPOSE_FROM_PROTO.get(message.purpose),
        run_id=message.run_id,
        trial=message.trial,
        judge_trace_id=message.judge_trace_id,
        metadata=dict(message.metadata),
        inputs_digest=message.inputs_digest,
        outdated_time=_time(message, "outdated_time"),
    )


def _failure(message: evaluator_pb2.ResultError) -> Failure:
    return Failure(code=message.code, message=message.message, retryable=message.retryable)


def _usage(message: evaluator_pb2.Usage) -> Usage:
    return Usage(
        input_tokens=message.input_tokens,
        output_tokens=message.output_tokens,
        cost_usd=message.cost_usd if message.HasField("cost_usd") else None,
        latency_ms=message.latency.ToMilliseconds(),
        attempts=message.attempts,
    )


def watched(message: evaluator_pb2.WatchResultsResponse) -> Watched:
    """One message of a watch off the wire."""
    return Watched(result=result(message.result) if message.HasField("result") else None, cursor=message.cursor)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """An explicit end of a trace or session.

    Attributes:
        time: When it was said, by the server's clock.
        stored: Something of it is stored; else the end has no effect, because all of it arrives later.
    """

    time: datetime
    stored: bool


def ended(message: evaluator_pb2.MarkCompleteResponse) -> Ended:
    """An end off the wire."""
    return Ended(time=message.mark_time.ToDatetime(UTC), stored=message.stored)


def stage(message: rules_pb2.TestRuleResponse) -> StageReport:
    """A stage of a self-test off the wire."""
    return StageReport(
        stage=Stage(rules_pb2.RuleStage.Name(message.stage).removeprefix("RULE_STAGE_").lower()),
        passed=message.passed,
        detail=message.detail,
        seconds=message.elapsed.ToNanoseconds() / 1e9,
        target=convert_targets.target_ref(message.target, "target") if message.HasField("target") else None,
    )


def explanation(message: evaluator_pb2.Explanation) -> Explanation:
    """An explanation off the wire."""
    return Explanation(
        rule=message.rule,
        clauses=tuple(FalseClause(text=clause.text, seen=dict(clause.seen)) for clause in message.clauses),
        metric=message.metric,
        decision=DECISION_FROM_PROTO[message.decision],
        reason=message.reason,
        evaluation_id=convert.result_id(message.result_id) if message.result_id else None,
        decided=_time(message, "decide_time"),
        next_attempt=_time(message, "next_attempt_time"),
        attempts=message.attempts,
    )


def metric(message: metrics_pb2.Metric) -> MetricRecord:
    """A version of a metric off the wire."""
    definition = convert_metrics.metric(
        message, version=message.version, builtin=message.builtin, alignment_id=message.alignment_id
    )
    return MetricRecord(
        definition=definition,
        create_time=_time(message, "create_time"),
        shadowed=message.shadowed,
        warnings=tuple(message.warnings),
    )


def trial(message: metrics_pb2.TestMetricResponse) -> Trial:
    """A trial off the wire."""
    return Trial(
        results=tuple(result(each) for each in message.results),
        spread=_spread(message.spread) if message.HasField("spread") else None,
        usage=_usage(message.usage),
        warnings=tuple(message.warnings),
    )


def _spread(message: metrics_pb2.Spread) -> Spread:
    def known(name: str) -> float | None:
        return getattr(message, name) if message.HasField(name) else None

    return Spread(
        mean=known("mean"),
        standard_deviation=known("standard_deviation"),
        minimum=known("minimum"),
        maximum=known("maximum"),
        agreement=message.agreement,
        successes=message.successes,
    )


def applied(message: definitions_pb2.AppliedDefinition) -> Applied:
    """What was done about one definition, off the wire."""
    return Applied(
        kind=message.kind,
        name=message.name,
        action=ACTION_FROM_PROTO[message.action],
        version=message.version,
        changes=tuple(
            Change(
                field=each.field,
                before=json.loads(each.before) if each.before else None,
                after=json.loads(each.after) if each.after else None,
            )
            for each in message.changes
        ),
        warnings=tuple(message.warnings),
    )


def rule(message: rules_pb2.Rule) -> RuleRecord:
    """A version of a rule off the wire."""
    definition = convert_definitions.rule(message, version=message.version, enable_time=_time(message, "enable_time"))
    return RuleRecord(definition=definition, create_time=_time(message, "create_time"))


def _time(message: Any, name: str) -> datetime | None:
    time: Timestamp = getattr(message, name)
    return time.ToDatetime(tzinfo=UTC) if message.HasField(name) else None
