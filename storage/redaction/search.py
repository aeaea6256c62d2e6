"""What the rules look for in texts, and what says of raw bytes that there is nothing to look for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from storage.redaction import keys
from storage.redaction.detectors import DETECTORS
from storage.redaction.pattern import Pattern, Span
from storage.redaction.rules import Rule

MAX_SEARCHED_BYTES = 256 << 20
"""What the expression of a rule may read of one text, all its finds together.  Then the whole text goes: an expression
like `a.*z|a` reads to the end for each of its finds, which would take minutes in a megabyte of `a`."""
_ANYWAY = (rb"\\u00[0-7]", rb"\\/")
"""JSON's escapes for what could as well stand there plainly: a text with one is looked at, whatever else is in it."""
_SEPARATOR = rb"(?:[\"']?[ \t]{0,3}=[ \t]{0,3}|[\"'][ \t]{0,3}:[ \t]{0,3}|:[ \t]{1,3})"
_QUOTED_VALUE = re.compile(rb"\"(?:[^\"\\]|\\.)*+\"?|'(?:[^'\\]|\\.)*+'?", re.DOTALL)
_BARE_VALUE = re.compile(rb"[^\s\"',;&<>(){}\[\]=][^\s\"',;&<>(){}\[\]]*+")
_DIGIT = re.compile(rb"\d")
_SHORTEST_AFTER_COLON = 6


class Hit(NamedTuple):
    """A part of a text, and whose it is; hits sort as they are to be replaced."""

    start: int
    end: int
    order: int
    rule: Rule
    canonical: Callable[[bytes], bytes]


class Finder(NamedTuple):
    """Finds parts of texts for one rule, or for all rules about keys.

    Attributes:
        name: Of the detector, if it is one.
        family: Of finders that are asked together; '' = this one must always be asked.
        candidates: Expressions one of which is in every text in which it finds anything.
    """

    name: str
    family: str
    candidates: Sequence[bytes]
    hits: Callable[[bytes], Iterator[Hit]]


def parts(rule: Rule, order: int) -> Iterator[Finder]:
    """The finders of a rule's detectors and pattern; where rules overlap, the lower `order` has it."""
    for name in rule.detectors:
        detector = DETECTORS[name]
        yield Finder(name, detector.family, [detector.candidate], _hits(detector.find, rule, order, detector.canonical))
    if rule.pattern:
        yield Finder("", "", (), _hits(_own(Pattern(rule.pattern)), rule, order, bytes))


def assignments(rules: Sequence[Rule], rule_of: Callable[[bytes], Rule | None]) -> Finder:
    """Finds `key=value`, `'key': 'value'` and `Key: value`, where `rule_of` has a rule for the key."""
    globs = [glob for rule in rules for glob in rule.keys]
    pattern = Pattern(rb"(?i)\b(" + keys.in_text(globs) + rb")(" + _SEPARATOR + rb")")

    def hits(text: bytes) -> Iterator[Hit]:
        at = 0
        while found := pattern.spans(text, at):
            (_, at), (start, end), (separator, _) = found
            rule = rule_of(text[start:end])
            value = _assigned(text, at, prose=text[separator : separator + 1] == b":")
            if rule is not None and value is not None:
                yield Hit(*value, -1, rule, bytes)
                at = value[1]

    named = keys.candidates(globs)
    return Finder("", "" if named is None else "word", named or (), hits)


def _assigned(text: bytes, at: int, *, prose: bool) -> Span | None:
    """The value that begins at `at`, without quotes.  After a bare colon it must look like no word of a sentence."""
    if quoted := _QUOTED_VALUE.match(text, at):
        closed = quoted.end() - quoted.start() > 1 and text[quoted.end() - 1] == text[at]
        start, end = at + 1, quoted.end() - closed
        return (start, end) if end > start else None
    bare = _BARE_VALUE.match(text, at)
    if not bare or bare.group() in (b"null", b"None"):
        return None
    if prose and (len(bare.group()) < _SHORTEST_AFTER_COLON or not _DIGIT.search(bare.group())):
        return None
    return bare.span()


def _hits(
    find: Callable[[bytes], Iterable[Span]], rule: Rule, order: int, canonical: Callable[[bytes], bytes]
) -> Callable[[bytes], Iterator[Hit]]:
    def hits(text: bytes) -> Iterator[Hit]:
        for start, end in find(text):
            yield Hit(start, end, order, rule, canonical)

    return hits


def _own(pattern: Pattern) -> Callable[[bytes], Iterator[Span]]:
    """Finds of an operator's expression."""

    def find(text: bytes) -> Iterator[Span]:
        at = searched = 0
        while (found := pattern.span(text, at)) is not None:
            searched += len(text) - at
            if searched > MAX_SEARCHED_BYTES:
                yield 0, len(text)
                return
            if found[1] > found[0]:
                yield found
            at = max(found[1], at + 1)
            if at > len(text):
                return

    return find


def candidate(rules: Sequence[Rule]) -> Pattern | None:
    """Is found in the raw bytes of whatever these rules could change; None = there is no telling."""
    found = list(_ANYWAY)
    for rule in rules:
        named = keys.candidates(rule.keys)
        if rule.keys:
            if named is None:
                return None
            found += named
        elif rule.pattern:  # it may ask for what only decoded text has: its beginning, a quote, a letter beyond ASCII
            return None
        else:
            found += [DETECTORS[name].candidate for name in rule.detectors]
    return Pattern(b"|".join(found)) if rules else None


def families(finders: Iterable[Finder]) -> list[tuple[Pattern | None, list[Finder]]]:
    """Finders by family, and what must be in a text for one of the family to find anything; None = anything."""
    found: dict[str, list[Finder]] = {}
    for finder in finders:
        found.setdefault(finder.family, []).append(finder)
    return [
        (Pattern(b"|".join([each for finder in members for each in finder.candidates])) if name else None, members)
        for name, members in found.items()
    ]


def united(hits: list[Hit]) -> Iterator[Hit]:
    """Hits without overlaps, in order: what overlaps is one hit, of the rule that begins first."""
    hits.sort(key=lambda hit: hit[:3])
    current = hits[0]
    for hit in hits[1:]:
        if hit.start < current.end:
            current = current._replace(end=max(current.end, hit.end))
        else:
            yield current
            current = hit
    yield current
