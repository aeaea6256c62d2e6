"""Agreement of two raters who each name any number of labels."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from evaluator.statistics.sample import Floats, ratio


class LabelSets:
    """Pairs of sets of labels.

    Statistics: `agreement` (share of pairs that are equal), `jaccard` (mean share of labels named by either that both
    named; 1 where neither named any), `macro_f1` (over labels that either names anywhere).

    Args:
        concluded: None = no verdict: a miss.
        shares: How much each pair counts in its row; None = 1.
    """

    def __init__(
        self,
        expected: Sequence[Collection[str]],
        concluded: Sequence[Collection[str] | None],
        *,
        shares: Sequence[float] | None = None,
    ) -> None:
        pairs = [
            (set(one), None if other is None else set(other)) for one, other in zip(expected, concluded, strict=True)
        ]
        self._shares = np.ones(len(pairs)) if shares is None else np.asarray(shares, dtype=np.float64)
        self._same = np.asarray([float(one == other) for one, other in pairs])
        self._shared = np.asarray([_jaccard(one, other) for one, other in pairs])
        labels = sorted({label for one, other in pairs for label in one | (other or set())})
        self._both = _named(labels, [one & (other or set()) for one, other in pairs])
        self._either = _named(labels, [one for one, _ in pairs]) + _named(
            labels, [other or set() for _, other in pairs]
        )

    @property
    def counts(self) -> Mapping[str, int]:
        """All pairs, of every statistic."""
        return {}

    @property
    def reasons(self) -> Mapping[str, str]:
        """Of the one quotient."""
        return {"macro_f1": "nobody names a label"}

    def statistics(self, weights: Floats) -> dict[str, Floats]:
        """As `Sample.statistics`."""
        w = weights * self._shares[None, :]
        total = w.sum(axis=1)
        f1 = ratio(2 * (w @ self._both), w @ self._either)
        known = ~np.isnan(f1)
        return {
            "agreement": ratio(w @ self._same, total),
            "jaccard": ratio(w @ self._shared, total),
            "macro_f1": ratio(np.where(known, f1, 0.0).sum(axis=1), known.sum(axis=1).astype(np.float64)),
        }


def _jaccard(one: set[str], other: set[str] | None) -> float:
    if other is None:
        return 0.0
    return len(one & other) / len(one | other) if one | other else 1.0


def _named(labels: Sequence[str], sets: Sequence[Collection[str]]) -> Floats:
    return np.asarray([[float(label in each) for label in labels] for each in sets]).reshape(len(sets), len(labels))
