"""Users' source, checked and made to run in the sandbox: imports, enums, and what it reads of a step."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from evaluator.sandbox.enums import enum_names, rewritten_enum
from evaluator.sandbox.errors import SourceRefused
from evaluator.sandbox.shims.names import PREFIX, SHIMS

MAX_SOURCE = 100_000
"""Characters."""
ENTRY: Final = "scorer_fn"
PARAMETER: Final = "step_object"
OWN_MODULES: Final = frozenset({"galileo", "galileo_core", "assay"})
MODULES: Final = frozenset(
    {
        "base64", "binascii", "collections", "copy", "csv", "dataclasses", "datetime", "decimal", "functools",
        "hashlib", "itertools", "json", "math", "random", "re", "time", "tomllib", "typing", "unicodedata",
    }
)  # fmt: skip
"""What the sandbox has of its own and of the standard library; `os`, `pathlib`, … are there, but only refuse."""

_NOTHING: Final = "()"
_WORD: Final = re.compile(r"[A-Za-z_]\w*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scorer:
    """A source that can run.

    Attributes:
        code: As many lines as the source, so that a traceback's lines are the user's.  It relies on the globals
            `_assay` (what `from galileo import …` finds) and `_assay_MODULE` for each of `shims`.
        shims: Modules of the standard library that have to be brought along.
        words: Every attribute, name and word of a text in it; None = it looks attributes up by names made at run time.
        constants: Texts in it.
    """

    code: str
    shims: frozenset[str]
    words: frozenset[str] | None
    constants: frozenset[str]

    def names(self, name: str) -> bool:
        """Whether it may read an attribute of this name."""
        return self.words is None or name in self.words


@dataclass(frozen=True, slots=True, order=True)
class _Edit:
    """Bytes of the source, and what stands there instead, with as many line ends."""

    start: int
    end: int
    text: str


def compile_scorer(source: str, *, exports: frozenset[str] = frozenset()) -> Scorer:
    """Check a source, and make it run.

    Args:
        exports: Names that `from galileo import …` may ask for.

    Raises:
        SourceRefused: Says why, with the line.
    """
    source = source.replace("\r\n", "\n").replace("\r", "\n").replace("\f", " ")
    tree = parse(source)
    _check_entry(tree)
    enums = enum_names(tree)
    for node in ast.walk(tree):
        _check_supported(node, enums)
    shims: set[str] = set()
    edits: list[_Edit] = []
    lines = source.encode().split(b"\n")
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)
    for node, text in _replacements(tree, enums, exports, shims):
        start = starts[_first_line(node) - 1] + node.col_offset
        end = starts[_last_line(node) - 1] + (node.end_col_offset or 0)
        edits.append(_Edit(start, end, text))
    return Scorer(
        code=_edited(source.encode(), edits),
        shims=frozenset(shims),
        words=_words(tree),
        constants=frozenset(_constants(tree)),
    )


def parse(source: str) -> ast.Module:
    """The syntax tree of a source.

    Raises:
        SourceRefused: It is too long, or not Python.
    """
    if len(source) > MAX_SOURCE:
        raise SourceRefused(f"has {len(source):,} characters; at most {MAX_SOURCE:,} are accepted")
    try:
        return ast.parse(source)
    except SyntaxError as error:
        raise SourceRefused(f"is not Python: {error.msg}", line=error.lineno or 0) from None
    except (ValueError, RecursionError, MemoryError) as error:  # a NUL, or parentheses by the thousand
        raise SourceRefused(f"is not Python: {error or 'too deeply nested'}") from None


def _check_entry(tree: ast.Module) -> None:
    found = [node for node in tree.body if getattr(node, "name", None) == ENTRY]
    if not found:
        raise SourceRefused(f"defines no `def {ENTRY}(*, {PARAMETER}, **kwargs)`")
    entry = found[-1]
    if not isinstance(entry, ast.FunctionDef):
        raise SourceRefused(f"{ENTRY} must be a plain function, `def`", line=entry.lineno)
    spec = entry.args
    by_name = [*spec.args, *spec.kwonlyargs]
    if PARAMETER not in [each.arg for each in by_name] and spec.kwarg is None:
        raise SourceRefused(f"{ENTRY} must take the keyword {PARAMETER}", line=entry.lineno)
    optional = spec.args[len(spec.args) - len(spec.defaults) :] if spec.defaults else []
    optional += [each for each, default in zip(spec.kwonlyargs, spec.kw_defaults, strict=True) if default is not None]
    needed = [each.arg for each in (*spec.posonlyargs, *by_name) if each not in optional and each.arg != PARAMETER]
    if needed:
        raise SourceRefused(f"{ENTRY} is called with {PARAMETER} alone; {needed[0]} needs a default", line=entry.lineno)


def _check_supported(node: ast.AST, enums: Mapping[str, str]) -> None:
    """Refuse when it is saved what the interpreter would refuse at every run."""
    match node:
        case ast.Yield() | ast.YieldFrom():
            raise SourceRefused("generators (`yield`) are not available in the sandbox", line=node.lineno)
        case ast.Delete():
            raise SourceRefused("`del` is not available in the sandbox", line=node.lineno)
        case ast.TryStar():
            raise SourceRefused("`except*` is not available in the sandbox", line=node.lineno)
        case ast.ClassDef(bases=bases, keywords=keywords) if (bases or keywords) and not _is_enum(node, enums):
            raise SourceRefused("classes cannot inherit in the sandbox (enums can)", line=node.lineno)
        case ast.ClassDef(body=body) if not _is_enum(node, enums):
            for item in body:
                if isinstance(item, (ast.FunctionDef, ast.AsyncFunctionDef)) and item.decorator_list:
                    raise SourceRefused("methods cannot be decorated in the sandbox", line=item.lineno)


def _is_enum(node: ast.ClassDef, enums: Mapping[str, str]) -> bool:
    return any(ast.unparse(base) in enums for base in node.bases)


def _replacements(
    tree: ast.Module, enums: Mapping[str, str], exports: frozenset[str], shims: set[str]
) -> Iterator[tuple[ast.stmt, str]]:
    tried = {id(each) for node in ast.walk(tree) if isinstance(node, ast.Try) for each in node.body}
    for node in ast.walk(tree):
        match node:
            case ast.Import() | ast.ImportFrom():
                text = _import(node, exports, shims, tried=id(node) in tried)
                if text is not None:
                    yield node, _stretched(text, node)
            case ast.ClassDef() if _is_enum(node, enums):
                shims.add("enum")
                yield node, rewritten_enum(node, enums, factory=f"{PREFIX}enum.make")


def _import(node: ast.Import | ast.ImportFrom, exports: frozenset[str], shims: set[str], *, tried: bool) -> str | None:
    """What stands for an import; None = it stays."""
    if isinstance(node, ast.ImportFrom):
        return _import_from(node, exports, shims, tried=tried)
    bound: list[tuple[str, str]] = []
    kept: list[str] = []
    for alias in node.names:
        root = alias.name.partition(".")[0]
        if root in OWN_MODULES:
            bound.append((alias.asname or root, "_assay"))
        elif alias.name in SHIMS:
            shims.add(alias.name)
            bound.append((alias.asname or alias.name, PREFIX + alias.name))
        else:
            _check_module(alias.name, node.lineno, tried=tried)
            kept.append(f"import {ast.unparse(alias)}")
    if not bound:
        return None
    return "; ".join([*kept, f"({', '.join(name for name, _ in bound)},) = ({', '.join(to for _, to in bound)},)"])


def _import_from(node: ast.ImportFrom, exports: frozenset[str], shims: set[str], *, tried: bool) -> str | None:
    module = node.module or ""
    if module == "__future__":
        return _NOTHING
    own = module.partition(".")[0] in OWN_MODULES and not node.level
    if not own and module not in SHIMS:
        _check_module("." * node.level + module, node.lineno, tried=tried)
        return None
    names = [alias.name for alias in node.names]
    if own and names == ["*"]:
        return _NOTHING  # all of it is predefined
    known = exports if own else SHIMS[module]
    for name in names:
        if name not in known:
            raise SourceRefused(f"{module} has no {name} here; it has {', '.join(sorted(known))}", line=node.lineno)
    if not own:
        shims.add(module)
    home = "_assay" if own else PREFIX + module
    bound = ", ".join(alias.asname or alias.name for alias in node.names)
    return f"({bound},) = ({', '.join(f'{home}.{name}' for name in names)},)"


def _check_module(name: str, line: int, *, tried: bool) -> None:
    if name not in MODULES and not tried:  # inside `try`, the author copes with its absence
        known = ", ".join(sorted(MODULES | set(SHIMS)))
        raise SourceRefused(f"module {name} is not available in the sandbox; it has {known}", line=line)


def _stretched(text: str, node: ast.stmt) -> str:
    """The same text with the line ends of the statement that it replaces, inside its last bracket."""
    return f"{text[:-1]}{chr(10) * (_last_line(node) - _first_line(node))})"


def _first_line(node: ast.stmt) -> int:
    decorators = node.decorator_list if isinstance(node, ast.ClassDef) else []
    return min([node.lineno, *(each.lineno for each in decorators)])


def _last_line(node: ast.stmt) -> int:
    return node.end_lineno or node.lineno


def _edited(source: bytes, edits: list[_Edit]) -> str:
    parts: list[bytes] = []
    at = 0
    for edit in sorted(edits):
        if edit.start < at:  # an import inside an enum that is replaced as a whole
            continue
        parts += [source[at : edit.start], edit.text.encode()]
        at = edit.end
    return b"".join([*parts, source[at:]]).decode()


def _words(tree: ast.Module) -> frozenset[str] | None:
    words: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Call() if _looks_up(node):
                return None
            case ast.Attribute(attr=name) | ast.Name(id=name):
                words.add(name)
            case ast.MatchClass(kwd_attrs=names):
                words.update(names)
    for text in _constants(tree):
        words.update(_WORD.findall(text))
    return frozenset(words)


def _looks_up(call: ast.Call) -> bool:
    """Whether a call may read attributes whose names do not stand in the source."""
    if not isinstance(call.func, ast.Name):
        return False
    at = {"getattr": 1, "hasattr": 1, "setattr": 1, "eval": 0, "exec": 0}.get(call.func.id)
    if at is None:
        return call.func.id in ("vars", "dir", "locals")
    return len(call.args) <= at or not isinstance(call.args[at], ast.Constant)


def _constants(tree: ast.Module) -> Iterator[str]:
    return (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str))
