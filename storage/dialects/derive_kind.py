"""kind.yaml over a row's bytes: exactly what the expression of `kind_sql` gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from storage.dialects.kind_sql import kind_numbers, rules, word_kinds
from storage.dialects.table import KindRule


def kind_reader() -> Callable[[bytes, bytes, Sequence[tuple[bytes, bytes]]], bytes]:
    """(span name, scope name, attributes) -> ObservationKind; what is `other` to the rules is b''."""
    words, structures = rules()
    numbers = {key.encode(): number for key, number in kind_numbers().items()}
    by_word = _by_word(words)
    by_structure = [_by_structure(rule) for rule in structures]

    def kind(name: bytes, scope: bytes, attributes: Sequence[tuple[bytes, bytes]]) -> bytes:
        found = sorted((numbers[key], text) for key, text in attributes if key in numbers)
        values: dict[int, bytes] = {}
        for number, text in found:
            values.setdefault(number, text)
        answers = (answer for rule in by_structure if (answer := rule(name, scope, values)))
        return (by_word(found) or next(answers, b"")).replace(b"other", b"", 1)

    return kind


def _by_word(words: Sequence[KindRule]) -> Callable[[Sequence[tuple[int, bytes]]], bytes]:
    general, of_rules = word_kinds(words)
    kinds = {word.encode(): kind.encode() for word, kind in general.items()}
    own = {(number, word.encode()): kind.encode() for (number, word), kind in of_rules.items()}

    def first(found: Sequence[tuple[int, bytes]]) -> bytes:
        for number, text in found:
            if number <= len(words):
                word = text.strip(b'"').strip(b" ").lower()
                if kind := own.get((number, word), kinds.get(word, b"")):
                    return kind
        return b""

    return first


def _by_structure(rule: KindRule) -> Callable[[bytes, bytes, Mapping[int, bytes]], bytes]:
    numbers = kind_numbers()
    wanted = [{numbers[key] for key in group if key in numbers} for group in (rule.any, rule.also) if group]
    unwanted = {numbers[key] for key in rule.unless if key in numbers}
    scope_prefix, kind = rule.scope.encode(), rule.kind.encode()
    named = is_named(rule.name)
    of_value = _by_value(rule) if rule.key else None

    def answer(name: bytes, scope: bytes, values: Mapping[int, bytes]) -> bytes:
        if not scope.startswith(scope_prefix) or not named(name):
            return b""
        there = values.keys()
        if not all(there & group for group in wanted) or there & unwanted:
            return b""
        return of_value(values.get(numbers[rule.key], b"")) if of_value else kind

    return answer


def is_named(pattern: str) -> Callable[[bytes], bool]:
    """Whether a span's name is of a pattern; every name is of ''."""
    head, star, tail = (part.encode() for part in pattern.partition("*"))
    if not pattern:
        return lambda name: True
    if not star:
        return lambda name: name == head
    return lambda name: name.startswith(head) and name.endswith(tail)


def _by_value(rule: KindRule) -> Callable[[bytes], bytes]:
    """Kind by the ending of an attribute's value, or by the words of the rule."""
    values = {word.encode(): kind.encode() for word, kind in rule.values.items()}
    endings = [(end.encode(), kind.encode()) for end, kind in rule.endings.items() if end]
    default = rule.endings.get("", "").encode()
    if not rule.endings:
        return lambda value: values.get(value.lower(), b"")
    return lambda value: next((kind for end, kind in endings if value.endswith(end)), default) if value else b""
