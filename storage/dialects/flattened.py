"""Families of flattened keys (`<prefix>.N.<field>`) rebuilt into the lists that they were."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

_INDEXED: Final = re.compile(r"(.+?)\.(\d{1,9})(?:\.(.+))?", re.DOTALL)
_MAX_STEPS: Final = 16

Families = Mapping[str, Mapping[int, Mapping[str, str]]]


def families(attributes: Mapping[str, str]) -> Families:
    """Prefix -> index -> rest of the key -> value, for every key with a number in it.  The rest '' is a bare value."""
    found: dict[str, dict[int, dict[str, str]]] = {}
    for key, value in attributes.items():
        if match := _INDEXED.fullmatch(key):
            prefix, index, rest = match.groups()
            found.setdefault(prefix, {}).setdefault(int(index), {})[rest or ""] = value
    return found


def rebuilt(entries: Mapping[int, Mapping[str, str]]) -> list[object]:
    """The list behind one family, by rising index.  Gaps in the numbering are closed."""
    return [_value(entries[index]) for index in sorted(entries)]


def _value(fields: Mapping[str, str]) -> object:
    if set(fields) == {""}:
        return fields[""]
    tree: dict[str, object] = {}
    for path, value in fields.items():
        node = tree
        steps = path.split(".", _MAX_STEPS)
        for step in steps[:-1]:
            below = node.get(step)
            if not isinstance(below, dict):
                below = {}
                node[step] = below
            node = below
        if not isinstance(node.get(steps[-1]), dict):
            node[steps[-1]] = value
    return _listed(tree)


def _listed(node: object) -> object:
    """Objects whose keys are all numbers become lists."""
    if not isinstance(node, dict):
        return node
    if node and all(key.isdigit() for key in node):
        return [_listed(node[key]) for key in sorted(node, key=int)]
    return {key: _listed(value) for key, value in node.items()}
