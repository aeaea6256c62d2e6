"""The shape of a trace: order, children, and spans that are one and the same call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from evaluator.targets.record import MODEL_KINDS, SpanRecord

Changes = dict[str, dict[str, Any]]
"""Span id -> fields that change."""

SHARED_KINDS: Final = MODEL_KINDS | {"retriever"}
TRANSPARENT_KINDS: Final = frozenset({"other", "chain"})
LOG_SPAN_NS: Final = 1_000_000
"""A span as short as this that carries an answer is a note about a call that ended before it."""
_MERGED: Final = ("request_model", "response_model", "provider", "usage", "cost_usd", "response_id")


def in_start_order(records: Sequence[SpanRecord]) -> list[SpanRecord]:
    """By start; of spans that start together the longer, which is the outer one, first."""
    return sorted(records, key=lambda record: (record.start_ns, -record.duration_ns, record.span_id))


def children_of(records: Sequence[SpanRecord]) -> dict[str, tuple[str, ...]]:
    """Span id -> ids of its children.  '' -> roots, spans whose parent never came, and one span of every circle."""
    known = {record.span_id for record in records}
    found: dict[str, list[str]] = {}
    for record in records:
        parent = (
            record.parent_span_id if record.parent_span_id in known and record.parent_span_id != record.span_id else ""
        )
        found.setdefault(parent, []).append(record.span_id)
    reached = _reached(found, found.get("", []))
    for record in records:
        if record.span_id not in reached:
            found[record.parent_span_id].remove(record.span_id)
            found.setdefault("", []).append(record.span_id)
            reached |= _reached(found, [record.span_id])
    return {parent: tuple(children) for parent, children in found.items() if children}


def _reached(children: Mapping[str, list[str]], start: Sequence[str]) -> set[str]:
    reached: set[str] = set()
    waiting = list(start)
    while waiting:
        span_id = waiting.pop()
        if span_id not in reached:
            reached.add(span_id)
            waiting.extend(children.get(span_id, ()))
    return reached


def duplicates(records: Sequence[SpanRecord], children: Mapping[str, tuple[str, ...]]) -> Changes:
    """Spans that are the same call as another one, each with the id of the one that counts: the richer of the two.

    A call inside a call of the same kind is one call; around several calls it is none.  A call without an answer and
    the zero-length span beside it that brings the answer are one call, and so are calls with the same response id.
    """
    by_id = {record.span_id: record for record in records}
    changes: Changes = {}
    for outer_id, inner_ids in _inner_calls(by_id, children).items():
        outer = by_id[_counting(outer_id, changes)]
        if len(inner_ids) == 1:
            _settle(outer, by_id[inner_ids[0]], changes)
        else:
            repeated = {"duplicate_of": inner_ids[-1], "usage": {}, "usage_aggregate": outer.usage, "cost_usd": None}
            changes.setdefault(outer.span_id, {}).update(repeated)
    _answered_beside(records, changes)
    _same_response(records, changes)
    for span_id in reversed([span_id for span_id, change in changes.items() if "duplicate_of" in change]):
        changes[span_id]["duplicate_of"] = _counting(span_id, changes)
    return changes


def _counting(span_id: str, changes: Changes) -> str:
    """The span that counts for a call, so far."""
    seen = {span_id}
    while (duplicate_of := changes.get(span_id, {}).get("duplicate_of")) and duplicate_of not in seen:
        span_id = duplicate_of
        seen.add(span_id)
    return span_id


def _inner_calls(by_id: Mapping[str, SpanRecord], children: Mapping[str, tuple[str, ...]]) -> dict[str, list[str]]:
    """Call -> calls of its kind inside it, with nothing but steps in between."""
    above: dict[str, tuple[str, str]] = {}
    found: dict[str, list[str]] = {}
    waiting = [(span_id, "", "") for span_id in reversed(children.get("", ()))]
    while waiting:
        span_id, kind_above, id_above = waiting.pop()
        record = by_id[span_id]
        if record.kind in SHARED_KINDS:
            if record.kind == kind_above:
                found.setdefault(id_above, []).append(span_id)
            kind_above, id_above = record.kind, span_id
        elif record.kind not in TRANSPARENT_KINDS:
            kind_above, id_above = "", ""
        above[span_id] = (kind_above, id_above)
        waiting.extend((child, kind_above, id_above) for child in reversed(children.get(span_id, ())))
    return found


def _settle(outer: SpanRecord, inner: SpanRecord, changes: Changes) -> None:
    """Mark the poorer of two records of one call, and let the richer have what only the poorer knew."""
    richer, poorer = (inner, outer) if _richness(inner) > _richness(outer) else (outer, inner)
    if any("duplicate_of" in changes.get(record.span_id, {}) for record in (richer, poorer)):
        return
    changes.setdefault(poorer.span_id, {})["duplicate_of"] = richer.span_id
    learned = {name: getattr(poorer, name) for name in _MERGED if not getattr(richer, name) and getattr(poorer, name)}
    if learned:
        own = changes.setdefault(richer.span_id, {})
        own.update(learned)
        own["filled"] = frozenset(learned) | richer.filled


def _richness(record: SpanRecord) -> int:
    said = 4 * bool(record.output_messages or record.documents) + 4 * bool(record.usage)
    asked = 3 * bool(record.input_messages or record.input_texts or record.query) + 2 * any(
        document.content for document in record.documents
    )
    return (
        said
        + asked
        + bool(record.response_model)
        + bool(record.request_model)
        + bool(record.cost_usd)
        + bool(record.error_message)
    )


def _answered_beside(records: Sequence[SpanRecord], changes: Changes) -> None:
    by_id = {record.span_id: record for record in records if record.kind == "llm"}
    waiting: dict[tuple[object, ...], list[SpanRecord]] = {}
    for call in by_id.values():
        counting = by_id.get(_counting(call.span_id, changes), call)
        if not call.output_messages and not counting.output_messages and call.status != "error":
            waiting.setdefault(_asked(call), []).append(counting)
    for note in by_id.values():
        if "duplicate_of" in changes.get(note.span_id, {}):
            continue
        unanswered = waiting.get(_asked(note), [])
        if (
            unanswered
            and note.output_messages
            and note.duration_ns < LOG_SPAN_NS
            and unanswered[0].start_ns <= note.start_ns
        ):
            _settle(unanswered.pop(0), note, changes)


def _asked(call: SpanRecord) -> tuple[object, ...]:
    """What two spans of one call have in common."""
    last = call.input_messages[-1].content if call.input_messages else ""
    return call.parent_span_id, call.request_model, len(call.input_messages), last


def _same_response(records: Sequence[SpanRecord], changes: Changes) -> None:
    first: dict[str, SpanRecord] = {}
    for record in records:
        if record.kind == "llm" and record.response_id and "duplicate_of" not in changes.get(record.span_id, {}):
            earlier = first.setdefault(record.response_id, record)
            if earlier is not record and earlier.input_messages == record.input_messages:
                _settle(earlier, record, changes)
