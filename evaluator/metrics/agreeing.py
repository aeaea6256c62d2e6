"""Which statistics tell how far verdicts agree, by output type, and the sample that has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.gaps import flagged_class, truth
from evaluator.statistics.labels import LabelPairs
from evaluator.statistics.labelsets import LabelSets
from evaluator.statistics.numbers import NumberPairs
from evaluator.statistics.sample import Sample
from storage.model import Outcome, OutputType, Score

NO_VERDICT = "(no verdict)"
"""Stands in confusions where a judge did not conclude."""
RECALL_OF = "recall:"
"""Begins the recall of one class."""

STATISTICS: dict[OutputType, tuple[str, ...]] = {
    OutputType.BOOLEAN: (
        "cohen_kappa", "agreement", "precision", "recall", "f1", "gwet_ac1", "krippendorff_alpha", "macro_f1",
    ),
    OutputType.CATEGORICAL: ("cohen_kappa", "agreement", "macro_f1", "gwet_ac1", "krippendorff_alpha"),
    OutputType.DISCRETE: (
        "weighted_kappa", "mae", "agreement", "within_1", "bias", "spearman",
    ),
    OutputType.PERCENTAGE: ("mae", "ccc", "bias", "spearman", "krippendorff_alpha"),
    OutputType.COUNT: ("mae", "agreement", "weighted_kappa", "bias", "ccc", "spearman", "krippendorff_alpha"),
    OutputType.NUMBER: ("mae", "ccc", "bias", "spearman", "krippendorff_alpha"),
    OutputType.MULTILABEL: ("jaccard", "agreement", "macro_f1"),
}  # fmt: skip
"""What is told of each type, the headline first."""

_LABELLED = frozenset({OutputType.BOOLEAN, OutputType.CATEGORICAL})


def headline(definition: MetricDefinition) -> str:
    """Name of the statistic that is told first; '' = the output cannot be compared."""
    return STATISTICS.get(definition.output_type, ("",))[0]


def comparable(definition: MetricDefinition) -> bool:
    """Whether verdicts of this metric can be compared; text cannot."""
    return definition.output_type in STATISTICS


def sample(
    definition: MetricDefinition,
    expected: Sequence[Score],
    concluded: Sequence[Outcome],
    *,
    shares: Sequence[float] | None = None,
) -> Sample:
    """Pairs of verdicts.  One that the judge did not reach is a miss of labels, and left out of numbers.

    Raises:
        ValueError: The output is text.
    """
    output = definition.output_type
    if output in _LABELLED:
        return label_pairs(definition, expected, concluded, shares=shares)
    if output is OutputType.MULTILABEL:
        found = [each.labels if isinstance(each, Score) else None for each in concluded]
        return LabelSets([each.labels for each in expected], found, shares=shares)
    if output is OutputType.TEXT:
        _refuse(definition)
    numbers = [each.value if isinstance(each, Score) else None for each in concluded]
    return NumberPairs([_value(each) for each in expected], numbers, shares=shares)


def label_pairs(
    definition: MetricDefinition,
    expected: Sequence[Score],
    concluded: Sequence[Outcome],
    *,
    shares: Sequence[float] | None = None,
) -> LabelPairs:
    """Pairs of labels, whatever the type: what a confusion is made of."""
    boolean = definition.output_type is OutputType.BOOLEAN
    return LabelPairs(
        [word(definition, each) for each in expected],
        [word(definition, each) for each in concluded],
        classes=classes(definition),
        flagged=flagged_class(definition) if boolean else "",
        shares=shares,
        never=NO_VERDICT,
    )


def classes(definition: MetricDefinition) -> tuple[str, ...]:
    """Labels on offer; empty where there are none, or any."""
    if definition.output_type is OutputType.BOOLEAN:
        return ("true", "false")
    return tuple(definition.labels) if definition.output_type is OutputType.CATEGORICAL else ()


def word(definition: MetricDefinition, outcome: Outcome) -> str:
    """A verdict as one word, for confusions and classes."""
    if not isinstance(outcome, Score):
        return NO_VERDICT
    match definition.output_type:
        case OutputType.BOOLEAN:
            said = truth(outcome)
            return NO_VERDICT if said is None else str(said).lower()
        case OutputType.MULTILABEL:
            return ", ".join(sorted(outcome.labels)) or "(none)"
        case OutputType.CATEGORICAL:
            return outcome.label or NO_VERDICT
        case _:
            return NO_VERDICT if outcome.value is None else f"{outcome.value:g}"


def _value(score: Score) -> float:
    if score.value is None:
        raise ValueError(f"a number is expected, got {score!r}")
    return score.value


def _refuse(definition: MetricDefinition) -> NoReturn:
    raise ValueError(f"the output of {definition.name!r} is text, which cannot be compared")
