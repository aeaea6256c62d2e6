"""Whether a judge metric can be offered."""

from __future__ import annotations

import math
import re

from evaluator.errors import InvalidDefinition
from evaluator.metrics import template
from evaluator.metrics.checking import must_be_empty
from evaluator.metrics.definition import MetricDefinition
from storage.model import OutputType

PARAMETERS = frozenset(
    {
        "temperature", "top_p", "top_k", "min_p", "max_tokens", "max_completion_tokens", "seed", "reasoning_effort",
        "verbosity", "frequency_penalty", "presence_penalty",
    }
)  # fmt: skip
"""What a metric may hand to the provider.  Never addresses, keys or headers: a metric's author is not the operator."""

MAX_LABELS = 100
MAX_LABEL_CHARACTERS = 200


MODEL_NAME = re.compile(r"[A-Za-z0-9._:@/+-]*")


def check_judge(definition: MetricDefinition) -> None:
    """Accept or refuse a judge metric.

    Raises:
        InvalidDefinition: Names the field and what to write instead.
    """
    if not definition.prompt.strip():
        raise InvalidDefinition("metric.prompt", "a judge metric needs a prompt")
    if not template.parse(definition.prompt).names:
        raise InvalidDefinition(
            "metric.prompt", "names no input, so it would judge nothing; use {{output}} for example"
        )
    must_be_empty(definition, "function", "required_metrics")
    unknown = set(definition.parameters) - PARAMETERS
    if unknown:
        raise InvalidDefinition(f"metric.parameters.{min(unknown)}", f"is not allowed; known are {sorted(PARAMETERS)}")
    for name, value in definition.parameters.items():
        if not isinstance(value, (str, int, float)) or (isinstance(value, float) and not math.isfinite(value)):
            raise InvalidDefinition(f"metric.parameters.{name}", f"must be a number or a word, got {value!r}")
    if not MODEL_NAME.fullmatch(definition.model) or "//" in definition.model:  # some providers take an address there
        raise InvalidDefinition("metric.model", f"is no model's name: {definition.model!r}")
    _check_labels(definition)


def _check_labels(definition: MetricDefinition) -> None:
    labels = definition.labels
    if len(labels) > MAX_LABELS or any(not name.strip() or len(name) > MAX_LABEL_CHARACTERS for name in labels):
        raise InvalidDefinition(
            "metric.labels", f"at most {MAX_LABELS}, each of 1 to {MAX_LABEL_CHARACTERS} characters"
        )
    if len(labels) == 1:
        raise InvalidDefinition("metric.labels", "one label leaves the judge no choice; offer two or more")
    if definition.output_type is not OutputType.CATEGORICAL and None in labels.values():
        raise InvalidDefinition("metric.labels", f"every label of a {definition.output_type} metric needs a value")
    values = [value for value in labels.values() if value is not None]
    match definition.output_type:
        case OutputType.BOOLEAN | OutputType.COUNT if labels:
            raise InvalidDefinition("metric.labels", f"a {definition.output_type} metric has no labels")
        case OutputType.BOOLEAN | OutputType.COUNT:
            return
        case OutputType.PERCENTAGE if not all(0.0 <= value <= 1.0 for value in values):
            raise InvalidDefinition("metric.labels", "the values of a percentage are in [0.0, 1.0]")
        case OutputType.CATEGORICAL if not labels:
            raise InvalidDefinition("metric.labels", "a categorical metric needs labels")
        case OutputType.DISCRETE if not labels or not all(math.isfinite(v) and v == math.floor(v) for v in values):
            raise InvalidDefinition("metric.labels", "a discrete metric needs labels with whole values: its scale")
        case OutputType.PERCENTAGE | OutputType.CATEGORICAL | OutputType.DISCRETE if all(map(math.isfinite, values)):
            return
        case OutputType.PERCENTAGE | OutputType.CATEGORICAL | OutputType.DISCRETE:
            raise InvalidDefinition("metric.labels", "values must be finite numbers")
        case other:
            raise InvalidDefinition(
                "metric.output_type",
                f"judges do not answer in {other} yet; use boolean, categorical, percentage, count or discrete",
            )
