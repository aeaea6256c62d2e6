"""Where the source of a composite reads its required metrics, as far as it says so in plain sight."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from storage.model import Level

BELOW: Mapping[Level, tuple[Level, ...]] = {
    Level.SPAN: (Level.SPAN,),
    Level.TRACE: (Level.TRACE, Level.SPAN),
    Level.SESSION: (Level.SESSION, Level.TRACE, Level.SPAN),
}
"""A level, and those below it."""
_STEP = "step_object"
_LEVEL_OF_LIST = {"traces": Level.TRACE, "spans": Level.SPAN, "children": Level.SPAN}


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """One `.metrics[name]` of a source.

    Attributes:
        name: What stands in the brackets, of an enum its last part; None = it is worked out when the code runs.
        level: Of the step that it is read on; None = that cannot be seen.  `step_object` is the target itself.
    """

    name: str | None
    level: Level | None


def reads_of(source: str, level: Level) -> list[Read] | None:
    """Every read of a metric in a source that scores a target of this level; None where that cannot be seen.

    What is seen: `.metrics[…]` and `.metrics.get(…)` on `step_object`, on the variable of a `for` over `.traces`,
    `.spans` or `.children`, or on an item of one.  A source that hands `.metrics` itself on is not seen through.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    levels: dict[str, Level | None] = {_STEP: level}
    for name, found in _bound(tree):
        levels[name] = found if levels.get(name, found) is found else None
    reads: list[Read] = []
    opened: set[int] = set()
    for node in ast.walk(tree):
        metrics, key = _read(node)
        if metrics is not None:
            opened.add(id(metrics))
            reads.append(Read(name=_named(key), level=_level_of(metrics.value, levels)))
    handed_on = any(
        isinstance(node, ast.Attribute) and node.attr == "metrics" and id(node) not in opened for node in ast.walk(tree)
    )
    return None if handed_on or "getattr" in source else reads


def levels_read(reads: Collection[Read] | None, names: Collection[str], possible: Collection[Level]) -> set[Level]:
    """At which of the possible levels a metric of these names is read: all of them where that cannot be seen."""
    if reads is None or any(read.name is None for read in reads):
        return set(possible)
    own = [read.level for read in reads if read.name in names]
    seen = {level for level in possible if level in own}
    return seen if seen and None not in own else set(possible)


def _bound(tree: ast.AST) -> Iterator[tuple[str, Level | None]]:
    """Variables of loops, with the level of what they run over (None = unknown, which assigned names are, too)."""
    for node in ast.walk(tree):
        match node:
            case ast.For(target=ast.Name(id=name), iter=over) | ast.comprehension(target=ast.Name(id=name), iter=over):
                yield name, _level_of_list(over)
            case ast.For(target=target) | ast.comprehension(target=target) | ast.Assign(targets=[target]):
                yield from ((each.id, None) for each in ast.walk(target) if isinstance(each, ast.Name))
            case ast.arg(arg=name) if name != _STEP:
                yield name, None


def _level_of_list(node: ast.AST) -> Level | None:
    match node:
        case ast.Attribute(attr=attr):
            return _LEVEL_OF_LIST.get(attr)
        case ast.Subscript(value=value, slice=ast.Slice()):
            return _level_of_list(value)
        case ast.Call(func=ast.Name(id="reversed" | "list" | "sorted" | "tuple"), args=[value, *_]):
            return _level_of_list(value)
    return None


def _level_of(node: ast.AST, levels: Mapping[str, Level | None]) -> Level | None:
    match node:
        case ast.Name(id=name):
            return levels.get(name)
        case ast.Subscript(value=value) if not isinstance(node.slice, ast.Slice):
            return _level_of_list(value)
    return None


def _read(node: ast.AST) -> tuple[ast.Attribute | None, ast.expr | None]:
    match node:
        case ast.Subscript(value=ast.Attribute(attr="metrics") as metrics, slice=key):
            return metrics, key
        case ast.Call(func=ast.Attribute(value=ast.Attribute(attr="metrics") as metrics, attr="get"), args=[key, *_]):
            return metrics, key
        case ast.Compare(
            left=key, ops=[ast.In() | ast.NotIn()], comparators=[ast.Attribute(attr="metrics") as metrics]
        ):
            return metrics, key
    return None, None


def _named(key: ast.expr | None) -> str | None:
    match key:
        case ast.Constant(value=str(text)):
            return text
        case ast.Attribute(value=ast.Name(), attr=attr):
            return attr
    return None
