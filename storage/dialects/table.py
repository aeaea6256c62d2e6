"""The table of dialects: which attribute means what, in order of precedence.  A new dialect is rows in YAML."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import resources
from typing import Any, Final

import yaml

from storage.dialects.flattened import indexed

DETAILS_EVENT: Final = "gen_ai.client.inference.operation.details"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One place where a field may stand.  What the columns mean is written at the top of content.yaml."""

    key: str = ""
    carrier: str = "span"
    at: tuple[str, ...] = ()
    indexed: bool = False
    prefix: bool = False
    text: bool = False
    kinds: frozenset[str] = frozenset()
    scope: str = ""
    pieces: tuple[str, ...] = ()
    system_at: tuple[str, ...] = ()
    unless_at: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    name: str = ""
    echo: bool = False
    until: str = ""
    exchange: bool = False
    framework: bool = False
    tool_result: bool = False
    arguments_only: bool = False
    inside: bool = False

    is_glob: bool = False
    is_plain: bool = False
    """Whether the text of one span attribute is all there is to it."""
    heads: tuple[str, ...] = ()
    """First steps of `at`, where a text without any of them holds nothing."""

    def may_be_in(self, text: str) -> bool:
        """Whether decoding a text for `at` can be worth it."""
        return not self.heads or any(head in text for head in self.heads)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A row at its rank within a field."""

    field: str
    rank: int
    row: Row


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPlaces:
    """What the table says about one attribute key.

    Attributes:
        direct: Places of the key itself.
        above: The same for the prefixes that it stands under, each with its prefix.
        last: Last part of the key.
        family: Prefix, index and rest of a key of a flattened list; None for any other.
        only_family: Whether nothing but its family matters.
    """

    direct: tuple[Place, ...]
    above: tuple[tuple[str, Place], ...]
    last: str
    family: tuple[str, int, str] | None
    only_family: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class KindRule:
    """One rule of kind.yaml."""

    key: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    endings: Mapping[str, str] = field(default_factory=dict)
    at: str = ""
    any: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()
    name: str = ""
    scope: str = ""
    kind: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The rows, indexed so that a span is matched in one pass over its attributes.

    Attributes:
        fields: Field -> rows in order.  A field with names (`usage`) appears as `usage.input_tokens`.
        names: `usage`, `params`, … -> the names under it.
        words: Word lists: fillers, framework names, …
        internal_names, internal_beginnings: Metadata that frameworks add for themselves.
        exact, globs: Key, or last part of a key -> places; `indexed_*`, `parents_*`: of families and prefixes.
        kind_keys: Every key or pattern that a kind rule names.
        elsewhere: Field -> places that are not span attributes.
    """

    fields: Mapping[str, tuple[Row, ...]]
    names: Mapping[str, tuple[str, ...]]
    words: Mapping[str, tuple[str, ...]]
    internal_names: frozenset[str]
    internal_beginnings: tuple[str, ...]
    aliases: Mapping[str, Mapping[str, tuple[str, ...]]]
    kind_rules: tuple[KindRule, ...]
    kind_keys: frozenset[str]
    kind_words: Mapping[str, str]
    exact: Mapping[str, tuple[Place, ...]]
    globs: Mapping[str, tuple[Place, ...]]
    indexed_exact: Mapping[str, tuple[Place, ...]]
    indexed_globs: Mapping[str, tuple[Place, ...]]
    parents_exact: Mapping[str, tuple[Place, ...]]
    parents_globs: Mapping[str, tuple[Place, ...]]
    elsewhere: Mapping[str, tuple[Place, ...]]


_ALIASES: Final = frozenset({"usage_names"})
_WORDS: Final = frozenset({
    "not_content", "withheld_prefixes", "api_names", "not_providers", "not_errors", "withheld_errors", "not_tags",
    "framework_tags", "framework_metadata", "generated_sessions", "infrastructure",
})  # fmt: skip


@functools.cache
def table() -> Table:
    """The table, read once.

    Raises:
        ValueError: A data file of this package is malformed.
    """
    documents = {
        name: yaml.load(resources.files(__package__).joinpath(name).read_text("utf-8"), _LOADER) for name in _FILES
    }
    kinds, content, facts = (documents[name] for name in _FILES)
    fields: dict[str, tuple[Row, ...]] = {}
    names: dict[str, tuple[str, ...]] = {}
    for name, entries in {**content, **facts}.items():
        if name in _WORDS or name in _ALIASES:
            continue
        if isinstance(entries, Mapping):
            names[name] = tuple(entries)
            for inner, rows in entries.items():
                fields[f"{name}.{inner}"] = tuple(_row(row) for row in rows)
        else:
            fields[name] = tuple(_row(row) for row in entries)
    rules = tuple(_rule(rule) for rule in kinds["rules"])
    places = [Place(field=name, rank=rank, row=row) for name, rows in fields.items() for rank, row in enumerate(rows)]
    return Table(
        fields=fields,
        names=names,
        words={name: tuple(facts[name]) for name in _WORDS},
        internal_names=frozenset(facts["framework_metadata"]),
        internal_beginnings=tuple(word[:-1] for word in facts["framework_metadata"] if word.endswith("*")),
        aliases={name: {key: tuple(paths) for key, paths in facts[name].items()} for name in _ALIASES},
        kind_rules=rules,
        kind_keys=frozenset(key for rule in rules for key in (rule.key, *rule.any, *rule.also, *rule.unless)),
        kind_words={word: kind for kind, words in kinds["vocabulary"].items() for word in words},
        exact=_index(places, lambda row: not row.is_glob and not row.indexed and not row.prefix),
        globs=_index(places, lambda row: row.is_glob and not row.indexed and not row.prefix),
        indexed_exact=_index(places, lambda row: row.indexed and not row.is_glob),
        indexed_globs=_index(places, lambda row: row.indexed and row.is_glob),
        parents_exact=_index(places, lambda row: row.prefix and not row.is_glob),
        parents_globs=_index(places, lambda row: row.prefix and row.is_glob),
        elsewhere=_elsewhere(places),
    )


