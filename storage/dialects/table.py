"""The table of dialects: which attribute means what, in order of precedence.  A new dialect is rows in YAML."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import resources
from typing import Any, Final

import yaml

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

    is_glob: bool = False


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
        numbered: Whether a part of the key is a number.
    """

    direct: tuple[Place, ...]
    above: tuple[tuple[str, Place], ...]
    last: str
    numbered: bool


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
        exact, globs: Key, or last part of a key -> places; `indexed_*`, `parents_*`: of families and prefixes.
        elsewhere: Field -> places that are not span attributes.
    """

    fields: Mapping[str, tuple[Row, ...]]
    names: Mapping[str, tuple[str, ...]]
    words: Mapping[str, tuple[str, ...]]
    aliases: Mapping[str, Mapping[str, tuple[str, ...]]]
    kind_rules: tuple[KindRule, ...]
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
    "framework_tags", "framework_metadata", "generated_sessions",
})  # fmt: skip


@functools.cache
def table() -> Table:
    """The table, read once.

    Raises:
        ValueError: A data file of this package is malformed.
    """
    documents = {
        name: yaml.safe_load(resources.files(__package__).joinpath(name).read_text("utf-8")) for name in _FILES
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
    places = [Place(field=name, rank=rank, row=row) for name, rows in fields.items() for rank, row in enumerate(rows)]
    return Table(
        fields=fields,
        names=names,
        words={name: tuple(facts[name]) for name in _WORDS},
        aliases={name: {key: tuple(paths) for key, paths in facts[name].items()} for name in _ALIASES},
        kind_rules=tuple(_rule(rule) for rule in kinds["rules"]),
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


def _row(entry: Any) -> Row:
    if isinstance(entry, str):
        return Row(key=entry, is_glob="*" in entry)
    known = dict(entry)
    known["is_glob"] = "*" in known.get("key", "")
    for name in ("at", "pieces", "system_at", "unless_at", "values"):
        if name in known:
            known[name] = tuple(str(item) for item in known[name])
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


@functools.lru_cache(maxsize=16_384)
def places_of(key: str) -> KeyPlaces:
    """What the table says about one key.  Emitters use few keys, over and over."""
    known = table()
    last = key.rsplit(".", 1)[-1]
    direct = [*known.exact.get(key, ())]
    direct += [
        place
        for place in known.globs.get(last, ())
        if any(fits(pattern, key) for pattern in place.row.pieces or (place.row.key,))
    ]
    return KeyPlaces(
        direct=tuple(direct),
        above=tuple(_above(key)),
        last=last,
        numbered=any(part.isdigit() for part in key.split(".")),
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
    """Whether a key is of a pattern with one `*` in it."""
    if "*" not in pattern:
        return pattern == key
    head, _, tail = pattern.partition("*")
    return key.startswith(head) and key.endswith(tail) and len(key) > len(head) + len(tail)


def keys_of(field_name: str) -> Iterator[tuple[str, str]]:
    """(column of `otel_traces`, key) of every attribute from which a field is read without decoding, in order."""
    for row in table().fields[field_name]:
        decoded = row.is_glob or row.indexed or row.prefix or row.at or row.kinds or row.pieces
        if row.carrier in ("span", "resource") and not decoded:
            yield ("SpanAttributes" if row.carrier == "span" else "ResourceAttributes"), row.key
