"""Redaction of OTLP requests: bytes in, the same bytes out where there is nothing to change.

A request is read as a frame (`storage.otlp.wire`): attributes stay bytes, are looked at as bytes, and only those are
parsed in which something may be found.  What was changed on a span or record is counted on it, in the attribute
`assay.redacted`: a JSON object, rule -> values.  A resource or scope has its own.

Not touched: ids, times, numbers (but for card numbers and what a rule names by key), and bytes (but for the latter).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from google.protobuf import message_factory
from google.protobuf.message import DecodeError

from storage.otlp import anyvalue, wire
from storage.otlp.errors import Malformed
from storage.otlp.messages import AnyValue, LogsRequest, TracesRequest, parse
from storage.otlp.weight import check_weight
from storage.redaction.rules import Action, Place, Rule
from storage.redaction.search import candidate
from storage.redaction.text import Counts, Scanner

MARK = b"assay.redacted"
REMEMBERED = 1 << 14
"""Attributes remembered at most.  One takes up to a kilobyte with what was made of it."""
REMEMBERED_BYTES = 160
REMEMBERED_RESOURCES = 1 << 8
REMEMBERED_RESOURCE_BYTES = 4096
KeyValue: Any = message_factory.GetMessageClass(AnyValue.DESCRIPTOR.file.message_types_by_name["KeyValue"])
Resource: Any = type(TracesRequest().resource_spans.add().resource)


class Redacted(NamedTuple):
    """A request after the rules.

    Attributes:
        body: The very object that came, where nothing was changed.
        counts: Rule -> values that it changed.
    """

    body: bytes
    counts: Counts


class _Changed(NamedTuple):
    """What became of an attribute, a resource, a text; None = it is gone."""

    raw: bytes | None
    counts: Counts


class Redactor:
    """Rules over requests and over plain texts.  Pure but for what it remembers; threads may share it."""

    def __init__(self, rules: Sequence[Rule], key: bytes) -> None:
        made: dict[tuple[Rule, ...], Scanner] = {}
        self._scanners: dict[Place, Scanner] = {}
        for place in Place:
            here = tuple(rule for rule in rules if place in rule.places)
            self._scanners[place] = made.setdefault(here, made.get(here) or Scanner(here, key))
        self._key = key
        self._candidate = candidate(rules)
        self._keys = {scanner: _Remembered(_text_of(scanner)) for scanner in made.values()}
        self._attributes = _Remembered(self._attribute)
        self._names = _Remembered(_text_of(self._scanners[Place.NAMES]))
        self._messages = _Remembered(_text_of(self._scanners[Place.STATUS]))
        self._resources = _Remembered(self._resource, REMEMBERED_RESOURCES, REMEMBERED_RESOURCE_BYTES)

    def text(self, text: str, place: Place = Place.BODY) -> tuple[str, Counts]:
        """One text after the rules of a place, and what they changed: for whatever else must not see it whole."""
        counts: Counts = Counter()
        new = self._scanners[place].text(text.encode("utf-8", "surrogatepass"), counts)
        return new.decode("utf-8", "surrogatepass"), counts

    def traces(self, body: bytes) -> Redacted:
        """ExportTraceServiceRequest bytes.

        Raises:
            Malformed: The bytes are no such request.
            TooLarge: It holds too many messages.
        """
        return self._request(TracesRequest, wire.TracesFrame, self._spans, body)

    def logs(self, body: bytes) -> Redacted:
        """ExportLogsServiceRequest bytes.  Raises as `traces` does."""
        return self._request(LogsRequest, wire.LogsFrame, self._records, body)

    def _request(self, kind: Any, frame_of: Any, walk: Callable[[Any, Counts], None], body: bytes) -> Redacted:
        counts: Counts = Counter()
        if self._candidate is not None and not self._candidate.is_in(body):
            return Redacted(body, counts)
        check_weight(kind, body)
        try:
            frame = frame_of.FromString(body)
            walk(frame, counts)
        except DecodeError:
            parse(kind, body)  # says what is wrong
            raise Malformed(f"not a protobuf {kind.DESCRIPTOR.name} that can be redacted") from None
        if not counts:
            return Redacted(body, counts)
        return Redacted(frame.SerializeToString() + self._identity(body), counts)

    def _identity(self, body: bytes) -> bytes:
        """A field that no parser knows: requests that differ in nothing but what was hidden stay different requests.

        Keyed, so that it confirms no guess of what was hidden.
        """
        return b"\x7a\x10" + hashlib.blake2b(body, key=self._key, digest_size=16).digest()

    def _spans(self, frame: Any, counts: Counts) -> None:
        for sent in frame.resource_spans:
            self._shared(sent, counts)
            for scoped in sent.scope_spans:
                self._scope(scoped, counts)
                for span in scoped.spans:
                    found: Counts = Counter()
                    self._list(span.attributes, found)
                    self._texts(span, ("name", "trace_state"), self._names, found)
                    if span.HasField("status"):
                        self._texts(span.status, ("message",), self._messages, found)
                    for event in span.events:
                        self._list(event.attributes, found)
                        self._texts(event, ("name",), self._names, found)
                    for link in span.links:
                        self._list(link.attributes, found)
                        self._texts(link, ("trace_state",), self._names, found)
                    if found:
                        span.attributes.insert(0, mark(found).SerializeToString())
                        counts.update(found)

    def _records(self, frame: Any, counts: Counts) -> None:
        for sent in frame.resource_logs:
            self._shared(sent, counts)
            for scoped in sent.scope_logs:
                self._scope(scoped, counts)
                for record in scoped.log_records:
                    found: Counts = Counter()
                    self._list(record.attributes, found)
                    self._texts(record, ("severity_text", "event_name"), self._names, found)
                    self._body(record, found)
                    if found:
                        record.attributes.insert(0, mark(found).SerializeToString())
                        counts.update(found)

    def _shared(self, sent: Any, counts: Counts) -> None:
        """Resource and schema URL."""
        changed = self._resources[b"".join(sent.resource)]  # joining the pieces is how protobuf merges them
        if changed is not None:
            sent.resource[:] = [changed.raw]
            counts.update(changed.counts)
        self._texts(sent, ("schema_url",), self._names, counts)

    def _scope(self, scoped: Any, counts: Counts) -> None:
        found: Counts = Counter()
        self._texts(scoped, ("schema_url",), self._names, counts)
        self._texts(scoped.scope, ("name", "version"), self._names, counts)
        if scoped.scope.attributes:
            self._pairs(self._scanners[Place.RESOURCE], scoped.scope.attributes, found)
            if found:
                scoped.scope.attributes.add().MergeFromString(mark(found).SerializeToString())
                counts.update(found)

    def _list(self, attributes: Any, counts: Counts) -> None:
        """Attributes that are bytes."""
        changes = [self._attributes[raw] for raw in attributes]
        if not any(changes):
            return
        kept = [raw if change is None else change.raw for raw, change in zip(attributes, changes, strict=True)]
        attributes[:] = [raw for raw in kept if raw is not None]
        for change in changes:
            if change is not None:
                counts.update(change.counts)

    def _texts(self, message: Any, fields: Sequence[str], memo: _Remembered, counts: Counts) -> None:
        for field in fields:
            text = getattr(message, field)
            changed = memo[text] if text else None
            if changed is not None:
                setattr(message, field, changed.raw)
                counts.update(changed.counts)

    def _body(self, record: Any, counts: Counts) -> None:
        scanner = self._scanners[Place.BODY]
        raw = b"".join(record.body)
        if not raw or not scanner.may_change(raw):
            return
        value, found = AnyValue.FromString(raw), Counter[str]()
        self._value(scanner, value, found, b"")
        if found:
            record.body[:] = [value.SerializeToString()]
            counts.update(found)

    def _attribute(self, raw: bytes) -> _Changed | None:
        scanner = self._scanners[Place.ATTRIBUTES]
        if not scanner.may_change(raw):
            return None
        pair, counts = KeyValue.FromString(raw), Counter[str]()
        kept = self._pair(scanner, pair, counts)
        return _Changed(pair.SerializeToString() if kept else None, counts) if counts else None

    def _resource(self, raw: bytes) -> _Changed | None:
        scanner = self._scanners[Place.RESOURCE]
        if not scanner.may_change(raw):
            return None
        resource, counts = Resource.FromString(raw), Counter[str]()
        self._pairs(scanner, resource.attributes, counts)
        if not counts:
            return None
        resource.attributes.insert(0, mark(counts))
        return _Changed(resource.SerializeToString(), counts)

    def _pairs(self, scanner: Scanner, pairs: Any, counts: Counts) -> None:
        gone = [number for number, pair in enumerate(pairs) if not self._pair(scanner, pair, counts)]
        for number in reversed(gone):
            del pairs[number]

    def _pair(self, scanner: Scanner, pair: Any, counts: Counts) -> bool:
        """Apply the rules to a KeyValue; False = it is to go."""
        rule = scanner.rule_of(pair.key)
        value = anyvalue.text(pair.value) if rule is not None else b""
        if rule is None or not value:
            self._value(scanner, pair.value, counts, pair.key)
        else:
            new = scanner.replacement(rule, value, counts)
            if rule.action is Action.DROP:
                return False
            pair.value.string_value = new
        named = self._keys[scanner][pair.key]
        if named is not None:
            pair.key = named.raw
            counts.update(named.counts)
        return True

    def _value(self, scanner: Scanner, value: Any, counts: Counts, key: bytes) -> None:
        """Apply the rules to an AnyValue in place."""
        kind = value.WhichOneof("value")
        if kind == "string_value":
            new = scanner.text(value.string_value, counts, key=key)
            if new is not value.string_value:
                value.string_value = new
        elif kind == "array_value":
            for item in value.array_value.values:
                self._value(scanner, item, counts, key)
        elif kind == "kvlist_value":
            self._pairs(scanner, value.kvlist_value.values, counts)
        elif kind == "int_value" or (kind == "double_value" and value.double_value.is_integer()):
            digits = b"%d" % int(getattr(value, kind))
            new = scanner.flat(digits, counts, key=key)
            if new is not digits:
                value.string_value = new


def _text_of(scanner: Scanner) -> Callable[[bytes], _Changed | None]:
    def changed(text: bytes) -> _Changed | None:
        counts: Counts = Counter()
        new = scanner.text(text, counts)
        return _Changed(new, counts) if counts else None

    return changed


class _Remembered(dict[bytes, _Changed | None]):
    """What `change` says about bytes, remembered for short ones; starts empty again when it is full."""

    def __init__(
        self, change: Callable[[bytes], _Changed | None], entries: int = REMEMBERED, longest: int = REMEMBERED_BYTES
    ) -> None:
        super().__init__()
        self._change = change
        self._entries = entries
        self._longest = longest

    def __missing__(self, raw: bytes) -> _Changed | None:
        changed = self._change(raw)
        if len(raw) <= self._longest:
            if len(self) >= self._entries:
                self.clear()
            self[raw] = changed
        return changed


def mark(counts: Counts) -> Any:
    """The attribute that says what was changed."""
    pair = KeyValue(key=MARK)
    for rule, values in sorted(counts.items()):
        pair.value.kvlist_value.values.add(key=rule.encode()).value.int_value = values
    return pair
