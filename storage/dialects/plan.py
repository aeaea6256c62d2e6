"""What the table finds in spans that carry the same keys, worked out once: applications emit the same keys again."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Final, NamedTuple

from storage.dialects.table import DETAILS_EVENT, KindRule, Place, Row, fits, places, table

_MAX_PLANS: Final = 512
_MAX_KEYS: Final = 128
_MAX_CHARACTERS: Final = 8_192
_MAX_EVENT_NAMES: Final = 16
"""Larger spans are planned anew each time, so that what is remembered stays small whatever is sent."""
_OUTPUT_WORDS: Final = ("output", "response", "completion", "result", "answer", "choices")
_INPUT_WORDS: Final = ("input", "request", "prompt", "query", "question", "argument")
_OTHER_SIDE: Final = {
    "input_messages": _OUTPUT_WORDS, "input": _OUTPUT_WORDS, "query": _OUTPUT_WORDS, "tool_arguments": _OUTPUT_WORDS,
    "input_texts": _OUTPUT_WORDS, "output_messages": _INPUT_WORDS, "output": _INPUT_WORDS, "tool_result": _INPUT_WORDS,
    "documents": _INPUT_WORDS,
}  # fmt: skip


class Signature(NamedTuple):
    """What spans have in common that are read in the same way.

    Attributes:
        keys: Keys of attributes in order, without empty ones and those that only belong to a family.
        fillers: Those of them whose values say nothing.  They still tell what kind of span it is.
        families: Prefixes of flattened lists, in order.
        events: Names of span events and log records, each once.
        status: Whether there is a status message.
    """

    keys: tuple[str, ...]
    fillers: tuple[str, ...]
    families: tuple[str, ...]
    scope: str
    events: tuple[str, ...]
    status: bool


class Hit(NamedTuple):
    """A row that may find something, and the attribute or prefix where it looks."""

    row: Row
    key: str


class Plan(dict[str, tuple[Hit, ...]]):
    """Field -> where to look for it in spans of one signature, most authoritative first; worked out when asked for."""

    def __init__(self, signature: Signature) -> None:
        super().__init__()
        self._signature = signature
        live = tuple(key for key in signature.keys if key not in signature.fillers)
        self._places = _places(live, signature.families)
        self._keys = _Keys(signature.keys)
        self._named: dict[str, tuple[tuple[str, tuple[Hit, ...]], ...]] = {}
        self.kind_rules = tuple(_kind_rules(self._keys, signature.scope))
        """Rules that may answer, each with the attribute that it reads ('' when it reads none)."""

    def __missing__(self, field: str) -> tuple[Hit, ...]:
        found = self[field] = tuple(self._in_order(field))
        return found

    def named(self, field: str) -> tuple[tuple[str, tuple[Hit, ...]], ...]:
        """The names under a field (`usage`) that may stand somewhere, each with where."""
        try:
            return self._named[field]
        except KeyError:
            each = ((name, self[f"{field}.{name}"]) for name in table().names[field])
            found = self._named[field] = tuple((name, hits) for name, hits in each if hits)
            return found

    def key_like(self, pattern: str) -> str:
        """First key that a pattern fits, whatever its value; '' when there is none."""
        return self._keys.first(pattern)

    def _in_order(self, field: str) -> Iterator[Hit]:
        elsewhere = table().elsewhere.get(field, ())
        places = [*self._places.get(field, ()), *((place, "") for place in elsewhere if self._speaks(place.row))]
        pieced = -1
        named: set[str] = set()
        for place, key in sorted(places, key=lambda found: found[0].rank):
            row = place.row
            if row.is_glob:
                if key in named or _contradicts(field, key):
                    continue
            else:
                named.add(key)
            if row.pieces:
                if place.rank == pieced:
                    continue
                pieced = place.rank
            if not row.scope or self._signature.scope.startswith(row.scope):
                yield Hit(row, key)

    def _speaks(self, row: Row) -> bool:
        """Whether a row that is no span attribute may find anything."""
        match row.carrier:
            case "messages" | "choices" | "log":
                return bool(self._signature.events)
            case "rows":
                return row.key in self._signature.events
            case "details":
                return DETAILS_EVENT in self._signature.events
            case "status":
                return self._signature.status
            case "resource":
                return True
            case _:
                return row.carrier.removeprefix("event:") in self._signature.events


class _Keys:
    """Keys, to be found by pattern.  A `*` does not reach into a flattened list: what stands at an index is a part."""

    def __init__(self, keys: tuple[str, ...]) -> None:
        self._all = frozenset(keys)
        self._by_last: dict[str, list[str]] = {}
        for key in keys:
            known = places()[key]
            if known.family is None:
                self._by_last.setdefault(known.last, []).append(key)

    def first(self, pattern: str) -> str:
        """First key that the pattern fits; '' when there is none."""
        if "*" not in pattern:
            return pattern if pattern in self._all else ""
        return next((key for key in self._by_last.get(pattern.rsplit(".", 1)[-1], ()) if fits(pattern, key)), "")


def _kind_rules(keys: _Keys, scope: str) -> Iterator[tuple[KindRule, str]]:
    for rule in table().kind_rules:
        key = keys.first(rule.key) if rule.key else ""
        if (
            (key or not rule.key)
            and scope.startswith(rule.scope)
            and (not rule.any or any(map(keys.first, rule.any)))
            and (not rule.also or any(map(keys.first, rule.also)))
            and not any(map(keys.first, rule.unless))
        ):
            yield rule, key


class PlanMemo(dict[Signature, Plan]):
    """Signature -> plan.  When there are many, it starts anew."""

    def __missing__(self, signature: Signature) -> Plan:
        plan = Plan(signature)
        keys = signature.keys + signature.families
        if (
            len(keys) <= _MAX_KEYS
            and sum(map(len, keys)) <= _MAX_CHARACTERS
            and len(signature.events) <= _MAX_EVENT_NAMES
        ):
            if len(self) >= _MAX_PLANS:
                self.clear()
            self[signature] = plan
        return plan


@functools.cache
def plans() -> PlanMemo:
    """The plans for spans."""
    return PlanMemo()


def _places(keys: tuple[str, ...], families: tuple[str, ...]) -> dict[str, list[tuple[Place, str]]]:
    """Field -> places with the attribute or prefix that each is about, in the order of the attributes."""
    found: dict[str, list[tuple[Place, str]]] = {}
    seen: set[tuple[str, int, str]] = set()
    for key in keys:
        of_key = places()[key]
        for place in of_key.direct:
            found.setdefault(place.field, []).append((place, key))
        for parent, place in of_key.above:
            if (place.field, place.rank, parent) not in seen:
                seen.add((place.field, place.rank, parent))
                found.setdefault(place.field, []).append((place, parent))
    known = table()
    for prefix in families:
        for place in known.indexed_exact.get(prefix, ()):
            found.setdefault(place.field, []).append((place, prefix))
        for place in known.indexed_globs.get(prefix.rsplit(".", 1)[-1], ()):
            if fits(place.row.key, prefix):
                found.setdefault(place.field, []).append((place, prefix))
    return found


def _contradicts(field: str, key: str) -> bool:
    """Whether a key that a glob fits says itself that it is about the other side of the call."""
    words = _OTHER_SIDE.get(field)
    return words is not None and any(word in key for word in words)
