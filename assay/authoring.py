"""Metrics written as Python functions: what travels is their source.

A function runs in the sandbox of the service, not here.  So it has to stand on its own: what it needs of its module
must be an import that the sandbox has, and a closure, a lambda or a method cannot be sent at all.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import re
import symtable
import textwrap
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import FunctionType, ModuleType
from typing import Any, TypeAlias, overload

from assay import steps
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.naming import named
from evaluator.sandbox.shims.names import SHIMS
from evaluator.sandbox.source import ENTRY, MODULES, PARAMETER
from storage.model import Level, MetricKind, OutputType

ScorerFunction: TypeAlias = Callable[..., object]
Levels: TypeAlias = "str | Level | Iterable[str | Level]"
SANDBOX_MODULES = MODULES | frozenset(SHIMS)

_OUTPUT_OF = {"bool": OutputType.BOOLEAN, "int": OutputType.COUNT, "float": OutputType.NUMBER, "str": OutputType.TEXT}


class NotPortable(ValueError):
    """A function cannot be sent as source; the message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Authored:
    """A metric made of a function.  Called, it is the function, so that it can be tried on objects of one's own."""

    function: ScorerFunction
    definition: MetricDefinition

    def __call__(self, *args: Any, **kwargs: Any) -> object:
        """What the function says."""
        return self.function(*args, **kwargs)


@overload
def metric(function: ScorerFunction) -> Authored: ...


@overload
def metric(*, name: str = "", **fields: Any) -> Callable[[ScorerFunction], Authored]: ...


def metric(
    function: ScorerFunction | None = None, *, name: str = "", **fields: Any
) -> Authored | Callable[[ScorerFunction], Authored]:
    """Make a code metric of a function: `@metric`, or `@metric(required_metrics=[…], output_type="percentage")`.

    The name is the function's unless given; `fields` are those of `code_definition`.

    Raises:
        NotPortable: The function cannot be sent as source.
        InvalidDefinition: A field is not acceptable.
    """

    def authored(written: ScorerFunction) -> Authored:
        return Authored(function=written, definition=code_definition(name or written.__name__, written, **fields))

    return authored if function is None else authored(function)


def code_definition(
    name: str,
    scorer: ScorerFunction | str,
    *,
    level: Levels | None = None,
    span_kinds: Iterable[str] | None = None,
    output_type: str | OutputType | None = None,
    required_metrics: Iterable[str] = (),
    description: str = "",
    **fields: Any,
) -> MetricDefinition:
    """The definition of a code metric; a composite one with `required_metrics`.

    Args:
        name: Slug, or display name of which the slug is made.
        scorer: `scorer_fn(*, step_object, **kwargs)`: a function of any name, or the text of one called `scorer_fn`.
        level: `span`, `trace` or `session`, or several; unless given, by the annotation of `step_object`.
        span_kinds: Kinds of span it applies to; unless given, by the same annotation.
        output_type: Unless given, by the annotation of what it returns: bool, int (a count), float (a number), str.
        required_metrics: Names or members of `GalileoMetrics`, `name` or `name@level`.
        fields: Others of `MetricDefinition`: labels, minimum, maximum, threshold, higher_is_better, unit, ….

    Raises:
        NotPortable: The function cannot be sent as source, or level or output type are not known.
        InvalidDefinition: A field is not acceptable.
    """
    source = source_of(scorer)
    entry = _entry(source)
    step = steps.about(_annotated(entry, PARAMETER))
    if level is None and step is None:
        raise NotPortable(f"say what {name!r} scores: level='span', 'trace' or 'session', or annotate {PARAMETER}")
    levels = _levels(level) if level is not None else (step[0],) if step else ()
    kinds = tuple(span_kinds) if span_kinds is not None else step[1] if step and step[0] in levels else ()
    answer = output_type or _OUTPUT_OF.get(ast.unparse(entry.returns) if entry and entry.returns else "")
    if answer is None:
        raise NotPortable(f"say what {name!r} gives: output_type='percentage', or annotate what it returns")
    slug, shown = named(name, fields.pop("display_name", ""))
    required = tuple(str(each) for each in required_metrics)
    return MetricDefinition(
        name=slug,
        display_name=shown,
        kind=MetricKind.COMPOSITE if required else MetricKind.CODE,
        levels=levels,
        span_kinds=kinds,
        output_type=OutputType(str(answer)),
        description=description or _first_line(entry),
        source=source,
        required_metrics=required,
        **fields,
    )


