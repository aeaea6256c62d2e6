"""kind.yaml as a SQL expression: the kind of a span by the words that senders use and by what is there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from storage.dialects.facts_sql import facts, listed, quoted
from storage.dialects.table import KindRule, table


def kind() -> str:
    """Expression over a row; what is `other` to the rules is '' in the column.

    Words come first, wherever their rules stand, so that the vocabulary is in the expression once.
    """
    words, structures = rules()
    numbers = kind_numbers()
    answers = [_by_word(words), *(_by_structure(rule, numbers) for rule in structures)]
    there = facts({("span", key): number for key, number in numbers.items()})
    return f"arrayMap(F -> replaceOne(firstNonDefault({', '.join(answers)}), 'other', ''), [{there}])[1]"


def rules() -> tuple[list[KindRule], list[KindRule]]:
    """Rules that SQL can follow, in order: those where one attribute's word decides, and the others."""
    read = [rule for rule in table().kind_rules if _is_readable(rule)]
    words = [rule for rule in read if _is_word(rule)]
    return words, [rule for rule in read if rule not in words]


def kind_numbers() -> dict[str, int]:
    """Span attribute -> its number, from 1; those of words come first."""
    words, structures = rules()
    keys = dict.fromkeys(
        key for rule in (*words, *structures) for key in (rule.key, *rule.any, *rule.also, *rule.unless)
    )
    return {key: number for number, key in enumerate((key for key in keys if key and "*" not in key), 1)}


def word_kinds(words: Sequence[KindRule]) -> tuple[dict[str, str], dict[tuple[int, str], str]]:
    """Kind by word, and by (number of the attribute, word) where a rule spells its own."""
    general = {word: kind for word, kind in table().kind_words.items() if kind}
    numbers = kind_numbers()
    return general, {(numbers[rule.key], word): kind for rule in words for word, kind in rule.values.items()}


def _is_readable(rule: KindRule) -> bool:
    """Whether a rule needs no decoded value and no vendor's unknown prefix; one key of several is enough."""
    exact = [key for key in rule.any if "*" not in key]
    return not (rule.at or "*" in rule.key or (rule.any and not exact) or any("*" in key for key in rule.also))


def _is_word(rule: KindRule) -> bool:
    """Whether an attribute's value alone decides."""
    return bool(rule.key) and not (rule.endings or rule.name or rule.scope or rule.any or rule.also or rule.unless)


def _by_word(rules: Sequence[KindRule]) -> str:
    """The first word of these attributes that says something; they have the first numbers."""
    words, of_rules = word_kinds(rules)
    own = {f"{number} {word}": kind for (number, word), kind in of_rules.items()}
    word = f"if(f.1 <= {len(rules)}, lower(trimBoth(trim(BOTH '\"' FROM f.2))), '')"
    looked_up = f"transform({word}, {listed(words)}, {listed(words.values())}, '')"
    spelled = f"transform(concat(toString(f.1), ' ', {word}), {listed(own)}, {listed(own.values())}, {looked_up})"
    return f"arrayFirst(kind -> kind != '', arrayMap(f -> {spelled}, F))"


def _by_structure(rule: KindRule, numbers: Mapping[str, int]) -> str:
    tests = [*_conditions(rule, numbers)]
    answer = _by_value(rule, numbers) if rule.key else quoted(rule.kind)
    return f"if({' AND '.join(tests)}, {answer}, '')" if tests else answer


def _conditions(rule: KindRule, numbers: Mapping[str, int]) -> Iterator[str]:
    if rule.scope:
        yield f"startsWith(ScopeName, {quoted(rule.scope)})"
    if rule.name:
        yield _is_named(rule.name)
    for group in (rule.any, rule.also):
        if group:
            yield _is_there(group, numbers)
    if any(key in numbers for key in rule.unless):
        yield f"NOT {_is_there(rule.unless, numbers)}"


def _is_there(keys: Iterable[str], numbers: Mapping[str, int]) -> str:
    return f"({' OR '.join(f'has(F.1, {numbers[key]})' for key in keys if key in numbers)})"


def _is_named(name: str) -> str:
    head, star, tail = name.partition("*")
    if not star:
        return f"SpanName = {quoted(name)}"
    return " AND ".join(
        f"{test}(SpanName, {quoted(part)})" for test, part in (("startsWith", head), ("endsWith", tail)) if part
    )


def _by_value(rule: KindRule, numbers: Mapping[str, int]) -> str:
    """Kind by the ending of an attribute's value, or by the words of the rule."""
    value = f"arrayFirst(f -> f.1 = {numbers[rule.key]}, F).2"
    if not rule.endings:
        return f"transform(lower({value}), {listed(rule.values)}, {listed(rule.values.values())}, '')"
    tests = [f"endsWith(v, {quoted(end)}), {quoted(kind)}" for end, kind in rule.endings.items() if end]
    default = quoted(rule.endings.get("", ""))
    return f"arrayMap(v -> multiIf(v = '', '', {', '.join(tests)}, {default}), [{value}])[1]"
