"""Targets for tests of metrics: named inputs, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping

from evaluator.metrics.material import Material
from evaluator.targets.record import SpanRecord
from storage.model import Level, TargetRef

TRACE_ID, SPAN_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def material(inputs: Mapping[str, str], *, kind: str = "llm") -> Material:
    """A span that offers these inputs."""
    ref = TargetRef(level=Level.SPAN, trace_id=TRACE_ID, span_id=SPAN_ID)
    return Material(ref=ref, kind=kind, inputs=inputs, record=SpanRecord(trace_id=TRACE_ID, span_id=SPAN_ID, kind=kind))
