"""Attributes of a row as SQL sees them: one pass over the keys of a map, however many keys are looked for.

A map's keys are a dictionary and indexes (LowCardinality), and `transform` runs on the dictionary, so one more key in
the table costs nothing on a row; `SpanAttributes['key']` compares strings on every row, 0.15 µs each.  What is left is
what an INSERT pays for reading expressions, by the number of functions in them: hence texts listed in one literal.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from storage.dialects.table import Row, table

MAPS: Final = {"span": "SpanAttributes", "resource": "ResourceAttributes"}
FEW: Final = 8
"""Up to here look-ups are cheaper, at INSERTs of fewer than some 10,000 rows."""
SAYS_NOTHING: Final = ("", "null", "None", "undefined", "NaN", '""', "()")
"""Fillers; what begins like a structure is passed over as well."""


def rows_of(field: str) -> tuple[Row, ...]:
    """Rows of a field that SQL reads: exact keys of spans and resources, nothing to decode, of spans of any kind."""
    read: dict[tuple[str, str], Row] = {}
    for row in table().fields[field]:
        special = row.is_glob or row.indexed or row.prefix or row.at or row.pieces or row.kinds or row.scope
        if row.carrier in MAPS and not special:
            read.setdefault((row.carrier, row.key), row)
    return tuple(read.values())


def first(rows: Sequence[Row]) -> str:
    """Value of the first row that says something; ''.  A few keys are looked up one by one: that is less to read."""
    if len(rows) <= FEW:
        return f"firstNonDefault({', '.join(f'{MAPS[row.carrier]}[{quoted(row.key)}]' for row in rows)})"
    numbers = {(row.carrier, row.key): number for number, row in reversed([*enumerate(rows, 1)])}
    return f"trim(BOTH '\"' FROM arrayFirst(f -> {says_something('f.2')}, {facts(numbers)}).2)"


def facts(numbers: Mapping[tuple[str, str], int]) -> str:
    """Array of (number, value) of the attributes that are there, by number; `numbers` are of (carrier, key).

    Of a key that was sent twice the smaller value comes first.
    """
    of_maps = [_of_map(row_map, carrier, numbers) for carrier, row_map in MAPS.items()]
    found = [pairs for pairs in of_maps if pairs]
    return f"arraySort({found[0] if len(found) == 1 else 'arrayConcat(' + ', '.join(found) + ')'})"


def _of_map(row_map: str, carrier: str, numbers: Mapping[tuple[str, str], int]) -> str:
    keys = {key: number for (of, key), number in numbers.items() if of == carrier}
    if not keys:
        return ""
    known = f"transform(k, {listed(keys)}, CAST('{list(keys.values())}', 'Array(UInt16)'), 0)"
    pairs = f"arrayZip(arrayMap(k -> {known}, mapKeys({row_map})), mapValues({row_map}))"
    return f"arrayFilter(f -> f.1 != 0, {pairs})"


def withheld() -> list[str]:
    """How texts begin that stand for what was taken out, as far as they do not begin like a structure."""
    return [prefix for prefix in table().words["withheld_prefixes"] if prefix[:1] not in "[{"]


def says_something(value: str) -> str:
    """Whether a value is a text, and not what stands for one."""
    begins = map(re.escape, withheld())
    pattern = "|".join([r"[\[{]", *begins, f"(?:{'|'.join(map(re.escape, SAYS_NOTHING))})$"])
    return f"NOT match({value}, {quoted(f'^(?:{pattern})')})"


def listed(items: Iterable[str]) -> str:
    """An array of texts as one literal."""
    return f"splitByChar('|', {quoted('|'.join(items))})"


def quoted(text: str) -> str:
    """A SQL literal."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
