"""JSON as it stands in texts, looked at string by string.

Nothing is parsed as a document, so that JSON that is cut off, or stands in the middle of other text, is treated like
any; and what no rule touches keeps every byte.  A string with escapes is decoded, treated as a text of its own (there
may be JSON in it), and written again only where that changed it.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from storage.redaction.text import Scanner

_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)'
_STRINGS = re.compile(_STRING, re.DOTALL)
_STRUCTURE = re.compile(_STRING + rb"|[\[\]{}]", re.DOTALL)
_CLOSED = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_CUT_ESCAPE = re.compile(rb"(?:(?<!\\)(?:\\\\)*+\\(?:u[0-9A-Fa-f]{0,3})?)?\Z")
_COLON = re.compile(rb"\s*+:\s*+")
_SCALAR = re.compile(rb"[^\s,\]}\"]*+")
_NOTHING_TO_HIDE = frozenset((b"", b"null", b'""', b"None"))
_OPEN, _CLOSE = (b"{", b"["), (b"}", b"]")


def rewritten(scanner: Scanner, text: bytes, counts: Counter[str], key: bytes) -> bytes:
    """`text` after the rules, JSON or not.  Adds to `counts`."""
    named = scanner.may_name(text) or rb"\u00" in text
    if not named and b"\\" not in text:
        return scanner.flat(text, counts, key=key, is_number=_number_in(text))
    out: list[bytes] = []
    run_start = at = 0  # what lies between is plain: it is scanned in one go
    strings: list[int] = []  # where the strings of this run begin and end

    def flush(end: int) -> None:
        run = text[run_start:end]
        out.append(scanner.flat(run, counts, key=key, is_number=_number_in(text, run_start, strings)))

    while (string := _STRINGS.search(text, at)) is not None:
        start, at = string.span()
        colon = _COLON.match(text, at) if named else None
        name = _content(string.group())[0] if colon else b""
        rule = scanner.rule_of(name) if name else None
        new = None
        if colon and rule is not None:
            end = _end_of_value(text, colon.end())
            value = text[colon.end() : end]
            if value not in _NOTHING_TO_HIDE:
                hidden = scanner.replacement(rule, _content(value)[0] if value[:1] == b'"' else value, counts)
                new, at = text[start : colon.end()] + (b'"%s"' % hidden if hidden else b"null"), end
        elif colon and name and scanner.scoped(name):
            end = _end_of_value(text, colon.end())
            new, at = text[start : colon.end()] + _value(scanner, text[colon.end() : end], counts, name), end
        elif b"\\" in string.group() and scanner.may_change(string.group()):
            new = _string(scanner, string.group(), counts, key)
        if new is None:
            strings += (start, at)
        else:
            flush(start)
            out.append(new)
            run_start, strings = at, []
    flush(len(text))
    joined = b"".join(out)
    return text if joined == text else joined


def _value(scanner: Scanner, value: bytes, counts: Counter[str], key: bytes) -> bytes:
    """A member's value, for the rules about parts of values under this key."""
    if value[:1] == b'"':
        return _string(scanner, value, counts, key) or scanner.flat(value, counts, key=key)
    if value[:1] in _OPEN:
        return scanner.text(value, counts, key=key)
    return scanner.flat(value, counts, key=key, is_number=lambda start, end: True)


def _number_in(text: bytes, offset: int = 0, strings: list[int] | None = None) -> Callable[[int, int], bool]:
    """Whether what stands at a place after `offset` is a number of JSON: then what replaces it needs quotes.

    `strings` are the places where strings begin and end; without them, each quote begins or ends one.
    """

    def is_number(start: int, end: int) -> bool:
        start, end = offset + start, offset + end
        if not text[start:end].isdigit() or text.lstrip()[:1] not in _OPEN:
            return False
        if (text.count(b'"', 0, start) if strings is None else bisect_right(strings, start)) % 2:
            return False
        before, after = text[max(0, start - 64) : start].rstrip()[-1:], text[end : end + 64].lstrip()[:1]
        return before in (b":", b"[", b",") and after in (b"", b",", b"]", b"}")

    return is_number


def _string(scanner: Scanner, string: bytes, counts: Counter[str], key: bytes) -> bytes | None:
    """A JSON string after the rules, unchanged where they find nothing; None where it is none."""
    decoded, rest = _content(string)
    if not decoded:
        return None
    new = scanner.text(decoded, counts, key=key)
    if new is decoded:
        return string
    encoded = _encoded(new, ascii_only=string.isascii())
    return encoded if rest is None else encoded[:-1] + rest


def _encoded(text: bytes, *, ascii_only: bool) -> bytes:
    decoded = text.decode("utf-8", "surrogatepass")
    try:
        return json.dumps(decoded, ensure_ascii=ascii_only).encode()
    except UnicodeEncodeError:  # half of a surrogate pair, as it was sent
        return json.dumps(decoded).encode()


def _content(string: bytes) -> tuple[bytes, bytes | None]:
    """What a JSON string says, as UTF-8; b'' where it is none.

    The second is None where the string ends with its quote; otherwise it was cut off, and this is what was left of an
    escape.
    """
    closed = _CLOSED.fullmatch(string) is not None
    if b"\\" not in string:
        return (string[1:-1], None) if closed else (string[1:], b"")
    rest = b"" if closed else _CUT_ESCAPE.search(string).group()  # type: ignore[union-attr]  # it matches the empty end
    whole = string if closed else string.removesuffix(rest) + b'"'
    try:
        said = str(json.loads(whole.decode("utf-8", "surrogatepass"), strict=False))
    except ValueError:
        return b"", None
    return said.encode("utf-8", "surrogatepass"), None if closed else rest


def _end_of_value(text: bytes, start: int) -> int:
    """Where the value that begins at `start` ends; what is cut off ends with the text."""
    first = text[start : start + 1]
    if first == b'"':
        string = _STRINGS.match(text, start)
        return string.end() if string else len(text)
    if first not in _OPEN:
        scalar = _SCALAR.match(text, start)
        return scalar.end() if scalar else start
    depth = 0
    for found in _STRUCTURE.finditer(text, start):
        depth += (found.group() in _OPEN) - (found.group() in _CLOSE)
        if not depth:
            return found.end()
    return len(text)
