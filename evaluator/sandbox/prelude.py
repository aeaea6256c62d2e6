"""The text that runs before a scorer: modules that the sandbox lacks."""

from __future__ import annotations

import ast
import functools
import textwrap
from collections.abc import Iterable
from importlib import resources

from evaluator.sandbox.shims.names import PREFIX, SHIMS

_FOR_CHECKERS = ("__future__", "typing")
_EXTRA = {"enum": frozenset({"make"})}


def shims(modules: Iterable[str]) -> str:
    """Defines `_assay_MODULE` for each; '' for none."""
    wanted = sorted(modules)
    return "\n".join(["class _Module: pass", *map(_shim, wanted), ""]) if wanted else ""


@functools.cache
def _shim(module: str) -> str:
    """A module's text inside a function, so that its own names are out of the way."""
    body = textwrap.indent(compact("evaluator.sandbox.shims", f"{module}.py"), "    ")
    offered = sorted(SHIMS[module] | _EXTRA.get(module, frozenset()))
    bound = "\n".join(f"    module.{name} = {name}" for name in offered)
    made = f"def _make_{module}():\n{body}\n    module = _Module()\n{bound}\n    return module"
    return f"{made}\n{PREFIX}{module} = _make_{module}()"


@functools.cache
def compact(package: str, file: str, without: str = "") -> str:
    """Python that runs in the sandbox, without what people write for people: parsing it is most of a short run.

    Args:
        without: A class that is not needed.
    """
    tree = ast.parse(resources.files(package).joinpath(file).read_text(encoding="utf-8"))
    tree.body = [node for node in tree.body if not (isinstance(node, ast.ImportFrom) and node.module in _FOR_CHECKERS)]
    tree.body = [node for node in tree.body if not (isinstance(node, ast.ClassDef) and node.name == without)]
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef() | ast.ClassDef() | ast.Module():
                told = [each for each in node.body if not _is_text(each)]
                node.body = told or [ast.Pass()]
                if isinstance(node, ast.FunctionDef):
                    node.returns = None
            case ast.arg():
                node.annotation = None
    return ast.unparse(tree)


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
