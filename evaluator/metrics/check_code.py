"""Whether a code metric can be offered, and what its author should be told about its source."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from evaluator.errors import InvalidDefinition
from evaluator.metrics.checking import must_be_empty
from evaluator.metrics.code_metric import FUNCTIONS
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.functions.function import check_arguments
from evaluator.metrics.naming import BUILTIN, slug_of
from evaluator.metrics.plugin import GROUP, PREFIX, installed
from evaluator.metrics.scorer import compiled
from evaluator.sandbox.errors import SourceRefused


def check_code(definition: MetricDefinition) -> None:
    """Accept or refuse a code metric.

    Raises:
        InvalidDefinition: Names the field and what to write instead.
    """
    must_be_empty(definition, "prompt", "model", "parameters", "required_metrics", "jury", "expression", "roll_up")
    check_scorer(definition)
    if not definition.function or definition.function.startswith(PREFIX):
        return
    function = FUNCTIONS.get(definition.function)
    if function is None:
        raise InvalidDefinition(
            "metric.function", f"no function {definition.function!r} ships; known are {sorted(FUNCTIONS)}"
        )
    if definition.output_type is not function.output_type:
        raise InvalidDefinition("metric.output_type", f"{definition.function} answers in {function.output_type}")
    check_arguments(definition, function)
    must_be_empty(definition, "labels")


def check_scorer(definition: MetricDefinition) -> None:
    """Accept or refuse the source or the plugin of a code or composite metric.

    Raises:
        InvalidDefinition: There is neither source nor function, or both; the source cannot run, with its line; no
            installed package offers the plugin.
    """
    if bool(definition.source) == bool(definition.function) and definition.roll_up is None:
        raise InvalidDefinition(
            "metric.source", "a code metric has a `source` (def scorer_fn(*, step_object, **kwargs)) or a `function`"
        )
    if definition.function.startswith(PREFIX):
        name = definition.function.removeprefix(PREFIX)
        if name not in (offered := installed()):
            raise InvalidDefinition(
                "metric.function", f"no installed package offers {name!r} under {GROUP}; known are {sorted(offered)}"
            )
    elif definition.source:
        must_be_empty(definition, "arguments")
        try:
            compiled(definition.source)
        except SourceRefused as error:
            raise InvalidDefinition("metric.source", str(error)) from None


def unread_required(source: str, required: Iterable[str]) -> list[str]:
    """Required metrics that a source never names, as written: they are computed, paid for, and gate, for nothing.

    A source that takes names from elsewhere than its own text is taken to read them all.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    named: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(attr=name):
                named.add(name)
            case ast.Constant(value=str(text)):
                named |= {text, slug_of(text)}
            case ast.Subscript(value=ast.Attribute(attr="metrics"), slice=key) if not _is_named(key, tree):
                return []
            case ast.For(iter=over) | ast.comprehension(iter=over) if _is_metrics(over):
                return []
    return [entry for entry in required if not named & _spelled(entry)]


def _spelled(entry: str) -> set[str]:
    name = (entry.rpartition("@")[0] or entry).removeprefix(BUILTIN).strip()
    return {name, slug_of(name), name.rpartition(".")[2]}


def _is_named(key: ast.expr, tree: ast.Module) -> bool:
    """Whether what stands in `metrics[…]` is a text, an enum's member, or a variable made of such in this source."""
    match key:
        case ast.Constant() | ast.Attribute():
            return True
        case ast.Name():
            return not any(isinstance(node, ast.Call) and _is_metrics(node) for node in ast.walk(tree))
    return False


def _is_metrics(node: ast.expr) -> bool:
    match node:
        case ast.Attribute(attr="metrics"):
            return True
        case ast.Call(func=ast.Attribute(value=ast.Attribute(attr="metrics"), attr="keys" | "values" | "items")):
            return True
    return False
