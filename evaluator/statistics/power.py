"""How many rows it takes.

Source: Connor (1987), "Sample size for testing differences in proportions for the paired-sample design", Biometrics 43
(here counted exactly, without its normal approximation).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache

from evaluator.statistics.comparing import mcnemar
from evaluator.statistics.estimate import Estimate

BROKEN = 0.04
"""Share of rows that a change for the better makes worse, as assumed."""
MOST_ROWS = 100_000


def power(rows: int, gain: float, *, broken: float = BROKEN, alpha: float = 0.01) -> float:
    """Chance that the exact one-sided McNemar test proves a gain, in [0.0, 1.0].

    Args:
        gain: Of agreement, in (0.0, 1.0].
        broken: Share of rows that turn wrong; `gain + broken` turn right.
    """
    fixed = min(1.0 - broken, gain + broken)
    moving = fixed + broken
    right = fixed / moving
    return min(
        1.0,
        sum(
            _chance(rows, changed, moving) * _upper(changed, _needed(changed, alpha), right)
            for changed in _likely(rows, moving)
        ),
    )


def rows_for(gain: float, *, wanted: float = 0.8, broken: float = BROKEN, alpha: float = 0.01) -> int | None:
    """Fewest rows, to within 2 %, from which on a gain is proved with that chance; None = more than 100,000."""
    low, high = 1, 16
    while power(high, gain, broken=broken, alpha=alpha) < wanted:
        low, high = high, 2 * high
        if high > MOST_ROWS:
            return None
    while high - low > max(1, high // 50):
        middle = (low + high) // 2
        if power(middle, gain, broken=broken, alpha=alpha) < wanted:
            low = middle
        else:
            high = middle
    return high


def more_rows(estimate: Estimate, *, half_width: float) -> int | None:
    """Rows to label until the interval is about so narrow; 0 = it is, None = it cannot be told.

    An interval narrows with the square root of rows.
    """
    if estimate.half_width is None or not estimate.count:
        return None
    wanted = estimate.count * (estimate.half_width / half_width) ** 2
    return max(0, math.ceil(wanted - estimate.count))


def advice(estimate: Estimate, classes: Mapping[str, int], *, half_width: float = 0.1) -> str:
    """What to label next, for people; '' = nothing needs to be.

    Args:
        classes: Rows of each class; the rarest is named where it has less than a quarter of an even share more than
            half of what the others have.
    """
    more = more_rows(estimate, half_width=half_width)
    if not more:
        return ""
    rounded = _rounded(more)
    text = f"label about {rounded} more"
    if len(classes) >= 2:
        rarest = min(classes, key=lambda each: (classes[each], each))
        if classes[rarest] * len(classes) < 0.6 * sum(classes.values()):
            text += f", mostly of class {rarest}"
    return f"{text}, for an interval of ±{half_width:g}"


def _rounded(rows: int) -> int:
    step = 5 if rows < 50 else 10 if rows < 200 else 50 if rows < 2000 else 500
    return -(-rows // step) * step


@lru_cache(maxsize=20_000)
def _needed(changed: int, alpha: float) -> int:
    """Fewest fixed rows of so many changed ones that are proof; one more than there are where none is."""
    low, high = changed // 2, changed + 1
    while low < high:
        middle = (low + high) // 2
        if mcnemar(middle, changed - middle) < alpha:
            high = middle
        else:
            low = middle + 1
    return low


def _likely(rows: int, share: float) -> range:
    spread = 8 * math.sqrt(rows * share * (1 - share)) + 8
    return range(max(0, math.floor(rows * share - spread)), min(rows, math.ceil(rows * share + spread)) + 1)


def _chance(rows: int, hits: int, share: float) -> float:
    if share >= 1.0:
        return float(hits == rows)
    log = math.lgamma(rows + 1) - math.lgamma(hits + 1) - math.lgamma(rows - hits + 1)
    return math.exp(log + hits * math.log(share) + (rows - hits) * math.log1p(-share))


def _upper(rows: int, least: int, share: float) -> float:
    return sum(_chance(rows, each, share) for each in range(least, rows + 1))
