"""A mean that is corrected by labels.

Source: Angelopoulos, Bates, Fannjiang, Jordan and Zrnic (2023), "Prediction-powered inference", arXiv:2301.09633,
algorithm 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

from evaluator.statistics.estimate import LEVEL, Estimate

FEWEST = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class PoweredMean:
    """Means of a metric.

    Attributes:
        judged: Of what the judge says of all targets.
        corrected: That, plus the mean by which people differ from the judge where both have spoken.
        labelled: Of what people say, alone.
    """

    judged: Estimate
    corrected: Estimate
    labelled: Estimate


def powered_mean(
    *,
    judged_mean: float | None,
    judged_variance: float,
    judged_count: int,
    expected: Sequence[float],
    concluded: Sequence[float],
    groups: Sequence[Any] | None = None,
) -> PoweredMean:
    """The mean of all targets: mean(judge, all) + mean(human - judge, labelled), with its 95 % interval.

    It is right in the mean however bad the judge is, if the labelled targets were drawn at random; the better the
    judge, the narrower it gets.

    Args:
        judged_mean, judged_variance, judged_count: Of the judge's values of all targets (the variance over n - 1).
        expected, concluded: What people and judge say of the labelled targets.
        groups: Of each labelled target; equal ones vary together.
    """
    if len(expected) != len(concluded):
        raise ValueError(f"{len(expected)} labels, {len(concluded)} conclusions")
    labelled_mean, labelled_variance = _mean(expected, groups)
    labelled = _estimate(labelled_mean, labelled_variance, len(expected), "nobody has labelled any")
    if judged_mean is None or not judged_count:
        nothing = Estimate(note="the judge has no values")
        return PoweredMean(judged=nothing, corrected=nothing, labelled=labelled)
    known = judged_count >= FEWEST
    judged = _estimate(judged_mean, judged_variance / judged_count if known else None, judged_count, "")
    shift, shift_variance = _mean([one - other for one, other in zip(expected, concluded, strict=True)], groups)
    if shift is None:
        return PoweredMean(
            judged=judged, corrected=Estimate(count=0, note="nobody has labelled any"), labelled=labelled
        )
    variance = None if shift_variance is None or not known else judged_variance / judged_count + shift_variance
    return PoweredMean(
        judged=judged, corrected=_estimate(judged_mean + shift, variance, len(expected), ""), labelled=labelled
    )


def _mean(values: Sequence[float], groups: Sequence[Any] | None) -> tuple[float | None, float | None]:
    """Mean and the variance of the mean, groups as wholes."""
    if not values:
        return None, None
    mean = math.fsum(values) / len(values)
    sums: dict[Any, float] = {}
    for place, value in enumerate(values):
        key = place if groups is None else groups[place]
        sums[key] = sums.get(key, 0.0) + value - mean
    if len(sums) < FEWEST:
        return mean, None
    squares = math.fsum(each * each for each in sums.values())
    return mean, squares / len(values) ** 2 * len(sums) / (len(sums) - 1)


def _estimate(mean: float | None, variance: float | None, count: int, reason: str) -> Estimate:
    if mean is None:
        return Estimate(count=count, note=reason)
    if variance is None:
        return Estimate(value=mean, count=count, note="too few for an interval")
    half = NormalDist().inv_cdf((1 + LEVEL) / 2) * math.sqrt(variance)
    return Estimate(value=mean, lower=mean - half, upper=mean + half, count=count)
