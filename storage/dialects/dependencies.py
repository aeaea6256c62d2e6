"""What each derived column is read from, for those who remember answers: same question, same answer.

Follows the description of the columns in `sql` and `kind_sql`, as `derive` does.
"""

from __future__ import annotations

import functools
from typing import Final, NamedTuple

from storage.dialects.derive_kind import is_named
from storage.dialects.facts_sql import FEW
from storage.dialects.kind_sql import kind_numbers, rules
from storage.dialects.sql import (
    FIELDS,
    INPUT_FIELDS,
    NAMED_BY_SPAN,
    READ,
    is_own,
    numbers,
    rows_of_fields,
    rows_read,
)
from storage.dialects.table import Row, table

_NOT_WORDS: Final = frozenset({
    "usage.output_tokens", "usage.cache_read_input_tokens", "usage.reasoning_output_tokens", "response_id",
})  # fmt: skip
"""Fields of `Derived` whose values are numbers and ids: too many to be remembered together with the others."""
_WORD_COLUMNS: Final = ("Model", "Environment")


class Reading(NamedTuple):
    """One value: the first of these attributes that is not empty, or, if `passes`, that is no filler, less its quotes.

    Attributes:
        places: Carrier (`span` or `resource`) and key, in order of precedence.
    """

    places: tuple[tuple[str, bytes], ...]
    passes: bool


class Dependencies(NamedTuple):
    """What columns are read from.

    Attributes:
        readings: Of columns and fields that one value decides, by name: ids, counts, the cost.
        known: Carrier -> every key that any column is read from.
        words: Keys of spans whose values decide the columns that are words; of others only whether they are there.
        failed: Carrier and key of what can say that a span failed.
        peculiar: Keys that two fields share, so that `readings` do not tell all.
        scopes: Beginnings of scopes' names that make a difference.
        names: Patterns of spans' names that do.
        error_events: Names of events, each with the key of the error's type.
    """

    readings: dict[str, Reading]
    known: dict[str, frozenset[bytes]]
    words: frozenset[bytes]
    failed: frozenset[tuple[str, bytes]]
    peculiar: frozenset[bytes]
    scopes: tuple[bytes, ...]
    names: tuple[str, ...]
    error_events: tuple[tuple[bytes, bytes], ...]

    def is_shown(self, name: bytes) -> bool:
        """Whether a span's name makes a difference."""
        return any(is_named(pattern)(name) for pattern in self.names)


@functools.cache
def dependencies() -> Dependencies:
    """Of the table of dialects."""
    words, structures = rules()
    columns = {name: rows_of_fields(*fields) for name, fields in READ.items()}
    columns |= {field: rows_of_fields(field) for field in INPUT_FIELDS}
    readings = {name: _reading(rows, len(rows) > FEW) for name, rows in columns.items() if name not in _WORD_COLUMNS}
    readings |= {f"told {field}": _reading(_own(field), True) for field in _NOT_WORDS}
    echoes = table().fields["echoes_request_model"]
    deciding = [row for name in _WORD_COLUMNS for row in columns[name]]
    deciding += [row for field in FIELDS if field not in _NOT_WORDS for row in rows_read(field)]
    keys = {row.key for row in deciding if row.carrier == "span"}
    keys |= {rule.key for rule in (*words, *structures) if rule.key} | {row.key for row in echoes}
    known = {("span", key) for key in (*keys, *kind_numbers())} | numbers().keys()
    known |= {(row.carrier, row.key) for rows in columns.values() for row in rows}
    scopes = (*(rule.scope for rule in structures), *(row.scope for row in echoes))
    peculiar = {row.key for field in _NOT_WORDS for row in rows_read(field) if not is_own(field, row)}
    return Dependencies(
        readings=readings,
        known={
            carrier: frozenset(key.encode() for of, key in known if of == carrier) for carrier in ("span", "resource")
        },
        words=frozenset(key.encode() for key in keys),
        failed=frozenset((row.carrier, row.key.encode()) for row in rows_read("failed")),
        peculiar=frozenset(key.encode() for key in peculiar),
        scopes=tuple(sorted({scope.encode() for scope in scopes if scope})),
        names=tuple(
            sorted({rule.name for rule in structures if rule.name} | {f"{p}*" for p in NAMED_BY_SPAN.values()})
        ),
        error_events=tuple(
            (row.carrier.removeprefix("event:").encode(), row.key.encode())
            for row in table().fields["error_type"]
            if row.carrier.startswith("event:") and not row.at
        ),
    )


def _own(field: str) -> list[Row]:
    """Rows in the order of their attributes' numbers."""
    return [row for row in rows_read(field) if is_own(field, row)]


def _reading(rows: list[Row] | tuple[Row, ...], passes: bool) -> Reading:
    return Reading(tuple(dict.fromkeys((row.carrier, row.key.encode()) for row in rows)), passes)
