"""Finds the values of fields in one span, its events and its logs, by the table."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Final, NamedTuple

from storage.dialects.flattened import rebuilt
from storage.dialects.plan import Hit, Plan, Signature, plans
from storage.dialects.table import DETAILS_EVENT, KindRule, Row, Table, places
from storage.dialects.values import decode, is_filler, walk
from storage.model import StoredLog, StoredSpan

_NOT_CONTENT: Final = ("token", "cost", "usage", "price", "count", "mime", "vector")
"""Parts of keys under which no content stands, whatever their last part says."""
_CONTENT_FIELDS: Final = frozenset({
    "input_messages", "output_messages", "input", "output", "tool_arguments", "tool_result", "query", "documents",
    "input_texts", "system_prompt",
})  # fmt: skip
_MAY_DECODE: Final = frozenset('{["( \t\r\n')
"""How a text begins that may be more than a text; other white space is as rare as it is harmless."""
_LONGEST_FILLER: Final = 16
_LONGEST_MARK: Final = 100
_Entries = functools.partial(defaultdict[int, dict[str, str]], dict)
_Events = dict[str, list[tuple[Mapping[str, str], str]]]


class Found(NamedTuple):
    """A value that a row found.  `value` is decoded (JSON, rebuilt family, map), `key` the attribute that held it."""

    row: Row
    key: str
    value: object
    text: str = ""


class Lookup:
    """One span with its logs.  Nothing is decoded before it is asked for, and nothing twice."""

    def __init__(self, table: Table, span: StoredSpan, logs: Sequence[StoredLog]) -> None:
        self._table = table
        self.span = span
        self.logs = logs
        self._decoded: dict[str, object] = {}
        self._broken: set[str] = set()
        self._families: defaultdict[str, defaultdict[int, dict[str, str]]] = defaultdict(_Entries)
        self._events: _Events = _events(span, logs) if logs or span.events else {}
        self._plan = self._planned()

    def find(self, field: str, kind: str = "") -> Iterable[Found]:
        """Values of a field, most authoritative first; fillers are left out."""
        hits = self._plan[field]
        return self._found(field, kind, hits) if hits else ()

    def find_named(self, field: str, kind: str = "") -> Iterator[tuple[str, Iterable[Found]]]:
        """As `find`, for each name under a field (`usage`) that was sent."""
        for name, hits in self._plan.named(field):
            yield name, self._found(field, kind, hits)

    def _found(self, field: str, kind: str, hits: Sequence[Hit]) -> Iterator[Found]:
        attributes = self.span.attributes
        for row, key in hits:
            if row.kinds and kind not in row.kinds:
                continue
            if not row.is_plain:
                if row.carrier != "resource" or row.key in self.span.resource_attributes:
                    yield from self._values(field, row, key)
                continue
            text = attributes[key]
            if not row.is_glob or field not in _CONTENT_FIELDS or _holds_content(key, text):
                yield Found(row, key, self.decoded(text), text)

    def first_text(self, field: str, kind: str, withheld: tuple[str, ...]) -> str | None:
        """First value that is a text, or a number as text; texts that begin like one of `withheld` do not count."""
        for found in self.find(field, kind):
            value = found.value
            if isinstance(value, str):
                if not value.startswith(withheld) and not is_filler(value):
                    return value
            elif isinstance(value, (int, float)) and not isinstance(value, bool):
                return str(value)
        return None

    def attribute(self, key: str) -> str:
        """Text of a span attribute; '' when it is not there."""
        return self.span.attributes.get(key, "")

    def decoded(self, text: str) -> object:
        """`values.decode`, once for each text."""
        if text[:1] not in _MAY_DECODE:
            return text
        try:
            return self._decoded[text]
        except KeyError:
            value = self._decoded[text] = decode(text)
            if value is text:
                self._broken.add(text)
            return value

    def unread(self) -> list[str]:
        """Attributes that were asked for as messages, but are no whole JSON, or larger or deeper than is read."""
        if not self._broken:
            return []
        asked = (hit for field in ("input_messages", "output_messages") for hit in self._plan[field])
        texts = {key: self.span.attributes[key] for row, key in asked if row.is_plain and not row.text}
        return [key for key, text in texts.items() if text in self._broken and _is_structure(text)]

    def kind(self) -> str:
        """Kind of the span by kind.yaml; '' when no rule answers."""
        name = self.span.name
        for rule, key in self._plan.kind_rules:
            if rule.name and rule.name != name and not ("*" in rule.name and fnmatchcase(name, rule.name)):
                continue
            kind = self._kind_word(rule, self.span.attributes[key]) if key else rule.kind
            if kind:
                return kind
        return ""

    def events(self, name: str) -> Iterable[tuple[Mapping[str, str], str]]:
        """Attributes and body of every span event and log record of this name, in order."""
        return self._events.get(name, ())

    # -----------------------------------------------------------------------------------------------------------------

    def _planned(self) -> Plan:
        """One pass over the attributes: flattened lists are put together, the rest says where to look."""
        span, families = self.span, self._families
        keys: list[str] = []
        fillers: list[str] = []
        known = places()
        for key, text in span.attributes.items():
            of_key = known[key]
            if of_key.family is not None:
                prefix, index, rest = of_key.family
                families[prefix][index][rest] = text
                if of_key.only_family:
                    continue
            if not text:
                continue
            keys.append(key)
            if len(text) < _LONGEST_FILLER and is_filler(text):
                fillers.append(key)
        signature = Signature(
            tuple(keys), tuple(fillers), tuple(families), span.scope_name, tuple(self._events),
            bool(span.status_message),
        )  # fmt: skip
        return plans()[signature]

    def _values(self, field: str, row: Row, key: str) -> Iterator[Found]:
        if row.carrier in ("messages", "choices", "rows"):
            yield Found(row=row, key=row.carrier, value=None)
        elif row.pieces:
            yield Found(row=row, key=key, value=self._pieces(row))
        elif row.indexed:
            entries = self._families[key]
            if not all(is_filler(text) for entry in entries.values() for text in entry.values()):
                yield Found(row=row, key=key, value=rebuilt(entries))
        elif row.prefix:
            start = f"{key}."
            children = {
                name[len(start) :]: text for name, text in self.span.attributes.items() if name.startswith(start)
            }
            yield Found(row=row, key=key, value=children)
        else:
            for text in self._texts(row, key):
                if is_filler(text) or (row.is_glob and field in _CONTENT_FIELDS and not _holds_content(key, text)):
                    continue
                yield from self._at(row, key, text)

    def _at(self, row: Row, key: str, text: str) -> Iterator[Found]:
        if not row.at:
            yield Found(row=row, key=key or row.key, value=self.decoded(text), text=text)
            return
        if not row.may_be_in(text):
            return
        whole = self.decoded(text)
        if row.unless_at and all(walk(whole, path) is not None for path in row.unless_at[:1]):
            return
        for path in row.at:
            value = whole if path == "" else walk(whole, path)
            if value not in (None, "", [], {}):
                yield Found(row=row, key=key or row.key, value=value, text=text)
                return

    def _pieces(self, row: Row) -> list[object]:
        """Values of keys that together make one thing; None for those that are not there."""
        keys = [self._plan.key_like(pattern) for pattern in row.pieces]
        return [self.decoded(self.span.attributes[key]) if key else None for key in keys]

    def _texts(self, row: Row, key: str) -> Iterable[str]:
        carrier = row.carrier
        if carrier == "span":
            return (self.span.attributes[key],)
        if carrier == "resource":
            return (self.span.resource_attributes.get(row.key, ""),)
        if carrier == "status":
            return (self.span.status_message,)
        if carrier == "details":
            return [text for attributes, _ in self.events(DETAILS_EVENT) if (text := attributes.get(row.key))]
        if carrier == "log":
            return [text for log in self.logs if (text := log.attributes.get(row.key))]
        name = carrier.removeprefix("event:")
        return [text for attributes, _ in self.events(name) if (text := attributes.get(row.key))]

    def _kind_word(self, rule: KindRule, text: str) -> str:
        value: object = self.decoded(text)
        if rule.at:
            value = walk(value, rule.at)
        if not isinstance(value, str):
            return ""
        word = value.strip().lower()
        for ending, kind in rule.endings.items():
            if value.endswith(ending):
                return kind
        if word in rule.values:
            return rule.values[word]
        return self._table.kind_words.get(word, "") or self._table.kind_words.get(word.rpartition(".")[2], "")


def name_of(log: StoredLog) -> str:
    """Event name of a log record, wherever its sender put it."""
    return log.event_name or log.attributes.get("event.name", "")


def _holds_content(key: str, text: str) -> bool:
    return not any(word in key for word in _NOT_CONTENT) and not text.replace(".", "", 1).lstrip("-").isdigit()


def _events(span: StoredSpan, logs: Sequence[StoredLog]) -> _Events:
    """Name -> attributes and body of each event, those of the span first."""
    named: _Events = {}
    for event in span.events:
        named.setdefault(event.name, []).append((event.attributes, ""))
    for log in logs:
        named.setdefault(name_of(log), []).append((log.attributes, log.body))
    return named


def _is_structure(text: str) -> bool:
    """Whether a text was meant as JSON, rather than as `[REDACTED]`."""
    return len(text) > _LONGEST_MARK or '"' in text or "'" in text
