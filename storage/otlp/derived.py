"""The derived columns of a request's spans, fast: what `storage.dialects.derive` says, mostly without asking it.

Spans of one service repeat themselves.  The keys of a span's attributes tell where the known ones stand, and are looked
at once.  Columns that are words (kind, models, provider, …) are remembered together, by all that they are read from;
ids, numbers and the cost are read one by one.  What is out of the ordinary, such as a known key twice, is left to
`derive`.

Threads may share it: answers depend on what is asked alone, and at worst are worked out twice.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from operator import itemgetter
from typing import Any, Final, NamedTuple, TypeAlias

from storage.dialects.dependencies import dependencies
from storage.dialects.derive import Derived, Sent, decimal_number, derive, input_tokens, says_something, whole_number
from storage.otlp import native, wire
from storage.otlp.anyvalue import Attributes

REMEMBERED_TEXTS: Final = 1 << 14
"""Ids, numbers, names of spans: of each as many, of at most LONGEST_TEXT bytes."""
LONGEST_TEXT: Final = 96
LONGEST_SIGNATURE: Final = 64
"""Attributes of a span whose keys are remembered."""
LONGEST_QUESTION: Final = 1024
"""Bytes of texts that decide the words of a span."""
_ENTRY_BYTES: Final = 512
_KEY_BYTES: Final = 64
_ERROR: Final = 2
"""STATUS_CODE_ERROR."""
_IDS: Final = ("SessionId", "UserId")
_COUNTS: Final = ("usage.input_tokens", "usage.cache_read_input_tokens", "OutputTokens")
_TOLD_COUNTS: Final = ("told usage.cache_read_input_tokens", "told usage.reasoning_output_tokens")
_RESPONSE: Final = ("told usage.output_tokens", "told response_id")

Row: TypeAlias = tuple["Words", wire.Buffer, wire.Buffer, int, int, float, int, int]
"""Words, SessionId and UserId (Native Strings), InputTokens, OutputTokens, CostUsd, cached and reasoning tokens."""


class Words:
    """Columns of a span that are words.  Compared by identity, because that is cheap; equal ones may exist twice."""

    __slots__ = ("values",)

    def __init__(self, of: Derived) -> None:
        self.values = (of.observation_kind, of.model, of.environment, *of.derived[:7])


class _Reading(NamedTuple):
    """Of one value: the first of `places` of whose text `known` does not say None, else `otherwise`."""

    known: wire.Memo[Any]
    places: tuple[int, ...]
    otherwise: Any


class _Plan(NamedTuple):
    """What to do with spans that have the same known attributes in the same order, against one background.

    Attributes:
        keys: The known ones.
        pick: Their values -> those that decide the words.
        words: Question -> answer, as far as it was asked.
        blank: The row of every ordinary span, where no value matters; else None.
        fails: Whether a value can say that the span failed.
        peculiar: Whether only `derive` can tell.
    """

    keys: tuple[bytes, ...]
    pick: Callable[[Sequence[Any]], Any]
    words: dict[Any, Words]
    blank: Row | None
    fails: bool
    peculiar: bool
    readings: tuple[_Reading, ...] = ()
    response: tuple[_Reading, ...] = ()


class Background:
    """What all spans of a scope of a resource share: known attributes of the resource, the scope's name.

    Attributes:
        places: Keys of a span's attributes -> what picks the values of known ones, and the plan.
        plans: Known ones among them -> the plan.
    """

    def __init__(self, resource: Attributes, scope: bytes) -> None:
        self.resource = resource
        self.scope = scope
        self.places: dict[tuple[bytes, ...], tuple[Callable[[Sequence[Any]], Sequence[Any]], _Plan]] = {}
        self.plans: dict[tuple[bytes, ...], _Plan] = {}


class DerivedColumns:
    """Derives, and remembers: of keys and words about `remembered_bytes`, then it starts anew."""

    def __init__(self, pairs: wire.Memo[wire.Pair], *, remembered_bytes: int) -> None:
        self._pairs = pairs
        self._dependencies = dependencies()
        self._remembered_bytes = remembered_bytes
        self._held_bytes = 0
        self._backgrounds: dict[Any, Background] = {}
        self._shown = _memo(lambda name: name if self._dependencies.is_shown(name) else b"")
        self._scopes = _memo(lambda name: tuple([name.startswith(prefix) for prefix in self._dependencies.scopes]))
        ids, counts, costs, told = (_readers(of) for of in (native.string, whole_number, decimal_number, bytes))
        self._readers: dict[str, tuple[tuple[wire.Memo[Any], wire.Memo[Any]], Any]] = {
            **dict.fromkeys(_IDS, (ids, b"\0")),
            **dict.fromkeys((*_COUNTS, *_TOLD_COUNTS), (counts, 0)),
            "CostUsd": (costs, 0.0),
            **dict.fromkeys(_RESPONSE, (told, b"")),
        }

    def known_of_resource(self, attributes: Attributes) -> Attributes:
        """Those from which a derived column is read."""
        known = self._dependencies.known["resource"]
        return [pair for pair in attributes if pair[0] in known]

    def background(self, resource: Attributes, scope: bytes) -> Background:
        """Of the known attributes of a resource, and a scope's name."""
        kind = (tuple(resource), self._scopes[scope])
        found = self._backgrounds.get(kind)
        if found is None:
            found = Background(resource, scope)
            if self._has_room(sum(len(key) + len(text) for key, text in resource)):
                self._backgrounds[kind] = found
        return found

    def rows(
        self,
        backgrounds: Sequence[tuple[Background, int]],
        sizes: Sequence[int],
        attributes: tuple[Sequence[bytes], Sequence[wire.Buffer]],
        spans: tuple[Sequence[bytes], Sequence[int], Sequence[Sequence[Any]]],
    ) -> list[Row]:
        """Rows of spans in order.

        Args:
            backgrounds: Each with the number of spans before it.
            sizes: Number of attributes of each span.
            attributes: Keys, and values as Native Strings, of all spans.
            spans: Names, status codes and events.
        """
        keys, values = attributes
        names_shown = self._shown
        rows: list[Row] = []
        at = 0
        each = zip(sizes, *spans, strict=True)
        for background, count in backgrounds:
            places = background.places
            for size, name, code, events in islice(each, count):
                end = at + size
                signature = tuple(keys[at:end])
                pick, plan = places.get(signature) or self._placed(background, signature)
                shown = names_shown[name]
                if plan.blank is not None and not shown and code != _ERROR:
                    rows.append(plan.blank)
                else:
                    rows.append(self._row(background, plan, pick(values[at:end]), shown, code, events))
                at = end
        return rows

    def _row(
        self, background: Background, plan: _Plan, known: Sequence[Any], shown: bytes, code: int, events: Sequence[Any]
    ) -> Row:
        errors = self._errors(events) if events and (code == _ERROR or plan.fails) else ()
        if plan.peculiar:
            return _row(self._derived(background, plan, known, shown, code, errors))
        responded = False
        for memo, places, otherwise in plan.response:
            for place in places:
                told = memo[known[place]]
                if told is not None:
                    break
            else:
                told = otherwise
            if told:
                responded = True
                break
        question = (shown, code == _ERROR, errors, responded, plan.pick(known))
        words = plan.words.get(question)
        if words is None:
            words = Words(self._derived(background, plan, known, shown, code, errors))
            deciding = [text for key, text in zip(plan.keys, known, strict=True) if key in self._dependencies.words]
            weight = sum(map(len, (shown, *errors, *deciding)))
            if weight <= LONGEST_QUESTION and self._has_room(weight):
                plan.words[question] = words
        row: list[Any] = []
        for memo, places, otherwise in plan.readings:
            for place in places:
                found = memo[known[place]]
                if found is not None:
                    row.append(found)
                    break
            else:
                row.append(otherwise)
        session, user, sent, cached, output, cost, cached_told, reasoning = row
        return words, session, user, input_tokens(sent, cached), output, cost, cached_told, reasoning

    def _derived(
        self,
        background: Background,
        plan: _Plan,
        known: Sequence[Any],
        shown: bytes,
        code: int,
        errors: Sequence[bytes],
    ) -> Derived:
        told = zip(self._dependencies.error_events, errors, strict=False)  # none were looked for, or all
        events = [(name, [(key, text)]) for (name, key), text in told]
        return derive(
            Sent(
                span_name=shown,
                scope_name=background.scope,
                status_code=b"Error" if code == _ERROR else b"",
                resource_attributes=background.resource,
                attributes=list(zip(plan.keys, map(_text, known), strict=True)),
                events=events,
            )
        )

    def _errors(self, events: Sequence[Any]) -> tuple[bytes, ...]:
        """For each event that tells of errors what the first of that name says; b''."""
        return tuple([self._error(events, name, key) for name, key in self._dependencies.error_events])

    def _error(self, events: Sequence[Any], name: bytes, key: bytes) -> bytes:
        first = next((event for event in events if event.name == name), None)
        pairs = (self._pairs[raw] for raw in first.attributes) if first is not None else ()
        return next((_text(value) for of, value in pairs if of == key), b"")

    def _placed(
        self, background: Background, signature: tuple[bytes, ...]
    ) -> tuple[Callable[[Sequence[Any]], Sequence[Any]], _Plan]:
        known = self._dependencies.known["span"]
        places = [place for place, key in enumerate(signature) if key in known]
        keys = tuple([signature[place] for place in places])
        plan = background.plans.get(keys)
        if plan is None:
            plan = self._plan(background, keys)
            if len(keys) <= LONGEST_SIGNATURE and self._has_room(len(keys) * _KEY_BYTES):
                background.plans[keys] = plan
        placed = (_picker(places), plan)
        if len(signature) <= LONGEST_SIGNATURE and self._has_room(
            sum(map(len, signature)) + len(signature) * _KEY_BYTES
        ):
            background.places[signature] = placed
        return placed

    def _plan(self, background: Background, keys: tuple[bytes, ...]) -> _Plan:
        places = {key: place for place, key in enumerate(keys)}
        on_resource = {key: native.string(text) for key, text in reversed(background.resource)}
        readings = [self._reading(name, places, on_resource) for name in (*_IDS, *_COUNTS, "CostUsd", *_TOLD_COUNTS)]
        response = [self._reading(name, places, on_resource) for name in _RESPONSE]
        plain = [reading for reading in (*readings, *response) if reading is not None]
        named = [("span", key) for key in keys] + [("resource", key) for key in on_resource]
        plan = _Plan(
            keys=keys,
            pick=_picker([place for key, place in places.items() if key in self._dependencies.words]),
            words={},
            blank=None,
            fails=any(name in self._dependencies.failed for name in named),
            peculiar=len(plain) < len(readings) + len(response)
            or len(places) < len(keys)
            or len(on_resource) < len(background.resource)
            or any(key in self._dependencies.peculiar for _, key in named),
            readings=tuple(plain[: len(readings)]),
            response=tuple(plain[len(readings) :]),
        )
        if keys or plan.peculiar or plan.fails:
            return plan
        return plan._replace(blank=self._row(background, plan, (), b"", 0, ()))

    def _reading(self, name: str, places: dict[bytes, int], on_resource: dict[bytes, bytes]) -> _Reading | None:
        """None where a resource's attribute comes before a span's."""
        reading = self._dependencies.readings[name]
        memos, otherwise = self._readers[name]
        memo = memos[reading.passes]
        there = [
            (carrier, key)
            for carrier, key in reading.places
            if (key in places if carrier == "span" else key in on_resource)
        ]
        if [carrier for carrier, _ in there] != sorted((carrier for carrier, _ in there), reverse=True):
            return None
        shared = (memo[on_resource[key]] for carrier, key in there if carrier == "resource")
        return _Reading(
            memo,
            tuple([places[key] for carrier, key in there if carrier == "span"]),
            next((found for found in shared if found is not None), otherwise),
        )

    def _has_room(self, size: int) -> bool:
        """Whether something may be remembered; all else is forgotten where it takes too much."""
        self._held_bytes += size + _ENTRY_BYTES
        if self._held_bytes > self._remembered_bytes:
            self._backgrounds.clear()
            self._held_bytes = size + _ENTRY_BYTES
        return size + _ENTRY_BYTES <= self._remembered_bytes


