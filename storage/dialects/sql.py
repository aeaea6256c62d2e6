"""The derived columns of `otel_traces`, generated from the table: what ClickHouse can read without decoding.

The oldest columns stand alone.  The others are elements of one stored tuple, `Derived`, which is computed in one pass
over a row's attributes, with an ALIAS for each: an INSERT pays for reading every expression, however few its rows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from storage.dialects.facts_sql import MAPS, facts, first, listed, quoted, rows_of, says_something
from storage.dialects.kind_sql import kind
from storage.dialects.table import Row, table

_WORD: Final = "LowCardinality(String)"
FIELDS: Final = (
    "operation", "request_model", "response_model", "model", "usage.output_tokens", "usage.cache_read_input_tokens",
    "usage.reasoning_output_tokens", "provider", "error_type", "failed", "response_id", "agent_name", "tool_name",
)  # fmt: skip
READ: Final[Mapping[str, tuple[str, ...]]] = {
    "SessionId": ("session_id",),
    "UserId": ("user_id",),
    "Model": ("response_model", "request_model", "model"),
    "OutputTokens": ("usage.output_tokens",),
    "CostUsd": ("cost_usd",),
    "Environment": ("environment",),
}
"""Columns that are what the first attribute of these fields says."""
INPUT_FIELDS: Final = ("usage.input_tokens", "usage.cache_read_input_tokens")
NAMED_BY_SPAN: Final = {"agent_name": "invoke_agent ", "tool_name": "execute_tool "}
"""How the names of spans begin that go on with the name of an agent or a tool."""
RANKS: Final = 256
"""More than a field has rows: an attribute's number is its field's times this, plus its rank there."""
_OPERATION: Final = Row(key="gen_ai.operation.name")
DATED: Final = r"\d{4}-?\d{2}-?\d{2}\b|-\d{4}$|-\d{3}$"
"""A snapshot's name ends in its date: models answer under it, where an alias was asked for."""


class DerivedColumn(NamedTuple):
    """One column.  `default` is MATERIALIZED (computed at INSERT and stored) or ALIAS (computed when it is read)."""

    name: str
    type: str
    default: str
    sql: str


def derived_columns() -> tuple[DerivedColumn, ...]:
    """Every column; an ALIAS reads the stored ones."""
    read = {name: first(rows_of_fields(*fields)) for name, fields in READ.items()}
    alone = (
        ("SessionId", "String", read["SessionId"]),
        ("UserId", "String", read["UserId"]),
        ("ObservationKind", _WORD, kind()),
        ("Model", _WORD, read["Model"]),
        ("InputTokens", "UInt64", _input_tokens()),
        ("OutputTokens", "UInt64", f"toUInt64OrZero({read['OutputTokens']})"),
        ("CostUsd", "Float64", f"ifNotFinite(toFloat64OrZero({read['CostUsd']}), 0.)"),
        ("Environment", _WORD, read["Environment"]),
    )
    elements = _elements()
    derived = f"Tuple({', '.join(f'{name} {value_type}' for name, value_type, _ in elements)})"
    return (
        *(DerivedColumn(name, value_type, "MATERIALIZED", sql) for name, value_type, sql in alone),
        DerivedColumn("Derived", derived, "MATERIALIZED", _together([sql for _, _, sql in elements])),
        *(DerivedColumn(name, value_type, "ALIAS", _shown(name)) for name, value_type, _ in elements),
    )


def rows_of_fields(*fields: str) -> list[Row]:
    return [row for field in fields for row in rows_of(field)]


def _together(values: Sequence[str]) -> str:
    """A tuple of expressions over F, G, V: the row's attributes in order of precedence, their fields, values."""
    told = f"arrayFilter(f -> {says_something('f.2')}, {facts(numbers())})"
    bound = f"[arrayMap(f -> intDiv(f.1, {RANKS}), F)], [arrayMap(f -> trim(BOTH '\"' FROM f.2), F)]"
    return f"arrayMap(F -> arrayMap((G, V) -> ({', '.join(values)}), {bound})[1], [{told}])[1]"


def _shown(name: str) -> str:
    # A model call may name the tool that it asked for.
    return "if(ObservationKind = 'tool', Derived.ToolName, '')" if name == "ToolName" else f"Derived.{name}"


def numbers() -> dict[tuple[str, str], int]:
    """Number of every attribute, by (carrier, key); one that two fields name is the first one's."""
    numbers: dict[tuple[str, str], int] = {}
    for field in FIELDS:
        for rank, row in enumerate(rows_read(field)):
            numbers.setdefault((row.carrier, row.key), field_number(field) * RANKS + rank)
    return numbers


def rows_read(field: str) -> tuple[Row, ...]:
    return (_OPERATION,) if field == "operation" else rows_of(field)


def field_number(name: str) -> int:
    return FIELDS.index(name) + 1


def _value(field: str) -> str:
    """The first value of a field; ''."""
    lent = [row for row in rows_read(field) if not is_own(field, row)]
    found = f"V[indexOf(G, {field_number(field)})]"
    others = [f"{MAPS[row.carrier]}[{quoted(row.key)}]" for row in lent]
    return f"firstNonDefault({', '.join([found, *others])})" if others else found


