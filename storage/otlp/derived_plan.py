"""What to look at in spans that have the same attributes, worked out once from `storage.dialects.dependencies`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any, Final, NamedTuple, TypeAlias

from storage.dialects.dependencies import dependencies
from storage.dialects.derive import decimal_number, says_something, whole_number
from storage.otlp import native, wire
from storage.otlp.anyvalue import Attributes

REMEMBERED_TEXTS: Final = 1 << 12
"""Ids, numbers, names of spans: of each as many, of at most LONGEST_TEXT bytes."""
LONGEST_TEXT: Final = 96

Pick: TypeAlias = Callable[[Sequence[Any]], tuple[Any, ...]]
Reading: TypeAlias = tuple[int, wire.Memo[Any], tuple[int, ...]]
"""Place in a row, what a text says there (None: look on), and where the texts stand, in order of precedence."""

SLOTS: Final = (
    "SessionId", "UserId", "usage.input_tokens", "OutputTokens", "CostUsd", "told usage.cache_read_input_tokens",
    "told usage.reasoning_output_tokens", "usage.cache_read_input_tokens",
)  # fmt: skip
"""Values of a span that are read one by one, in the order of a row; the last is a part of the third."""
IDS: Final = 2
"""How many of them, from the first, are texts."""
RESPONSE: Final = ("told usage.output_tokens", "told response_id")
"""What shows that a model answered."""


class Plan(NamedTuple):
    """For spans with the same known attributes in the same order, against one background.

    Attributes:
        keys: The known ones.
        words: Question -> answer, as far as it was asked.
        fails: Whether a value can say that the span failed.
        peculiar: Whether only `derive` can tell.
        otherwise: The row where no text says anything.
        readings: By the name of the value; of keys by their place in `keys`.
    """

    keys: tuple[bytes, ...]
    words: dict[Any, Any]
    fails: bool
    peculiar: bool
    otherwise: tuple[Any, ...]
    readings: dict[str, tuple[wire.Memo[Any], tuple[int, ...]]]


class Placed(NamedTuple):
    """A plan for spans whose attributes have the same keys in the same order: places are those of the attributes.

    Attributes:
        blank: The row of every ordinary span, where no value matters; else None.
        known: Picks the values of the plan's keys.
        deciding: Picks those that decide the words.
        response: Readings of what shows that a model answered.
    """

    plan: Plan
    blank: tuple[Any, ...] | None
    known: Pick
    deciding: Pick
    ids: tuple[Reading, ...]
    numbers: tuple[Reading, ...]
    response: tuple[Reading, ...]


class Planner:
    """Makes plans, by the table of dialects."""

    def __init__(self) -> None:
        self.dependencies = dependencies()
        self._known = self.dependencies.known["span"]
        self.shown = _memo(lambda name: name if self.dependencies.is_shown(name) else b"")
        self.scopes = _memo(lambda name: tuple([name.startswith(prefix) for prefix in self.dependencies.scopes]))
        ids, counts, costs, told = (_readers(of) for of in (native.string, whole_number, decimal_number, bytes))
        self._readers = dict.fromkeys(SLOTS, counts) | {"SessionId": ids, "UserId": ids, "CostUsd": costs}
        self._readers |= dict.fromkeys(RESPONSE, told)
        self._silent: dict[str, object] = {
            **dict.fromkeys(SLOTS, 0),
            **dict.fromkeys(SLOTS[:IDS], b"\0"),
            "CostUsd": 0.0,
        }

    def known_of_resource(self, attributes: Attributes) -> Attributes:
        """Those from which a derived column is read."""
        known = self.dependencies.known["resource"]
        return [pair for pair in attributes if pair[0] in known]

    def known_places(self, signature: Sequence[bytes]) -> list[int]:
        """Where known keys stand."""
        known = self._known
        return [place for place, key in enumerate(signature) if key in known]

    def plan(self, resource: Attributes, keys: tuple[bytes, ...]) -> Plan:
        """For known attributes of a resource, and known keys of spans."""
        places = {key: place for place, key in enumerate(keys)}
        shared = {key: native.string(text) for key, text in reversed(resource)}
        peculiar = len(places) < len(keys) or len(shared) < len(resource)
        readings: dict[str, tuple[wire.Memo[Any], tuple[int, ...]]] = {}
        otherwise = []
        for name in (*SLOTS, *RESPONSE):
            reading = self.dependencies.readings[name]
            memo = self._readers[name][reading.passes]
            of_span = [
                rank for rank, (carrier, key) in enumerate(reading.places) if carrier == "span" and key in places
            ]
            of_all = [
                (rank, key) for rank, (of, key) in enumerate(reading.places) if of == "resource" and key in shared
            ]
            # One value stands behind those of spans; before one of them, or to show a response, it is not expected.
            peculiar |= bool(of_all) and (name in RESPONSE or of_all[0][0] < max(of_span, default=0))
            readings[name] = memo, tuple([places[reading.places[rank][1]] for rank in of_span])
            said = (found for _, key in of_all if (found := memo[shared[key]]) is not None)
            otherwise.append(next(said, self._silent.get(name)))
        named = [("span", key) for key in keys] + [("resource", key) for key in shared]
        peculiar |= any(key in self.dependencies.peculiar for _, key in named)
        fails = any(name in self.dependencies.failed for name in named)
        return Plan(keys, {}, fails, peculiar, tuple(otherwise[: len(SLOTS)]), readings)

    def placed(self, plan: Plan, places: Sequence[int], blank: tuple[Any, ...] | None) -> Placed:
        """A plan whose keys stand at `places`."""

        def moved(slot: int, name: str) -> Reading:
            memo, of_keys = plan.readings[name]
            return slot + 1, memo, tuple([places[place] for place in of_keys])

        readings = [moved(slot, name) for slot, name in enumerate(SLOTS) if plan.readings[name][1]]
        words = self.dependencies.words
        return Placed(
            plan=plan,
            blank=blank,
            known=_picker(places),
            deciding=_picker([place for place, key in zip(places, plan.keys, strict=True) if key in words]),
            ids=tuple([reading for reading in readings if reading[0] <= IDS]),
            numbers=tuple([reading for reading in readings if reading[0] > IDS]),
            response=tuple([moved(0, name) for name in RESPONSE if plan.readings[name][1]]),
        )


def text(value: wire.Buffer) -> bytes:
    """The text of a Native String."""
    raw = bytes(value)
    start = next(place for place, byte in enumerate(raw) if byte < 128) + 1
    return raw[start:]


def _memo(translate: Callable[[bytes], Any]) -> wire.Memo[Any]:
    return wire.Memo(translate, entries=REMEMBERED_TEXTS, longest=LONGEST_TEXT)


def _readers(of: Callable[[bytes], Any]) -> tuple[wire.Memo[Any], wire.Memo[Any]]:
    """Native String -> its value; None where it is empty (the first), or is a filler (the second, less its quotes)."""

    def plain(raw: bytes) -> Any:
        found = text(raw)
        return of(found) if found else None

    def told(raw: bytes) -> Any:
        found = text(raw)
        return of(found.strip(b'"')) if says_something(found) else None

    return _memo(plain), _memo(told)


def _picker(places: Sequence[int]) -> Pick:
    if not places:
        return lambda values: ()
    if len(places) == 1:
        [place] = places
        return lambda values: (values[place],)
    return itemgetter(*places)
