"""How far a conclusion is from what was expected, in the metric's own output type.

Gaps are in the metric's own unit.  A conclusion that is none (a failure, an abstention) has no gap: whoever counts them
counts them apart, for a broken judge is neither right nor wrong.
"""

from __future__ import annotations

import math
from decimal import Decimal

from evaluator.metrics.definition import MetricDefinition
from storage.model import Outcome, OutputType, Score

SAME = 1e-9
"""Relative: numbers that are closer were meant to be the same."""
PERCENTAGE_DELTA = 0.1
STEP_DELTA = 1.0
"""Of discrete scales and counts."""
NUMBER_SHARE = 0.1
"""Of the scale of a number that has both ends."""

_EXACT = frozenset({OutputType.BOOLEAN, OutputType.CATEGORICAL})
_NUMERIC = frozenset({OutputType.PERCENTAGE, OutputType.COUNT, OutputType.DISCRETE, OutputType.NUMBER})


def gap(definition: MetricDefinition, expected: Score, concluded: Outcome) -> float | None:
    """The distance of two verdicts, 0.0 where they are the same; None where there is none to tell.

    Numbers: |difference|, as people write it (of 0.7 and 0.6 exactly 0.1).  Boolean, and categorical whose labels have
    no values (or share them): 1.0 where they differ.  Categorical whose labels each have a value of their own: the
    |difference| of those.  Multilabel: the Jaccard distance, 1 - shared / all labels named, in [0.0, 1.0].

    None: the metric's output is text, the judge did not conclude, or a verdict lacks what its type has.
    """
    if not isinstance(concluded, Score):
        return None
    output = definition.output_type
    if output in _NUMERIC:
        return _difference(expected.value, concluded.value)
    if output is OutputType.MULTILABEL:
        one, other = set(expected.labels), set(concluded.labels)
        return len(one ^ other) / len(one | other) if one | other else 0.0
    if output is OutputType.BOOLEAN:
        one_truth, other_truth = truth(expected), truth(concluded)
        return None if one_truth is None or other_truth is None else float(one_truth != other_truth)
    if output is OutputType.CATEGORICAL:
        if not expected.label or not concluded.label:
            return None
        values = label_values(definition)
        if values and expected.label in values and concluded.label in values:
            return _difference(values[expected.label], values[concluded.label])
        return float(expected.label != concluded.label)
    return None


def disagrees(distance: float | None, delta: float) -> bool:
    """Whether a gap is a disagreement: one that equals `delta` is; none at all is not; no gap (None) is not."""
    return (
        distance is not None and distance > 0.0 and (distance >= delta or math.isclose(distance, delta, rel_tol=SAME))
    )


def default_delta(definition: MetricDefinition) -> float:
    """The smallest gap that is a disagreement unless somebody says otherwise; 0.0 = any difference.

    Boolean, categorical, multilabel: any mismatch.  Percentage: 10 points.  Discrete: 1 step.  Count: 1.  Number: a
    tenth of its scale; of an open scale any difference.
    """
    match definition.output_type:
        case OutputType.PERCENTAGE:
            return PERCENTAGE_DELTA
        case OutputType.DISCRETE | OutputType.COUNT:
            return STEP_DELTA
        case OutputType.NUMBER:
            ends = scale_ends(definition)
            return NUMBER_SHARE * (ends[1] - ends[0]) if ends else 0.0
        case _:
            return 0.0


def row_score(definition: MetricDefinition, expected: Score, concluded: Outcome) -> float:
    """How right a conclusion is, in [0.0, 1.0]; one that is none, or cannot be compared, is 0.0.

    Boolean, categorical: 1.0 or 0.0.  Numbers: 1 - min(1, |difference| / range).  Multilabel: the share of labels
    named by either that both named.  An open scale has no range, so there it is max(1, |expected|): a count of 4 where
    8 were expected is half right, and 1 where none were expected is wrong.
    """
    distance = gap(definition, expected, concluded)
    if distance is None:
        return 0.0
    if definition.output_type in _EXACT:
        return float(distance == 0.0)
    if definition.output_type is OutputType.MULTILABEL:
        return 1.0 - distance
    return 1.0 - min(1.0, distance / _width(definition, expected))


def scale_ends(definition: MetricDefinition) -> tuple[float, float] | None:
    """Lowest and highest value that a metric can have; None = the scale is open, or there are no values."""
    if definition.output_type in (OutputType.BOOLEAN, OutputType.PERCENTAGE):
        return (0.0, 1.0)
    values = [value for value in definition.labels.values() if value is not None]
    low = min(values, default=None) if definition.minimum is None else definition.minimum
    high = max(values, default=None) if definition.maximum is None else definition.maximum
    return None if low is None or high is None or low >= high else (low, high)


def label_values(definition: MetricDefinition) -> dict[str, float]:
    """Values of the labels of a categorical metric that is a scale: each label has one, no two the same; else empty."""
    values = {label: value for label, value in definition.labels.items() if value is not None}
    whole = len(values) == len(definition.labels) and len(set(values.values())) == len(values)
    return values if whole and definition.output_type is OutputType.CATEGORICAL else {}


def truth(score: Score) -> bool | None:
    """What a boolean verdict says; None = nothing."""
    if score.value is not None:
        return score.value >= 0.5
    return {"true": True, "false": False}.get(score.label.lower())


def _width(definition: MetricDefinition, expected: Score) -> float:
    ends = scale_ends(definition)
    return ends[1] - ends[0] if ends else max(1.0, abs(expected.value or 0.0))


def _difference(one: float | None, other: float | None) -> float | None:
    if one is None or other is None:
        return None
    if math.isclose(one, other, rel_tol=SAME):
        return 0.0
    return float(abs(Decimal(repr(one)) - Decimal(repr(other))))


def flagged_class(definition: MetricDefinition) -> str:
    """The class of a boolean metric that somebody should look at, `true` or `false`: the one that is not better."""
    return "false" if definition.higher_is_better else "true"
