"""`TestMetric`: a metric tried on one target, as often as asked, without a trace of it."""

from __future__ import annotations

import asyncio
import statistics
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from evaluator.metrics.definition import MetricDefinition
from evaluator.scoring.request import Answer, EvaluationRequest, MetricRef, Scoring
from evaluator.server import convert, convert_targets
from evaluator.server.errors import InvalidRequest
from evaluator.v1 import evaluator_pb2, metrics_pb2
from storage.model import Evaluation, Score, Usage

MAX_REPEATS = 50


def asked(message: metrics_pb2.TestMetricRequest, *, remaining_seconds: float | None) -> EvaluationRequest:
    """What is asked, the metric aside.

    Raises:
        InvalidRequest: A field is missing or malformed.
    """
    if bool(message.name) is message.HasField("metric"):
        raise InvalidRequest("metric", "set either metric or name")
    if not 0 <= message.repeats <= MAX_REPEATS:
        raise InvalidRequest("repeats", f"must be 1 to {MAX_REPEATS}, got {message.repeats}")
    whole = evaluator_pb2.EvaluateRequest(targets=[message.target])
    if message.HasField("wait"):
        whole.wait.CopyFrom(message.wait)
    return EvaluationRequest(
        targets=(convert_targets.target(message.target, "target"),),
        metrics=(),
        origin=str(uuid.uuid4()),
        wait_seconds=convert.wait_seconds(whole, remaining_seconds),
        store=False,
        time_hint_ns=convert.time_hint_ns(whole.targets),
    )


async def answers(
    scoring: Scoring, metric: MetricDefinition, request: EvaluationRequest, *, repeats: int
) -> list[Answer]:
    """One answer of each repetition; they run side by side.

    Raises:
        What `Scoring.evaluate` raises.
    """
    ref = MetricRef(name=metric.name, version=metric.version, definition=metric)
    requests = [replace(request, metrics=(ref,), trial=trial) for trial in range(repeats)]
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(scoring.evaluate(each)) for each in requests]
    except ExceptionGroup as group_error:  # they ask the same, so one refusal says it all
        raise group_error.exceptions[0] from None
    return [task.result()[0] for task in tasks]


def response(found: Sequence[Answer], *, warnings: Sequence[str]) -> metrics_pb2.TestMetricResponse:
    """Answers, their spread and what they cost together."""
    message = metrics_pb2.TestMetricResponse(warnings=warnings)
    for answer in found:
        result = convert.result_to_proto(answer)
        result.result_id = ""
        message.results.append(result)
    done = [answer for answer in found if isinstance(answer, Evaluation)]
    message.usage.CopyFrom(convert.usage_to_proto(_sum([evaluation.usage for evaluation in done])))
    scores = [evaluation.outcome for evaluation in done if isinstance(evaluation.outcome, Score)]
    if scores:
        message.spread.CopyFrom(_spread(scores))
    return message


def _sum(usages: Sequence[Usage]) -> Usage:
    costs = [usage.cost_usd for usage in usages]
    return Usage(
        input_tokens=sum(usage.input_tokens for usage in usages),
        output_tokens=sum(usage.output_tokens for usage in usages),
        cost_usd=None if None in costs else sum(cost for cost in costs if cost is not None),
        latency_ms=sum(usage.latency_ms for usage in usages),
        attempts=sum(usage.attempts for usage in usages),
    )


def _spread(scores: Sequence[Score]) -> metrics_pb2.Spread:
    values = [score.value for score in scores if score.value is not None]
    verdicts = Counter(_verdict(score) for score in scores)
    return metrics_pb2.Spread(
        mean=statistics.mean(values) if values else None,
        standard_deviation=statistics.stdev(values) if len(values) > 1 else None,
        minimum=min(values, default=None),
        maximum=max(values, default=None),
        agreement=verdicts.most_common(1)[0][1] / len(scores),
        successes=len(scores),
    )


def _verdict(score: Score) -> object:
    return (score.label, score.labels, score.text) if score.label or score.labels or score.text else score.value
