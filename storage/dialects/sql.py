"""The derived columns of `otel_traces`, generated from the table: what ClickHouse can read without decoding."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from storage.dialects.table import KindRule, keys_of, table


def column_expressions() -> Mapping[str, str]:
    """Column of `otel_traces` -> its MATERIALIZED expression over that table's columns."""
    return {
        "SessionId": _unless_withheld(_first("session_id")),
        "UserId": _unless_withheld(_first("user_id")),
        "ObservationKind": _kind(),
        "Model": _first("response_model", "request_model", "model"),
        "InputTokens": f"toUInt64OrZero({_first('usage.input_tokens')})",
        "OutputTokens": f"toUInt64OrZero({_first('usage.output_tokens')})",
        "CostUsd": f"ifNotFinite(toFloat64OrZero({_first('cost_usd')}), 0.)",
        "Environment": _first("environment"),
    }


def _first(*fields: str) -> str:
    """First attribute that is there, over the rows of fields in order."""
    keys = dict.fromkeys((row_map, key) for field in fields for row_map, key in keys_of(field))
    return f"firstNonDefault({', '.join(_attribute(row_map, key) for row_map, key in keys)})"


def _attribute(row_map: str, key: str) -> str:
    return f"{row_map}[{_quoted(key)}]"


def _unless_withheld(expression: str) -> str:
    """'' where a sender's own scrubber stands in for the value."""
    prefixes = table().words["withheld_prefixes"]
    tests = " OR ".join(f"startsWith(found, {_quoted(prefix)})" for prefix in prefixes)
    return f"arrayMap(found -> if({tests}, '', found), [{expression}])[1]"


def _kind() -> str:
    """Kind by the words that senders use, then by structure; `other` is stored as ''."""
    rules = [rule for rule in table().kind_rules if "*" not in rule.key]
    by_word = [rule for rule in rules if rule.key and not rule.at and not rule.endings]
    words = dict(table().kind_words)
    for rule in by_word:
        words.update(rule.values)
    words = {word: kind for word, kind in words.items() if kind}
    values = ", ".join(_attribute("SpanAttributes", rule.key) for rule in by_word)
    looked_up = f"transform(trim(BOTH '\"' FROM lower(value)), [{_list(words)}], [{_list(words.values())}], '')"
    spelled = f"arrayFirst(kind -> kind != '', arrayMap(value -> {looked_up}, [{values}]))"
    shown = [answer for rule in rules if rule not in by_word for answer in _answers(rule)]
    return f"arrayMap(kind -> if(kind = 'other', '', kind), [firstNonDefault({', '.join([spelled, *shown])})])[1]"


def _answers(rule: KindRule) -> Iterator[str]:
    """Expression of one rule; none for rules that need a decoded value or a vendor's unknown prefix."""
    if rule.at or any("*" in key for key in (rule.key, *rule.any, *rule.also, *rule.unless)):
        return
    answer = _by_ending(rule) if rule.key else _quoted(rule.kind)
    tests = [*_conditions(rule)]
    yield f"if({' AND '.join(tests)}, {answer}, '')" if tests else answer


def _conditions(rule: KindRule) -> Iterator[str]:
    if rule.scope:
        yield f"startsWith(ScopeName, {_quoted(rule.scope)})"
    if rule.name.endswith("*"):
        yield f"startsWith(SpanName, {_quoted(rule.name[:-1])})"
    elif rule.name:
        yield f"SpanName = {_quoted(rule.name)}"
    for keys in (rule.any, rule.also):
        if keys:
            yield f"({' OR '.join(_is_there(key) for key in keys)})"
    if rule.unless:
        yield f"NOT ({' OR '.join(_is_there(key) for key in rule.unless)})"


def _is_there(key: str) -> str:
    return f"{_attribute('SpanAttributes', key)} != ''"


def _by_ending(rule: KindRule) -> str:
    value = _attribute("SpanAttributes", rule.key)
    endings = [
        f"endsWith({value}, {_quoted(ending)}), {_quoted(kind)}" for ending, kind in rule.endings.items() if ending
    ]
    default = rule.endings.get("", "")
    return f"if({value} = '', '', multiIf({', '.join(endings)}, {_quoted(default)}))"


def _list(texts: Iterable[str]) -> str:
    return ", ".join(map(_quoted, texts))


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