_FILES: Final = ("kind.yaml", "content.yaml", "facts.yaml")
_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""Written in C where the package was built with it: a receiver starts 0.15 s earlier."""


def _index(places: list[Place], wanted: Any) -> dict[str, tuple[Place, ...]]:
    """Places of span attributes by key; globs by the last part of theirs."""
    found: dict[str, list[Place]] = {}
    for place in places:
        if place.row.carrier == "span" and wanted(place.row):
            for key in place.row.pieces or (place.row.key,):
                found.setdefault(key.rsplit(".", 1)[-1] if "*" in key else key, []).append(place)
    return {key: tuple(group) for key, group in found.items()}


def _elsewhere(places: list[Place]) -> dict[str, tuple[Place, ...]]:
    found: dict[str, list[Place]] = {}
    for place in places:
        if place.row.carrier != "span":
            found.setdefault(place.field, []).append(place)
    return {name: tuple(group) for name, group in found.items()}


_SHAPED: Final = frozenset({"at", "pieces", "indexed", "prefix"})


def _row(entry: Any) -> Row:
    if isinstance(entry, str):
        return Row(key=entry, is_glob="*" in entry, is_plain=True)
    known = dict(entry)
    known["is_glob"] = any("*" in key for key in (known.get("key", ""), *known.get("pieces", ())))
    known["is_plain"] = known.get("carrier", "span") == "span" and not _SHAPED & known.keys()
    for name in ("at", "pieces", "system_at", "unless_at", "values"):
        if name in known:
            known[name] = tuple(str(item) for item in known[name])
    steps = [path.split(".", 1)[0] for path in known.get("at", ())]
    known["heads"] = tuple(steps) if all(step and not step.isdigit() for step in steps) else ()
    if "kinds" in known:
        known["kinds"] = frozenset(known["kinds"])
    try:
        return Row(**known)
    except TypeError as error:
        raise ValueError(f"dialect row {entry!r}: {error}") from None


def _rule(entry: Mapping[str, Any]) -> KindRule:
    known = dict(entry)
    for name in ("any", "also", "unless"):
        known[name] = tuple(known.get(name, ()))
    try:
        return KindRule(**known)
    except TypeError as error:
        raise ValueError(f"kind rule {entry!r}: {error}") from None


class KeyMemo(dict[str, KeyPlaces]):
    """Key -> what the table says about it.  Emitters use few keys; when there are many, it starts anew."""

    def __missing__(self, key: str) -> KeyPlaces:
        places = _places_of(key)
        if len(key) <= _MAX_REMEMBERED_CHARACTERS:
            if len(self) >= _MAX_REMEMBERED_KEYS:
                self.clear()
            self[key] = places
        return places


_MAX_REMEMBERED_KEYS: Final = 16_384
_MAX_REMEMBERED_CHARACTERS: Final = 256


@functools.cache
def places() -> KeyMemo:
    """What the table says about keys."""
    return KeyMemo()


def _places_of(key: str) -> KeyPlaces:
    known = table()
    last = key.rsplit(".", 1)[-1]
    family = indexed(key)
    direct = [*known.exact.get(key, ())]
    direct += [
        place
        for place in known.globs.get(last, ())
        if (family is None or place.row.inside)  # what stands at an index is a part, and not the whole
        and any(fits(pattern, key) for pattern in place.row.pieces or (place.row.key,))
    ]
    above = tuple(_above(key))
    return KeyPlaces(
        direct=tuple(direct),
        above=above,
        last=last,
        family=family,
        only_family=family is not None and not direct and not above and key not in known.kind_keys,
    )


def _above(key: str) -> Iterator[tuple[str, Place]]:
    """Places of the two prefixes above a key; a prefix that a row names is not matched by globs as well."""
    known = table()
    for _ in range(2):
        key, dot, _ = key.rpartition(".")
        if not dot:
            return
        named = known.parents_exact.get(key, ())
        globs = () if named else known.parents_globs.get(key.rsplit(".", 1)[-1], ())
        for place in (*named, *(place for place in globs if fits(place.row.key, key))):
            yield key, place


def fits(pattern: str, key: str) -> bool:
    """Whether a key is of a pattern with one `*` in it; keys of infrastructure are of none that begins with it."""
    if "*" not in pattern:
        return pattern == key
    if pattern[0] == "*" and key.startswith(table().words["infrastructure"]):
        return False
    head, _, tail = pattern.partition("*")
    return key.startswith(head) and key.endswith(tail) and len(key) > len(head) + len(tail)


def keys_of(field_name: str) -> Iterator[tuple[str, str]]:
    """(column of `otel_traces`, key) of every attribute from which a field is read without decoding, in order."""
    for row in table().fields[field_name]:
        decoded = row.is_glob or row.indexed or row.prefix or row.at or row.kinds or row.pieces
        if row.carrier in ("span", "resource") and not decoded:
            yield ("SpanAttributes" if row.carrier == "span" else "ResourceAttributes"), row.key
