"""The derived columns of a row, computed here: exactly what ClickHouse's expressions (`sql`) give.

This is what the receiver sends, so that an INSERT of ours need not read those expressions.  It follows the same table
and the same description of the columns; a test compares both on captures and on thousands of mutants of them.

Everything is bytes, as in ClickHouse: white space is the space, letters are ASCII, `$` is the end of the text.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias

from storage.dialects.derive_kind import kind_reader
from storage.dialects.facts_sql import FEW, SAYS_NOTHING, rows_of, withheld
from storage.dialects.sql import (
    DATED,
    FIELDS,
    INPUT_FIELDS,
    NAMED_BY_SPAN,
    RANKS,
    READ,
    field_number,
    is_own,
    numbers,
    rows_of_fields,
    rows_read,
)
from storage.dialects.table import Row, table

Attributes: TypeAlias = Sequence[tuple[bytes, bytes]]
Fact: TypeAlias = tuple[int, bytes]
"""Number of an attribute, and its value."""


class Sent(NamedTuple):
    """What a row says, as far as columns are derived from it.

    Attributes:
        events: Name and attributes of each.
    """

    span_name: bytes
    scope_name: bytes
    status_code: bytes
    resource_attributes: Attributes
    attributes: Attributes
    events: Sequence[tuple[bytes, Attributes]] = ()


class Together(NamedTuple):
    """The column `Derived`."""

    operation: bytes = b""
    request_model: bytes = b""
    response_model: bytes = b""
    provider: bytes = b""
    error_type: bytes = b""
    agent_name: bytes = b""
    tool_name: bytes = b""
    cache_read_input_tokens: int = 0
    reasoning_output_tokens: int = 0


class Derived(NamedTuple):
    """Every derived column that is stored, in the order of `sql.derived_columns`."""

    session_id: bytes = b""
    user_id: bytes = b""
    observation_kind: bytes = b""
    model: bytes = b""
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0
    environment: bytes = b""
    derived: Together = Together()


_WHOLE: Final = re.compile(rb"\+?0*([0-9]{1,20})")
_DECIMAL: Final = re.compile(rb"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_NO_DOT: Final = (
    rb"(?:[\x00-\x2d\x2f-\x7f]|[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3})*"
)
"""`[^.]*` of RE2, whose classes match no byte that is not part of UTF-8, or nearly so (its `Add_80_10ffff`)."""
_LIMIT: Final = 1 << 64


def derive(sent: Sent) -> Derived:
    """The derived columns of one row."""
    return _derivation()(sent)


def whole_number(text: bytes) -> int:
    """`toUInt64OrZero`: digits, perhaps after a plus, of a number below 2^64; 0 for anything else."""
    match = _WHOLE.fullmatch(text)
    number = int(match[1]) if match else 0
    return number if number < _LIMIT else 0


def decimal_number(text: bytes) -> float:
    """`ifNotFinite(toFloat64OrZero(…), 0)`."""
    number = float(text) if _DECIMAL.fullmatch(text) else 0.0
    return number if abs(number) != float("inf") else 0.0


def input_tokens(sent: int, cached: int) -> int:
    """Cached tokens are among them, also where a sender left them out."""
    return (sent + cached) % _LIMIT if 0 < sent < cached else sent


def says_something(value: bytes) -> bool:
    """Whether a value is a text, and not what stands for one."""
    silent, begins = _fillers()
    return value not in silent and not value.startswith(begins)


@functools.cache
def _fillers() -> tuple[frozenset[bytes], tuple[bytes, ...]]:
    return frozenset(text.encode() for text in SAYS_NOTHING), (b"[", b"{", *(text.encode() for text in withheld()))


def _map(attributes: Attributes) -> dict[bytes, bytes]:
    """Of a key that was sent twice the first counts."""
    return dict(reversed(attributes))


def _facts(sent: Sent, known: Mapping[tuple[str, bytes], int]) -> list[Fact]:
    found = [(known["span", key], text) for key, text in sent.attributes if ("span", key) in known]
    found += [(known["resource", key], text) for key, text in sent.resource_attributes if ("resource", key) in known]
    return sorted(found)


def _first(rows: Sequence[Row]) -> Callable[[Sent], bytes]:
    """Value of the first row that says something; of a few rows the first that is not empty, as it is."""
    if len(rows) <= FEW:
        keys = [(row.carrier == "span", row.key.encode()) for row in rows]

        def looked_up(sent: Sent) -> bytes:
            of_span, of_resource = _map(sent.attributes), _map(sent.resource_attributes)
            values = ((of_span if in_span else of_resource).get(key, b"") for in_span, key in keys)
            return next(filter(None, values), b"")

        return looked_up
    known = {(row.carrier, row.key.encode()): number for number, row in reversed([*enumerate(rows, 1)])}

    def passed(sent: Sent) -> bytes:
        return next((text for _, text in _facts(sent, known) if says_something(text)), b"").strip(b'"')

    return passed


class _Derivation:
    """The table of dialects, prepared."""

    def __init__(self) -> None:
        self._read = {name: _first(rows_of_fields(*fields)) for name, fields in READ.items()}
        self._input, self._cached = (_first(rows_of_fields(field)) for field in INPUT_FIELDS)
        self._kind = kind_reader()
        self._numbers = {(carrier, key.encode()): number for (carrier, key), number in numbers().items()}
        self._lent = {field: _first(lent) for field in FIELDS if (lent := _lent(field))}
        self._provider = _Provider()
        self._dated = re.compile(DATED.replace("$", r"\Z").encode())
        self._echoes = [
            (row.scope.encode(), row.key.encode(), [value.encode() for value in row.values])
            for row in table().fields["echoes_request_model"]
        ]
        self._failures = frozenset(value.encode() for row in rows_of("failed") for value in row.values)
        self._error_events = [
            (row.carrier.removeprefix("event:").encode(), row.key.encode())
            for row in table().fields["error_type"]
            if row.carrier.startswith("event:") and not row.at
        ]

    def __call__(self, sent: Sent) -> Derived:
        read = {name: of(sent) for name, of in self._read.items()}
        return Derived(
            session_id=read["SessionId"],
            user_id=read["UserId"],
            observation_kind=self._kind(sent.span_name, sent.scope_name, sent.attributes),
            model=read["Model"],
            input_tokens=input_tokens(whole_number(self._input(sent)), whole_number(self._cached(sent))),
            output_tokens=whole_number(read["OutputTokens"]),
            cost_usd=decimal_number(read["CostUsd"]),
            environment=read["Environment"],
            derived=self._together(sent),
        )

    def _together(self, sent: Sent) -> Together:
        told = [fact for fact in _facts(sent, self._numbers) if says_something(fact[1])]
        said: dict[int, bytes] = {}
        for number, text in told:
            said.setdefault(number // RANKS, text.strip(b'"'))

        def value(field: str) -> bytes:
            found = said.get(field_number(field), b"")
            return found or (self._lent[field](sent) if field in self._lent else b"")

        asked, answered, named = value("request_model"), value("response_model"), value("model")
        silent = not value("response_id") and not value("usage.output_tokens")
        echoed = answered == asked and (silent or self._echoes_request(sent))
        return Together(
            operation=value("operation"),
            request_model=self._request_model(asked, answered, named),
            response_model=b"" if echoed else self._response_model(asked, answered, named),
            provider=self._provider(told),
            error_type=self._error_type(sent, value("failed"), value("error_type")),
            agent_name=value("agent_name") or _named_by_span(sent.span_name, "agent_name"),
            tool_name=value("tool_name") or _named_by_span(sent.span_name, "tool_name"),
            cache_read_input_tokens=whole_number(value("usage.cache_read_input_tokens")),
            reasoning_output_tokens=whole_number(value("usage.reasoning_output_tokens")),
        )

    def _request_model(self, asked: bytes, answered: bytes, named: bytes) -> bytes:
        if asked:
            return asked
        return b"" if named == answered or (not answered and self._dated.search(named)) else named

    def _response_model(self, asked: bytes, answered: bytes, named: bytes) -> bytes:
        if answered or not named:
            return answered
        if not asked:
            return named if self._dated.search(named) else b""
        return b"" if named == asked or named.endswith(b"/" + asked) or asked.endswith(b"/" + named) else named

    def _echoes_request(self, sent: Sent) -> bool:
        attributes = _map(sent.attributes)
        return any(
            sent.scope_name.startswith(scope) and attributes.get(key, b"") in values
            for scope, key, values in self._echoes
        )

    def _error_type(self, sent: Sent, level: bytes, said: bytes) -> bytes:
        if sent.status_code != b"Error" and (not level or level not in self._failures):
            return b""
        of_events = (
            next((_map(attributes).get(key, b"") for event, attributes in sent.events if event == name), b"")
            for name, key in self._error_events
        )
        return said or next(filter(None, of_events), b"")


class _Provider:
    """Vendor, lower case; a framework that names itself there is passed over, and an interface's name is cut off."""

    def __init__(self) -> None:
        known = numbers()
        self._field = field_number("provider")
        self._ends = {known[row.carrier, row.key]: row.until.encode() for row in rows_of("provider") if row.until}
        self._others = frozenset(name.encode() for name in ("", *table().words["not_providers"]))
        interfaces = "|".join(map(re.escape, table().words["api_names"]))
        self._interface = re.compile(rb"(%b)\.(?:%b)" % (_NO_DOT, interfaces.encode()))

    def __call__(self, told: Iterable[Fact]) -> bytes:
        names = (self._name(number, text) for number, text in told if number // RANKS == self._field)
        return next((name for name in names if name not in self._others), b"")

    def _name(self, number: int, text: bytes) -> bytes:
        end = self._ends.get(number, b"")
        if end and end in text:
            return self._vendor(text[: text.index(end)].lower())
        return self._vendor(text.strip(b" ").lower() if end in (b"", b".") else b"")

    def _vendor(self, name: bytes) -> bytes:
        match = self._interface.fullmatch(name)
        return match[1] if match else name


def _named_by_span(name: bytes, field: str) -> bytes:
    prefix = NAMED_BY_SPAN[field].encode()
    return name.removeprefix(prefix).strip(b" ") if name.startswith(prefix) else b""


def _lent(field: str) -> list[Row]:
    """Rows of a field whose attributes have their number from another field."""
    return [row for row in rows_read(field) if not is_own(field, row)]


@functools.cache
def _derivation() -> _Derivation:
    return _Derivation()
