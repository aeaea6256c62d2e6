"""Whether a judge metric can be offered."""

from __future__ import annotations

import math
import re

from evaluator.errors import InvalidDefinition
from evaluator.metrics.checking import must_be_empty
from evaluator.metrics.definition import Jury, MetricDefinition, Vote
from evaluator.metrics.guideline import check_guidelines
from evaluator.metrics.judging import template
from evaluator.targets.inputs import INPUT_NAMES
from storage.model import OutputType

PARAMETERS = frozenset(
    {
        "temperature", "top_p", "top_k", "min_p", "max_tokens", "max_completion_tokens", "seed", "reasoning_effort",
        "verbosity", "frequency_penalty", "presence_penalty", "logprobs",
    }
)  # fmt: skip
"""What a metric may hand to the provider.  Never addresses, keys or headers: a metric's author is not the operator."""
MAX_SEATS = 25
_ARGUMENT = re.compile(r"[A-Za-z0-9_]{1,64}")
_NEEDS_LABELS = frozenset({OutputType.CATEGORICAL, OutputType.MULTILABEL})
_STATISTICS = frozenset({Vote.MEDIAN, Vote.MIN, Vote.MAX})
_ANY_STATISTIC = _STATISTICS | {Vote.MEAN}

MODEL_NAME = re.compile(r"[A-Za-z0-9._:@/+-]*")


def check_judge(definition: MetricDefinition) -> None:
    """Accept or refuse a judge metric whose output `check_output` accepts.

    Raises:
        InvalidDefinition: Names the field and what to write instead.
    """
    _check_prompt(definition)
    check_guidelines(definition.guidelines)
    must_be_empty(definition, "function", "required_metrics", "source", "expression", "roll_up")
    _check_parameters(definition)
    _check_model("metric.model", definition.model)
    if len(definition.labels) == 1 and definition.output_type is not OutputType.MULTILABEL:
        raise InvalidDefinition("metric.labels", "one label leaves the judge no choice; offer two or more")
    if definition.output_type in _NEEDS_LABELS and not definition.labels:
        raise InvalidDefinition("metric.labels", f"a {definition.output_type} metric needs labels")
    if definition.jury is not None:
        _check_jury(definition, definition.jury)


def _check_prompt(definition: MetricDefinition) -> None:
    if not definition.prompt.strip():
        raise InvalidDefinition("metric.prompt", "a judge metric needs a prompt")
    for name in definition.arguments:
        if name in INPUT_NAMES:
            raise InvalidDefinition(
                f"metric.arguments.{name}", "is the name of an input of the target; call it otherwise"
            )
        if not _ARGUMENT.fullmatch(name):
            raise InvalidDefinition("metric.arguments", f"a name is 1 to 64 letters, digits and _, got {name!r}")
    parsed = template.parse(definition.prompt, definition.arguments)
    if not parsed.names:
        raise InvalidDefinition(
            "metric.prompt", "names no input, so it would judge nothing; use {{output}} for example"
        )
    if unused := set(definition.arguments) - parsed.named:
        raise InvalidDefinition(
            f"metric.arguments.{min(unused)}",
            f"the prompt does not name it; write {{{{{min(unused)}}}}} where it belongs",
        )
    length = sum(len(template.argument_text(value)) for value in definition.arguments.values())
    if length > template.MAX_CHARACTERS:
        raise InvalidDefinition(
            "metric.arguments", f"are {length} characters long; at most {template.MAX_CHARACTERS} are allowed"
        )


def _check_parameters(definition: MetricDefinition) -> None:
    unknown = set(definition.parameters) - PARAMETERS
    if unknown:
        raise InvalidDefinition(f"metric.parameters.{min(unknown)}", f"is not allowed; known are {sorted(PARAMETERS)}")
    for name, value in definition.parameters.items():
        if not isinstance(value, (str, int, float)) or (isinstance(value, float) and not math.isfinite(value)):
            raise InvalidDefinition(f"metric.parameters.{name}", f"must be a number or a word, got {value!r}")
        if isinstance(value, bool) is not (name == "logprobs"):
            wanted = "true or false" if name == "logprobs" else "a number or a word"
            raise InvalidDefinition(f"metric.parameters.{name}", f"must be {wanted}, got {value!r}")


def _check_model(field: str, model: str) -> None:
    if not MODEL_NAME.fullmatch(model) or "//" in model:  # some providers take an address there
        raise InvalidDefinition(field, f"is no model's name: {model!r}")


def votes_for(definition: MetricDefinition) -> frozenset[Vote]:
    """How a jury on such a metric may vote, so that the result is of its output type again."""
    labels = definition.labels
    match definition.output_type:
        case OutputType.TEXT:
            return frozenset()
        case OutputType.MULTILABEL:
            return frozenset({Vote.MAJORITY})
        case OutputType.CATEGORICAL if None in labels.values():
            return frozenset({Vote.MAJORITY})
        case OutputType.BOOLEAN:
            return frozenset({Vote.MAJORITY, Vote.MIN, Vote.MAX})
        case OutputType.PERCENTAGE | OutputType.NUMBER if labels:
            return _ANY_STATISTIC | {Vote.MAJORITY}
        case OutputType.PERCENTAGE | OutputType.NUMBER:
            return _ANY_STATISTIC
        case _:
            return _STATISTICS | {Vote.MAJORITY}


def _check_jury(definition: MetricDefinition, jury: Jury) -> None:
    if len(set(jury.models)) != len(jury.models):
        raise InvalidDefinition("metric.jury.models", "names a model twice; use repeats")
    for model in jury.models:
        if not model:
            raise InvalidDefinition(
                "metric.jury.models", "a model needs a name; leave the list out for the metric's own"
            )
        _check_model("metric.jury.models", model)
    if jury.models and definition.model:
        raise InvalidDefinition("metric.model", "the jury names the models; leave it out")
    seats = max(1, len(jury.models)) * jury.repeats
    if jury.repeats < 1 or not 2 <= seats <= MAX_SEATS:
        raise InvalidDefinition(
            "metric.jury", f"has {seats} votes; 2 to {MAX_SEATS} are allowed (models times repeats)"
        )
    allowed = votes_for(definition)
    if jury.vote not in allowed:
        instead = f"use {', '.join(sorted(allowed))}" if allowed else "texts cannot be counted; leave the jury out"
        raise InvalidDefinition(
            "metric.jury.vote", f"{jury.vote} does not answer in {definition.output_type}; {instead}"
        )
