"""Results that people sent by OTLP become feedback on our metrics, once, and stay taken back."""

from __future__ import annotations

import time

from external_parts import EVENT, external
from feedback_parts import a_judgement, a_metric, a_target, feedback_parts
from storing import SentSpan

from evaluator.feedback.hearing import Hearing
from evaluator.online import event_names as names
from storage.clickhouse.client import Database
from storage.feedback import FeedbackFilter, FeedbackStatus, ResolutionStatus
from storage.model import Level, MetricKind, OutputType, Score
from storage.results import ResultFilter


async def _said(database: Database, span: SentSpan, name: str, **attributes: str) -> None:
    """A log record of the convention's event, in the context of a span."""
    said = {names.NAME: name, names.EVALUATOR_KIND: "human"} | {
        {
            "value": names.VALUE,
            "label": names.LABEL,
            "why": names.EXPLANATION,
            "who": names.EVALUATOR,
            "kind": names.EVALUATOR_KIND,
        }[key]: text
        for key, text in attributes.items()
    }
    await database.insert_rows(
        "otel_logs",
        ("Timestamp", "TraceId", "SpanId", "EventName", "LogAttributes", "ServiceName"),
        [(time.time_ns(), span.trace_id, span.span_id, EVENT, said, span.service)],
    )


async def test_what_people_send_is_feedback_and_what_others_send_is_not(fresh_database: Database):
    """On a judge of ours: with what the judge had said, settled, shown; machines' words stay results of others."""
    parts = feedback_parts(fresh_database)
    metric = await a_metric(parts, OutputType.PERCENTAGE)
    truth = await a_metric(parts, levels=(Level.TRACE,))
    target, span = await a_target(fresh_database)
    await a_judgement(parts, target, span, metric, Score(value=0.9))
    await _said(fresh_database, span, metric.name, value="0.2", why="It names a city, not a country.", who="ann")
    await _said(fresh_database, span, truth.name, value="1.0", label="pass")
    await _said(fresh_database, span, metric.name, value="0.5", kind="llm")
    await _said(fresh_database, span, metric.name, value="60", who="bob")
    worker = await external(fresh_database, people=Hearing(parts.desk))
    done = await worker.round()
    assert (done.stored, len(done.refused or {})) == (3, 1)
    assert "write 0.6" in str(done.refused)
    [row] = await parts.feedbacks.page(FeedbackFilter(metric=metric.name), after=(), limit=10)
    assert (row.annotator, row.expected, row.rationale, row.judged) == (
        "ann",
        Score(value=0.2),
        "It names a city, not a country.",
        Score(value=0.9),
    )
    [on_trace] = await parts.feedbacks.page(FeedbackFilter(metric=truth.name), after=(), limit=10)
    assert (on_trace.target, on_trace.expected, on_trace.annotator) == (
        span.trace,
        Score(value=1.0, label="true"),
        span.service,
    )
    shown = await parts.results.newest(
        ResultFilter(metrics=(metric.name,), kinds=(MetricKind.HUMAN,)), before=None, limit=10
    )
    assert [(each.target, each.annotator, each.metric_version) for each in shown] == [(target, "ann", 1)]


async def test_what_is_sent_or_looked_at_twice_is_said_once(fresh_database: Database):
    """As span event and as log, or after a crash; and what was taken back does not come back."""
    parts = feedback_parts(fresh_database)
    metric, (target, span) = await a_metric(parts), await a_target(fresh_database)
    await _said(fresh_database, span, metric.name, label="true", who="ann")
    await _said(fresh_database, span, metric.name, label="true", who="ann")
    await (await external(fresh_database, people=Hearing(parts.desk))).round()
    [row] = await parts.feedbacks.page(FeedbackFilter(metric=metric.name), after=(), limit=10)
    await fresh_database.execute("TRUNCATE TABLE cursors")  # what a worker that died before it saved it has left
    await (await external(fresh_database, people=Hearing(parts.desk))).round()
    assert len(await parts.feedbacks.page(FeedbackFilter(metric=metric.name), after=(), limit=10)) == 1
    standing = (await parts.feedbacks.resolutions(metric.name, [target]))[target]
    assert standing.status is ResolutionStatus.RESOLVED
    assert (await parts.desk.retract(row.feedback_id)).status is FeedbackStatus.RETRACTED


async def test_people_who_speak_of_what_nobody_defined_leave_a_result(fresh_database: Database):
    """There is no judge to correct: it is a result of kind human, as it always was."""
    parts = feedback_parts(fresh_database)
    _, span = await a_target(fresh_database)
    await _said(fresh_database, span, "thumbs", value="1", who="ann")
    await (await external(fresh_database, people=Hearing(parts.desk))).round()
    [shown] = await parts.results.newest(ResultFilter(metrics=("thumbs",)), before=None, limit=10)
    assert (shown.kind, shown.outcome) == (MetricKind.HUMAN, Score(value=1.0))
    assert await parts.feedbacks.page(FeedbackFilter(), after=(), limit=10) == []
