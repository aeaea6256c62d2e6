"""Regular expressions whose time is linear in the text, whatever the text is: RE2, over bytes.

`re2`'s own `search` builds a generator and a match object; most texts have nothing in them, and then that is most of
the time.  So this calls what `re2` calls.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import re2

Span: TypeAlias = tuple[int, int]

_UNANCHORED = re2._re2.RE2.Anchor.UNANCHORED


class NoPattern(ValueError):
    """RE2 does not take the expression; the message is RE2's."""


class Pattern:
    """An expression over bytes as they are, or (given as `str`) over UTF-8.

    Raises:
        NoPattern: It is none.
    """

    __slots__ = ("_match",)

    def __init__(self, source: bytes | str) -> None:
        options = re2.Options()
        options.log_errors = False
        if isinstance(source, bytes):
            options.encoding = re2.Options.Encoding.LATIN1
        try:
            self._match = re2.compile(source, options)._regexp.Match
        except re2.error as error:
            said = error.args[0] if error.args else ""
            raise NoPattern(said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)) from error

    def spans(self, text: bytes, at: int = 0) -> Sequence[Span]:
        """Of the first find from `at`, and of its groups ((-1, -1) for one that took no part); empty = nothing."""
        found: Sequence[Span] = self._match(_UNANCHORED, text, at, len(text))
        return found if found[0][0] >= 0 else ()

    def span(self, text: bytes, at: int = 0) -> Span | None:
        """Of the first find from `at`."""
        found: Span = self._match(_UNANCHORED, text, at, len(text))[0]
        return found if found[0] >= 0 else None

    def is_in(self, text: bytes) -> bool:
        """Whether there is any find."""
        return bool(self._match(_UNANCHORED, text, 0, len(text))[0][0] >= 0)
