"""What can be resampled: statistics as functions of how often each row counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]
Whole: TypeAlias = npt.NDArray[np.int64]


class Sample(Protocol):
    """Rows, and the statistics that they have."""

    def statistics(self, weights: Floats) -> dict[str, Floats]:
        """Statistics by name, each of shape (k,), for weights of shape (k, rows).

        NaN where a statistic is not defined; whoever calls makes None of it.
        """

    @property
    def counts(self) -> Mapping[str, int]:
        """Rows that a statistic rests on, where these are not all."""

    @property
    def reasons(self) -> Mapping[str, str]:
        """Why a statistic may be undefined."""


class Means:
    """Means of values that every row has, by name."""

    def __init__(self, **values: Sequence[float]) -> None:
        self._values = {name: np.asarray(each, dtype=np.float64) for name, each in values.items()}

    @property
    def counts(self) -> Mapping[str, int]:
        """All rows, of every mean."""
        return {}

    @property
    def reasons(self) -> Mapping[str, str]:
        """A mean is undefined of no rows only."""
        return {}

    def statistics(self, weights: Floats) -> dict[str, Floats]:
        """As `Sample.statistics`."""
        return {name: ratio(weights @ each, weights.sum(axis=1)) for name, each in self._values.items()}


class Repeated:
    """A sample whose rows are answers, several of one row perhaps: the row's weight is that of each of them.

    Args:
        rows: Which row each answer belongs to.
    """

    def __init__(self, sample: Sample, rows: Sequence[int]) -> None:
        self._sample = sample
        self._rows = np.asarray(rows, dtype=np.int64)
        self.counts = sample.counts
        self.reasons = sample.reasons

    def statistics(self, weights: Floats) -> dict[str, Floats]:
        """As `Sample.statistics`."""
        return self._sample.statistics(weights[:, self._rows])


class Together:
    """Several samples of the same rows as one."""

    def __init__(self, *samples: Sample) -> None:
        self._samples = samples
        self.counts: Mapping[str, int] = {name: n for each in samples for name, n in each.counts.items()}
        self.reasons: Mapping[str, str] = {name: why for each in samples for name, why in each.reasons.items()}

    def statistics(self, weights: Floats) -> dict[str, Floats]:
        """As `Sample.statistics`."""
        return {name: found for each in self._samples for name, found in each.statistics(weights).items()}


def ratio(above: Floats, below: Floats) -> Floats:
    """Elementwise quotient; NaN where there is nothing to divide by."""
    usable = np.abs(below) > 1e-12
    quotient: Floats = np.divide(above, below, out=np.full(np.broadcast(above, below).shape, np.nan), where=usable)
    return quotient


def tally(weights: Floats, index: Whole, size: int) -> Floats:
    """Weights added up by index: of shape (k, size) for weights of shape (k, rows) and one index of each row."""
    k = weights.shape[0]
    flat = (np.arange(k, dtype=np.int64)[:, None] * size + index[None, :]).ravel()
    held: Floats = np.bincount(flat, weights=weights.ravel(), minlength=k * size).reshape(k, size).astype(np.float64)
    return held
