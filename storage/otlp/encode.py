"""OTLP request -> Native block, fast: the blocks of `reference`, byte for byte, at a fraction of its cost.

Three things make it fast.  Requests are parsed as frames (`wire`), so that an attribute is one bytes object and not
five messages.  Attributes are remembered by their bytes: most of what a service sends it has sent before.  And columns
are written as they are gathered; there are no rows.

Whatever is out of the ordinary (something to refuse, something split or damaged, a request that grows too much) is left
to the reference, the whole request, so that there is one opinion on it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate, chain, repeat
from operator import attrgetter, itemgetter
from typing import Any, NamedTuple, TypeVar

from google.protobuf.message import DecodeError

from storage.otlp import native, wire
from storage.otlp.anyvalue import Attributes, attributes
from storage.otlp.columns import LOGS, TRACES, Column
from storage.otlp.derived import DerivedColumns
from storage.otlp.derived import columns as derived_columns
from storage.otlp.messages import LogsRequest, TracesRequest
from storage.otlp.reference import (
    DAY_NS,
    EVENT_TIME_LIMIT_NS,
    MAX_DAYS,
    MAX_EXPANDED_BYTES,
    ROW_BYTES,
    SPAN_KINDS,
    STATUS_CODES,
    TIME_LIMIT_NS,
    Translated,
    request_digest,
    translate_logs,
    translate_traces,
)
from storage.otlp.weight import check_weight

REMEMBERED_PAIRS = 1 << 15
"""Attributes remembered at most.  One takes 300 bytes, 900 where its text is all escapes: 30 MB at the very worst."""
REMEMBERED_PAIR_BYTES = 96
"""Longer attributes are not remembered: they are texts, which hardly come twice."""
_BYTES_BY_PAIR = 512
"""What is remembered beside an attribute for the derived columns: 16 MB where all of them are in use."""
REMEMBERED_RESOURCES = 1 << 8
REMEMBERED_RESOURCE_BYTES = 4096

_SPAN_FIELDS = attrgetter(
    "trace_id", "span_id", "parent_span_id", "trace_state", "name", "kind", "start_time_unix_nano",
    "end_time_unix_nano", "status.code", "status.message", "attributes", "events", "links",
)  # fmt: skip
_EVENT_FIELDS = attrgetter("time_unix_nano", "name", "attributes")
_LINK_FIELDS = attrgetter("trace_id", "span_id", "trace_state", "attributes")
_LOG_FIELDS = attrgetter(
    "time_unix_nano", "observed_time_unix_nano", "trace_id", "span_id", "flags", "severity_text", "severity_number",
    "body", "attributes", "event_name",
)  # fmt: skip
_KEY, _VALUE = itemgetter(0), itemgetter(1)
_KINDS = dict(enumerate(SPAN_KINDS))
_CODES = dict(enumerate(STATUS_CODES))
_NONE_WITHOUT_ID = {size: bytes((2 * size,)) + b"0" * (2 * size) for size in (8, 16)}

Value = TypeVar("Value")


class _Unusual(ValueError):
    """A request that only the reference translates."""


class _Map(NamedTuple):
    """Attributes that stand on every row of a group.

    Attributes:
        values: The Native Strings, joined.
        weight: Bytes of all keys and values.
    """

    keys: Sequence[bytes]
    values: bytes
    weight: int


class _Resource(NamedTuple):
    """A resource; `known` are the attributes from which columns are derived."""

    service: bytes
    attributes: _Map
    known: Attributes


class _Group(NamedTuple):
    """Spans or records of one scope of one resource; `urls` are the schema URLs of both."""

    rows: int
    resource: _Resource
    scope: Any
    scope_attributes: _Map
    urls: tuple[bytes, bytes]


class Encoder:
    """Translates requests as `reference` does, and remembers what the attributes of earlier ones were.

    Attributes:
        left_to_reference: Requests so far that were out of the ordinary, and so were translated slowly.
    """

    def __init__(self, *, remembered_pairs: int = REMEMBERED_PAIRS) -> None:
        self._pairs = wire.Memo(wire.pair, entries=remembered_pairs, longest=REMEMBERED_PAIR_BYTES)
        self._derived = DerivedColumns(self._pairs, remembered_bytes=remembered_pairs * _BYTES_BY_PAIR)
        self._resources = wire.Memo(self._resource, entries=REMEMBERED_RESOURCES, longest=REMEMBERED_RESOURCE_BYTES)
        self.left_to_reference = 0

    def encode_traces(self, body: bytes) -> Translated:
        """ExportTraceServiceRequest bytes -> block of `otel_traces`.

        Raises:
            Malformed: The bytes are no such request.
            TooLarge: It holds too many messages, or its rows would need more than MAX_EXPANDED_BYTES.
        """
        check_weight(TracesRequest, body)
        try:
            return self._traces(body)
        except (DecodeError, _Unusual):
            self.left_to_reference += 1
            return translate_traces(body)

    def encode_logs(self, body: bytes) -> Translated:
        """ExportLogsServiceRequest bytes -> block of `otel_logs`.  Raises as `encode_traces` does."""
        check_weight(LogsRequest, body)
        try:
            return self._logs(body)
        except (DecodeError, _Unusual):
            self.left_to_reference += 1
            return translate_logs(body)

    def _traces(self, body: bytes) -> Translated:
        groups, spans = self._scoped_spans(body)
        if not spans:
            return _NOTHING
        _check_expansion(groups, lambda group: len(group.scope.name) + len(group.scope.version))
        (
            trace_ids, span_ids, parents, states, names, kinds, starts, ends, codes, messages, pairs, events, links,
        ) = zip(*map(_SPAN_FIELDS, spans), strict=True)  # fmt: skip
        attributes = self._flat_pairs(pairs)
        derived = self._derived.rows(
            [(self._derived.background(group.resource.known, group.scope.name), group.rows) for group in groups],
            list(map(len, pairs)),
            attributes,
            (names, codes, events),
        )
        columns = (
            _integers("Q", _times(starts, TIME_LIMIT_NS)),
            _ids(trace_ids, 16),
            _ids(span_ids, 8),
            _ids(parents, 8),
            _strings(states),
            native.words([(names, 1)]),
            native.words([([_KINDS.get(kind, b"") for kind in kinds], 1)]),
            native.words([((group.resource.service,), group.rows) for group in groups]),
            _shared_maps(groups, [group.resource.attributes for group in groups]),
            b"".join([native.string(group.scope.name) * group.rows for group in groups]),
            b"".join([native.string(group.scope.version) * group.rows for group in groups]),
            _maps(pairs, attributes),
            _integers("Q", [end - start & 0xFFFF_FFFF_FFFF_FFFF for start, end in zip(starts, ends, strict=True)]),
            native.words([([_CODES.get(code, b"") for code in codes], 1)]),
            _strings(messages),
            *self._events(events),
            *self._links(links),
            *derived_columns(derived),
            *_request(body, len(spans)),
        )
        return Translated(rows=len(spans), rejected=0, reason="", block=_block(_TRACES_HEADS, len(spans), columns))

    def _scoped_spans(self, body: bytes) -> tuple[list[_Group], list[Any]]:
        groups: list[_Group] = []
        spans: list[Any] = []
        for sent in wire.TracesFrame.FromString(body).resource_spans:
            resource = self._resources[_single(sent.resource)]
            for scoped in sent.scope_spans:
                if scoped.spans:
                    spans += scoped.spans
                    groups.append(_Group(len(scoped.spans), resource, scoped.scope, _NO_ATTRIBUTES, (b"", b"")))
        return groups, spans

    def _events(self, lists: Sequence[Sequence[Any]]) -> Iterator[bytes]:
        ends, items = _flat(lists)
        times, names, pairs = zip(*map(_EVENT_FIELDS, items), strict=True) if items else ((),) * 3
        yield ends + _integers("Q", _times(times, EVENT_TIME_LIMIT_NS))
        yield ends + native.words([(names, 1)])
        yield ends + _maps(pairs, self._flat_pairs(pairs))

    def _links(self, lists: Sequence[Sequence[Any]]) -> Iterator[bytes]:
        ends, items = _flat(lists)
        trace_ids, span_ids, states, pairs = zip(*map(_LINK_FIELDS, items), strict=True) if items else ((),) * 4
        yield ends + _ids(trace_ids, 16)
        yield ends + _ids(span_ids, 8)
        yield ends + _strings(states)
        yield ends + _maps(pairs, self._flat_pairs(pairs))

    def _logs(self, body: bytes) -> Translated:
        groups, records = self._scoped_records(body)
        if not records:
            return _NOTHING
        _check_expansion(groups, lambda group: len(group.scope.name) + group.scope_attributes.weight)
        (
            times, observed, trace_ids, span_ids, flags, severities, numbers, bodies, pairs, event_names,
        ) = zip(*map(_LOG_FIELDS, records), strict=True)  # fmt: skip
        stamps = [time or seen for time, seen in zip(times, observed, strict=True)]
        columns = (
            _integers("Q", _times(stamps, TIME_LIMIT_NS)),
            _ids(trace_ids, 16),
            _ids(span_ids, 8),
            bytes([number & 0xFF for number in flags]),
            native.words([(severities, 1)]),
            bytes([number & 0xFF for number in numbers]),
            native.words([((group.resource.service,), group.rows) for group in groups]),
            b"".join([wire.value(_single(pieces)) for pieces in bodies]),
            native.words([(group.urls[:1], group.rows) for group in groups]),
            _shared_maps(groups, [group.resource.attributes for group in groups]),
            native.words([(group.urls[1:], group.rows) for group in groups]),
            b"".join([native.string(group.scope.name) * group.rows for group in groups]),
            native.words([((group.scope.version,), group.rows) for group in groups]),
            _shared_maps(groups, [group.scope_attributes for group in groups]),
            _maps(pairs, self._flat_pairs(pairs)),
            _strings(event_names),
            *_request(body, len(records)),
        )
        return Translated(rows=len(records), rejected=0, reason="", block=_block(_LOGS_HEADS, len(records), columns))

    def _scoped_records(self, body: bytes) -> tuple[list[_Group], list[Any]]:
        groups: list[_Group] = []
        records: list[Any] = []
        for sent in wire.LogsFrame.FromString(body).resource_logs:
            resource = self._resources[_single(sent.resource)]
            for scoped in sent.scope_logs:
                if scoped.log_records:
                    records += scoped.log_records
                    scope = _map(attributes(scoped.scope.attributes))
                    urls = (sent.schema_url, scoped.schema_url)
                    groups.append(_Group(len(scoped.log_records), resource, scoped.scope, scope, urls))
        return groups, records

    def _flat_pairs(self, lists: Sequence[Sequence[bytes]]) -> tuple[list[bytes], list[wire.Buffer]]:
        """Keys and values (Native Strings) of the attributes of all rows, events or links."""
        remembered = self._pairs
        pairs = [  # a long text need not be hashed to know that it is not remembered
            remembered[raw] if len(raw) <= REMEMBERED_PAIR_BYTES else wire.pair(raw)
            for raw in chain.from_iterable(lists)
        ]
        return list(map(_KEY, pairs)), list(map(_VALUE, pairs))

    def _resource(self, raw: bytes) -> _Resource:
        pairs = wire.resource(raw)
        return _Resource(
            service=next((text for key, text in pairs if key == b"service.name"), b""),
            attributes=_map(pairs),
            known=self._derived.known_of_resource(pairs),
        )


def _maps(lists: Sequence[Sequence[bytes]], pairs: tuple[Sequence[bytes], Sequence[wire.Buffer]]) -> bytes:
    """One map per row, event or link."""
    if not lists:
        return b""
    keys, values = pairs
    return b"".join((_ends(map(len, lists), len(lists)), native.words([(keys, 1)]), *values))


def _flat(lists: Sequence[Sequence[Value]]) -> tuple[bytes, list[Value]]:
    """Offsets and elements of arrays, most of which are empty."""
    if not any(lists):
        return bytes(8 * len(lists)), []
    return _ends(map(len, lists), len(lists)), list(chain.from_iterable(lists))


def _single(pieces: Sequence[bytes]) -> bytes:
    """The bytes of a message that was sent in one piece; protobuf would merge several."""
    if len(pieces) > 1:
        raise _Unusual
    return pieces[0] if pieces else b""


def _map(pairs: Sequence[tuple[bytes, bytes]]) -> _Map:
    return _Map(
        keys=[key for key, _ in pairs],
        values=b"".join([native.string(text) for _, text in pairs]),
        weight=sum(len(key) + len(text) for key, text in pairs),
    )


def _check_expansion(groups: Iterable[_Group], scope_weight: Callable[[_Group], int]) -> None:
    grown = sum(group.rows * (ROW_BYTES + group.resource.attributes.weight + scope_weight(group)) for group in groups)
    if grown > MAX_EXPANDED_BYTES:
        raise _Unusual


def _shared_maps(groups: Sequence[_Group], maps: Sequence[_Map]) -> bytes:
    """The map of each group on each of its rows."""
    sized = list(zip(maps, [group.rows for group in groups], strict=True))
    sizes = chain.from_iterable(repeat(len(shared.keys), rows) for shared, rows in sized)
    words = native.words([(shared.keys, rows) for shared, rows in sized])
    return b"".join((_ends(sizes, sum(rows for _, rows in sized)), words, *[m.values * rows for m, rows in sized]))


def _ids(ids: Sequence[bytes], size: int) -> bytes:
    """Hex of ids of `size` bytes, '' where they are missing or zero."""
    sizes = set(map(len, ids))
    if not sizes <= {0, size}:
        raise _Unusual
    if 0 in sizes:
        zero = bytes(size)
        ids = [raw or zero for raw in ids]
    if not ids:
        return b""
    length = chr(2 * size)  # not a hex digit, so it can be the separator: each id gets its length before it
    return (length + b"".join(ids).hex(length, size)).encode().replace(_NONE_WITHOUT_ID[size], b"\0")


def _strings(texts: Sequence[bytes]) -> bytes:
    return b"".join(map(native.string, texts)) if any(texts) else bytes(len(texts))


def _times(times: Sequence[int], limit: int) -> Sequence[int]:
    if times and max(times) >= limit:
        raise _Unusual
    if times and limit == TIME_LIMIT_NS and max(times) - min(times) >= (MAX_DAYS - 1) * DAY_NS:
        raise _Unusual  # perhaps more days than one request may hold
    return times


def _integers(letter: str, numbers: Sequence[int]) -> bytes:
    return struct.pack(f"<{len(numbers)}{letter}", *numbers)


def _ends(sizes: Iterable[int], count: int) -> bytes:
    """Offsets of `count` arrays."""
    return struct.pack(f"<{count}Q", *accumulate(sizes))


def _request(body: bytes, rows: int) -> tuple[bytes, bytes]:
    return request_digest(body) * rows, rows.to_bytes(4, "little") * rows


def _block(heads: Sequence[bytes], rows: int, columns: Sequence[bytes]) -> bytes:
    start = native.varint(len(heads)) + native.varint(rows)
    return b"".join((start, *chain.from_iterable(zip(heads, columns, strict=True))))


def _heads(columns: Sequence[Column]) -> tuple[bytes, ...]:
    return tuple(
        native.string(column.name.encode()) + native.string(column.type.encode()) + native.state(column.type)
        for column in columns
    )


_TRACES_HEADS = _heads(TRACES)
_LOGS_HEADS = _heads(LOGS)
_NO_ATTRIBUTES = _map(())
_NOTHING = Translated(rows=0, rejected=0, reason="", block=b"")
