"""`statistics`, for numbers: as CPython's within rounding (it adds up fractions, this adds up with `fsum`)."""

from __future__ import annotations

import collections
import math
from typing import Any

StatisticsError = ValueError
_LinearRegression = collections.namedtuple("_LinearRegression", "slope intercept")


def _some(data: list[float], least: int = 1) -> list[float]:
    values = list(data)
    if len(values) < least:
        raise StatisticsError(f"needs at least {least} data point{'s' if least > 1 else ''}")
    return values


def mean(data: list[float]) -> float:
    """Arithmetic mean."""
    values = _some(data)
    if all(isinstance(value, int) for value in values):
        total = sum(values)
        return total // len(values) if total % len(values) == 0 else total / len(values)
    return math.fsum(values) / len(values)


def fmean(data: list[float], weights: list[float] | None = None) -> float:
    """Arithmetic mean as a float, weighted if asked for."""
    values = _some(data)
    if weights is None:
        return math.fsum(values) / len(values)
    shares = list(weights)
    if len(shares) != len(values):
        raise StatisticsError("data and weights must be the same length")
    whole = math.fsum(shares)
    if not whole:
        raise StatisticsError("sum of weights must be non-zero")
    return math.fsum([value * share for value, share in zip(values, shares)]) / whole  # noqa: B905 - equal by now


def geometric_mean(data: list[float]) -> float:
    """The n-th root of the product."""
    values = _some(data)
    if any(value < 0 for value in values):
        raise StatisticsError("No negative inputs allowed")
    if any(value == 0 for value in values):
        return 0.0
    return math.exp(math.fsum([math.log(value) for value in values]) / len(values))


def harmonic_mean(data: list[float], weights: list[float] | None = None) -> float:
    """The reciprocal of the mean of reciprocals."""
    values = _some(data)
    shares = [1] * len(values) if weights is None else list(weights)
    if len(shares) != len(values):
        raise StatisticsError("Number of weights does not match data size")
    if any(value < 0 for value in values):
        raise StatisticsError("harmonic mean does not support negative values")
    if any(value == 0 for value in values):
        return 0
    return sum(shares) / math.fsum([share / value for value, share in zip(values, shares)])  # noqa: B905


def median(data: list[float]) -> float:
    """The middle value, or the mean of the two in the middle."""
    values = sorted(_some(data))
    half = len(values) // 2
    return values[half] if len(values) % 2 else (values[half - 1] + values[half]) / 2


def median_low(data: list[float]) -> float:
    """The middle value, the lower of two."""
    values = sorted(_some(data))
    return values[(len(values) - 1) // 2]


def median_high(data: list[float]) -> float:
    """The middle value, the higher of two."""
    values = sorted(_some(data))
    return values[len(values) // 2]


def median_grouped(data: list[float], interval: float = 1.0) -> float:
    """The 50th percentile of data grouped into intervals around their values."""
    values = sorted(_some(data))
    middle = values[len(values) // 2]
    below = len([value for value in values if value < middle])
    same = len([value for value in values if value == middle])
    return float(middle) - interval / 2 + interval * (len(values) / 2 - below) / same


def mode(data: list[Any]) -> Any:
    """The most common value, the first of several."""
    return multimode(_some(data))[0]


def multimode(data: list[Any]) -> list[Any]:
    """Every most common value, in the order of their first appearance."""
    counts: dict[Any, int] = {}
    for value in data:
        counts[value] = counts.get(value, 0) + 1
    most = max(counts.values(), default=0)
    return [value for value, count in counts.items() if count == most]


def _ratio(total: float, count: float) -> float:
    """Whole where it is whole and comes of whole numbers."""
    if isinstance(total, int) and isinstance(count, int) and total % count == 0:
        return total // count
    return total / count


def _spread(data: list[float], center: float | None, less: int) -> float:
    values = _some(data, 1 + less)
    count = len(values)
    if center is None and all(isinstance(value, int) for value in values):
        return _ratio(count * sum(value * value for value in values) - sum(values) ** 2, count * (count - less))
    middle = mean(values) if center is None else center
    squares = [(value - middle) ** 2 for value in values]
    whole = all(isinstance(square, int) for square in squares)
    return _ratio(sum(squares) if whole else math.fsum(squares), count - less)


def variance(data: list[float], xbar: float | None = None) -> float:
    """Sample variance."""
    return _spread(data, xbar, 1)


def pvariance(data: list[float], mu: float | None = None) -> float:
    """Population variance."""
    return _spread(data, mu, 0)


def stdev(data: list[float], xbar: float | None = None) -> float:
    """Sample standard deviation."""
    return math.sqrt(variance(data, xbar))


def pstdev(data: list[float], mu: float | None = None) -> float:
    """Population standard deviation."""
    return math.sqrt(pvariance(data, mu))


def quantiles(data: list[float], *, n: int = 4, method: str = "exclusive") -> list[float]:
    """Cut points between `n` groups of equal size."""
    if n < 1:
        raise StatisticsError("n must be at least 1")
    values = sorted(_some(data, 2))
    if method not in ("exclusive", "inclusive"):
        raise ValueError(f"Unknown method: {method!r}")
    span = len(values) + 1 if method == "exclusive" else len(values) - 1
    cuts = []
    for i in range(1, n):
        at, rest = divmod(i * span, n)
        if method == "exclusive":
            at = max(1, min(at, len(values) - 1))
            rest = i * span - at * n
            at -= 1
        cuts.append((values[at] * (n - rest) + values[min(at + 1, len(values) - 1)] * rest) / n)
    return cuts


def _pairs(x: list[float], y: list[float]) -> tuple[list[float], list[float], float, float, float]:
    left, right = list(x), list(y)
    if len(left) != len(right):
        raise StatisticsError("both inputs must have the same number of data points")
    _some(left, 2)
    mean_x, mean_y = fmean(left), fmean(right)
    sxy = math.fsum([(a - mean_x) * (b - mean_y) for a, b in zip(left, right)])  # noqa: B905
    sxx = math.fsum([(a - mean_x) ** 2 for a in left])
    syy = math.fsum([(b - mean_y) ** 2 for b in right])
    return left, right, sxy, sxx, syy


def covariance(x: list[float], y: list[float]) -> float:
    """Sample covariance."""
    left, _right, sxy, _sxx, _syy = _pairs(x, y)
    return sxy / (len(left) - 1)


def correlation(x: list[float], y: list[float]) -> float:
    """Pearson's correlation."""
    _left, _right, sxy, sxx, syy = _pairs(x, y)
    if not sxx * syy:
        raise StatisticsError("at least one of the inputs is constant")
    return sxy / math.sqrt(sxx * syy)


def linear_regression(x: list[float], y: list[float]) -> tuple[float, float]:
    """Slope and intercept of the line of least squares."""
    left, right, sxy, sxx, _syy = _pairs(x, y)
    if not sxx:
        raise StatisticsError("x is constant")
    slope = sxy / sxx
    return _LinearRegression(slope, fmean(right) - slope * fmean(left))