def judge_definition(
    name: str,
    prompt: str,
    *,
    level: Levels = Level.SPAN,
    output_type: str | OutputType = OutputType.BOOLEAN,
    labels: Mapping[str, float | None] | Collection[str] = (),
    **fields: Any,
) -> MetricDefinition:
    """The definition of a judge metric.

    Args:
        name: Slug, or display name of which the slug is made.
        prompt: A template over named inputs, `{{input}}`, `{{output}}`, ….
        labels: Verdicts with their values, or their names alone.
        fields: Others of `MetricDefinition`: model, jury, arguments, span_kinds, threshold, ….

    Raises:
        InvalidDefinition: A field is not acceptable.
    """
    slug, shown = named(name, fields.pop("display_name", ""))
    return MetricDefinition(
        name=slug,
        display_name=shown,
        kind=MetricKind.JUDGE,
        levels=_levels(level),
        span_kinds=tuple(fields.pop("span_kinds", ())),
        output_type=OutputType(str(output_type)),
        prompt=textwrap.dedent(prompt),
        labels=dict(labels) if isinstance(labels, Mapping) else dict.fromkeys(labels),
        **fields,
    )


def _levels(levels: Levels) -> tuple[Level, ...]:
    return (Level(levels),) if isinstance(levels, str) else tuple(Level(level) for level in levels)


# ---------------------------------------------------------------------------------------------------------------------
# The source of a function
# ---------------------------------------------------------------------------------------------------------------------


def source_of(scorer: ScorerFunction | str) -> str:
    """What is sent for a scorer: its source without decorators, called `scorer_fn`, after the imports that it needs.

    Raises:
        NotPortable: It is a lambda, a method, a closure, …, or names what stands elsewhere in its module.
    """
    if isinstance(scorer, Authored):
        return scorer.definition.source
    if isinstance(scorer, str):
        return textwrap.dedent(scorer).strip() + "\n"
    function = _plain_function(scorer)
    text = _text_of(function)
    imports = _imports(function, text)
    written = function.__name__
    source = re.sub(rf"^def\s+{re.escape(written)}\b", f"def {ENTRY}", text, count=1)
    calls_itself = written != ENTRY and written in _free_names(source)
    after = f"\n\n{written} = {ENTRY}\n" if calls_itself else ""
    return "".join(f"{line}\n" for line in imports) + ("\n" if imports else "") + source + after


def _plain_function(scorer: ScorerFunction) -> FunctionType:
    if not isinstance(scorer, FunctionType):
        what = "a method" if inspect.ismethod(scorer) else f"a {type(scorer).__name__}"
        raise NotPortable(f"a scorer is a plain function (or its source as text), not {what}; write `def` in a module")
    name = scorer.__qualname__
    if scorer.__name__ == "<lambda>":
        raise NotPortable("a lambda has no source of its own; write it as a `def`")
    if hasattr(scorer, "__wrapped__"):
        raise NotPortable(f"{name} is wrapped by another decorator, which would not travel; take that away")
    if inspect.iscoroutinefunction(scorer) or inspect.isgeneratorfunction(scorer):
        raise NotPortable(f"{name} must be a plain `def` that returns its verdict, not async and without yield")
    if free := scorer.__code__.co_freevars:
        raise NotPortable(
            f"{name} is a closure over {', '.join(free)}, which would not travel; put the values into the function"
        )
    if "." in name and not name.rpartition(".")[0].endswith("<locals>"):
        raise NotPortable(f"{name} is a method; write it as a function of its own")
    return scorer


