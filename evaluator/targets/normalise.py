"""Rows -> normalised records: span, trace, session."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from evaluator.targets.neighbours import told_by_model_calls, told_by_trace
from evaluator.targets.record import SessionRecord, SpanRecord, TraceRecord
from evaluator.targets.span import record_of
from evaluator.targets.tree import Changes, children_of, duplicates, in_start_order
from storage.model import StoredLog, StoredSpan

_EMPTY_OBJECT: Final = re.compile(r"[A-Z]\w{0,200}\(\)")


def normalise_span(span: StoredSpan, logs: Sequence[StoredLog] = ()) -> SpanRecord:
    """What one span says of itself, with the logs that belong to it; logs of other spans are passed over.

    No input raises: what cannot be read stays absent.
    """
    own = [log for log in logs if log.span_id == span.span_id and log.trace_id == span.trace_id]
    return record_of(span, sorted(own, key=lambda log: log.time_ns))


def normalise_trace(spans: Sequence[StoredSpan], logs: Sequence[StoredLog] = ()) -> TraceRecord:
    """One trace, its spans and logs in any order; spans of other traces than the first one's are passed over.

    Every model call counts once.  Spans learn from their trace what they do not say themselves (`SpanRecord.filled`).

    Raises:
        ValueError: There is no span.
    """
    if not spans:
        raise ValueError("a trace has at least one span")
    trace_id = spans[0].trace_id
    logs_of: dict[str, list[StoredLog]] = {}
    for log in sorted(logs, key=lambda log: log.time_ns):
        if log.trace_id == trace_id and log.span_id:
            logs_of.setdefault(log.span_id, []).append(log)
    unique = {span.span_id: span for span in reversed(spans) if span.trace_id == trace_id}
    records = in_start_order([record_of(span, logs_of.get(span.span_id, ())) for span in unique.values()])
    children = children_of(records)
    records = _changed(records, duplicates(records, children))
    records = _changed(records, told_by_model_calls(records))
    return _assembled(trace_id, records, children)


def normalise_session(session_id: str, traces: Sequence[TraceRecord]) -> SessionRecord:
    """A session out of its traces, in any order."""
    ordered = sorted(traces, key=lambda trace: (trace.start_ns, trace.trace_id))
    return SessionRecord(session_id=session_id, traces=tuple(ordered))


def _assembled(trace_id: str, records: list[SpanRecord], children: Mapping[str, tuple[str, ...]]) -> TraceRecord:
    root = next((record for record in records if record.span_id == children[""][0]), records[0])
    by_rank = [root, *(record for record in records if record is not root)]
    calls = [record for record in records if record.kind == "llm" and record.duplicate_of is None]
    costs = [record.cost_usd for record in records if record.cost_usd is not None and record.duplicate_of is None]
    shared: dict[str, Any] = {
        "session_id": next((record.session_id for record in by_rank if record.session_id), None),
        "user_id": next((record.user_id for record in by_rank if record.user_id), None),
        "tags": next((record.tags for record in by_rank if record.tags), ()),
        "metadata": next(
            (record.metadata for record in by_rank if record.metadata and record.metadata != record.span_metadata), {}
        ),
    }
    return TraceRecord(
        trace_id=trace_id,
        spans=tuple(_changed(records, told_by_trace(records, shared))),
        children=children,
        root_span=root.span_id,
        llm_calls=len(calls),
        usage_total=_total(calls),
        cost_usd=sum(costs) if costs else None,
        input_text=_question(by_rank, calls),
        output_text=_answer(by_rank, calls),
        notes=tuple(dict.fromkeys(note for record in records for note in record.notes)),
        **shared,
    )


def _total(calls: Sequence[SpanRecord]) -> dict[str, int]:
    """Sums over model calls; input and output are always there."""
    total = Counter({"input_tokens": 0, "output_tokens": 0})
    for call in calls:
        total.update(call.usage)
    return dict(total)


def _question(by_rank: Sequence[SpanRecord], calls: Sequence[SpanRecord]) -> str | None:
    """What the root was asked, else the first agent or chain, else the last user message of the first model call."""
    for record in by_rank:
        if record.input_text and (record is by_rank[0] or record.kind in ("agent", "chain")) and _is_asked(record):
            return record.input_text
    asked = [
        message.content
        for call in calls[:1]
        for message in call.input_messages
        if message.role == "user" and message.content
    ]
    return asked[-1] if asked else None


def _is_asked(record: SpanRecord) -> bool:
    """Whether what a step was given can be a question: the `StartEvent()` of a workflow is none."""
    return not _EMPTY_OBJECT.fullmatch(record.input_text or "")


def _answer(by_rank: Sequence[SpanRecord], calls: Sequence[SpanRecord]) -> str | None:
    """What the root answered, else the outermost agent, else the last model call that said something."""
    for record in by_rank:
        if record.output_text and (record is by_rank[0] or record.kind == "agent"):
            return record.output_text
    return next((call.output_text for call in reversed(calls) if call.output_text), None)


def _changed(records: Sequence[SpanRecord], changes: Changes) -> list[SpanRecord]:
    return [record.changed(**change) if (change := changes.get(record.span_id)) else record for record in records]