def is_own(field: str, row: Row) -> bool:
    return numbers()[row.carrier, row.key] // RANKS == field_number(field)


def _elements() -> tuple[tuple[str, str, str], ...]:
    """Name, type and expression of what is derived together."""
    return (
        ("Operation", _WORD, _value("operation")),
        ("RequestModel", _WORD, _models(_REQUEST_MODEL)),
        ("ResponseModel", _WORD, _models(_response_model())),
        ("Provider", _WORD, _provider()),
        ("ErrorType", _WORD, _error_type()),
        ("AgentName", _WORD, _named_by_span("agent_name")),
        ("ToolName", _WORD, _named_by_span("tool_name")),
        ("CacheReadInputTokens", "UInt64", f"toUInt64OrZero({_value('usage.cache_read_input_tokens')})"),
        ("ReasoningOutputTokens", "UInt64", f"toUInt64OrZero({_value('usage.reasoning_output_tokens')})"),
    )


# A name that does not say whether it was asked for or answered counts as the former, unless it is a snapshot's.
_REQUEST_MODEL: Final = (
    f"multiIf(asked != '', asked, named = answered OR (answered = '' AND match(named, {quoted(DATED)})), '', named)"
)


def _response_model() -> str:
    """Model that answered."""
    other = "named != asked AND NOT endsWith(named, concat('/', asked)) AND NOT endsWith(asked, concat('/', named))"
    is_answer = f"if(asked = '', match(named, {quoted(DATED)}), {other})"
    return f"multiIf({_echoed()}, '', answered != '' OR named = '', answered, {is_answer}, named, '')"


def _echoed() -> str:
    """Whether the model that answered only repeats the one asked for: nothing else shows an answer."""
    said = [f"concat({_value('response_id')}, {_value('usage.output_tokens')}) = ''"]
    for row in table().fields["echoes_request_model"]:
        looked_up = f"has({listed(row.values)}, SpanAttributes[{quoted(row.key)}])"
        said.append(f"startsWith(ScopeName, {quoted(row.scope)}) AND {looked_up}" if row.scope else looked_up)
    return f"answered = asked AND ({' OR '.join(said)})"


def _models(expression: str) -> str:
    values = ", ".join(f"[{_value(field)}]" for field in ("request_model", "response_model", "model"))
    return f"arrayMap((asked, answered, named) -> {expression}, {values})[1]"


def _input_tokens() -> str:
    """Cached tokens are among them, also where a sender left them out."""
    sent, cached = (f"toUInt64OrZero({first(rows_of_fields(field))})" for field in INPUT_FIELDS)
    return f"arrayMap((n, cached) -> n + if(n > 0 AND cached > n, cached, 0), [{sent}], [{cached}])[1]"


def _provider() -> str:
    """Vendor, lower case; a framework that names itself there is passed over, and an interface's name is cut off."""
    interface = quoted(rf"^([^.]*)\.(?:{'|'.join(map(re.escape, table().words['api_names']))})$")
    name = "lower(trimBoth(f.2))"
    for row in rows_of("provider"):
        if row.until:
            otherwise = name if row.until == "." else "''"
            end, number = quoted(row.until), numbers()[row.carrier, row.key]
            cut = f"if(position(f.2, {end}) > 0, lower(substringIndex(f.2, {end}, 1)), {otherwise})"
            name = f"if(f.1 = {number}, {cut}, {name})"
    others = listed(["", *table().words["not_providers"]])
    said = f"arrayFilter(f -> intDiv(f.1, {RANKS}) = {field_number('provider')}, F)"
    return (
        f"arrayFirst(n -> NOT has({others}, n), arrayMap(f -> replaceRegexpOne({name}, {interface}, '\\\\1'), {said}))"
    )


def _named_by_span(field: str) -> str:
    prefix = NAMED_BY_SPAN[field]
    name = f"if(startsWith(SpanName, '{prefix}'), trimBoth(substring(SpanName, {len(prefix) + 1})), '')"
    return f"firstNonDefault({_value(field)}, {name})"


def _error_type() -> str:
    """Of spans that failed, whatever says so."""
    words = [value for row in rows_of("failed") for value in row.values]
    sources = [_value("error_type")]
    for row in table().fields["error_type"]:
        if row.carrier.startswith("event:") and not row.at:
            name = quoted(row.carrier.removeprefix("event:"))
            event = f"arrayFirst((a, n) -> n = {name}, `Events.Attributes`, `Events.Name`)"
            sources.append(f"{event}[{quoted(row.key)}]")
    failed = f"StatusCode = 'Error' OR (has({listed(words)}, {_value('failed')}) AND {_value('failed')} != '')"
    return f"if({failed}, firstNonDefault({', '.join(sources)}), '')"


def column_expressions() -> dict[str, str]:
    """Column -> its expression."""
    return {column.name: column.sql for column in derived_columns()}
