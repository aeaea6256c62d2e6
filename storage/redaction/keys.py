"""Names of values: globs over attribute keys, map keys, JSON members, and `key=value` in any text.

Case, `-`, `_` and spaces do not count (`api_key`, `X-Api-Key` without the `X`, `apiKey`).  `*` is any text, `?` one
character.  A glob is tried on the whole key and on what follows its last dot: `authorization` is found in
`http.request.header.authorization`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_IGNORED = b"-_ "


_ID = re.compile(rb"(?:\b|_)(?i:id)\Z|Id\Z")


def names_an_id(key: bytes) -> bool:
    """Whether the last word of a key is `id`."""
    return _ID.search(key) is not None


def normal(key: bytes) -> bytes:
    """A key as globs see it."""
    return key.lower().translate(None, _IGNORED)


def matcher(globs: Iterable[str]) -> re.Pattern[bytes]:
    """Matches normal keys, whole."""
    return re.compile(b"(?s:(?:.*\\.)?(?:" + b"|".join(_glob(glob) for glob in globs) + b"))\\Z")


def candidates(globs: Iterable[str]) -> list[bytes] | None:
    """RE2 expressions one of which is found wherever a key stands, raw; None where there is no telling."""
    found = []
    for glob in globs:
        literal = max(re.split(rb"[*?]+", _normal_glob(glob)), key=len)
        if not literal.isascii():  # JSON may write it as \u....
            return None
        found.append(b"(?i:" + _spaced(literal, b"[-_ ]*") + b")")
    return found


def in_text(globs: Iterable[str]) -> bytes:
    """RE2 expression for keys inside a text; bounded."""
    return b"|".join(
        b"".join(
            {b"*": b"[A-Za-z0-9_.-]{0,40}", b"?": b"[A-Za-z0-9]"}.get(part, _spaced(part, b"[-_ ]?"))
            for part in re.split(rb"([*?])", _normal_glob(glob))
        )
        for glob in globs
    )


def _normal_glob(glob: str) -> bytes:
    return normal(glob.encode())


def _glob(glob: str) -> bytes:
    return b"".join(
        {b"*": b".*", b"?": b"."}.get(part, re.escape(part)) for part in re.split(rb"([*?])", _normal_glob(glob))
    )


def _spaced(literal: bytes, gap: bytes) -> bytes:
    return gap.join(re.escape(literal[at : at + 1]) for at in range(len(literal)))
