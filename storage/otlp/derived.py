"""The derived columns of a request's spans, fast: what `storage.dialects.derive` says, mostly without asking it.

Spans of one service repeat themselves.  The keys of a span's attributes tell where the known ones stand, and are looked
at once.  Columns that are words (kind, models, provider, …) are remembered together, by all that they are read from;
ids, numbers and the cost are read one by one.  What is out of the ordinary, such as a known key twice, is left to
`derive`.

Threads may share it: answers depend on what is asked alone, and at worst are worked out twice.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Final, TypeAlias

from storage.dialects.derive import Derived, Sent, derive, input_tokens
from storage.dialects.facts_sql import SAYS_NOTHING, withheld
from storage.otlp import native, wire
from storage.otlp.anyvalue import Attributes
from storage.otlp.derived_plan import Placed, Plan, Planner, text

LONGEST_SIGNATURE: Final = 64
"""Attributes of a span whose keys are remembered."""
LONGEST_QUESTION: Final = 1024
"""Bytes of texts that decide the words of a span."""
_ENTRY_BYTES: Final = 512
_KEY_BYTES: Final = 64
_ERROR: Final = 2
"""STATUS_CODE_ERROR."""
_QUOTE: Final = ord('"')
_ONE_BYTE: Final = 129
"""Shorter Native Strings begin with one byte of length."""

Row: TypeAlias = tuple[Any, ...]
"""Words, SessionId and UserId (Native Strings), InputTokens, OutputTokens, CostUsd, cached and reasoning tokens."""


class Words:
    """Columns of a span that are words.  Compared by identity, because that is cheap; equal ones may exist twice."""

    __slots__ = ("values",)

    def __init__(self, of: Derived) -> None:
        self.values = (of.observation_kind, of.model, of.environment, *of.derived[:7])


class Background:
    """What all spans of a scope of a resource share: known attributes of the resource, the scope's name.

    Attributes:
        placed: Keys of a span's attributes -> what to do.
        plans: Known ones among them -> the plan.
    """

    def __init__(self, resource: Attributes, scope: bytes) -> None:
        self.resource = resource
        self.scope = scope
        self.placed: dict[tuple[bytes, ...], Placed] = {}
        self.plans: dict[tuple[bytes, ...], Plan] = {}


class DerivedColumns:
    """Derives, and remembers: of keys and words about `remembered_bytes`, then it starts anew."""

    def __init__(self, pairs: wire.Memo[wire.Pair], *, remembered_bytes: int) -> None:
        self._pairs = pairs
        self._planner = Planner()
        self._remembered_bytes = remembered_bytes
        self._held_bytes = 0
        self._backgrounds: dict[Any, Background] = {}
        self._special = frozenset((_QUOTE, *b"[{", *(prefix.encode()[0] for prefix in withheld())))
        self._longest_filler = 1 + max(len(filler.encode()) for filler in SAYS_NOTHING)

    def known_of_resource(self, attributes: Attributes) -> Attributes:
        """Those from which a derived column is read."""
        return self._planner.known_of_resource(attributes)

    def background(self, resource: Attributes, scope: bytes) -> Background:
        """Of the known attributes of a resource, and a scope's name."""
        kind = (tuple(resource), self._planner.scopes[scope])
        found = self._backgrounds.get(kind)
        if found is None:
            found = Background(resource, scope)
            if self._has_room(len(scope) + sum(len(key) + len(value) for key, value in resource)):
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
            backgrounds: Each with its number of spans.
            sizes: Number of attributes of each span.
            attributes: Keys, and values as Native Strings, of all spans.
            spans: Names, status codes and events.
        """
        keys, values = attributes
        all_shown = self._planner.shown
        rows: list[Row] = []
        at = 0
        each = zip(sizes, *spans, strict=True)
        for background, count in backgrounds:
            known = background.placed
            for size, name, code, events in islice(each, count):
                end = at + size
                signature = tuple(keys[at:end])
                placed = known.get(signature) or self._placed(background, signature)
                shown = all_shown[name]
                if placed.blank is not None and not shown and code != _ERROR:
                    rows.append(placed.blank)
                else:
                    rows.append(self._row(background, placed, values[at:end], shown, code, events))
                at = end
        return rows

    def _row(
        self,
        background: Background,
        placed: Placed,
        values: Sequence[Any],
        shown: bytes,
        code: int,
        events: Sequence[Any],
    ) -> Row:
        plan, _, _, deciding, ids, numbers, response = placed
        errors = self._errors(events) if events and (code == _ERROR or plan.fails) else ()
        if plan.peculiar:
            return _row(self._derived(background, placed, values, shown, code, errors))
        question = (shown, code == _ERROR, errors, _responded(response, values), deciding(values))
        words = plan.words.get(question)
        if words is None:
            words = Words(self._derived(background, placed, values, shown, code, errors))
            weight = sum(map(len, (shown, *errors, *question[-1])))
            if weight <= LONGEST_QUESTION and self._has_room(2 * weight):  # the answer repeats it
                plan.words[question] = words
        row = [words, *plan.otherwise]
        longest_filler, special = self._longest_filler, self._special
        for slot, memo, places in ids:
            for place in places:
                found = values[place]
                plain = longest_filler < len(found) < _ONE_BYTE and found[1] not in special and found[-1] != _QUOTE
                found = found if plain else memo[found]
                if found is not None:
                    row[slot] = found
                    break
        for slot, memo, places in numbers:
            for place in places:
                found = memo[values[place]]
                if found is not None:
                    row[slot] = found
                    break
        cached = row.pop()
        if cached:
            row[3] = input_tokens(row[3], cached)
        return tuple(row)

    def _derived(
        self,
        background: Background,
        placed: Placed,
        values: Sequence[Any],
        shown: bytes,
        code: int,
        errors: Sequence[bytes],
    ) -> Derived:
        told = zip(self._planner.dependencies.error_events, errors, strict=False)  # none were looked for, or all
        sent = Sent(
            span_name=shown,
            scope_name=background.scope,
            status_code=b"Error" if code == _ERROR else b"",
            resource_attributes=background.resource,
            attributes=list(zip(placed.plan.keys, map(text, placed.known(values)), strict=True)),
            events=[(name, [(key, error)]) for (name, key), error in told],
        )
        return derive(sent)

    def _errors(self, events: Sequence[Any]) -> tuple[bytes, ...]:
        """For each event that tells of errors what the first of that name says; b''."""
        return tuple([self._error(events, name, key) for name, key in self._planner.dependencies.error_events])

    def _error(self, events: Sequence[Any], name: bytes, key: bytes) -> bytes:
        first = next((event for event in events if event.name == name), None)
        pairs = (self._pairs[raw] for raw in first.attributes) if first is not None else ()
        return next((text(value) for of, value in pairs if of == key), b"")

    def _placed(self, background: Background, signature: tuple[bytes, ...]) -> Placed:
        places = self._planner.known_places(signature)
        keys = tuple([signature[place] for place in places])
        plan = background.plans.get(keys)
        if plan is None:
            plan = self._planner.plan(background.resource, keys)
            if len(keys) <= LONGEST_SIGNATURE and self._has_room(len(keys) * _KEY_BYTES):
                background.plans[keys] = plan
        placed = self._planner.placed(plan, places, None)
        if not (keys or plan.peculiar or plan.fails):
            placed = placed._replace(blank=self._row(background, placed, (), b"", 0, ()))
        size = sum(map(len, signature)) + len(signature) * _KEY_BYTES
        if len(signature) <= LONGEST_SIGNATURE and self._has_room(size):
            background.placed[signature] = placed
        return placed

    def _has_room(self, size: int) -> bool:
        """Whether so many bytes may be remembered; all else is forgotten where it would be too much."""
        size += _ENTRY_BYTES
        if size > self._remembered_bytes:
            return False
        self._held_bytes += size
        if self._held_bytes > self._remembered_bytes:
            self._backgrounds.clear()
            self._held_bytes = size
        return True


def columns(rows: Sequence[Row]) -> Iterator[bytes]:
    """Rows (at least one) as the columns of `columns.DERIVED`."""
    count = len(rows)
    if len(set(map(id, rows))) == 1:
        rows = rows[:1]  # spans of which nothing is known: one row stands for all
    words, sessions, users, sent, output, costs, cached, reasoning = zip(*rows, strict=True)
    times = count // len(rows)
    index: dict[Words, int] = {}
    places: Sequence[int] = [index.setdefault(of, len(index)) for of in words] * times
    if len(index) <= 1 << 8:
        places = bytes(places)  # once, and not for each column
    each = zip(*[of.values for of in index], strict=True)
    kind, model, environment, *together = [native.words_by_place(values, places) for values in each]
    yield b"".join(sessions) * times
    yield b"".join(users) * times
    yield kind
    yield model
    yield _numbers("Q", sent) * times
    yield _numbers("Q", output) * times
    yield _numbers("d", costs) * times
    yield environment
    yield b"".join((*together, _numbers("Q", cached) * times, _numbers("Q", reasoning) * times))


def _responded(response: Sequence[tuple[int, wire.Memo[Any], tuple[int, ...]]], values: Sequence[Any]) -> bool:
    """Whether a number of tokens or an id shows that a model answered."""
    for _, memo, places in response:
        for place in places:
            told = memo[values[place]]
            if told:
                return True
            if told is not None:
                break
    return False


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
