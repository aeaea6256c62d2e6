"""Agreement of two raters on nominal labels.

Sources: Cohen (1960), "A coefficient of agreement for nominal scales", Educational and Psychological Measurement 20;
Cohen (1968), "Weighted kappa", Psychological Bulletin 70; Gwet (2008), "Computing inter-rater reliability and its
variance in the presence of high agreement", British Journal of Mathematical and Statistical Psychology 61;
Krippendorff (2011), "Computing Krippendorff's alpha-reliability".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from evaluator.statistics.estimate import Cell
from evaluator.statistics.sample import Floats, Whole, ratio, tally

ONE_CLASS = "only one class occurs"


class LabelPairs:
    """Pairs of labels: what was expected, and what was concluded.

    Statistics: `agreement` (share of pairs that are equal), `cohen_kappa`, `gwet_ac1`, `krippendorff_alpha` (nominal),
    `macro_f1` (over classes that either names), and of each class that is expected `recall:CLASS`; with a flagged class
    also its `precision`, `recall` and `f1`.

    Args:
        classes: Labels on offer; others that occur are added.
        flagged: The class that the metric looks for; '' = none.
        shares: How much each pair counts in its row; None = 1.
        never: A label that no rater can choose (`no verdict`): a miss, and no class.
    """

    def __init__(
        self,
        expected: Sequence[str],
        concluded: Sequence[str],
        *,
        classes: Sequence[str] = (),
        flagged: str = "",
        shares: Sequence[float] | None = None,
        never: str = "",
    ) -> None:
        if len(expected) != len(concluded):
            raise ValueError(f"{len(expected)} expected labels, {len(concluded)} concluded ones")
        self.classes = tuple(dict.fromkeys([*classes, *sorted({*expected, *concluded} - {*classes})]))
        self.flagged = flagged
        self._never = never
        self._shares = np.ones(len(expected)) if shares is None else np.asarray(shares, dtype=np.float64)
        place = {label: index for index, label in enumerate(self.classes)}
        k = max(1, len(self.classes))
        codes = np.fromiter((place[a] * k + place[b] for a, b in zip(expected, concluded, strict=True)), np.int64)
        self._cells, self._index = np.unique(codes, return_inverse=True)
        self._one: Whole = self._cells // k
        self._other: Whole = self._cells % k

    @property
    def counts(self) -> Mapping[str, int]:
        """Rows of a class, for its recall."""
        table = self._table(np.ones((1, len(self._index))))[0]
        expected = np.bincount(self._one, weights=table, minlength=len(self.classes))
        found = {f"recall:{label}": round(float(expected[i])) for i, label in enumerate(self.classes)}
        if self.flagged in self.classes:
            at = self.classes.index(self.flagged)
            found["recall"] = found[f"recall:{self.flagged}"]
            found["precision"] = round(float(table[self._other == at].sum()))
        return found

    @property
    def reasons(self) -> Mapping[str, str]:
        """Of every statistic that is a quotient."""
        flagged = f"{self.flagged!r} never occurs"
        own = {"precision": flagged, "recall": flagged, "f1": flagged}
        return own | dict.fromkeys(("cohen_kappa", "gwet_ac1", "krippendorff_alpha"), ONE_CLASS)

    def statistics(self, weights: Floats) -> dict[str, Floats]:
        """As `Sample.statistics`."""
        table = self._table(weights)
        k = len(self.classes)
        total = table.sum(axis=1)
        rows, columns = _by(table, self._one, k), _by(table, self._other, k)
        diagonal = self._one == self._other
        hits = _by(np.where(diagonal, table, 0.0), self._one, k)
        observed = ratio(hits.sum(axis=1), total)
        found = {
            "agreement": observed,
            "cohen_kappa": _corrected(observed, ratio((rows * columns).sum(axis=1), total**2)),
            "gwet_ac1": _corrected(observed, self._gwet_chance(rows, columns, total)),
            "krippendorff_alpha": self._alpha(observed, rows + columns),
        }
        f1 = ratio(2 * hits, rows + columns)
        named = [i for i, label in enumerate(self.classes) if label != self._never]
        found["macro_f1"] = _mean_of_known(f1[:, named])
        recalls = ratio(hits, rows)
        expected_ones = {int(i) for i in self._one}
        found |= {f"recall:{self.classes[i]}": recalls[:, i] for i in named if i in expected_ones}
        if self.flagged in self.classes:
            at = self.classes.index(self.flagged)
            precision = ratio(hits[:, at], columns[:, at])
            found |= {"precision": precision, "recall": recalls[:, at], "f1": f1[:, at]}
        return found

    def confusion(self) -> tuple[Cell, ...]:
        """Cells that occur, in order of the classes."""
        table = self._table(np.ones((1, len(self._index))))[0]
        return tuple(
            Cell(expected=self.classes[one], concluded=self.classes[other], count=float(count))
            for one, other, count in zip(self._one, self._other, table, strict=True)
        )

    def _table(self, weights: Floats) -> Floats:
        return tally(weights * self._shares[None, :], self._index, len(self._cells))

    def _gwet_chance(self, rows: Floats, columns: Floats, total: Floats) -> Floats:
        choices = [i for i, label in enumerate(self.classes) if label != self._never]
        shares = ratio(rows + columns, 2 * total[:, None])[:, choices]
        if len(choices) < 2:
            return np.full(len(total), np.nan)
        chance: Floats = (shares * (1 - shares)).sum(axis=1) / (len(choices) - 1)
        return chance

    @staticmethod
    def _alpha(observed: Floats, values: Floats) -> Floats:
        every = values.sum(axis=1)
        same = ratio((values * (values - 1)).sum(axis=1), every * (every - 1))
        return 1 - ratio(1 - observed, 1 - same)


def linear_kappa(expected: Sequence[float], concluded: Sequence[float]) -> float | None:
    """Cohen's kappa with linear weights, |difference| of the values; None where there is no variation, or no pair."""
    one, other = np.asarray(expected, dtype=np.float64), np.asarray(concluded, dtype=np.float64)
    if not len(one):
        return None
    chance = float(np.abs(one[:, None] - other[None, :]).mean())
    return None if chance == 0.0 else 1 - float(np.abs(one - other).mean()) / chance


def _by(table: Floats, index: Whole, size: int) -> Floats:
    return tally(table, index, size)


def _corrected(observed: Floats, chance: Floats) -> Floats:
    return ratio(observed - chance, 1 - chance)


def _mean_of_known(values: Floats) -> Floats:
    known = ~np.isnan(values)
    return ratio(np.where(known, values, 0.0).sum(axis=1), known.sum(axis=1).astype(np.float64))
