"""Requests and results: proto <-> domain.  What a caller may get wrong is refused with the field's path."""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from evaluator.online.explaining.explanation import Explanation
from evaluator.scoring.request import Answer, EvaluationRequest, InlineTarget, MetricRef, Pending
from evaluator.server import convert_targets
from evaluator.server.enums import (
    DECISION_TO_PROTO,
    KIND_FROM_PROTO,
    KIND_TO_PROTO,
    LEVEL_FROM_PROTO,
    OUTPUT_TYPE_TO_PROTO,
    PURPOSE_FROM_PROTO,
    PURPOSE_TO_PROTO,
    STATUS_FROM_PROTO,
    STATUS_TO_PROTO,
)
from evaluator.server.errors import InvalidRequest
from evaluator.v1 import evaluator_pb2 as pb
from evaluator.v1 import vocabulary_pb2
from storage.model import NO_ID, Abstention, Evaluation, Failure, Purpose, Score, Usage
from storage.results import OpenEvaluation, ResultFilter

E = TypeVar("E")

DEFAULT_WAIT_SECONDS = 60.0
MAX_NAMED = 1000
"""Targets or metrics in one filter."""
MAX_WAIT_SECONDS = 3600.0
DEADLINE_MARGIN_SECONDS = 0.5
"""Kept of a call's deadline, so that the answer arrives before it."""
RUN_LEDGER = "run:"
"""Before a run's id, where the ledger has the name of a rule."""
HINT_SPREAD_NS = 600 * 10**9


# ---------------------------------------------------------------------------------------------------------------------
# Requests
# ---------------------------------------------------------------------------------------------------------------------


def request_id(text: str) -> str:
    """A request id in its usual spelling; '' stays ''.

    Raises:
        InvalidRequest: It is not a UUID.
    """
    try:
        return str(uuid.UUID(text)) if text else ""
    except ValueError:
        raise InvalidRequest("request_id", f"must be a UUID, got {text!r}") from None


def result_id(text: str) -> uuid.UUID:
    """A result's id.

    Raises:
        InvalidRequest: It is not a UUID.
    """
    try:
        return uuid.UUID(text)
    except ValueError:
        raise InvalidRequest("result_id", f"must be a UUID, got {text!r}") from None


def evaluation_request(message: pb.EvaluateRequest, *, remaining_seconds: float | None) -> EvaluationRequest:
    """What `Evaluate` asks.  `remaining_seconds` is what is left of the call's deadline; None = it has none.

    Raises:
        InvalidRequest: A field is missing or malformed.
    """
    if not message.targets:
        raise InvalidRequest("targets", "name at least one")
    if not message.metrics:
        raise InvalidRequest("metrics", "name at least one")
    return EvaluationRequest(
        targets=tuple(
            convert_targets.target(target, f"targets[{number}]") for number, target in enumerate(message.targets)
        ),
        metrics=metric_refs(message.metrics),
        origin=request_id(message.request_id) or str(uuid.uuid4()),
        wait_seconds=wait_seconds(message, remaining_seconds),
        reuse=message.reuse,
        deduplicate=bool(message.request_id),
        time_hint_ns=time_hint_ns(message.targets),
    )


def metric_refs(messages: Sequence[vocabulary_pb2.MetricRef]) -> tuple[MetricRef, ...]:
    """Metrics by name.

    Raises:
        InvalidRequest: A name is missing, or a version negative.
    """
    for number, metric in enumerate(messages):
        if not metric.name:
            raise InvalidRequest(f"metrics[{number}].name", "is required")
        if metric.version < 0:
            raise InvalidRequest(f"metrics[{number}].version", f"must not be negative, got {metric.version}")
    return tuple(MetricRef(name=metric.name, version=metric.version or None) for metric in messages)


