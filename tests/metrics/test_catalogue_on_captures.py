"""The catalogue on real telemetry: what prompts and functions ask for is what captured applications sent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from evaluator.metrics.catalogue import builtin_metrics, variants
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.functions.shipped import FUNCTIONS
from evaluator.metrics.judging import template
from evaluator.metrics.material import Material, Record
from evaluator.targets.inputs import named_inputs
from evaluator.targets.normalise import normalise_session, normalise_trace
from evaluator.targets.record import SpanRecord, TraceRecord
from storage.model import Level, Score, TargetRef
from storage.otlp.stored import stored_spans

CAPTURES = Path(__file__).parents[1] / "fixtures" / "otlp"
METRICS = [metric for metric in builtin_metrics() if metric.name not in variants()]
NEEDS_MORE = {
    "guidelines",
    "regex",
    "json_schema",
    "tool_call_f1",
    "tool_call_order",
    "tool_call_precision",
    "tool_call_recall",
}
"""Arguments of one's own, or expected calls that no capture has."""
NEEDS_EXPECTED = {"bleu", "contains", "exact_match", "expected_match", "levenshtein", "rouge"}
"""At span level: captures have what is expected on whole runs."""


def targets() -> Iterator[Material]:
    """Every span, trace and session of the captures; each file is a session."""
    for path in sorted(path for path in CAPTURES.glob("*/*.pb") if not path.name.endswith(".logs.pb")):
        spans = stored_spans(path.read_bytes())
        ids = dict.fromkeys(span.trace_id for span in spans)
        traces = [normalise_trace([span for span in spans if span.trace_id == each], []) for each in ids]
        for trace in traces:
            yield _target(TargetRef(level=Level.TRACE, trace_id=trace.trace_id), trace)
            for span in trace.spans:
                ref = TargetRef(level=Level.SPAN, trace_id=trace.trace_id, span_id=span.span_id)
                yield _target(ref, span, trace)
        yield _target(TargetRef(level=Level.SESSION, session_id=path.stem), normalise_session(path.stem, traces))


def _target(ref: TargetRef, record: Record, trace: TraceRecord | None = None) -> Material:
    kind = record.kind if isinstance(record, SpanRecord) else ""
    return Material(ref=ref, kind=kind, inputs=named_inputs(record, trace), record=record, trace=trace)


def applies(metric: MetricDefinition, target: Material) -> bool:
    """Whether a metric would conclude, or ask a judge."""
    if metric.function:
        return isinstance(FUNCTIONS[metric.function].apply(target, metric.arguments), Score)
    return template.parse(metric.prompt, metric.arguments).first_missing(target.inputs) is None


def test_every_metric_finds_what_it_asks_for_at_each_of_its_levels() -> None:
    """On at least one capture: no prompt names what no target ever has."""
    wanted = {
        (metric.name, level): metric
        for metric in METRICS
        for level in metric.levels
        if metric.name not in NEEDS_MORE and not (metric.name in NEEDS_EXPECTED and level is Level.SPAN)
    }
    for target in targets():
        if not wanted:
            break
        for (name, level), metric in list(wanted.items()):
            due = not target.kind or not metric.span_kinds or target.kind in metric.span_kinds
            if level is target.ref.level and due and applies(metric, target):
                del wanted[name, level]
    assert wanted == {}
