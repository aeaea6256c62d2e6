"""Redaction of one text: its own words, JSON in it, JSON in that, and `key=value` wherever it stands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeAlias

from storage.redaction import keys
from storage.redaction.hashing import hashed
from storage.redaction.pattern import Pattern
from storage.redaction.quoted import rewritten
from storage.redaction.rules import Action, Rule
from storage.redaction.search import Finder, Hit, assignments, candidate, families, parts, united

MAX_REMEMBERED_KEYS = 4096

Counts: TypeAlias = Counter[str]
"""Name of a rule -> values that it changed."""


class Scanner:
    """The rules of one place, ready for use.  Remembers nothing but keys; threads may share it."""

    def __init__(self, rules: Sequence[Rule], key: bytes) -> None:
        self._key = key
        whole = [rule for rule in rules if rule.keys and not rule.finds_parts]
        self._whole = [(keys.matcher(rule.keys), rule) for rule in whole]
        self._scoped = [
            (keys.matcher(rule.keys), tuple(parts(rule, order)))
            for order, rule in enumerate(rules)
            if rule.keys and rule.finds_parts
        ]
        anywhere = tuple(f for order, rule in enumerate(rules) if not rule.keys for f in parts(rule, order))
        self._families = families((assignments(whole, self.rule_of), *anywhere) if whole else anywhere)
        self._rule_of: dict[bytes, Rule | None] = {}
        self._idle = not rules
        self._candidate = candidate(rules)
        self._asks_for_keys = bool(self._whole or self._scoped)
        named = keys.candidates([glob for rule in rules for glob in rule.keys])
        self._named = Pattern(b"|".join(named)) if named else None

    def may_change(self, raw: bytes) -> bool:
        """Whether any rule could change a value that lies in these bytes, in OTLP's encoding; doubt is a yes."""
        return not self._idle and (self._candidate is None or self._candidate.is_in(raw))

    def may_name(self, text: bytes) -> bool:
        """Whether a key that some rule is about may stand in a text."""
        return self._asks_for_keys and (self._named is None or self._named.is_in(text))

    def rule_of(self, key: bytes) -> Rule | None:
        """The first rule for whole values under this key."""
        if key not in self._rule_of:
            if len(self._rule_of) >= MAX_REMEMBERED_KEYS:
                self._rule_of.clear()
            normal = keys.normal(key)
            self._rule_of[key] = next((rule for matcher, rule in self._whole if matcher.match(normal)), None)
        return self._rule_of.get(key)

    def scoped(self, key: bytes) -> list[Finder]:
        """What some rules look for in values under just such a key."""
        if not self._scoped or not key:
            return []
        normal = keys.normal(key)
        return [finder for matcher, own in self._scoped if matcher.match(normal) for finder in own]

    def replacement(self, rule: Rule, value: bytes, counts: Counts) -> bytes:
        """What stands in place of a value, or of a part of one; b'' where it is dropped."""
        counts[rule.name] += 1
        if rule.action is Action.DROP:
            return b""
        if rule.action is Action.HASH:
            return b"[%s:%s]" % (rule.name.encode(), hashed(self._key, value))
        return b"[%s]" % rule.name.encode()

    def text(self, text: bytes, counts: Counts, *, key: bytes = b"") -> bytes:
        """The text without what the rules find in it; the same object where they find nothing.  Adds to `counts`.

        `key` is what the text is the value of.
        """
        if self._idle:
            return text
        return rewritten(self, text, counts, key)

    def flat(
        self, text: bytes, counts: Counts, *, key: bytes = b"", is_number: Callable[[int, int], bool] | None = None
    ) -> bytes:
        """As `text`, without regard for JSON.  `is_number` says of a find that it is a number of JSON."""
        hits = self._hits(text, key)
        if not hits:
            return text
        pieces: list[bytes] = []
        end = 0
        for hit in united(hits):
            new = self.replacement(hit.rule, hit.canonical(text[hit.start : hit.end]), counts)
            if is_number is not None and is_number(hit.start, hit.end):
                new = b'"%s"' % new if new else b"null"
            pieces += (text[end : hit.start], new)
            end = hit.end
        pieces.append(text[end:])
        return b"".join(pieces)

    def _hits(self, text: bytes, key: bytes) -> list[Hit]:
        finders = self.scoped(key)
        for candidates, family in self._families:
            if candidates is None or candidates.is_in(text):
                finders += family
        if finders and key and text.isdigit() and keys.names_an_id(key):
            finders = [each for each in finders if each.name != "card"]  # one in forty of all such ids would pass
        return [hit for finder in finders for hit in finder.hits(text)]
