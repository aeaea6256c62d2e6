"""A desk of real parts over the module's database, and things for people to speak about."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from storing import SentSpan, a_chat, a_result, located, store

from evaluator.feedback.desk import Desk
from evaluator.feedback.looking import Looking
from evaluator.feedback.standing import KnowsQuorums, Standing
from evaluator.feedback.verdicts import Stated
from evaluator.feedback.words import Words
from evaluator.metrics.catalogue import aliases, builtin_metrics
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.judging.judge_metric import Redact
from evaluator.metrics.registry import Metrics
from storage.clickhouse.client import Database
from storage.clickhouse.definitions import ClickHouseDefinitions
from storage.clickhouse.feedback import ClickHouseFeedbacks
from storage.clickhouse.results import ClickHouseResults
from storage.clickhouse.telemetry import ClickHouseTelemetry
from storage.model import Evaluation, Level, MetricKind, OutputType, Score, TargetRef

SCALES: Mapping[OutputType, Mapping[str, Any]] = {
    OutputType.BOOLEAN: {},
    OutputType.CATEGORICAL: {"labels": {"good": 1.0, "middling": 0.5, "bad": 0.0}},
    OutputType.PERCENTAGE: {},
    OutputType.COUNT: {},
    OutputType.DISCRETE: {"minimum": 1.0, "maximum": 5.0},
    OutputType.MULTILABEL: {"labels": {"rude": None, "false": None, "long": None}},
    OutputType.TEXT: {"higher_is_better": None},
    OutputType.NUMBER: {"minimum": -10.0, "maximum": 10.0},
}
"""What a definition of each output type needs."""
EXPECTED: Mapping[OutputType, tuple[Stated, Score]] = {
    OutputType.BOOLEAN: (Stated(label="true"), Score(value=1.0, label="true")),
    OutputType.CATEGORICAL: (Stated(label="middling"), Score(value=0.5, label="middling")),
    OutputType.PERCENTAGE: (Stated(value=0.6), Score(value=0.6)),
    OutputType.COUNT: (Stated(value=3.0), Score(value=3.0)),
    OutputType.DISCRETE: (Stated(value=4.0), Score(value=4.0)),
    OutputType.MULTILABEL: (Stated(labels=("rude", "long")), Score(value=2.0, labels=("long", "rude"))),
    OutputType.TEXT: (Stated(text="Paris, as asked."), Score(text="Paris, as asked.")),
    OutputType.NUMBER: (Stated(value=-2.5), Score(value=-2.5)),
}
"""A verdict of each output type as somebody may write it, and whole."""


@dataclass(frozen=True, kw_only=True)
class FeedbackParts:
    """What a test holds."""

    database: Database
    desk: Desk
    feedbacks: ClickHouseFeedbacks
    results: ClickHouseResults
    metrics: Metrics


def feedback_parts(
    database: Database, *, redact: Redact | None = None, quorums: KnowsQuorums | None = None
) -> FeedbackParts:
    """As the evaluator puts them together."""
    feedbacks, results = ClickHouseFeedbacks(database), ClickHouseResults(database)
    telemetry = ClickHouseTelemetry(database)
    metrics = Metrics(ClickHouseDefinitions(database), builtin=builtin_metrics(), aliases=aliases())
    desk = Desk(
        feedbacks=feedbacks,
        looking=Looking(metrics=metrics, telemetry=telemetry, results=results),
        standing=Standing(feedbacks=feedbacks, results=results, telemetry=telemetry, quorums=quorums),
        redact=redact,
    )
    return FeedbackParts(database=database, desk=desk, feedbacks=feedbacks, results=results, metrics=metrics)


async def a_metric(parts: FeedbackParts, output: OutputType = OutputType.BOOLEAN, **other: Any) -> MetricDefinition:
    """A judge of that output type for every level, under a name of its own."""
    definition = MetricDefinition(
        **{
            "name": f"m_{uuid.uuid4().hex[:12]}",
            "kind": MetricKind.JUDGE,
            "levels": tuple(Level),
            "output_type": output,
            "prompt": "Judge. {{input?}} {{output?}} {{messages?}}",
            **SCALES[output],
            **other,
        }
    )
    return (await parts.metrics.create(definition)).definition


async def a_target(database: Database, level: Level = Level.SPAN, **other: Any) -> tuple[TargetRef, SentSpan]:
    """Something that was said, stored; the target, and the span that shows its results."""
    session_id = f"s-{uuid.uuid4()}" if level is Level.SESSION else ""
    span = a_chat(**other)
    if session_id:
        span = replace(span, attributes={**span.attributes, "session.id": session_id})
    await store(database, span)
    match level:
        case Level.SPAN:
            return span.ref, span
        case Level.TRACE:
            return span.trace, span
        case Level.SESSION:
            return TargetRef(level=Level.SESSION, session_id=session_id), span


async def a_judgement(
    parts: FeedbackParts, target: TargetRef, span: SentSpan, metric: MetricDefinition, outcome: Score
) -> Evaluation:
    """What a judge had concluded, stored where the target stands."""
    record = await located(parts.database, target)
    evaluation = a_result(
        span,
        outcome,
        target=target,
        target_time_ns=record.target_time_ns,
        anchor=record.anchor,
        metric=metric.name,
        metric_version=metric.version,
        metric_digest=metric.digest,
        output_type=metric.output_type,
        judge_model="openai/judge-1",
        watermark_ms=record.watermark_ms,
    )
    await parts.results.append([evaluation])
    return evaluation


def words(target: TargetRef, metric: MetricDefinition | str, label: str = "", **other: Any) -> Words:
    """Ann's, unless somebody else is named."""
    name = metric if isinstance(metric, str) else metric.name
    fields: dict[str, Any] = {"target": target, "metric": name, "stated": Stated(label=label), "annotator": "ann"}
    return Words(**fields | other)


async def human_attributes(database: Database, span: SentSpan) -> dict[str, str]:
    """What SQL shows of people's verdicts on a span."""
    rows = await database.query(
        "SELECT SpanAttributes AS found FROM spans_joined WHERE TraceId = {t:String} AND SpanId = {s:String}",
        {"t": span.trace_id, "s": span.span_id},
    )
    return {key: value for key, value in dict(rows[0]["found"]).items() if ".human." in key}
