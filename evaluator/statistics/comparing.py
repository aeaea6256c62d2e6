"""Tests that decide whether paired rows got better.

Sources: McNemar (1947), "Note on the sampling error of the difference between correlated proportions or percentages",
Psychometrika 12; Fisher (1935), "The Design of Experiments", section 21 (sign flips); Phipson and Smyth (2010),
"Permutation p-values should never be zero", SAGMB 9; Holm (1979), "A simple sequentially rejective multiple test
procedure", Scandinavian Journal of Statistics 6; Wilson (1927), "Probable inference, the law of succession, and
statistical inference", JASA 22.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import TypeVar

import numpy as np

from evaluator.statistics.estimate import LEVEL, Estimate
from evaluator.statistics.sample import Floats

MAX_STEPS = 60_000
"""Sums that are told apart while every way to flip signs is counted (whole numbers: some 240 of them; any: 14); where
there are more, flips are drawn."""
DRAWS = 19_999
CHUNK_CELLS = 2_000_000
RESOLUTION = 1e-9

K = TypeVar("K")


def mcnemar(fixed: int, broken: int) -> float:
    """Exact one-sided p: how likely at least `fixed` of the rows that changed are fixed, if neither way is likelier."""
    changed = fixed + broken
    ways = sum(math.comb(changed, each) for each in range(fixed, changed + 1))
    return min(1.0, float(ways / 2**changed))


def sign_flip(differences: Sequence[float], *, seed: int = 0) -> float:
    """One-sided p: how likely a sum at least as large is, if each difference might as well have the other sign.

    Exact where the sums can be counted (whole or half numbers, or few of them); else of 19,999 draws.  Of differences
    that are 1, 0 and -1 it is McNemar's.
    """
    moved = [each for each in differences if abs(each) > RESOLUTION]
    if not moved:
        return 1.0
    observed = sum(moved)
    exact = _counted(moved, observed)
    return exact if exact is not None else _drawn(np.asarray(moved), observed, seed)


def holm(p_values: Mapping[K, float]) -> dict[K, float]:
    """p-values adjusted for their number: rejecting those below alpha is wrong anywhere with chance alpha at most."""
    ordered = sorted(p_values.items(), key=lambda each: each[1])
    adjusted: dict[K, float] = {}
    least = 0.0
    for rank, (key, p) in enumerate(ordered):
        least = max(least, min(1.0, (len(ordered) - rank) * p))
        adjusted[key] = least
    return adjusted


def wilson(hits: float, rows: int, *, effective: float | None = None) -> Estimate:
    """A share with Wilson's interval.

    Args:
        effective: Rows that the groups are worth, where rows are not independent; None = all.
    """
    if rows <= 0:
        return Estimate(note="no rows")
    share, n = hits / rows, effective or float(rows)
    z = NormalDist().inv_cdf((1 + LEVEL) / 2)
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    lower = 0.0 if hits <= 0 else max(0.0, middle - half)
    upper = 1.0 if hits >= rows else min(1.0, middle + half)
    return Estimate(value=share, lower=lower, upper=upper, count=rows)


def _counted(moved: Sequence[float], observed: float) -> float | None:
    """Counts the sums of every way to flip, one difference after the other; None where they are too many."""
    chances = {0.0: 1.0}
    steps = 0
    for each in moved:
        following: dict[float, float] = {}
        for total, chance in chances.items():
            for sign in (each, -each):
                key = round(total + sign, 9)
                following[key] = following.get(key, 0.0) + chance / 2
        chances = following
        steps += len(chances)
        if steps > MAX_STEPS:
            return None
    return min(1.0, sum(chance for total, chance in chances.items() if total >= observed - len(moved) * RESOLUTION))


def _drawn(moved: Floats, observed: float, seed: int) -> float:
    generator = np.random.default_rng(seed)
    step = max(1, CHUNK_CELLS // len(moved))
    reached = 0
    for start in range(0, DRAWS, step):
        kept = generator.integers(0, 2, size=(min(step, DRAWS - start), len(moved)), dtype=np.int8)
        sums = 2 * (kept.astype(np.float64) @ moved) - moved.sum()
        reached += int((sums >= observed - len(moved) * RESOLUTION).sum())
    return (1 + reached) / (1 + DRAWS)