def _text_of(function: FunctionType) -> str:
    try:
        text = textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError):
        raise NotPortable(
            f"there is no source of {function.__qualname__} (it was typed into a prompt?); write it to a file, or pass "
            "the source as text"
        ) from None
    (node,) = ast.parse(text).body
    return "\n".join(text.splitlines()[node.lineno - 1 :]).strip() + "\n"


def _imports(function: FunctionType, text: str) -> list[str]:
    """Import lines for the names that a function takes from its module."""
    lines: list[str] = []
    missing: list[str] = []
    for name in sorted(_free_names(text)):
        if (
            hasattr(builtins, name)
            or name == function.__name__
            or (name in steps.PREDEFINED and name not in function.__globals__)
        ):
            continue
        line = _import_of(name, function.__globals__[name]) if name in function.__globals__ else None
        if line is None:
            missing.append(name)
        else:
            lines.append(line)
    if missing:
        raise NotPortable(
            f"{function.__qualname__} uses {', '.join(missing)} of its module, which would not travel with it: define "
            "it inside the function.  Imports travel where the sandbox has them: "
            f"{', '.join(sorted(SANDBOX_MODULES))}, and what `assay` offers to authors"
        )
    return lines


def _import_of(name: str, value: object) -> str | None:
    if isinstance(value, ModuleType):
        if value.__name__ not in SANDBOX_MODULES:
            return None
        return f"import {value.__name__}" + ("" if name == value.__name__ else f" as {name}")
    own = next((own for own in steps.PREDEFINED if steps.PREDEFINED[own] is value), None)
    if own is not None:
        return f"from assay import {own}" + ("" if name == own else f" as {name}")
    module, written = getattr(value, "__module__", None), getattr(value, "__name__", "")
    for found in (module, *SANDBOX_MODULES):
        if found in SANDBOX_MODULES and _offers(found, written, value):
            return f"from {found} import {written}" + ("" if name == written else f" as {name}")
    return None


def _offers(module: str, name: str, value: object) -> bool:
    import importlib

    return bool(name) and getattr(importlib.import_module(module), name, None) is value


def _free_names(text: str) -> set[str]:
    """Names that a source takes from outside, those of annotations and defaults included."""
    return set(_globals_of(symtable.symtable(text, "<scorer>", "exec"), top=True))


def _globals_of(table: symtable.SymbolTable, *, top: bool = False) -> Iterator[str]:
    for symbol in table.get_symbols():
        if symbol.is_referenced() and (symbol.is_global() or top) and not (top and symbol.is_assigned()):
            yield symbol.get_name()
    for child in table.get_children():
        yield from _globals_of(child)


# ---------------------------------------------------------------------------------------------------------------------
# What its signature says
# ---------------------------------------------------------------------------------------------------------------------


def _entry(source: str) -> ast.FunctionDef | None:
    """The scorer in a text; None where the service will have to say what is wrong with it."""
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError):
        return None
    return next((node for node in body if isinstance(node, ast.FunctionDef) and node.name == ENTRY), None)


def _annotated(entry: ast.FunctionDef | None, parameter: str) -> str:
    if entry is None:
        return ""
    arguments: Sequence[ast.arg] = (*entry.args.posonlyargs, *entry.args.args, *entry.args.kwonlyargs)
    found = (each.annotation for each in arguments if each.arg == parameter and each.annotation is not None)
    return next((ast.unparse(each).strip("'\"").rpartition(".")[2] for each in found), "")


def _first_line(entry: ast.FunctionDef | None) -> str:
    told = ast.get_docstring(entry) if entry is not None else None
    return (told or "").partition("\n")[0]
