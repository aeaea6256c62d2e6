"""Enums in users' source: the sandbox has no inheritance, so `class Color(Enum)` becomes a call that makes one."""

from __future__ import annotations

import ast
from collections.abc import Mapping

from evaluator.sandbox.errors import SourceRefused
from evaluator.sandbox.shims.names import ENUM_CLASSES


def enum_names(tree: ast.Module) -> Mapping[str, str]:
    """What a source may write for an enum class -> the class: `Enum`, `enum.StrEnum`, `E` of `import Enum as E`."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(module="enum", names=aliases):
                names |= {each.asname or each.name: each.name for each in aliases if each.name in ENUM_CLASSES}
            case ast.Import(names=aliases):
                modules = [alias.asname or alias.name for alias in aliases if alias.name == "enum"]
                names |= {f"{module}.{name}": name for module in modules for name in ENUM_CLASSES}
    return names


def rewritten_enum(node: ast.ClassDef, names: Mapping[str, str], *, factory: str) -> str:
    """`Color = make("Color", "Enum", (…))`, each member on its line.

    Raises:
        SourceRefused: The class has more than members.
    """
    bases = [names.get(ast.unparse(base), ast.unparse(base)) for base in node.bases]
    if node.keywords or any(ast.unparse(each).rpartition(".")[2] != "unique" for each in node.decorator_list):
        raise SourceRefused("an enum in the sandbox is plain: no decorators, no keywords", line=node.lineno)
    first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
    text = f"{node.name} = {factory}({node.name!r}, {tuple(bases)!r}, ("
    line = first
    for item in node.body:
        match item:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if not name.startswith("_"):
                text += "\n" * max(0, item.lineno - line)
                line = item.lineno
                text += f"({name!r}, {ast.unparse(value)}), "
            case ast.Pass() | ast.Expr(value=ast.Constant(value=str())):
                pass
            case _:
                raise SourceRefused("an enum in the sandbox has members only (`NAME = value`)", line=item.lineno)
    return text + "\n" * ((node.end_lineno or line) - line) + "))"