def wait_seconds(message: pb.EvaluateRequest, remaining_seconds: float | None) -> float:
    """How long to wait for results: as asked, and less than what is left of the call's deadline.

    Raises:
        InvalidRequest: It is out of range.
    """
    asked = DEFAULT_WAIT_SECONDS
    if message.HasField("wait"):
        asked = message.wait.seconds + message.wait.nanos / 1e9
        if not 0.0 <= asked <= MAX_WAIT_SECONDS:
            raise InvalidRequest("wait", f"must be 0 s to {MAX_WAIT_SECONDS:.0f} s, got {asked} s")
    if remaining_seconds is None:
        return asked
    return min(asked, max(0.0, remaining_seconds - DEADLINE_MARGIN_SECONDS))


def time_hint_ns(targets: Sequence[pb.Target], field: str = "") -> int | None:
    """Roughly when all of the stored targets started; None where not every one says so, or they lie apart."""
    hints: list[int] = []
    for number, target in enumerate(targets):
        if target.WhichOneof("target") == "inline":
            continue
        if not target.HasField("approximate_start_time"):
            return None
        _time(f"{field or f'targets[{number}]'}.approximate_start_time", target.approximate_start_time)
        hints.append(target.approximate_start_time.ToNanoseconds())
    return min(hints) if hints and max(hints) - min(hints) <= HINT_SPREAD_NS else None


def result_filter(message: pb.ResultFilter) -> ResultFilter:
    """Which results.

    Raises:
        InvalidRequest: A field is malformed, or names too much.
    """
    for field, items in (("targets", message.targets), ("metrics", message.metrics), ("labels", message.labels)):
        if len(items) > MAX_NAMED:
            raise InvalidRequest(f"filter.{field}", f"may name {MAX_NAMED}, got {len(items)}; ask in parts")
    return ResultFilter(
        targets=tuple(
            convert_targets.target_ref(ref, f"filter.targets[{number}]") for number, ref in enumerate(message.targets)
        ),
        metrics=tuple(message.metrics),
        levels=_members("filter.levels", LEVEL_FROM_PROTO, message.levels),
        statuses=_members("filter.statuses", STATUS_FROM_PROTO, message.statuses),
        rule=message.rule,
        run=message.run,
        since=_time("filter.start_time", message.start_time) if message.HasField("start_time") else None,
        until=_time("filter.end_time", message.end_time) if message.HasField("end_time") else None,
        include_superseded=message.include_superseded,
        purposes=_members("filter.purposes", PURPOSE_FROM_PROTO, message.purposes),
        kinds=_members("filter.kinds", KIND_FROM_PROTO, message.kinds),
        labels=tuple(message.labels),
        minimum=_number("filter.minimum_value", message.minimum_value) if message.HasField("minimum_value") else None,
        maximum=_number("filter.maximum_value", message.maximum_value) if message.HasField("maximum_value") else None,
    )


def _number(field: str, number: float) -> float:
    if math.isnan(number):
        raise InvalidRequest(field, "must be a number")
    return number


def _members(field: str, known: Mapping[int, E], numbers: Iterable[int]) -> tuple[E, ...]:
    try:
        return tuple(known[number] for number in numbers)
    except KeyError as error:
        raise InvalidRequest(field, f"must hold known values, got the enum number {error}") from None


def _time(field: str, message: Timestamp) -> datetime:
    try:
        return message.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidRequest(field, str(error)) from None


# ---------------------------------------------------------------------------------------------------------------------
# Results
# ---------------------------------------------------------------------------------------------------------------------