def columns(rows: Sequence[Row]) -> Iterator[bytes]:
    """Rows (at least one) as the columns of `columns.DERIVED`."""
    words, sessions, users, sent, output, costs, cached, reasoning = zip(*rows, strict=True)
    index: dict[Words, int] = {}
    places = [index.setdefault(of, len(index)) for of in words]
    each = zip(*[of.values for of in index], strict=True)
    kind, model, environment, *together = [native.words_by_place(values, places) for values in each]
    yield b"".join(sessions)
    yield b"".join(users)
    yield kind
    yield model
    yield _numbers("Q", sent)
    yield _numbers("Q", output)
    yield _numbers("d", costs)
    yield environment
    yield b"".join((*together, _numbers("Q", cached), _numbers("Q", reasoning)))


def _numbers(letter: str, numbers: Sequence[float]) -> bytes:
    return struct.pack(f"<{len(numbers)}{letter}", *numbers)


def _row(derived: Derived) -> Row:
    together = derived.derived
    return (
        Words(derived),
        native.string(derived.session_id),
        native.string(derived.user_id),
        derived.input_tokens,
        derived.output_tokens,
        derived.cost_usd,
        together.cache_read_input_tokens,
        together.reasoning_output_tokens,
    )


def _memo(translate: Callable[[bytes], Any]) -> wire.Memo[Any]:
    return wire.Memo(translate, entries=REMEMBERED_TEXTS, longest=LONGEST_TEXT)


def _readers(of: Callable[[bytes], Any]) -> tuple[wire.Memo[Any], wire.Memo[Any]]:
    """Native String -> its value; None where it is empty (the first), or is a filler (the second, less its quotes)."""

    def plain(raw: bytes) -> Any:
        text = _text(raw)
        return of(text) if text else None

    def told(raw: bytes) -> Any:
        text = _text(raw)
        return of(text.strip(b'"')) if says_something(text) else None

    return _memo(plain), _memo(told)


def _text(value: wire.Buffer) -> bytes:
    """The text of a Native String."""
    raw = bytes(value)
    start = next(place for place, byte in enumerate(raw) if byte < 128) + 1
    return raw[start:]


def _picker(places: Sequence[int]) -> Callable[[Sequence[Any]], Any]:
    """Values at some places, as a tuple."""
    if not places:
        return lambda values: ()
    if len(places) == 1:
        [place] = places
        return lambda values: (values[place],)
    return itemgetter(*places)
