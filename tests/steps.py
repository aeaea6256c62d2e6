"""Targets and results for tests of code metrics: records as normalising makes them, without a store."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.material import Material
from evaluator.targets.record import SessionRecord, SpanRecord, TraceRecord
from evaluator.targets.tree import children_of
from storage.dialects.documents import Document
from storage.dialects.message import Message, ToolCall
from storage.model import Evaluation, Level, MetricKind, Outcome, OutputType, Purpose, Score, TargetRef

START_NS = 1_700_000_000_000_000_000
NOW = datetime(2026, 1, 1, tzinfo=UTC)
OUTPUT_TYPES = {"output_pii": OutputType.BOOLEAN, "steps": OutputType.COUNT, "topics": OutputType.MULTILABEL,
                "tone": OutputType.CATEGORICAL, "note": OutputType.TEXT, "stars": OutputType.DISCRETE}  # fmt: skip
"""Of metrics that are no percentage."""


def scorer(source: str, output_type: OutputType = OutputType.PERCENTAGE, **fields: object) -> MetricDefinition:
    """A code metric; a source without a function is a function's body."""
    if "def scorer_fn" not in source:
        source = "def scorer_fn(*, step_object, **kwargs):\n" + "".join(f"    {line}\n" for line in source.split("\n"))
    values = {"kind": MetricKind.CODE, "levels": (Level.SPAN, Level.TRACE, Level.SESSION)} | fields
    return MetricDefinition(name="own", output_type=output_type, source=source, **values)  # type: ignore[arg-type]


def span(number: int, kind: str = "llm", *, trace: int = 1, parent: int = 0, **fields: object) -> SpanRecord:
    """A span; its content is as captured for its kind, unless other fields say otherwise."""
    said: dict[str, dict[str, object]] = {
        "llm": {
            "input_messages": (Message(role="user", content="What is my number?"),),
            "output_messages": (Message(role="assistant", content="It is 123-45-6789."),),
            "output_text": "It is 123-45-6789.",
        },
        "retriever": {"query": "number", "documents": (Document(content="one", score=0.5), Document(content="two"))},
        "tool": {"tool_name": "look_up", "tool_arguments": {"user": 7}, "tool_result": {"number": "123-45-6789"}},
        "agent": {"input_text": "Ask the agent.", "output_text": "The agent answers."},
        "embedding": {"input_texts": ("a", "b")},
    }
    return SpanRecord(
        trace_id=f"{trace:032x}", span_id=f"{number:016x}", parent_span_id=f"{parent:016x}" if parent else "",
        kind=kind, start_ns=START_NS + number * 1_000_000_000, duration_ns=500_000_000,
        **({"name": f"step {number}"} | said.get(kind, {}) | fields),  # type: ignore[arg-type]
    )  # fmt: skip


def trace_of(*spans: SpanRecord, **fields: object) -> TraceRecord:
    """A trace of these spans, in start order."""
    return TraceRecord(
        trace_id=spans[0].trace_id, spans=spans, children=children_of(spans), root_span=spans[0].span_id,
        **({"input_text": "the question", "output_text": "the answer"} | fields),  # type: ignore[arg-type]
    )  # fmt: skip


def nested(trace: int = 1) -> TraceRecord:
    """agent(1) over llm(2), retriever(3) over embedding(4), tool(5) over llm(6)."""
    return trace_of(
        span(1, "agent", trace=trace), span(2, "llm", trace=trace, parent=1),
        span(3, "retriever", trace=trace, parent=1), span(4, "embedding", trace=trace, parent=3),
        span(5, "tool", trace=trace, parent=1), span(6, "llm", trace=trace, parent=5),
    )  # fmt: skip


def session_of(*traces: TraceRecord) -> SessionRecord:
    """A session of these traces."""
    return SessionRecord(session_id="session 1", traces=traces)


def ref_of(record: SpanRecord | TraceRecord | SessionRecord) -> TargetRef:
    """The target that a record is of."""
    match record:
        case SpanRecord():
            return TargetRef(level=Level.SPAN, trace_id=record.trace_id, span_id=record.span_id)
        case TraceRecord():
            return TargetRef(level=Level.TRACE, trace_id=record.trace_id)
        case SessionRecord():
            return TargetRef(level=Level.SESSION, session_id=record.session_id)


Given = Iterable[tuple[SpanRecord | TraceRecord | SessionRecord, Mapping[str, float | Outcome]]]


def material_of(
    record: SpanRecord | TraceRecord | SessionRecord, results: Given = (), *, trace: TraceRecord | None = None
) -> Material:
    """A target with results of metrics on steps; a number stands for a score of that value."""
    return Material(
        ref=ref_of(record),
        kind=record.kind if isinstance(record, SpanRecord) else "",
        inputs={},
        record=record,
        trace=trace,
        results={
            (ref_of(step), metric): result_of(step, metric, value)
            for step, values in results
            for metric, value in values.items()
        },
    )


def result_of(step: SpanRecord | TraceRecord | SessionRecord, metric: str, value: float | Outcome) -> Evaluation:
    """A final result on a step."""
    return Evaluation(
        evaluation_id=uuid.uuid5(uuid.NAMESPACE_OID, f"{ref_of(step).key} {metric}"), target=ref_of(step),
        target_time_ns=START_NS, start_ns=START_NS, anchor=None, metric=metric, metric_version=1,
        metric_digest="0" * 32, kind=MetricKind.JUDGE, purpose=Purpose.ONDEMAND,
        output_type=OUTPUT_TYPES.get(metric, OutputType.PERCENTAGE),
        outcome=Score(value=value) if isinstance(value, (int, float)) else value, started=NOW, evaluated=NOW,
    )  # fmt: skip


def call(name: str, arguments: object) -> ToolCall:
    """A call that a model asked for."""
    return ToolCall(id="c1", name=name, arguments=arguments)
