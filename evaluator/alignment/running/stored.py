"""What a judge reads of stored targets, where a snapshot does not hold all of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evaluator.errors import TargetNotFound
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.judging import template
from evaluator.metrics.judging.media import attachments, sendable
from evaluator.metrics.material import Material
from evaluator.scoring.subject import Subject, read
from evaluator.scoring.traces import Traces
from evaluator.targets.record import SessionRecord, SpanRecord, TraceRecord
from storage.model import Level, TargetRef
from storage.telemetry import TargetRecord, Telemetry

CHUNK = 50


@dataclass(frozen=True, slots=True)
class StoredMaterials:
    """Reads targets as scoring does."""

    telemetry: Telemetry

    async def of(self, definition: MetricDefinition, targets: Sequence[TargetRef]) -> dict[TargetRef, Material | str]:
        """What a judge reads of each target; or why it cannot: `target_gone`, `media_gone`, `input_missing`, …."""
        found: dict[TargetRef, Material | str] = dict.fromkeys(targets, "target_gone")
        names = template.parse(definition.prompt, definition.arguments)
        traces = Traces(self.telemetry)
        for start in range(0, len(targets), CHUNK):
            located = await self.telemetry.locate(targets[start : start + CHUNK])
            for subject in await _subjects(traces, list(located.values())):
                await subject.prepare()
                found[subject.record.ref] = _material(subject, names)
        return found


def snapshot_material(target: TargetRef, span_kind: str, inputs: Mapping[str, str]) -> Material:
    """What a judge reads of a target of which nothing but its inputs is known."""
    match target.level:
        case Level.SPAN:
            record: SpanRecord | TraceRecord | SessionRecord = SpanRecord(
                trace_id=target.trace_id, span_id=target.span_id, kind=span_kind or "other"
            )
        case Level.TRACE:
            record = TraceRecord(trace_id=target.trace_id)
        case Level.SESSION:
            record = SessionRecord(session_id=target.session_id)
    return Material(ref=target, kind=span_kind, inputs=inputs, record=record)


async def _subjects(traces: Traces, records: Sequence[TargetRecord]) -> list[Subject]:
    """Of those that are still there."""
    try:
        return await read(traces, records)
    except TargetNotFound:
        found: list[Subject] = []
        for record in records:
            try:
                found += await read(traces, [record])
            except TargetNotFound:
                continue
        return found


def _material(subject: Subject, names: template.Template) -> Material | str:
    if subject.refused:
        return "too_large"
    material = subject.material
    if sendable(attachments(material.record, names.names)) is None:
        return "media_gone"
    return material if names.first_missing(material.inputs) is None else "input_missing"
