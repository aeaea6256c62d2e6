"""Intervals by resampling whole groups: rows of one session are not independent, so they come and go together.

Sources: Efron (1987), "Better bootstrap confidence intervals", JASA 82 (BCa); Davison and Hinkley (1997), "Bootstrap
Methods and their Application", section 3.8 (clusters are resampled whole).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any

import numpy as np

from evaluator.statistics.comparing import wilson
from evaluator.statistics.estimate import LEVEL, Estimate
from evaluator.statistics.sample import Floats, Sample, Whole

REPLICATES = 2000
MAX_DRAWS = 4_000_000
"""Rows times replicates: beyond, fewer replicates are drawn, and their spread alone gives the interval."""
LEAST_REPLICATES = 200
ENOUGH_FOR_ENDS = 1000
"""Replicates from which on quantiles of 2.5 % can be told."""
CHUNK_CELLS = 400_000
"""Weights that are held at once."""
MAX_JACKKNIFE = 400
"""Groups up to which intervals are corrected for bias and skew (BCa); with more the correction is small, and dear."""
FEW_GROUPS = 2
SHARES = frozenset({"agreement", "within_1", "precision", "recall"})
"""Shares of rows (and what begins with `recall:`): theirs is Wilson's interval, for as many rows as the groups are
worth; a bootstrap of a share that is 0 or 1 has none."""
NO_ROWS = "no rows"
NO_INTERVAL = "every resample says the same, so there is no interval"


@dataclass(frozen=True, slots=True, kw_only=True)
class Paired:
    """A statistic before and after, on the same rows."""

    before: Estimate
    after: Estimate
    difference: Estimate


def estimates(
    sample: Sample, groups: Sequence[Any], *, seed: int = 0, replicates: int = REPLICATES
) -> dict[str, Estimate]:
    """Every statistic of a sample with its interval.

    Args:
        groups: Of each row; equal ones are resampled together.
        seed: The same seed gives the same interval.
    """
    draws = _Draws(groups, seed=seed, replicates=replicates)
    point, resampled, left_out = _run(sample, draws)
    counts, reasons = sample.counts, sample.reasons
    return {
        name: _estimate(
            name,
            float(point[name][0]),
            resampled[name],
            left_out[name],
            count=counts.get(name, draws.rows),
            reason=reasons.get(name, ""),
        )
        for name in point
    }


def compared(
    before: Sample, after: Sample, groups: Sequence[Any], *, seed: int = 0, replicates: int = REPLICATES
) -> dict[str, Paired]:
    """Every statistic that both samples have, and its difference (after - before), resampled together: row i of both
    is the same row."""
    draws = _Draws(groups, seed=seed, replicates=replicates)
    first, second = _run(before, draws), _run(after, draws)
    found = {}
    counts, reasons = (before.counts, after.counts), {**after.reasons, **before.reasons}
    for name in first[0]:
        if name not in second[0]:
            continue
        one, other = first[0][name], second[0][name]
        count = min(each.get(name, draws.rows) for each in counts)
        why = reasons.get(name, "")
        found[name] = Paired(
            before=_estimate(name, float(one[0]), first[1][name], first[2][name], count=count, reason=why),
            after=_estimate(name, float(other[0]), second[1][name], second[2][name], count=count, reason=why),
            difference=_estimate(
                name,
                float(other[0] - one[0]),
                second[1][name] - first[1][name],
                second[2][name] - first[2][name],
                count=count,
                reason=why,
                difference=True,
            ),
        )
    return found


class _Draws:
    """The same resamples again and again."""

    def __init__(self, groups: Sequence[Any], *, seed: int, replicates: int) -> None:
        _, index = np.unique(np.asarray([str(each) for each in groups], dtype=object), return_inverse=True)
        self.index: Whole = index.astype(np.int64)
        self.rows = len(groups)
        self.groups = int(self.index.max()) + 1 if self.rows else 0
        affordable = MAX_DRAWS // max(1, self.rows)
        self.replicates = max(min(replicates, LEAST_REPLICATES), min(replicates, affordable))
        self._seed = seed

    def weights(self) -> Iterator[Floats]:
        """Chunks of shape (k, rows)."""
        generator = np.random.default_rng(self._seed)
        step = max(1, CHUNK_CELLS // max(1, self.rows))
        for start in range(0, self.replicates, step):
            k = min(step, self.replicates - start)
            drawn = generator.integers(0, self.groups, size=(k, self.groups))
            flat = (drawn + np.arange(k, dtype=np.int64)[:, None] * self.groups).ravel()
            held = np.bincount(flat, minlength=k * self.groups).reshape(k, self.groups)
            yield held[:, self.index].astype(np.float64)

    def without_one(self) -> Iterator[Floats]:
        """Chunks of the jackknife: one group is missing in each; nothing where there are too many groups."""
        if not FEW_GROUPS < self.groups <= MAX_JACKKNIFE:
            return
        step = max(1, CHUNK_CELLS // max(1, self.rows))
        for start in range(0, self.groups, step):
            missing = np.arange(start, min(start + step, self.groups))
            yield (self.index[None, :] != missing[:, None]).astype(np.float64)


def _run(sample: Sample, draws: _Draws) -> tuple[dict[str, Floats], dict[str, Floats], dict[str, Floats]]:
    with np.errstate(over="ignore", invalid="ignore"):  # squares of astronomic numbers are undefined, not a crash
        return _all(sample, draws)


def _all(sample: Sample, draws: _Draws) -> tuple[dict[str, Floats], dict[str, Floats], dict[str, Floats]]:
    point = sample.statistics(np.ones((1, draws.rows)))
    if draws.groups < FEW_GROUPS:
        nothing: dict[str, Floats] = {name: np.empty(0) for name in point}
        return point, nothing, nothing
    resampled = [sample.statistics(each) for each in draws.weights()]
    left_out = [sample.statistics(each) for each in draws.without_one()]
    return point, _joined(point, resampled), _joined(point, left_out)


def _joined(names: dict[str, Floats], chunks: list[dict[str, Floats]]) -> dict[str, Floats]:
    return {name: np.concatenate([each[name] for each in chunks]) if chunks else np.empty(0) for name in names}


def _estimate(
    name: str, value: float, resampled: Floats, left_out: Floats, *, count: int, reason: str, difference: bool = False
) -> Estimate:
    if not np.isfinite(value):
        return Estimate(count=count, note=reason if count and reason else NO_ROWS)
    known = resampled[np.isfinite(resampled)]
    if len(known) < max(FEW_GROUPS, len(resampled) // 2):
        return Estimate(value=value, count=count, note="too few groups for an interval")
    if not difference and (name in SHARES or name.startswith("recall:")):
        spread = float(known.var())
        worth = value * (1 - value) / spread if spread > 0 else float(count)
        share = wilson(value * count, count, effective=min(float(count), max(1.0, worth)))
        return replace(share, value=value)
    if not difference and float(np.ptp(known)) == 0.0:
        return Estimate(value=value, count=count, note=NO_INTERVAL)
    with np.errstate(over="ignore", invalid="ignore"):
        lower, upper = _ends(value, known, left_out[np.isfinite(left_out)])
    if not (np.isfinite(lower) and np.isfinite(upper)):
        return Estimate(value=value, count=count, note="the values are too large for an interval")
    note = "" if len(known) == len(resampled) else f"undefined in {1 - len(known) / len(resampled):.0%} of resamples"
    return Estimate(value=value, lower=lower, upper=upper, count=count, note=note)


def _ends(value: float, known: Floats, left_out: Floats) -> tuple[float, float]:
    if len(known) < ENOUGH_FOR_ENDS:
        half = NormalDist().inv_cdf((1 + LEVEL) / 2) * float(known.std())
        return value - half, value + half
    lower, upper = np.quantile(known, _levels(value, known, left_out))
    return float(lower), float(upper)


def _levels(value: float, known: Floats, left_out: Floats) -> tuple[float, float]:
    """Which quantiles are the ends: 2.5 % and 97.5 %, moved by bias and skew where the jackknife tells them (BCa)."""
    normal = NormalDist()
    low, high = (1 - LEVEL) / 2, (1 + LEVEL) / 2
    below = float((known < value).mean() + (known == value).mean() / 2)
    if len(left_out) <= FEW_GROUPS or not 0.0 < below < 1.0:
        return low, high
    away = left_out.mean() - left_out
    spread = float((away**2).sum()) ** 1.5
    skew = float((away**3).sum()) / (6 * spread) if spread > 0 else 0.0
    bias = normal.inv_cdf(below)

    def moved(level: float) -> float:
        z = bias + normal.inv_cdf(level)
        return normal.cdf(bias + z / (1 - skew * z)) if abs(skew * z) < 1 else level

    return moved(low), moved(high)
