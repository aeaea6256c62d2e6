"""Code metrics that ship: pure functions of named inputs.  Users' own code comes with the sandbox."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.template import is_missing
from storage.model import Abstention, Outcome, OutputType, Score


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeFunction:
    """A function, the inputs it reads (all must be there), and what it answers in."""

    inputs: tuple[str, ...]
    output_type: OutputType
    score: Callable[[Mapping[str, str]], Score]


def response_length(inputs: Mapping[str, str]) -> Score:
    """Characters (Unicode code points) of the output."""
    return Score(value=float(len(inputs["output"])))


FUNCTIONS: Mapping[str, CodeFunction] = {
    "response_length": CodeFunction(inputs=("output",), output_type=OutputType.COUNT, score=response_length),
}


def code_metric(definition: MetricDefinition, inputs: Mapping[str, str]) -> Outcome:
    """Score, or abstain where an input is missing."""
    function = FUNCTIONS[definition.function]
    for name in function.inputs:
        if is_missing(inputs, name):
            return Abstention(reason=f"no {name}")
    return function.score(inputs)
