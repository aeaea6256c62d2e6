"""Text that emitters put into attributes, decoded within bounds: JSON, JSON in JSON, Python literals.  Never `eval`."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator, Sequence
from typing import Final

MAX_JSON_CHARACTERS: Final = 32 * 1024 * 1024
"""Longer text stays text."""
MAX_LITERAL_CHARACTERS: Final = 512 * 1024
"""Python literals are parsed by the compiler, which needs some 100 bytes of memory for each character."""
MAX_DEPTH: Final = 60
"""Nesting beyond this is not followed."""

_OPENING: Final = frozenset('{["(')
_NUMBER_START: Final = frozenset("-0123456789")
_READ: Final = json.JSONDecoder(parse_constant=str).raw_decode
_WHITE: Final = " \t\n\r"
_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, separators=(", ", ": "), default=str)
_FILLERS: Final = frozenset({"", "{}", "[]", "null", "None", '""', "()", "undefined", "NaN", "[{}]"})
"""What emitters write when they have nothing to say."""
_LONGEST_FILLER: Final = 16
"""Characters, white space around it included."""


def is_filler(text: str) -> bool:
    """Whether an attribute's text says nothing."""
    return len(text) < _LONGEST_FILLER and (text in _FILLERS or text.strip() in _FILLERS)


def decode(text: str) -> object:
    """The value in `text`: of JSON, of JSON inside a JSON string, of a Python literal; else the text itself.

    Numbers, booleans and null are decoded only inside a structure: "42" may well be a text.
    """
    start = text[:1]
    if start.isspace():
        start = text.lstrip()[:1]
    if start not in _OPENING:
        return text
    value = _structure(text, start)
    if start == '"' and isinstance(value, str) and value != text:
        inner = value.lstrip()[:1]
        if inner in _OPENING:
            nested = _structure(value, inner)
            return value if nested is None else nested
    return text if value is None else value


def decode_json(text: str) -> object:
    """Like `decode`, and a number, `true`, `false` or `null` is decoded too."""
    start = text.strip()[:1]
    if start in _NUMBER_START or text.strip() in ("true", "false", "null"):
        value = _json(text)
        return text if value is _BROKEN else value
    return decode(text)


def encode(value: object) -> str:
    """Compact JSON; text stays as it is."""
    if isinstance(value, str):
        return value
    try:
        return _ENCODER.encode(value)
    except (ValueError, RecursionError):
        return str(type(value).__name__)


def as_number(value: object) -> float | int | None:
    """A finite number, also out of text; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        if value.isdecimal() and len(value) < 20:
            value = int(value)
            return value if value < 1 << 63 else None
        try:
            value = int(value) if len(value) < 20 and value.strip().lstrip("-").isdigit() else float(value)
        except ValueError:
            return None
    if isinstance(value, int):
        return value if abs(value) < 1 << 63 else None
    if isinstance(value, float) and value == value and abs(value) != float("inf"):
        return value
    return None


def as_count(value: object) -> int | None:
    """A whole number of at least 0; None for anything else."""
    number = as_number(value)
    return int(number) if number is not None and number >= 0 and number == int(number) else None


def walk(value: object, path: str) -> object:
    """What stands at a dotted path (`choices.0.message`); None where there is nothing."""
    for step in path.split("."):
        if isinstance(value, str):
            value = decode(value)
        if isinstance(value, str):
            value = literal_argument(value, step)
        elif isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, Sequence) and not isinstance(value, str) and step.lstrip("-").isdigit():
            index = int(step)
            value = value[index] if -len(value) <= index < len(value) else None
        else:
            return None
    return value


def texts_in(value: object, depth: int = 0) -> Iterator[str]:
    """Every string in a list of strings, however nested in lists."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, tuple)) and depth < MAX_DEPTH:
        for item in value:
            yield from texts_in(item, depth + 1)


def literal_argument(text: str, name: str) -> object:
    """Value of the keyword `name` in the `repr` of an object, when it is a dict or a list; None else."""
    start = text.find(f"{name}=")
    if start < 0 or len(text) > MAX_LITERAL_CHARACTERS:
        return None
    start += len(name) + 1
    end = _closing(text, start) if text[start : start + 1] in ("{", "[") else 0
    if not end:
        return None
    try:
        return _plain(ast.literal_eval(text[start:end]))
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None


def _closing(text: str, start: int) -> int:
    """Where the bracket that opens at `start` has closed; 0 when it does not, or nests too deep to be read."""
    depth, quote, position = 0, "", start
    while position < len(text):
        character = text[position]
        if quote:
            position += character == "\\"
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character in "([{":
            depth += 1
        elif character in ")]}":
            depth -= 1
            if depth == 0:
                return position + 1
        if depth > MAX_DEPTH:
            return 0
        position += 1
    return 0


class _Broken:
    """Stands for text that is not JSON, where None is an answer."""


_BROKEN: Final = _Broken()


def _structure(text: str, start: str) -> object:
    """Value of JSON or of a Python literal; None when it is neither."""
    if start != "(":
        value = _json(text)
        if value is not _BROKEN:
            return value
    return _literal(text) if start != '"' else None


def _json(text: str) -> object:
    if len(text) > MAX_JSON_CHARACTERS:
        return _BROKEN
    if text[:1] in _WHITE:
        text = text.lstrip(_WHITE)
    try:
        value, end = _READ(text)
    except (ValueError, RecursionError):
        return _BROKEN
    if end != len(text) and text[end:].strip(_WHITE):
        return _BROKEN
    return _BROKEN if text.count("[") + text.count("{") > MAX_DEPTH and _too_deep(value) else value


def _too_deep(value: object) -> bool:
    """Whether a value nests deeper than anything here follows."""
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            item
            for node in level
            if isinstance(node, (dict, list))
            for item in (node.values() if isinstance(node, dict) else node)
            if isinstance(item, (dict, list))
        ]
        if not level:
            return False
    return True


def _literal(text: str) -> object:
    """A dict, list or tuple as Python's `repr` writes it; tuples become lists."""
    if len(text) > MAX_LITERAL_CHARACTERS or _deepest(text) > MAX_DEPTH or not _may_be_literal(text):
        return None
    try:
        value = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None
    return _plain(value) if isinstance(value, (dict, list, tuple)) else None


def _may_be_literal(text: str) -> bool:
    """Cheap refusal of what is no literal: a literal of a structure closes at its end."""
    end = text.rstrip()[-1:]
    return end in ("}", "]", ")")


def _deepest(text: str) -> int:
    """Deepest nesting of brackets, strings included: an upper bound is all that is needed."""
    depth = deepest = 0
    for character in text:
        if character in "([{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in ")]}":
            depth -= 1
    return deepest


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [_plain(item) for item in value]
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value if value is None or isinstance(value, (str, int, float, bool)) else str(value)