def results_to_proto(request: EvaluationRequest, answers: Sequence[Answer]) -> list[pb.Result]:
    """One result for each pair, in order.  Those of inline targets have no id: they are stored nowhere."""
    results = [result_to_proto(answer) for answer in answers]
    for number, result in enumerate(results):
        if isinstance(request.targets[number // len(request.metrics)], InlineTarget):
            result.ClearField("result_id")
    return results


def result_to_proto(answer: Answer) -> pb.Result:
    """A result, final or not."""
    result = pb.Result(
        result_id="" if answer.evaluation_id == NO_ID else str(answer.evaluation_id),
        target=convert_targets.target_ref_to_proto(answer.target),
        metric=answer.metric,
        metric_version=answer.metric_version,
        status=STATUS_TO_PROTO[answer.status],
    )
    if isinstance(answer, Pending):
        result.explanation = answer.reason
        result.purpose = PURPOSE_TO_PROTO[Purpose.ONDEMAND]
    else:
        _conclude(result, answer)
    return result


def open_to_proto(unfinished: OpenEvaluation) -> pb.Result:
    """What a rule or a run has not finished: no result yet, so no id and no version."""
    of_run = unfinished.rule.startswith(RUN_LEDGER)
    result = pb.Result(
        target=convert_targets.target_ref_to_proto(unfinished.target),
        metric=unfinished.metric,
        status=STATUS_TO_PROTO[unfinished.status],
        explanation=unfinished.reason,
        rule="" if of_run else unfinished.rule,
        rule_version=unfinished.rule_version,
        run_id=unfinished.rule.removeprefix(RUN_LEDGER) if of_run else "",
        attempt=unfinished.attempt,
        purpose=PURPOSE_TO_PROTO[Purpose.BACKFILL if of_run else Purpose.ONLINE],
    )
    if unfinished.watermark_ms:
        result.watermark_time.FromMilliseconds(unfinished.watermark_ms)
    return result


def _conclude(result: pb.Result, evaluation: Evaluation) -> None:
    result.metric_digest = evaluation.metric_digest
    result.kind = KIND_TO_PROTO[evaluation.kind]
    result.output_type = OUTPUT_TYPE_TO_PROTO[evaluation.output_type]
    result.purpose = PURPOSE_TO_PROTO[evaluation.purpose]
    result.rule = evaluation.rule
    result.rule_version = evaluation.rule_version
    result.judge_model = evaluation.judge_model
    result.attempt = evaluation.attempt
    result.run_id = evaluation.run
    result.trial = evaluation.trial
    result.judge_trace_id = evaluation.judge_trace_id
    result.metadata.update(evaluation.metadata)
    result.inputs_digest = evaluation.inputs_digest.hex()
    result.usage.CopyFrom(usage_to_proto(evaluation.usage))
    result.evaluate_time.FromDatetime(evaluation.evaluated)
    if evaluation.watermark_ms:
        result.watermark_time.FromMilliseconds(evaluation.watermark_ms)
    if evaluation.inserted_us is not None:
        result.insert_time.FromMicroseconds(evaluation.inserted_us)
    match evaluation.outcome:
        case Score() as score:
            if score.value is not None:
                result.value = score.value
            result.label = score.label
            result.labels.extend(score.labels)
            result.text = score.text
            result.explanation = score.explanation
        case Abstention(reason=reason):
            result.explanation = reason
        case Failure() as failure:
            result.error.CopyFrom(
                pb.ResultError(code=failure.code, message=failure.message, retryable=failure.retryable)
            )


def usage_to_proto(usage: Usage) -> pb.Usage:
    """What something cost."""
    latency = Duration()
    latency.FromMilliseconds(usage.latency_ms)
    return pb.Usage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cost_usd=usage.cost_usd,
        latency=latency,
        attempts=usage.attempts,
    )


def explanation_to_proto(explanation: Explanation) -> pb.Explanation:
    """Why, for one metric."""
    message = pb.Explanation(
        metric=explanation.metric,
        decision=DECISION_TO_PROTO[explanation.decision],
        reason=explanation.reason,
        result_id=str(explanation.evaluation_id) if explanation.evaluation_id else "",
        attempts=explanation.attempts,
        rule=explanation.rule,
        clauses=[pb.FalseClause(text=clause.text, seen=clause.seen) for clause in explanation.clauses],
    )
    if explanation.decided is not None:
        message.decide_time.FromDatetime(explanation.decided)
    if explanation.next_attempt is not None:
        message.next_attempt_time.FromDatetime(explanation.next_attempt)
    return message
