"""OTLP bytes -> spans and logs as the store would return them: what inline targets are scored on."""

from __future__ import annotations

from storage.model import SpanEvent, StoredLog, StoredSpan
from storage.otlp.anyvalue import Attributes
from storage.otlp.reference import LogRow, SpanRow, log_rows, span_rows


def stored_spans(body: bytes) -> list[StoredSpan]:
    """ExportTraceServiceRequest bytes -> its spans, in the order they were sent.

    Equal to storing and reading the rows, but for `ingested_ms`, which is 0.  Bytes that are not UTF-8 are read with
    replacement characters; the first of equal attribute keys counts.

    Raises:
        Malformed: The bytes are no such request.
    """
    rows, _ = span_rows(body)
    return [_span(row) for row in rows]


def stored_logs(body: bytes) -> list[StoredLog]:
    """ExportLogsServiceRequest bytes -> its records.  As `stored_spans`."""
    rows, _ = log_rows(body)
    return [_log(row) for row in rows]


def _span(row: SpanRow) -> StoredSpan:
    return StoredSpan(
        trace_id=_text(row.trace_id),
        span_id=_text(row.span_id),
        parent_span_id=_text(row.parent_span_id),
        name=_text(row.name),
        kind=_text(row.kind),
        service_name=_text(row.service_name),
        scope_name=_text(row.scope_name),
        start_ns=row.timestamp,
        duration_ns=row.duration,
        status_code=_text(row.status_code),
        status_message=_text(row.status_message),
        attributes=_mapping(row.attributes),
        resource_attributes=_mapping(row.resource_attributes),
        events=tuple(
            SpanEvent(time_ns=time, name=_text(name), attributes=_mapping(pairs))
            for time, name, pairs in zip(row.event_times, row.event_names, row.event_attributes, strict=True)
        ),
    )


def _log(row: LogRow) -> StoredLog:
    return StoredLog(
        trace_id=_text(row.trace_id),
        span_id=_text(row.span_id),
        time_ns=row.timestamp,
        event_name=_text(row.event_name),
        body=_text(row.body),
        attributes=_mapping(row.attributes),
    )


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


def _mapping(pairs: Attributes) -> dict[str, str]:
    mapping: dict[str, str] = {}
    for key, value in pairs:
        mapping.setdefault(_text(key), _text(value))
    return mapping
