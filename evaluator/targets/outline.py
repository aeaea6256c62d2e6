"""What a trace holds, before anything that was said in it is read."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evaluator.targets.normalise import normalise_trace
from evaluator.targets.record import SpanRecord, TraceRecord
from evaluator.targets.span import told_apart
from evaluator.targets.tree import LOG_SPAN_NS, SHARED_KINDS, TRANSPARENT_KINDS, children_of
from storage.model import StoredLog, StoredSpan

SPAN_WEIGHT = 4_000
"""Bytes of a span without what was said in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """One span, without its content; a tenth of what its record costs.

    Attributes:
        kind: As in its record.
        status: `error`, `ok` or `unset`, as in its record.
        watermark_ms: Arrival of its last log, or of itself, milliseconds; 0 for inline targets.
    """

    trace_id: str
    span_id: str
    parent_span_id: str
    name: str
    service_name: str
    kind: str
    status: str
    response_id: str | None
    start_ns: int
    duration_ns: int
    watermark_ms: int


class ReadTrace:
    """One trace as it was fetched: its outline costs little, its record is made when it is first asked for, once.

    Args:
        spans: At least one; spans and logs of other traces than the first one's are passed over.

    Attributes:
        start_ns: Start of its earliest span.
        weight: About how many bytes it takes in memory.
    """

    def __init__(self, spans: Sequence[StoredSpan], logs: Sequence[StoredLog] = ()) -> None:
        self._spans = spans
        self._logs = logs
        self.trace_id = spans[0].trace_id
        self.start_ns = min(span.start_ns for span in spans if span.trace_id == self.trace_id)
        self._outline: tuple[Outline, ...] | None = None
        self._record: TraceRecord | None = None
        self._light: TraceRecord | None = None
        self._preparing = asyncio.Lock()
        self.weight = sum(SPAN_WEIGHT + sum(map(len, span.attributes.values())) for span in spans) + sum(
            len(log.body) + sum(map(len, log.attributes.values())) for log in logs
        )

    @property
    def record(self) -> TraceRecord:
        """The trace, normalised."""
        if self._record is None:
            self._record = normalise_trace(self._spans, self._logs)
        return self._record

    def __len__(self) -> int:
        """Rows of spans, copies included."""
        return len(self._spans)

    async def prepare(self) -> None:
        """Make the record beside the event loop: a large trace takes seconds."""
        if self._record is None:
            async with self._preparing:
                await asyncio.to_thread(lambda: self.record)

    @property
    def outline(self) -> tuple[Outline, ...]:
        """Every span once, in start order, as in the record."""
        if self._outline is None:
            logs_of: defaultdict[str, list[StoredLog]] = defaultdict(list)
            for log in self._logs:
                if log.trace_id == self.trace_id:
                    logs_of[log.span_id].append(log)
            unique = {span.span_id: span for span in reversed(self._spans) if span.trace_id == self.trace_id}
            outlines = [_outline(span, logs_of.get(span.span_id, ())) for span in unique.values()]
            self._outline = tuple(sorted(outlines, key=lambda each: (each.start_ns, -each.duration_ns, each.span_id)))
        return self._outline

    def attributes_of(self, span_id: str) -> tuple[Mapping[str, str], Mapping[str, str]] | None:
        """What one span and its resource carry, as stored; None when the trace has no such span."""
        for span in self._spans:
            if span.span_id == span_id and span.trace_id == self.trace_id:
                return span.attributes, span.resource_attributes
        return None

    @property
    def light(self) -> TraceRecord:
        """The record without what was said: of its spans ids, kind, name, service, times and status, and their shape.

        Where spans may be one and the same call, which only their content tells, it is the whole record.
        """
        if self._record is not None or _may_repeat(self.outline):
            return self.record
        if self._light is None:
            self._light = _without_content(self.trace_id, self.outline)
        return self._light

    def outline_of(self, span_id: str) -> Outline | None:
        """Outline of one span; None when the trace has no such span."""
        if self._outline is not None:
            return next((each for each in self._outline if each.span_id == span_id), None)
        for span in self._spans:
            if span.span_id == span_id and span.trace_id == self.trace_id:
                own = [log for log in self._logs if log.span_id == span_id and log.trace_id == self.trace_id]
                return _outline(span, own)
        return None


def _may_repeat(outline: Sequence[Outline]) -> bool:
    """Whether `tree.duplicates` could find any: a call in one of its kind, a note about one, a response named twice."""
    by_id = {each.span_id: each for each in outline}
    models = [each for each in outline if each.kind == "llm"]
    answers = [each.response_id for each in models if each.response_id]
    if len(set(answers)) < len(answers) or any(each.duration_ns < LOG_SPAN_NS for each in models):
        return True
    return any(_is_inside_its_kind(each, by_id) for each in outline if each.kind in SHARED_KINDS)


def _is_inside_its_kind(call: Outline, by_id: Mapping[str, Outline]) -> bool:
    seen = {call.span_id}
    above = by_id.get(call.parent_span_id)
    while above is not None and above.span_id not in seen and above.kind in TRANSPARENT_KINDS:
        seen.add(above.span_id)
        above = by_id.get(above.parent_span_id)
    return above is not None and above.kind == call.kind


def _without_content(trace_id: str, outline: Sequence[Outline]) -> TraceRecord:
    records = [
        SpanRecord.of(
            trace_id=each.trace_id, span_id=each.span_id, parent_span_id=each.parent_span_id, name=each.name,
            service_name=each.service_name, kind=each.kind, status=each.status, start_ns=each.start_ns,
            duration_ns=each.duration_ns, params={}, usage={}, usage_aggregate={}, metadata={}, span_metadata={},
            prompt_variables={},
        )
        for each in outline
    ]  # fmt: skip
    children = children_of(records)
    root = next((each for each in records if each.span_id == children[""][0]), records[0])
    return TraceRecord(trace_id=trace_id, spans=tuple(records), children=children, root_span=root.span_id)


def _outline(span: StoredSpan, logs: Sequence[StoredLog]) -> Outline:
    kind, status, response_id = told_apart(span, logs)
    return Outline(
        trace_id=span.trace_id,
        span_id=span.span_id,
        parent_span_id=span.parent_span_id,
        name=span.name,
        service_name=span.service_name,
        kind=kind,
        status=status,
        response_id=response_id,
        start_ns=span.start_ns,
        duration_ns=span.duration_ns,
        watermark_ms=max([span.ingested_ms, *(log.ingested_ms for log in logs)]),
    )
