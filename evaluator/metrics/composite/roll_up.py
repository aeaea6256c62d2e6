"""Roll-ups: composites without code.  A statistic over the results of one required metric."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import fmean

from evaluator.metrics.definition import MetricDefinition, RollUp, Statistic
from evaluator.metrics.material import Material
from storage.model import Abstention, Evaluation, Failure, Outcome, OutputType, Score

COUNTING = frozenset({Statistic.SHARE, Statistic.COUNT})


def roll_up(definition: MetricDefinition, material: Material) -> Outcome:
    """The statistic over every result that there is; each counts the same, whatever trace it stands in.

    Nothing to roll up is an abstention, never a 0.

    Raises:
        ValueError: The definition is no roll-up.
    """
    if definition.roll_up is None:
        raise ValueError(f"metric {definition.name} is no roll-up")
    results = list(material.results.values())
    if not results:
        return Abstention(reason="nothing to roll up")
    child = next(iter(material.required.values()))
    if definition.roll_up.statistic in COUNTING:
        counted = sum(counts(definition.roll_up, child, result) for result in results)
        whole = definition.roll_up.statistic is Statistic.COUNT
        value = float(counted) if whole else counted / len(results)
        return Score(value=value, explanation=f"{counted} of {len(results)}")
    values = list(_values(results))
    if len(values) < len(results):
        lacking = len(results) - len(values)
        return Failure(
            code="NO_VALUE", message=f"{lacking} of {len(results)} results of {child.name} have a label and no number"
        )
    return Score(value=_statistic(definition.roll_up.statistic, values), explanation=f"of {len(values)} results")


def counts(how: RollUp, child: MetricDefinition, result: Evaluation) -> bool:
    """Whether `share` and `count` count a result: it has the label that is named; else it is true, or it passes."""
    score = result.outcome
    if not isinstance(score, Score):
        return False
    if how.label:
        return how.label == score.label or how.label in score.labels
    if child.output_type is OutputType.BOOLEAN:
        return score.value == 1.0
    if score.value is None or child.threshold is None:
        return False
    return score.value <= child.threshold if child.higher_is_better is False else score.value >= child.threshold


def _values(results: Iterable[Evaluation]) -> Iterable[float]:
    for result in results:
        if isinstance(result.outcome, Score) and result.outcome.value is not None:
            yield result.outcome.value


def _statistic(statistic: Statistic, values: list[float]) -> float:
    match statistic:
        case Statistic.MEAN:
            return fmean(values)
        case Statistic.SUM:
            return sum(values)
        case Statistic.MIN:
            return min(values)
        case Statistic.MAX:
            return max(values)
        case other:
            raise ValueError(f"{other} counts results; it is not taken of their values")
