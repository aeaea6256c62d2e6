"""OTLP request -> rows: the specification.  Every other translator must give the same rows, byte for byte.

Rows are what the Collector's clickhouseexporter writes, with columns of ours behind them:

- Ids are lower-case hex; missing and all-zero ids are ''.  A span without ids is stored like any other.
- SpanKind and StatusCode are spelled as there (`Internal`, `Ok`, …; unknown numbers are '').
- ServiceName is the resource's first `service.name`, stringified.  Resource attributes stand on every row.
- Attributes keep their order; equal keys stay (`m['k']` in SQL finds the first).
- Duration is end - start modulo 2^64: an end before the start is kept, and gives a Duration near 2^64.
- A log's Timestamp falls back to its observed time; TraceFlags and SeverityNumber are the low eight bits.
- Those that ClickHouse derives from attributes are computed by `storage.dialects.derive`, as it would.
- RequestDigest is BLAKE2b-128 of the request's bytes, RequestRows the number of rows that this request has.

Refused, one by one and counted (`rejected`, with the reason of the first):

- an id of a wrong length: the Collector would refuse the whole request for it;
- a span or log from 2106-02-07 06:28:16 UTC: the tables are sorted by `toDateTime`, whose 32 bits end there, so the row
  would be stored where queries by time do not look for it (and from 2262 fail the INSERT of its whole group);
- an event of a span from 2262-04-11: from 2^63 ns the column wraps.

A time of 0 is stored as it is (1970-01-01): the span is worth keeping, and the sender can see what is wrong with it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from storage.dialects.derive import Sent, derive
from storage.otlp import native
from storage.otlp.anyvalue import Attributes, attributes, text
from storage.otlp.columns import LOGS, TRACES, Column
from storage.otlp.errors import TooLarge
from storage.otlp.messages import LogsRequest, TracesRequest, parse

SPAN_KINDS = (b"Unspecified", b"Internal", b"Server", b"Client", b"Producer", b"Consumer")
STATUS_CODES = (b"Unset", b"Ok", b"Error")
TIME_LIMIT_NS = (1 << 32) * 1_000_000_000
"""First time that is refused for spans and logs."""
EVENT_TIME_LIMIT_NS = 1 << 63
"""First time that is refused for events."""
MAX_EXPANDED_BYTES = 256 << 20
"""What rows may take before their own content, with resource and scope: 64 MiB of OTLP can describe terabytes."""
ROW_BYTES = 512
"""What an empty row takes, about."""
DAY_NS = 86_400_000_000_000
MAX_DAYS = 500
"""Days in one request.  Every day is a part of the table, about 10 ms each at an INSERT that others wait for."""

_OWN = -2
"""Where the columns begin that identify the request; they stand last."""

Row = TypeVar("Row", bound="SpanRow | LogRow")


class SpanRow(NamedTuple):
    """A row of `otel_traces`, in the order of `columns.TRACES`, without what is derived from it; ours at the end."""

    timestamp: int
    trace_id: bytes
    span_id: bytes
    parent_span_id: bytes
    trace_state: bytes
    name: bytes
    kind: bytes
    service_name: bytes
    resource_attributes: Attributes
    scope_name: bytes
    scope_version: bytes
    attributes: Attributes
    duration: int
    status_code: bytes
    status_message: bytes
    event_times: list[int]
    event_names: list[bytes]
    event_attributes: list[Attributes]
    link_trace_ids: list[bytes]
    link_span_ids: list[bytes]
    link_trace_states: list[bytes]
    link_attributes: list[Attributes]
    request_digest: bytes = b""
    request_rows: int = 0


class LogRow(NamedTuple):
    """A row of `otel_logs`, in the order of `columns.LOGS`; ours at the end."""

    timestamp: int
    trace_id: bytes
    span_id: bytes
    trace_flags: int
    severity_text: bytes
    severity_number: int
    service_name: bytes
    body: bytes
    resource_schema_url: bytes
    resource_attributes: Attributes
    scope_schema_url: bytes
    scope_name: bytes
    scope_version: bytes
    scope_attributes: Attributes
    attributes: Attributes
    event_name: bytes
    request_digest: bytes = b""
    request_rows: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Translated:
    """A request as one Native block.

    Attributes:
        rows: Rows in `block`.
        rejected: Spans or records that are not in it; the sender is told.
        reason: Why the first of them was refused; '' when none was.
        block: Native block of `rows` rows; empty when there are none.
    """

    rows: int
    rejected: int
    reason: str
    block: bytes


class _Refused(ValueError):
    """One span or record cannot be stored."""


def translate_traces(body: bytes) -> Translated:
    """ExportTraceServiceRequest bytes -> block of `otel_traces`.

    Raises:
        Malformed: The bytes are no such request.
        TooLarge: It holds too many messages, or its rows would need more than MAX_EXPANDED_BYTES.
    """
    rows, refusals = span_rows(body)
    return _translated(TRACES, list(map(with_derived, rows)), refusals)


def translate_logs(body: bytes) -> Translated:
    """ExportLogsServiceRequest bytes -> block of `otel_logs`.  Raises as `translate_traces` does."""
    rows, refusals = log_rows(body)
    return _translated(LOGS, rows, refusals)


def with_derived(row: SpanRow) -> tuple[object, ...]:
    """A row in the order of `columns.TRACES`, whole."""
    sent = Sent(
        span_name=row.name,
        scope_name=row.scope_name,
        status_code=row.status_code,
        resource_attributes=row.resource_attributes,
        attributes=row.attributes,
        events=list(zip(row.event_names, row.event_attributes, strict=True)),
    )
    return *row[:_OWN], *derive(sent), *row[_OWN:]


def _translated(columns: Sequence[Column], rows: Sequence[Sequence[Any]], refusals: Sequence[str]) -> Translated:
    return Translated(
        rows=len(rows),
        rejected=len(refusals),
        reason=refusals[0] if refusals else "",
        block=native.block(columns, rows),
    )


def span_rows(body: bytes) -> tuple[list[SpanRow], list[str]]:
    """Rows of `otel_traces`, and why each of the other spans was refused.  Raises as `translate_traces` does."""
    rows: list[SpanRow] = []
    refusals: list[str] = []
    expanded = 0
    for group in parse(TracesRequest, body).resource_spans:
        resource = attributes(group.resource.attributes)
        service = _service_name(resource)
        for scoped in group.scope_spans:
            scope = scoped.scope
            shared = (service, resource, scope.name, scope.version)
            expanded = _grown(expanded, len(scoped.spans), scope.name, scope.version, *_flat(resource))
            _collect(rows, refusals, scoped.spans, _span, shared)
    digest = request_digest(body)
    rows = _within_days(rows, refusals)
    return [row._replace(request_digest=digest, request_rows=len(rows)) for row in rows], refusals


def log_rows(body: bytes) -> tuple[list[LogRow], list[str]]:
    """Rows of `otel_logs`, and why each of the other records was refused.  Raises as `translate_traces` does."""
    rows: list[LogRow] = []
    refusals: list[str] = []
    expanded = 0
    for group in parse(LogsRequest, body).resource_logs:
        resource = attributes(group.resource.attributes)
        origin = (_service_name(resource), group.schema_url, resource)
        for scoped in group.scope_logs:
            scope = scoped.scope
            shared = (*origin, scoped.schema_url, scope.name, scope.version, attributes(scope.attributes))
            expanded = _grown(expanded, len(scoped.log_records), scope.name, *_flat(resource), *_flat(shared[-1]))
            _collect(rows, refusals, scoped.log_records, _log, shared)
    digest = request_digest(body)
    rows = _within_days(rows, refusals)
    return [row._replace(request_digest=digest, request_rows=len(rows)) for row in rows], refusals


def request_digest(body: bytes) -> bytes:
    """Identity of a request (16 bytes of SHA-256): SDKs and the Collector retry byte for byte."""
    return hashlib.sha256(body, usedforsecurity=False).digest()[:16]


def _collect(
    rows: list[Row], refusals: list[str], items: Iterable[Any], row_of: Callable[..., Row], shared: Sequence[Any]
) -> None:
    for item in items:
        try:
            rows.append(row_of(item, *shared))
        except _Refused as refusal:
            refusals.append(str(refusal))


def _span(span: Any, service: bytes, resource: Attributes, scope_name: bytes, scope_version: bytes) -> SpanRow:
    start = span.start_time_unix_nano
    code, kind = span.status.code, span.kind
    return SpanRow(
        timestamp=_time("start_time_unix_nano", start),
        trace_id=_id("trace_id", span.trace_id, 16),
        span_id=_id("span_id", span.span_id, 8),
        parent_span_id=_id("parent_span_id", span.parent_span_id, 8),
        trace_state=span.trace_state,
        name=span.name,
        kind=SPAN_KINDS[kind] if 0 <= kind < len(SPAN_KINDS) else b"",
        service_name=service,
        resource_attributes=resource,
        scope_name=scope_name,
        scope_version=scope_version,
        attributes=attributes(span.attributes),
        duration=(span.end_time_unix_nano - start) % (1 << 64),
        status_code=STATUS_CODES[code] if 0 <= code < len(STATUS_CODES) else b"",
        status_message=span.status.message,
        event_times=[
            _time("an event's time_unix_nano", event.time_unix_nano, EVENT_TIME_LIMIT_NS) for event in span.events
        ],
        event_names=[event.name for event in span.events],
        event_attributes=[attributes(event.attributes) for event in span.events],
        link_trace_ids=[_id("trace_id of a link", link.trace_id, 16) for link in span.links],
        link_span_ids=[_id("span_id of a link", link.span_id, 8) for link in span.links],
        link_trace_states=[link.trace_state for link in span.links],
        link_attributes=[attributes(link.attributes) for link in span.links],
    )


def _log(
    record: Any,
    service: bytes,
    resource_url: bytes,
    resource: Attributes,
    scope_url: bytes,
    scope_name: bytes,
    scope_version: bytes,
    scope: Attributes,
) -> LogRow:
    return LogRow(
        timestamp=_time("time_unix_nano", record.time_unix_nano or record.observed_time_unix_nano),
        trace_id=_id("trace_id", record.trace_id, 16),
        span_id=_id("span_id", record.span_id, 8),
        trace_flags=record.flags & 0xFF,
        severity_text=record.severity_text,
        severity_number=record.severity_number & 0xFF,
        service_name=service,
        body=text(record.body),
        resource_schema_url=resource_url,
        resource_attributes=resource,
        scope_schema_url=scope_url,
        scope_name=scope_name,
        scope_version=scope_version,
        scope_attributes=scope,
        attributes=attributes(record.attributes),
        event_name=record.event_name,
    )


def _service_name(resource: Attributes) -> bytes:
    return next((value for key, value in resource if key == b"service.name"), b"")


def _id(what: str, raw: bytes, size: int) -> bytes:
    if not raw:
        return b""
    if len(raw) != size:
        raise _Refused(f"{what} has {len(raw)} bytes instead of {size}")
    return raw.hex().encode() if any(raw) else b""


def _time(what: str, ns: int, limit: int = TIME_LIMIT_NS) -> int:
    if ns >= limit:
        raise _Refused(f"{what} is {ns}, later than what can be stored ({limit - 1}); times are nanoseconds since 1970")
    return ns


def _within_days(rows: list[Row], refusals: list[str]) -> list[Row]:
    """The rows of the first MAX_DAYS days that a request names; a part of the table is a day.  Adds to the refusals."""
    days: set[int] = set()
    kept: list[Row] = []
    for row in rows:
        day = row[0] // DAY_NS
        if day in days or len(days) < MAX_DAYS:
            days.add(day)
            kept.append(row)
    if len(kept) < len(rows):
        reason = f"a request may hold {MAX_DAYS} different days; is the sender's clock right?"
        refusals.extend([reason] * (len(rows) - len(kept)))
    return kept


def _flat(pairs: Attributes) -> Iterable[bytes]:
    return (text for pair in pairs for text in pair)


def _grown(expanded: int, rows: int, *shared: bytes) -> int:
    expanded += rows * (ROW_BYTES + sum(map(len, shared)))
    if expanded > MAX_EXPANDED_BYTES:
        raise TooLarge(
            f"the rows, with resource and scope on each, would take more than {MAX_EXPANDED_BYTES} bytes; send smaller "
            "batches"
        )
    return expanded
