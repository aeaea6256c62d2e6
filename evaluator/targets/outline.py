"""What a trace holds, before anything that was said in it is read."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from evaluator.targets.normalise import normalise_trace
from evaluator.targets.record import TraceRecord
from evaluator.targets.span import kind_of
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

    def outline_of(self, span_id: str) -> Outline | None:
        """Outline of one span; None when the trace has no such span."""
        if self._outline is not None:
            return next((each for each in self._outline if each.span_id == span_id), None)
        for span in self._spans:
            if span.span_id == span_id and span.trace_id == self.trace_id:
                own = [log for log in self._logs if log.span_id == span_id and log.trace_id == self.trace_id]
                return _outline(span, own)
        return None


def _outline(span: StoredSpan, logs: Sequence[StoredLog]) -> Outline:
    kind, status = kind_of(span, logs)
    return Outline(
        trace_id=span.trace_id,
        span_id=span.span_id,
        parent_span_id=span.parent_span_id,
        name=span.name,
        service_name=span.service_name,
        kind=kind,
        status=status,
        start_ns=span.start_ns,
        duration_ns=span.duration_ns,
        watermark_ms=max([span.ingested_ms, *(log.ingested_ms for log in logs)]),
    )
