"""Whether the output of a metric is declared in a way that makes sense; the same for every kind."""

from __future__ import annotations

import math
import re

from evaluator.errors import InvalidDefinition
from evaluator.metrics.definition import MetricDefinition
from storage.model import OutputType

MAX_LABELS = 100
MAX_LABEL_CHARACTERS = 200

_WITH_LABELS = frozenset(
    {OutputType.CATEGORICAL, OutputType.MULTILABEL, OutputType.PERCENTAGE, OutputType.DISCRETE, OutputType.NUMBER}
)
_LABELS_WITHOUT_VALUES = frozenset({OutputType.CATEGORICAL, OutputType.MULTILABEL})
_WITHOUT_VALUE = frozenset({OutputType.TEXT, OutputType.MULTILABEL})
_COLOR = re.compile(r"#[0-9a-fA-F]{6}")
_UNIT = re.compile(r"[!-~]{0,32}")
"""UCUM codes are ASCII without blanks."""


def check_output(definition: MetricDefinition) -> None:
    """Accept or refuse labels, scale, threshold, colors and unit.

    Raises:
        InvalidDefinition: Names the field and what to write instead.
    """
    _check_labels(definition)
    _check_scale(definition)
    _check_threshold(definition)
    _check_colors(definition)
    if not _UNIT.fullmatch(definition.unit):
        raise InvalidDefinition(
            "metric.unit", f"must be a UCUM code such as s, {{token}} or USD, got {definition.unit!r}"
        )
    if definition.unit and definition.output_type in _WITHOUT_VALUE:
        raise InvalidDefinition("metric.unit", f"a {definition.output_type} metric has no value, so no unit")


def _check_labels(definition: MetricDefinition) -> None:
    labels, output = definition.labels, definition.output_type
    if labels and output not in _WITH_LABELS:
        raise InvalidDefinition("metric.labels", f"a {output} metric has no labels")
    if len(labels) > MAX_LABELS or any(not name.strip() or len(name) > MAX_LABEL_CHARACTERS for name in labels):
        raise InvalidDefinition(
            "metric.labels", f"at most {MAX_LABELS}, each of 1 to {MAX_LABEL_CHARACTERS} characters"
        )
    if None in labels.values() and output not in _LABELS_WITHOUT_VALUES:
        raise InvalidDefinition("metric.labels", f"every label of a {output} metric needs a value")
    values = [value for value in labels.values() if value is not None]
    if not all(map(math.isfinite, values)):
        raise InvalidDefinition("metric.labels", "values must be finite numbers")
    if output is OutputType.PERCENTAGE and not all(0.0 <= value <= 1.0 for value in values):
        raise InvalidDefinition("metric.labels", "the values of a percentage are in [0.0, 1.0]")
    if output is OutputType.DISCRETE and any(value != math.floor(value) for value in values):
        raise InvalidDefinition("metric.labels", "a discrete metric needs labels with whole values: its scale")


def _check_scale(definition: MetricDefinition) -> None:
    low, high, output = definition.minimum, definition.maximum, definition.output_type
    for field, end in (("metric.minimum", low), ("metric.maximum", high)):
        if end is None:
            continue
        if output not in (OutputType.NUMBER, OutputType.DISCRETE):
            raise InvalidDefinition(
                field, f"the scale of a {output} metric is known; only number and discrete declare one"
            )
        if definition.labels:
            raise InvalidDefinition(field, "the labels are the scale already")
        if not math.isfinite(end):
            raise InvalidDefinition(field, f"must be finite, got {end!r}; leave it out for an open scale")
        if output is OutputType.DISCRETE and end != math.floor(end):
            raise InvalidDefinition(field, f"the scale of a discrete metric is whole numbers, got {end!r}")
    if low is not None and high is not None and low >= high:
        raise InvalidDefinition("metric.maximum", f"must be above the minimum {low!r}, got {high!r}")
    if output is OutputType.DISCRETE and not definition.labels and (low is None or high is None):
        raise InvalidDefinition(
            "metric.labels", "a discrete metric needs a scale: labels with whole values, or minimum and maximum"
        )


def _check_threshold(definition: MetricDefinition) -> None:
    threshold, output = definition.threshold, definition.output_type
    if threshold is None:
        return
    if output in _WITHOUT_VALUE:
        raise InvalidDefinition("metric.threshold", f"a {output} metric has no value that could pass")
    if definition.higher_is_better is None:
        raise InvalidDefinition("metric.threshold", "say with higher_is_better which side of it passes")
    low, high = _range(definition)
    if not math.isfinite(threshold) or not low <= threshold <= high:
        raise InvalidDefinition("metric.threshold", f"must be in [{low:g}, {high:g}], got {threshold!r}")


def _range(definition: MetricDefinition) -> tuple[float, float]:
    match definition.output_type:
        case OutputType.BOOLEAN | OutputType.PERCENTAGE:
            return 0.0, 1.0
        case OutputType.COUNT:
            return 0.0, math.inf
        case _:
            values = [value for value in definition.labels.values() if value is not None]
            low = min(values, default=-math.inf) if definition.minimum is None else definition.minimum
            high = max(values, default=math.inf) if definition.maximum is None else definition.maximum
            return low, high


def _check_colors(definition: MetricDefinition) -> None:
    known = {"true", "false"} if definition.output_type is OutputType.BOOLEAN else set(definition.labels)
    for label, color in definition.colors.items():
        if label not in known:
            raise InvalidDefinition(f"metric.colors.{label}", f"is no label of this metric; known are {sorted(known)}")
        if not _COLOR.fullmatch(color):
            raise InvalidDefinition(f"metric.colors.{label}", f"must be #rrggbb, got {color!r}")
