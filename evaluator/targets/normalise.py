"""Rows -> normalised records: span, trace, session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from evaluator.targets.neighbours import told_by_neighbours
from evaluator.targets.record import SessionRecord, SpanRecord, TraceRecord
from evaluator.targets.span import record_of
from evaluator.targets.tree import children_of, duplicates, in_start_order, replaced
from storage.model import StoredLog, StoredSpan


def normalise_span(span: StoredSpan, logs: Sequence[StoredLog] = ()) -> SpanRecord:
    """What one span says of itself, with the logs that belong to it; logs of other spans are passed over.

    No input raises: what cannot be read stays absent.
    """
    return record_of(span, [log for log in logs if log.span_id == span.span_id and log.trace_id == span.trace_id])


def normalise_trace(spans: Sequence[StoredSpan], logs: Sequence[StoredLog] = ()) -> TraceRecord:
    """One trace, its spans and logs in any order; spans of other traces than the first one's are passed over.

    Every model call counts once.  Spans learn from their trace what they do not say themselves (see `SpanRecord.filled`).

    Raises:
        ValueError: There is no span.
    """
    if not spans:
        raise ValueError("a trace has at least one span")
    trace_id = spans[0].trace_id
    logs_of: dict[str, list[StoredLog]] = {}
    for log in logs:
        if log.trace_id == trace_id and log.span_id:
            logs_of.setdefault(log.span_id, []).append(log)
    for group in logs_of.values():
        group.sort(key=lambda log: log.time_ns)
    unique = {span.span_id: span for span in reversed(spans) if span.trace_id == trace_id}
    records = in_start_order([record_of(span, logs_of.get(span.span_id, ())) for span in unique.values()])
    children = children_of(records)
    doubled = duplicates(records, children)
    records = replaced(records, doubled)
    records = replaced(records, told_by_neighbours(records))
    return _trace(trace_id, records, children)


def normalise_session(session_id: str, traces: Sequence[TraceRecord]) -> SessionRecord:
    """A session out of its traces, in any order."""
    return SessionRecord(session_id=session_id, traces=tuple(sorted(traces, key=lambda trace: (trace.start_ns, trace.trace_id))))


def _trace(trace_id: str, records: list[SpanRecord], children: Mapping[str, tuple[str, ...]]) -> TraceRecord:
    by_id = {record.span_id: record for record in records}
    root = next((record for record in records if not record.parent_span_id), by_id[children[""][0]])
    by_rank = [root, *(record for record in records if record is not root)]
    session_id = _first(by_rank, "session_id")
    user_id = _first(by_rank, "user_id")
    tags: tuple[str, ...] = _first(by_rank, "tags") or ()
    metadata: dict[str, object] = {}
    for record in by_rank:
        metadata = {**record.metadata, **metadata} if record is root or not record.filled & {"metadata"} else metadata
    calls = [record for record in records if record.kind == "llm" and record.duplicate_of is None]
    costs = [record.cost_usd for record in records if record.cost_usd is not None and record.duplicate_of is None]
    trace = TraceRecord(
        trace_id=trace_id, spans=(), children=children, root_span=root.span_id, llm_calls=len(calls), usage_total=_total(calls),
        cost_usd=sum(costs) if costs else None, session_id=session_id, user_id=user_id, tags=tags, metadata=metadata,
        input_text=_question(by_rank), output_text=_answer(by_rank),
        notes=tuple(dict.fromkeys(note for record in records for note in record.notes)),
    )  # fmt: skip
    return replaced([trace], {0: {"spans": tuple(replaced(records, _inherited(records, trace)))}})[0]


def _first(records: Sequence[SpanRecord], name: str):  # type: ignore[no-untyped-def]
    return next((value for record in records if (value := getattr(record, name))), None)
