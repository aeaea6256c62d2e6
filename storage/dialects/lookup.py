"""Finds the values of fields in one span, its events and its logs, by the table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Final, NamedTuple

from storage.dialects.flattened import families, rebuilt
from storage.dialects.table import DETAILS_EVENT, KindRule, Place, Row, Table, fits, places_of
from storage.dialects.values import decode, is_filler, walk
from storage.model import StoredLog, StoredSpan

_EMPTY: Final[Mapping[str, str]] = {}
_NOT_CONTENT: Final = ("token", "cost", "usage", "price", "count", "mime", "vector")
"""Parts of keys under which no content stands, whatever their last part says."""
_CONTENT_FIELDS: Final = frozenset({
    "input_messages", "output_messages", "input", "output", "tool_arguments", "tool_result", "query", "documents",
    "input_texts", "system_prompt",
})  # fmt: skip
_OUTPUT_WORDS: Final = ("output", "response", "completion", "result", "answer", "choices")
_INPUT_WORDS: Final = ("input", "request", "prompt", "query", "question", "argument")
_OTHER_SIDE: Final[Mapping[str, tuple[str, ...]]] = {
    "input_messages": _OUTPUT_WORDS, "input": _OUTPUT_WORDS, "query": _OUTPUT_WORDS, "tool_arguments": _OUTPUT_WORDS,
    "input_texts": _OUTPUT_WORDS, "output_messages": _INPUT_WORDS, "output": _INPUT_WORDS, "tool_result": _INPUT_WORDS,
    "documents": _INPUT_WORDS,
}  # fmt: skip


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
        self._hits: dict[str, list[tuple[int, str, Row]]] = {}
        self._by_last: dict[str, list[str]] = {}
        self._decoded: dict[str, object] = {}
        self._families: Mapping[str, Mapping[int, Mapping[str, str]]] = {}
        self._match()

    def find(self, field: str, kind: str = "") -> Iterable[Found]:
        """Values of a field, most authoritative first; fillers are left out."""
        hits = self._hits.get(field)
        elsewhere = self._table.elsewhere.get(field)
        if hits is None and elsewhere is None:
            return ()
        return self._found(field, kind, hits or [], elsewhere or ())

    def _found(
        self, field: str, kind: str, hits: list[tuple[int, str, Row]], elsewhere: tuple[Place, ...]
    ) -> Iterator[Found]:
        if elsewhere:
            hits = hits + [(place.rank, "", place.row) for place in elsewhere if self._present(place.row)]
        if len(hits) > 1:
            hits = sorted(hits, key=_rank)
        pieced = -1
        named: set[str] = set()
        for rank, key, row in hits:
            if row.is_glob:
                if key in named or _contradicts(field, key):
                    continue
            else:
                named.add(key)
            if row.pieces:
                if rank == pieced:
                    continue
                pieced = rank
            if (row.kinds and kind not in row.kinds) or (row.scope and not self.span.scope_name.startswith(row.scope)):
                continue
            yield from self._values(field, row, key)

    def first_text(self, field: str, kind: str = "") -> str:
        """First value that is a text or a number, as text; '' when there is none."""
        for found in self.find(field, kind):
            value = found.value
            if isinstance(value, bool) or value is None:
                continue
            if isinstance(value, (int, float)):
                return str(value)
            if isinstance(value, str) and value and not is_filler(value):
                return value
        return ""

    def attribute(self, key: str) -> str:
        """Text of a span attribute; '' when it is not there."""
        return self.span.attributes.get(key, "")

    def decoded(self, text: str) -> object:
        """`values.decode`, once for each text."""
        try:
            return self._decoded[text]
        except KeyError:
            value = self._decoded[text] = decode(text)
            return value

    def kind(self) -> str:
        """Kind of the span by kind.yaml; '' when no rule answers."""
        for rule in self._table.kind_rules:
            if kind := self._kind_by(rule):
                return kind
        return ""

    def events(self, name: str) -> Iterator[tuple[Mapping[str, str], str]]:
        """Attributes and body of every span event and log record of this name, in order."""
        for event in self.span.events:
            if event.name == name:
                yield event.attributes, ""
        for log in self.logs:
            if name_of(log) == name:
                yield log.attributes, log.body

    # -----------------------------------------------------------------------------------------------------------------

    def _match(self) -> None:
        """One pass over the attributes: which rows find something."""
        hits = self._hits
        numbered = False
        seen: set[tuple[str, int, str]] = set()
        for key, value in self.span.attributes.items():
            places = places_of(key)
            self._by_last.setdefault(places.last, []).append(key)
            if is_filler(value):
                continue
            for place in places.direct:
                hits.setdefault(place.field, []).append((place.rank, key, place.row))
            for parent, place in places.above:
                if (place.field, place.rank, parent) not in seen:
                    seen.add((place.field, place.rank, parent))
                    hits.setdefault(place.field, []).append((place.rank, parent, place.row))
            numbered = numbered or places.numbered
        if numbered:
            self._families = families(self.span.attributes)
            for prefix in self._families:
                for place in self._table.indexed_exact.get(prefix, ()):
                    hits.setdefault(place.field, []).append((place.rank, prefix, place.row))
                for place in self._table.indexed_globs.get(prefix.rsplit(".", 1)[-1], ()):
                    if fits(place.row.key, prefix):
                        hits.setdefault(place.field, []).append((place.rank, prefix, place.row))

    def _present(self, row: Row) -> bool:
        match row.carrier:
            case "messages" | "choices" | "rows" | "log" | "details":
                return bool(self.logs or self.span.events)
            case "status":
                return bool(self.span.status_message)
            case _:
                return True

    def _values(self, field: str, row: Row, key: str) -> Iterator[Found]:
        if row.carrier in ("messages", "choices", "rows"):
            yield Found(row=row, key=row.carrier, value=None)
        elif row.pieces:
            yield Found(row=row, key=key, value=self._pieces(row))
        elif row.indexed:
            yield Found(row=row, key=key, value=rebuilt(self._families[key]))
        elif row.prefix:
            start = f"{key}."
            yield Found(
                row=row,
                key=key,
                value={
                    name[len(start) :]: text for name, text in self.span.attributes.items() if name.startswith(start)
                },
            )
        else:
            for text in self._texts(row, key):
                if is_filler(text) or (row.is_glob and field in _CONTENT_FIELDS and not _holds_content(key, text)):
                    continue
                yield from self._at(row, key, text)

    def _at(self, row: Row, key: str, text: str) -> Iterator[Found]:
        if not row.at:
            yield Found(row=row, key=key or row.key, value=self.decoded(text), text=text)
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
        return [self.decoded(text) if (text := self._attribute_like(pattern)) else None for pattern in row.pieces]

    def _attribute_like(self, pattern: str) -> str:
        if "*" not in pattern:
            return self.span.attributes.get(pattern, "")
        for key in self._by_last.get(pattern.rsplit(".", 1)[-1], ()):
            if fits(pattern, key):
                return self.span.attributes[key]
        return ""

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

    def _kind_by(self, rule: KindRule) -> str:
        if rule.scope and not self.span.scope_name.startswith(rule.scope):
            return ""
        if rule.name and not (
            self.span.name == rule.name or ("*" in rule.name and fnmatchcase(self.span.name, rule.name))
        ):
            return ""
        if rule.any and not any(self._attribute_like(key) for key in rule.any):
            return ""
        if rule.also and not any(self._attribute_like(key) for key in rule.also):
            return ""
        if any(self._attribute_like(key) for key in rule.unless):
            return ""
        if not rule.key:
            return rule.kind
        text = self._attribute_like(rule.key)
        return self._kind_word(rule, text) if text else ""

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
        return self._table.kind_words.get(word, "")


def name_of(log: StoredLog) -> str:
    """Event name of a log record, wherever its sender put it."""
    return log.event_name or log.attributes.get("event.name", "")


def _rank(hit: tuple[int, str, Row]) -> int:
    return hit[0]


def _contradicts(field: str, key: str) -> bool:
    """Whether a key that a glob fits says itself that it is about the other side of the call."""
    words = _OTHER_SIDE.get(field)
    return words is not None and any(word in key for word in words)


def _holds_content(key: str, text: str) -> bool:
    return not any(word in key for word in _NOT_CONTENT) and not text.replace(".", "", 1).lstrip("-").isdigit()
