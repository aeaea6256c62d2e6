"""Agreement of any number of raters, each of whom may have passed units by.

Sources: Fleiss (1971), "Measuring nominal scale agreement among many raters", Psychological Bulletin 76; Gwet (2008),
"Computing inter-rater reliability and its variance in the presence of high agreement", British Journal of Mathematical
and Statistical Psychology 61; Krippendorff (2011), "Computing Krippendorff's alpha-reliability".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from enum import StrEnum
from typing import Any

import numpy as np

from evaluator.statistics.labels import ONE_CLASS
from evaluator.statistics.numbers import NO_VARIATION
from evaluator.statistics.sample import Floats, ratio, tally


class Scale(StrEnum):
    """What differences between values mean; of those on an interval scale see `NumberUnits`."""

    NOMINAL = "nominal"
    ORDINAL = "ordinal"


class Units:
    """What raters said of each unit; units with fewer than two values say nothing of agreement and are no rows.

    Statistics: `agreement` (share of pairs of raters, per unit, that say the same), `fleiss_kappa` (defined only where
    every unit has as many raters), `gwet_ac1`, and `krippendorff_alpha` on the scale that is given.

    Args:
        ratings: Of each unit the values of those who rated it, in any order: labels, or numbers (ordinal).
        classes: Values on offer, in order; others that occur are added in theirs.
    """

    def __init__(
        self, ratings: Sequence[Sequence[Any]], *, scale: Scale = Scale.NOMINAL, classes: Sequence[Any] = ()
    ) -> None:
        self.scale = scale
        _check(ratings)
        seen: set[Hashable] = {value for unit in ratings for value in unit}
        others = sorted(seen - set(classes), key=lambda each: (str(type(each)), each))
        self.classes: tuple[Any, ...] = (*classes, *others)
        if scale is not Scale.NOMINAL:
            self.classes = tuple(sorted(self.classes))
        place = {value: index for index, value in enumerate(self.classes)}
        self._counts = np.zeros((len(ratings), max(1, len(self.classes))))
        for row, unit in enumerate(ratings):
            for value in unit:
                self._counts[row, place[value]] += 1

    @property
    def counts(self) -> Mapping[str, int]:
        """All units, of every statistic."""
        return {}

    @property
    def reasons(self) -> Mapping[str, str]:
        """Of every coefficient."""
        raters = self._counts.sum(axis=1)
        uneven = ""
        if len(set(raters.tolist())) > 1:
            uneven = f"units have {raters.min():g} to {raters.max():g} raters; see krippendorff_alpha"
        return {
            "fleiss_kappa": uneven or ONE_CLASS,
            "gwet_ac1": ONE_CLASS,
            "krippendorff_alpha": ONE_CLASS if self.scale is Scale.NOMINAL else NO_VARIATION,
        }

    def statistics(self, weights: Floats) -> dict[str, Floats]:
        """As `Sample.statistics`."""
        raters = self._counts.sum(axis=1)
        equal = (self._counts * (self._counts - 1)).sum(axis=1) / (raters * (raters - 1))
        total = weights.sum(axis=1)
        observed = ratio(weights @ equal, total)
        used = weights @ self._counts
        undefined = np.full(len(weights), np.nan)
        fleiss = undefined
        if len(set(raters.tolist())) == 1:
            shares = ratio(used, used.sum(axis=1)[:, None])
            chance = (shares**2).sum(axis=1)
            fleiss = ratio(observed - chance, 1 - chance)
        gwet = undefined
        if len(self.classes) >= 2:
            spread = ratio(weights @ (self._counts / raters[:, None]), total[:, None])
            chance = (spread * (1 - spread)).sum(axis=1) / (len(self.classes) - 1)
            gwet = ratio(observed - chance, 1 - chance)
        return {
            "agreement": observed,
            "fleiss_kappa": fleiss,
            "gwet_ac1": gwet,
            "krippendorff_alpha": self._alpha(weights, used),
        }

    def _alpha(self, weights: Floats, used: Floats) -> Floats:
        if self.scale is Scale.ORDINAL:
            return self._ordinal_alpha(weights, used)
        values = self._counts.sum(axis=1)
        every = used.sum(axis=1)
        apart = (values**2 - (self._counts**2).sum(axis=1)) / (values - 1)
        observed = ratio(weights @ apart, every)
        expected = ratio(every**2 - (used**2).sum(axis=1), every * (every - 1))
        return 1 - ratio(observed, expected)

    def _ordinal_alpha(self, weights: Floats, used: Floats) -> Floats:
        """Distances of ranks depend on how often values occur, so pairs are counted by cell."""
        k = len(self.classes)
        rows, cells, amounts = self._pairs()
        held = tally(weights[:, rows] * amounts[None, :], cells, k * k).reshape(len(weights), k, k)
        before = np.cumsum(used, axis=1) - used / 2
        distance = (before[:, :, None] - before[:, None, :]) ** 2
        every = used.sum(axis=1)
        observed = ratio((held * distance).sum(axis=(1, 2)), every)
        expected = ratio((used[:, :, None] * used[:, None, :] * distance).sum(axis=(1, 2)), every * (every - 1))
        return 1 - ratio(observed, expected)

    def _pairs(self) -> tuple[Any, Any, Floats]:
        """Cells of ordered pairs that differ, of each unit: row, cell, how many of them over (raters - 1)."""
        k = len(self.classes)
        found = [
            (row, one * k + other, float(counts[one] * counts[other]) / (counts.sum() - 1))
            for row, counts in enumerate(self._counts)
            for one in np.flatnonzero(counts)
            for other in np.flatnonzero(counts)
            if one != other
        ]
        rows, cells, amounts = zip(*found, strict=True) if found else ((), (), ())
        return np.asarray(rows, np.int64), np.asarray(cells, np.int64), np.asarray(amounts, np.float64)


class NumberUnits:
    """What raters said of each unit, as numbers whose differences count.

    Statistics: `agreement` (share of pairs of raters, per unit, that say the same), `krippendorff_alpha` (interval).
    """

    def __init__(self, ratings: Sequence[Sequence[float]]) -> None:
        _check(ratings)
        every = [value for unit in ratings for value in unit]
        origin = min(every, default=0.0)
        unit_of = (max(every, default=0.0) - origin) or 1.0  # alpha depends on neither
        scaled = [[(value - origin) / unit_of for value in unit] for unit in ratings]
        self._raters = np.asarray([len(unit) for unit in scaled], dtype=np.float64)
        self._sums = np.asarray([sum(unit) for unit in scaled], dtype=np.float64)
        self._squares = np.asarray([sum(value * value for value in unit) for unit in scaled], dtype=np.float64)
        same = [sum(n * (n - 1) for n in Counter(unit).values()) for unit in ratings]
        self._equal = np.asarray(same, dtype=np.float64) / (self._raters * (self._raters - 1))

    @property
    def counts(self) -> Mapping[str, int]:
        """All units, of every statistic."""
        return {}

    @property
    def reasons(self) -> Mapping[str, str]:
        """Of the coefficient."""
        return {"krippendorff_alpha": NO_VARIATION}

    def statistics(self, weights: Floats) -> dict[str, Floats]:
        """As `Sample.statistics`."""
        every = weights @ self._raters
        apart = 2 * (self._raters * self._squares - self._sums**2) / (self._raters - 1)
        observed = ratio(weights @ apart, every)
        spread = 2 * (every * (weights @ self._squares) - (weights @ self._sums) ** 2)
        return {
            "agreement": ratio(weights @ self._equal, weights.sum(axis=1)),
            "krippendorff_alpha": 1 - ratio(observed, ratio(spread, every * (every - 1))),
        }


def _check(ratings: Sequence[Sequence[Any]]) -> None:
    if any(len(unit) < 2 for unit in ratings):
        raise ValueError("every unit has two values or more; leave others out")
