"""CPU per score of users' code in the sandbox.

    python -m benchmarks.code_metrics [--runs N] [--json]

Targets in memory.  Host: CPU of this process (shaping, handing over, reading the result); worker: CPU of the sandbox's
processes.  The rows take turns within a run; medians over the runs.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.report import Row, arguments, show
from evaluator.metrics.code.code_metric import code_metric
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.material import Material
from evaluator.sandbox.sandbox import Sandbox
from evaluator.targets.record import SessionRecord, SpanRecord, TraceRecord
from evaluator.targets.tree import children_of
from storage.dialects.message import Message
from storage.model import Evaluation, Level, MetricKind, OutputType, Purpose, Score, TargetRef

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KINDS = ("llm", "llm", "chain", "agent")
RESULT = """
def scorer_fn(*, step_object, **kwargs):
    return step_object.metrics[GalileoMetrics.correctness]
"""
CONTENT = """
import re
def scorer_fn(*, step_object, **kwargs):
    return len(re.findall(r"\\b\\d{3}-\\d{2}-\\d{4}\\b", step_object.output.content)) / 1000
"""
SESSION = """
def scorer_fn(*, step_object, **kwargs):
    scores = []
    for trace in step_object.traces:
        for span in trace.spans:
            if span.type == "llm":
                scores.append(span.metrics[GalileoMetrics.correctness])
    return sum(scores) / len(scores)
"""
EVERYTHING = SESSION.replace("scores.append(", "span.output.content, span.children, span.metadata; scores.append(")


def main() -> None:
    """Measure, and print."""
    asked = arguments("CPU per score of users' code", runs=5)
    show("Code metrics, milliseconds of CPU per score", asyncio.run(rows(asked.runs)), as_json=asked.json)


async def rows(runs: int) -> list[Row]:
    """One row per scorer and target."""
    span, session = _span(1, 1), _session(50, 40)
    cases = {
        "span, one result": (RESULT, _material(span), 200),
        "span, 4 KB of output and a regular expression": (CONTENT, _material(span), 200),
        "session of 2,000 spans, their results": (SESSION, _material(session), 5),
        "session of 2,000 spans, results, 4 KB of output, children, metadata": (EVERYTHING, _material(session), 5),
    }
    figures: dict[str, list[tuple[float, float]]] = {name: [] for name in cases}
    async with Sandbox() as sandbox:
        for turn in range(runs + 1):  # the first warms up
            for name, (source, material, count) in cases.items():
                found = await _cpu_ms(sandbox, _metric(source), material, count)
                if turn:
                    figures[name].append(found)
    return [
        {
            "scorer": name,
            "host": round(statistics.median(host for host, _ in found), 2),
            "min": round(min(host for host, _ in found), 2),
            "max": round(max(host for host, _ in found), 2),
            "worker": round(statistics.median(worker for _, worker in found), 2),
        }
        for name, found in figures.items()
    ]


async def _cpu_ms(sandbox: Sandbox, metric: MetricDefinition, material: Material, count: int) -> tuple[float, float]:
    host, worker = time.process_time(), _workers_cpu()
    for _ in range(count):
        outcome = await code_metric(metric, material, sandbox=sandbox)
        if not isinstance(outcome, Score):
            raise RuntimeError(f"the scorer failed: {outcome}")
    return (time.process_time() - host) * 1000 / count, (_workers_cpu() - worker) * 1000 / count


def _workers_cpu() -> float:
    """Seconds of CPU of this process's children so far."""
    total = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        fields = stat.read_text().rpartition(")")[2].split()
        if int(fields[1]) == os.getpid():
            total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def _metric(source: str) -> MetricDefinition:
    return MetricDefinition(
        name="own", kind=MetricKind.COMPOSITE, levels=(Level.SPAN, Level.SESSION), output_type=OutputType.PERCENTAGE,
        source=source, required_metrics=("correctness",),
    )  # fmt: skip


def _span(trace: int, number: int) -> SpanRecord:
    text = "The number is 123-45-6789. " * 150
    return SpanRecord(
        trace_id=f"{trace:032x}", span_id=f"{number:016x}", parent_span_id=f"{1:016x}" if number > 1 else "",
        name=f"step {number}", kind=KINDS[number % len(KINDS)], start_ns=number, duration_ns=1, output_text=text,
        output_messages=(Message(role="assistant", content=text),), metadata={"tier": "gold", "n": number},
    )  # fmt: skip


def _session(traces: int, spans: int) -> SessionRecord:
    made = [tuple(_span(trace, number) for number in range(1, spans + 1)) for trace in range(1, traces + 1)]
    return SessionRecord(
        session_id="s",
        traces=tuple(
            TraceRecord(trace_id=own[0].trace_id, spans=own, children=children_of(own), output_text="done")
            for own in made
        ),
    )


def _material(record: SpanRecord | SessionRecord) -> Material:
    spans = [record] if isinstance(record, SpanRecord) else [span for trace in record.traces for span in trace.spans]
    ref = _ref(record) if isinstance(record, SpanRecord) else TargetRef(level=Level.SESSION, session_id="s")
    return Material(
        ref=ref, kind="", record=record, results={(_ref(span), "correctness"): _result(_ref(span)) for span in spans}
    )


def _ref(span: SpanRecord) -> TargetRef:
    return TargetRef(level=Level.SPAN, trace_id=span.trace_id, span_id=span.span_id)


def _result(ref: TargetRef) -> Evaluation:
    return Evaluation(
        evaluation_id=uuid.uuid5(uuid.NAMESPACE_OID, ref.key), target=ref, target_time_ns=1, start_ns=1, anchor=None,
        metric="correctness", metric_version=1, metric_digest="0" * 32, kind=MetricKind.JUDGE,
        purpose=Purpose.ONDEMAND, output_type=OutputType.PERCENTAGE, outcome=Score(value=0.8), started=NOW,
        evaluated=NOW,
    )  # fmt: skip


if __name__ == "__main__":
    main()
