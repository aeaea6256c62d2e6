"""Agreement of two raters on numbers.

Sources: Lin (1989), "A concordance correlation coefficient to evaluate reproducibility", Biometrics 45; Spearman
(1904), "The proof and measurement of association between two things", American Journal of Psychology 15; Fleiss and
Cohen (1973), "The equivalence of weighted kappa and the intraclass correlation coefficient as measures of
reliability", Educational and Psychological Measurement 33; Krippendorff (2011), "Computing Krippendorff's
alpha-reliability".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from evaluator.statistics.sample import Floats, ratio, tally

NO_VARIATION = "the values do not vary"
NO_PAIRS = "no pairs of values"


class NumberPairs:
    """Pairs of numbers: what was expected, and what was concluded.

    Statistics: `agreement` (share of pairs that are equal), `within_1` (differ by 1 at most), `mae` (mean
    |difference|), `bias` (mean of concluded - expected), `ccc` (Lin's concordance), `weighted_kappa` (quadratic weights
    on the values themselves: the same number as `ccc`), `spearman` (ties share their mean rank), `krippendorff_alpha`
    (interval).

    Args:
        shares: How much each pair counts in its row; None = 1.  A pair without a concluded value (None) counts nowhere.
    """

    def __init__(
        self, expected: Sequence[float], concluded: Sequence[float | None], *, shares: Sequence[float] | None = None
    ) -> None:
        if len(expected) != len(concluded):
            raise ValueError(f"{len(expected)} expected values, {len(concluded)} concluded ones")
        self._rows = np.asarray([i for i, each in enumerate(concluded) if each is not None], dtype=np.int64)
        own = np.ones(len(expected)) if shares is None else np.asarray(shares, dtype=np.float64)
        self._shares = own[self._rows]
        self._one = np.asarray(expected, dtype=np.float64)[self._rows]
        self._other = np.asarray([each for each in concluded if each is not None], dtype=np.float64)
        self._ranking = (_Ranking(self._one), _Ranking(self._other))

    @property
    def counts(self) -> Mapping[str, int]:
        """The same of all: pairs that have a value."""
        number = round(float(self._shares.sum()))
        return dict.fromkeys(("agreement", "within_1", "mae", "bias", *self.reasons), number)

    @property
    def reasons(self) -> Mapping[str, str]:
        """Of every statistic that is a quotient of variances."""
        why = NO_VARIATION if len(self._one) else NO_PAIRS
        return dict.fromkeys(("ccc", "weighted_kappa", "spearman", "krippendorff_alpha"), why)

    def statistics(self, weights: Floats) -> dict[str, Floats]:
        """As `Sample.statistics`."""
        w = weights[:, self._rows] * self._shares[None, :]
        total = w.sum(axis=1)
        gaps = np.abs(self._one - self._other)
        concordance = self._concordance(w, total)
        return {
            "agreement": ratio(w @ np.isclose(self._one, self._other, rtol=1e-9, atol=0.0).astype(np.float64), total),
            "within_1": ratio(w @ (gaps <= 1.0 + 1e-9).astype(np.float64), total),
            "mae": ratio(w @ gaps, total),
            "bias": ratio(w @ (self._other - self._one), total),
            "ccc": concordance,
            "weighted_kappa": concordance,
            "spearman": _pearson(w, self._ranking[0].of(w), self._ranking[1].of(w)),
            "krippendorff_alpha": self._alpha(w, total),
        }

    def _concordance(self, w: Floats, total: Floats) -> Floats:
        centre = float(self._one.mean()) if len(self._one) else 0.0
        one, other = self._one - centre, self._other - centre  # sums of squares keep their digits
        mean_one, mean_other = ratio(w @ one, total), ratio(w @ other, total)
        covariance = ratio(w @ (one * other), total) - mean_one * mean_other
        spread = ratio(w @ (one**2), total) - mean_one**2 + ratio(w @ (other**2), total) - mean_other**2
        return _quotient(2 * covariance, spread + (mean_one - mean_other) ** 2, self._scale())

    def _alpha(self, w: Floats, total: Floats) -> Floats:
        centre = float(self._one.mean()) if len(self._one) else 0.0
        one, other = self._one - centre, self._other - centre
        observed = ratio(w @ ((one - other) ** 2), total)
        every = 2 * total
        sums, squares = w @ (one + other), w @ (one**2 + other**2)
        expected = ratio(2 * every * squares - 2 * sums**2, every * (every - 1))
        return 1 - _quotient(observed, expected, self._scale())

    def _scale(self) -> float:
        both = np.concatenate([self._one, self._other])
        return float(np.square(np.ptp(both))) if len(both) else 0.0


class _Ranking:
    """Mid-ranks of values that count as often as their weights say."""

    def __init__(self, values: Floats) -> None:
        self._levels, self._index = np.unique(values, return_inverse=True)

    def of(self, weights: Floats) -> Floats:
        held = tally(weights, self._index, max(1, len(self._levels)))
        middle = np.cumsum(held, axis=1) - held / 2
        ranks: Floats = middle[:, self._index]
        return ranks


def _pearson(w: Floats, one: Floats, other: Floats) -> Floats:
    total = w.sum(axis=1)
    one = one - ratio((w * one).sum(axis=1), total)[:, None]
    other = other - ratio((w * other).sum(axis=1), total)[:, None]
    along = (w * one * other).sum(axis=1)
    spread = np.sqrt((w * one**2).sum(axis=1) * (w * other**2).sum(axis=1))
    return _quotient(along, spread, 1.0)


def _quotient(above: Floats, below: Floats, scale: float) -> Floats:
    """NaN where what is below is nothing but rounding, next to the square of the values' range."""
    usable = np.abs(below) > 1e-12 * max(scale, 1e-300)
    quotient: Floats = np.divide(above, below, out=np.full(below.shape, np.nan), where=usable)
    return quotient
