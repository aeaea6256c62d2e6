"""Targets resolved to what metrics read: where a target stands, and its content."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from evaluator.errors import TargetNotFound
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.material import Material
from evaluator.scoring.content import SessionContent, SpanContent, TraceContent
from evaluator.scoring.request import InlineTarget, Target
from evaluator.scoring.traces import Fetched, Traces
from evaluator.targets.outline import Outline, ReadTrace
from evaluator.targets.record import SessionRecord, SpanRecord, TraceRecord
from storage.model import Anchor, Level, MetricKind, TargetRef, is_id
from storage.otlp.stored import stored_spans
from storage.telemetry import TargetRecord
from storage.together import together

MAX_INLINE_SPANS = 10_000
MAX_SPANS = 50_000
"""Spans of a target that are read: nothing is concluded on a larger trace or session."""

LARGE_SPANS = 200
"""Spans of a target that are normalised in some 30 ms of the event loop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A target, ready to be scored.

    Attributes:
        inline: Digest of the bytes that it came as, with the request; nothing about it is stored.  '' for stored ones.
        refused: Why nothing can be concluded on it (`too_large: …`): every metric abstains, and its material is empty.
            '' = it can be scored.
        read: Its traces, a session's in start order.
    """

    record: TargetRecord
    material: Material
    inline: str = ""
    refused: str = ""
    read: tuple[ReadTrace, ...] = field(default=(), compare=False, repr=False)

    async def prepare(self) -> None:
        """Normalise what is large beside the event loop; await this before reading `material`, which would hold it up.

        Nothing is done for a small target: its content is normalised when it is asked for.
        """
        if sum(map(len, self.read)) > LARGE_SPANS:
            for each in self.read:
                await each.prepare()


def spans_below(subject: Subject) -> list[Subject]:
    """Every target that stands below a subject, ready to be scored without asking the store again.

    Of a trace its spans in start order; of a session each of its traces (in start order), followed by its spans; of a
    span nothing.  The level is `record.ref.level`, the kind of a span `material.kind`.  `record` is what
    `Telemetry.locate` answers for the same target: target time, start, anchor, watermark and window.  Nothing is
    normalised here: the kinds come from the outline, content is read when a metric asks the material for it.  An
    inline subject's are inline too.
    """
    match subject.record.ref.level:
        case Level.SPAN:
            return []
        case Level.TRACE:
            return _spans_of(subject.record, subject.read[0], subject.inline) if subject.read else []
        case Level.SESSION:
            found: list[Subject] = []
            records = {record.ref.trace_id: record for record in subject.record.traces}
            for read in subject.read:
                record = records[read.trace_id]
                found.append(_trace_subject(record, read))
                found += _spans_of(record, read, "")
            return found


async def resolve(traces: Traces, targets: Sequence[Target], *, time_hint_ns: int | None) -> list[Subject]:
    """Subjects in the order of the targets; stored ones are read together.

    Raises:
        TargetNotFound: One of them is not stored.
        ValueError: An inline target is not OTLP, or does not hold what it names.
    """
    refs = list(dict.fromkeys(target for target in targets if isinstance(target, TargetRef)))
    located, early = await _located(traces, refs, time_hint_ns)
    for ref in refs:
        if ref not in located:
            raise TargetNotFound(f"{ref.level} {ref.key} is not stored (it may not have arrived yet)")
    found = await traces.read([record for record in located.values() if _spans_to_read(record) <= MAX_SPANS], early)
    stored = {ref: _subject(_exactly(ref, located[ref], found), found) for ref in refs}
    return [stored[target] if isinstance(target, TargetRef) else inline(target) for target in targets]


async def _located(
    traces: Traces, refs: Sequence[TargetRef], time_hint_ns: int | None
) -> tuple[Mapping[TargetRef, TargetRecord], Fetched | None]:
    """Where targets stand, of a span only where its trace does; with a hint, what was read at the same time."""
    if not refs:
        return {}, None
    spans = [ref for ref in refs if ref.level is Level.SPAN]
    standing = _standing(traces, spans, [ref for ref in refs if ref.level is not Level.SPAN])
    early: Fetched | None = None
    if time_hint_ns is None:
        known, of_spans = await standing
    else:
        trace_ids = {ref.trace_id for ref in refs if ref.trace_id}
        (known, of_spans), early = await together(standing, traces.near(trace_ids, time_hint_ns))
    located = {**known, **{ref: of_spans[ref.trace_id] for ref in spans if ref.trace_id in of_spans}}
    lost = [ref for ref in spans if ref not in located]  # the rollup lags behind after a crash
    return {**located, **(await traces.telemetry.locate(lost, time_hint_ns=time_hint_ns) if lost else {})}, early


async def _standing(
    traces: Traces, spans: Sequence[TargetRef], others: Sequence[TargetRef]
) -> tuple[Mapping[TargetRef, TargetRecord], Mapping[str, TargetRecord]]:
    """Others by their refs, and the traces of spans by their ids."""
    trace_ids = {ref.trace_id for ref in spans}
    if not others:
        return {}, await traces.telemetry.traces(trace_ids)
    if not spans:
        return await traces.telemetry.locate(others), {}
    return await together(traces.telemetry.locate(others), traces.telemetry.traces(trace_ids))


def _exactly(ref: TargetRef, record: TargetRecord, found: Mapping[str, ReadTrace]) -> TargetRecord:
    """The record of a target, where that of its trace was located.

    Raises:
        TargetNotFound: The trace has no such span.
    """
    if record.ref == ref:
        return record
    outline = found[ref.trace_id].outline_of(ref.span_id) if ref.trace_id in found else None
    if outline is None and _spans_to_read(record) <= MAX_SPANS:
        raise TargetNotFound(f"span {ref.key} is not stored (it may not have arrived yet)")
    return _of_span(outline, record) if outline else replace(record, ref=ref, traces=(record,))


async def read(traces: Traces, records: Sequence[TargetRecord]) -> list[Subject]:
    """Subjects of located targets, in order; every trace is fetched and normalised once.

    Raises:
        TargetNotFound: One of them is gone: retention or `erase` took it since it was located.
    """
    found = await traces.read([record for record in records if _spans_to_read(record) <= MAX_SPANS])
    return [_subject(record, found) for record in records]


def unread(records: Sequence[TargetRecord], metrics: Sequence[MetricDefinition]) -> list[Subject]:
    """Subjects of which nothing was read, where that is enough: SQL metrics are computed in the store.  Else none."""
    kinds_matter = any(metric.span_kinds for metric in metrics)
    for record in records:
        if kinds_matter and record.ref.level is Level.SPAN and not record.observation_kind:
            return []
    if any(metric.kind is not MetricKind.SQL for metric in metrics):
        return []
    return [Subject(record=record, material=_nothing(record.ref, record.observation_kind)) for record in records]


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
    return _subject(record, {ref.trace_id: ReadTrace(chosen)}, digest)


def _subject(record: TargetRecord, found: Mapping[str, ReadTrace], inline: str = "") -> Subject:
    ref = record.ref
    if (spans := _spans_to_read(record)) > MAX_SPANS:
        where = "its trace" if ref.level is Level.SPAN else f"the {ref.level}"
        reason = f"too_large: {where} has {spans} spans; at most {MAX_SPANS} are read"
        return Subject(record=record, material=_nothing(ref), refused=reason)
    match ref.level:
        case Level.SESSION:
            read = tuple(sorted((found[key] for key in record.trace_ids if key in found), key=_start))
            if not read:
                raise TargetNotFound(f"session {ref.key} is not stored any more")
            material = Material(ref=ref, kind="", content=SessionContent(ref.session_id, read))
            return Subject(record=record, material=material, read=read)
        case Level.TRACE:
            return _trace_subject(record, _held(ref, found), inline)
        case Level.SPAN:
            own = _held(ref, found)
            outline = own.outline_of(ref.span_id)
            if outline is None:
                raise _gone(ref)
            return _span_subject(record, own, outline.kind, inline)


def _spans_to_read(record: TargetRecord) -> int:
    return record.spans or sum(trace.spans for trace in record.traces)


def _trace_subject(record: TargetRecord, read: ReadTrace, inline: str = "") -> Subject:
    material = Material(ref=record.ref, kind="", content=TraceContent(read))
    return Subject(record=record, material=material, inline=inline, read=(read,))


def _span_subject(record: TargetRecord, read: ReadTrace, kind: str, inline: str) -> Subject:
    material = Material(ref=record.ref, kind=kind, content=SpanContent(read, record.ref.span_id))
    return Subject(record=record, material=material, inline=inline, read=(read,))


def _spans_of(trace: TargetRecord, read: ReadTrace, inline: str) -> list[Subject]:
    return [
        _span_subject(_of_span(outline, trace), read, outline.kind, inline)
        for outline in read.outline
        if _is_target(outline)
    ]


def _start(read: ReadTrace) -> tuple[int, str]:
    return read.start_ns, read.trace_id


def _of_span(span: Outline, trace: TargetRecord) -> TargetRecord:
    return TargetRecord(
        ref=TargetRef(level=Level.SPAN, trace_id=span.trace_id, span_id=span.span_id),
        target_time_ns=span.start_ns,
        start_ns=span.start_ns,
        watermark_ms=span.watermark_ms,
        anchor=Anchor(
            trace_id=span.trace_id,
            span_id=span.span_id,
            time_ns=span.start_ns,
            service_name=span.service_name,
            span_name=span.name,
        ),
        trace_ids=(span.trace_id,),
        first_ns=trace.first_ns,
        last_ns=trace.last_ns,
        observation_kind="" if span.kind == "other" else span.kind,
        traces=(trace,),
    )


def _is_target(span: Outline) -> bool:
    """Whether a result can be about it: a foreign writer may store any text as an id."""
    return is_id(span.span_id, 16)


def _held(ref: TargetRef, found: Mapping[str, ReadTrace]) -> ReadTrace:
    if ref.trace_id not in found:
        raise _gone(ref)
    return found[ref.trace_id]


def _gone(ref: TargetRef) -> TargetNotFound:
    return TargetNotFound(f"{ref.level} {ref.key} is not stored any more")  # retention or `erase` took it


def _nothing(ref: TargetRef, kind: str = "") -> Material:
    match ref.level:
        case Level.SESSION:
            return Material(ref=ref, kind="", record=SessionRecord(session_id=ref.session_id))
        case Level.TRACE:
            return Material(ref=ref, kind="", record=TraceRecord(trace_id=ref.trace_id))
        case Level.SPAN:
            return Material(ref=ref, kind=kind, record=SpanRecord(trace_id=ref.trace_id, span_id=ref.span_id))
