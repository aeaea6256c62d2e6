"""What a function that ships is, and the arguments that a definition may give it."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TypeAlias

from evaluator.errors import InvalidDefinition
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.judging.template import is_missing
from evaluator.metrics.material import Material
from storage.model import Abstention, Outcome, OutputType

Arguments: TypeAlias = Mapping[str, object]


class Form(StrEnum):
    """What an argument looks like."""

    TEXT = "text"
    TEXTS = "list of texts"
    FLAG = "true or false"
    MAPPING = "mapping"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One argument that a function takes.

    Attributes:
        required: A definition of one's own must give it; a built-in metric without it abstains.
        choices: The only texts it may be; empty = any.
        check: Says with a `ValueError` why a value of the right form will not do.
    """

    form: Form
    description: str
    required: bool = False
    choices: tuple[str, ...] = ()
    check: Callable[[object], object] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeFunction:
    """A pure function of one target.

    Attributes:
        inputs: Named inputs that must be there: a target that lacks one gets `no NAME`, and `score` is not called.
        reads: Named inputs that it reads where they are there.
        facts: What it reads of the normalised record, as text: two targets with equal inputs, facts and arguments get
            equal results.
        parameters: Arguments by name.
        score: The outcome; it abstains with a reason, it never guesses, it raises nothing.
    """

    inputs: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    facts: Callable[[Material], str] | None = None
    output_type: OutputType
    parameters: Mapping[str, Parameter] = field(default_factory=lambda: MappingProxyType({}))
    score: Callable[[Material, Arguments], Outcome]

    def apply(self, material: Material, arguments: Arguments) -> Outcome:
        """Score, or abstain where an argument or an input is missing."""
        for name, parameter in self.parameters.items():
            if parameter.required and arguments.get(name) in (None, "", [], {}):
                return Abstention(reason=f"no {name}: make a metric of your own with `arguments: {{{name}: …}}`")
        for name in self.inputs:
            if is_missing(material.inputs, name):
                return Abstention(reason=f"no {name}")
        return self.score(material, arguments)


def check_arguments(definition: MetricDefinition, function: CodeFunction) -> None:
    """Accept or refuse the arguments of a definition.

    Raises:
        InvalidDefinition: Names the argument and what to write instead.
    """
    for name, value in definition.arguments.items():
        parameter = function.parameters.get(name)
        if parameter is None:
            near = difflib.get_close_matches(name, function.parameters, n=1)
            meant = f"; did you mean {near[0]!r}?" if near else ""
            raise InvalidDefinition(
                f"metric.arguments.{name}",
                f"{definition.function} takes {', '.join(function.parameters) or 'no arguments'}{meant}",
            )
        _check_value(f"metric.arguments.{name}", parameter, value)
    for name, parameter in function.parameters.items():
        if parameter.required and name not in definition.arguments and not definition.builtin:
            raise InvalidDefinition(f"metric.arguments.{name}", f"is required: {parameter.description}")


def _check_value(path: str, parameter: Parameter, value: object) -> None:
    fits = {
        Form.TEXT: isinstance(value, str),
        Form.TEXTS: isinstance(value, (list, tuple)) and bool(value) and all(isinstance(item, str) for item in value),
        Form.FLAG: isinstance(value, bool),
        Form.MAPPING: isinstance(value, Mapping),
    }[parameter.form]
    if not fits:
        raise InvalidDefinition(path, f"must be a {parameter.form}: {parameter.description}; got {value!r}")
    texts = [value] if isinstance(value, str) else value if isinstance(value, (list, tuple)) else []
    if parameter.choices and (wrong := [text for text in texts if text not in parameter.choices]):
        raise InvalidDefinition(path, f"must be one of {', '.join(parameter.choices)}; got {wrong[0]!r}")
    if parameter.check is not None:
        try:
            parameter.check(value)
        except ValueError as error:
            raise InvalidDefinition(path, str(error)) from error
