"""Families of flattened keys (`<prefix>.N.<field>`) rebuilt into the lists that they were."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Final

_INDEXED: Final = re.compile(r"(.+?)\.(\d{1,9})(?:\.(.+))?", re.DOTALL)
_MAX_STEPS: Final = 16
_MAX_REMEMBERED: Final = 256
"""Characters of paths that are worth remembering."""


def indexed(key: str) -> tuple[str, int, str] | None:
    """Prefix, index and rest of a key with a number in it; None for any other key.  The rest '' is a bare value."""
    match = _INDEXED.fullmatch(key)
    if match is None:
        return None
    prefix, index, rest = match.groups()
    return prefix, int(index), rest or ""


def rebuilt(entries: Mapping[int, Mapping[str, str]]) -> list[object]:
    """The list behind one family, index -> rest of the key -> value, by rising index.  Gaps are closed."""
    return [_value(entries[index]) for index in sorted(entries)]


def _value(fields: Mapping[str, str]) -> object:
    if len(fields) == 1 and "" in fields:
        return fields[""]
    tree: dict[str, object] = {}
    lists = False
    for path, value in fields.items():
        above, last, numbered = _steps(path) if len(path) <= _MAX_REMEMBERED else _split(path)
        lists = lists or numbered
        node = tree
        for step in above:
            below = node.get(step)
            if not isinstance(below, dict):
                below = node[step] = {}
            node = below
        if last not in node or not isinstance(node[last], dict):
            node[last] = value
    return _listed(tree) if lists else tree


def _split(path: str) -> tuple[tuple[str, ...], str, bool]:
    """Steps above, the last step, and whether one of them is a number."""
    steps = path.split(".", _MAX_STEPS)
    return tuple(steps[:-1]), steps[-1], any(step.isdigit() for step in steps)


@functools.lru_cache(maxsize=4_096)
def _steps(path: str) -> tuple[tuple[str, ...], str, bool]:
    return _split(path)


def _listed(node: object) -> object:
    """Objects whose keys are all numbers become lists."""
    if not isinstance(node, dict):
        return node
    if node and all(key.isdigit() for key in node):
        return [_listed(node[key]) for key in sorted(node, key=int)]
    return {key: _listed(value) for key, value in node.items()}
