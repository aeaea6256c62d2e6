"""Targets resolved to what metrics read: where a target stands, and its named inputs."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from evaluator.errors import TargetNotFound
from evaluator.metrics.material import Material
from evaluator.scoring.request import InlineTarget, Target
from evaluator.targets.inputs import named_inputs
from evaluator.targets.normalise import normalise_trace
from evaluator.targets.record import TraceRecord
from storage.model import Anchor, Level, StoredLog, StoredSpan, TargetRef
from storage.otlp.stored import stored_spans
from storage.ports import TargetRecord, Telemetry

MAX_INLINE_SPANS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A target, ready to be scored.

    Attributes:
        inline: Digest of the bytes that it came as, with the request; nothing about it is stored.  '' for stored ones.
    """

    record: TargetRecord
    material: Material
    inline: str = ""


async def resolve(telemetry: Telemetry, targets: Sequence[Target], *, time_hint_ns: int | None) -> list[Subject]:
    """Subjects in the order of the targets; stored ones are read together.

    Raises:
        TargetNotFound: One of them is not stored.
        ValueError: An inline target is not OTLP, or does not hold what it names.
    """
    refs = list(dict.fromkeys(target for target in targets if isinstance(target, TargetRef)))
    records = await telemetry.locate(refs, time_hint_ns=time_hint_ns) if refs else {}
    for ref in refs:
        if ref not in records:
            raise TargetNotFound(f"{ref.level} {ref.key} is not stored (it may not have arrived yet)")
    stored = dict(zip(refs, await read(telemetry, [records[ref] for ref in refs]), strict=True))
    return [stored[target] if isinstance(target, TargetRef) else inline(target) for target in targets]


async def read(telemetry: Telemetry, records: Sequence[TargetRecord]) -> list[Subject]:
    """Subjects of located targets, in order; every trace is fetched and normalised once."""
    if not records:
        return []
    trace_ids = {trace_id for record in records for trace_id in record.trace_ids}
    first_ns = min(record.first_ns for record in records)
    last_ns = max(record.last_ns for record in records)
    spans = await telemetry.spans(trace_ids, first_ns=first_ns, last_ns=last_ns)
    logs = await telemetry.logs(trace_ids, first_ns=first_ns, last_ns=last_ns)
    spans_of: defaultdict[str, list[StoredSpan]] = defaultdict(list)
    logs_of: defaultdict[str, list[StoredLog]] = defaultdict(list)
    for span in spans:
        spans_of[span.trace_id].append(span)
    for log in logs:
        logs_of[log.trace_id].append(log)
    traces = {trace_id: normalise_trace(spans_of[trace_id], logs_of[trace_id]) for trace_id in trace_ids}
    return [_subject(record, traces[record.trace_ids[0]]) for record in records]


def inline(target: InlineTarget) -> Subject:
    """The subject of a target that came with the request.

    Raises:
        ValueError: It is not OTLP, is too large, or does not hold the span or trace it names.
    """
    spans = stored_spans(target.otlp)
    if len(spans) > MAX_INLINE_SPANS:
        raise ValueError(f"an inline target may hold {MAX_INLINE_SPANS} spans, got {len(spans)}")
    ref = target.ref
    chosen = [span for span in spans if span.trace_id == ref.trace_id]
    own = [span for span in chosen if ref.level is Level.TRACE or span.span_id == ref.span_id]
    if not own:
        raise ValueError(f"the inline spans do not hold {ref.level} {ref.key}")
    root = next((span for span in own if not span.parent_span_id), own[0])
    record = TargetRecord(
        ref=ref,
        target_time_ns=root.start_ns,
        start_ns=root.start_ns,
        watermark_ms=0,
        anchor=Anchor(
            trace_id=root.trace_id,
            span_id=root.span_id,
            time_ns=root.start_ns,
            service_name=root.service_name,
            span_name=root.name,
        ),
        trace_ids=(ref.trace_id,),
        first_ns=min(span.start_ns for span in chosen),
        last_ns=max(span.start_ns for span in chosen),
    )
    digest = hashlib.blake2b(target.otlp, digest_size=16).hexdigest()
    return replace(_subject(record, normalise_trace(chosen, [])), inline=digest)


def _subject(record: TargetRecord, trace: TraceRecord) -> Subject:
    if record.ref.level is Level.TRACE:
        return Subject(
            record=record, material=Material(ref=record.ref, kind="", inputs=named_inputs(trace), record=trace)
        )
    span = trace.span(record.ref.span_id)
    if span is None:  # it was located a moment ago: retention or `erase` took it
        raise TargetNotFound(f"span {record.ref.key} is not stored any more")
    inputs = named_inputs(span, trace)
    return Subject(
        record=record, material=Material(ref=record.ref, kind=span.kind, inputs=inputs, record=span, trace=trace)
    )
