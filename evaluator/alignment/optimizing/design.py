"""How rows are held out, by how many there are (ALIGNMENT: §5 of the design)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

FEWEST = 5
"""Below it, no score is claimed."""
INDICATIVE = 10
"""Below it, a score is shown and decides nothing."""
SEALED = 200
"""From here on a part is sealed away; below, every row is held out once, in turn."""
SHARES = (0.5, 0.2, 0.3)
"""Train, validation, sealed."""
VALIDATION = 0.25
VALIDATED_FROM = 30
"""Rows of a fit; of fewer, lines are made of all and tried on all: a quarter less to read costs more than it saves."""
ROUNDS = 3
REPEATS = 2
"""Fresh answers that each row gets, before and after."""
CANDIDATES = 4
"""Sets of guidelines that a round tries, about."""


class Holding(StrEnum):
    """Ways to hold rows out."""

    NONE = "none"
    CROSS_FIT = "cross-fit"
    SEALED = "sealed split"


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """One way, for a number of rows.  `folds` is 0 unless it is a cross-fit."""

    holding: Holding
    folds: int = 0

    def __str__(self) -> str:
        return f"{self.holding}, {self.folds} folds" if self.folds else str(self.holding)


def design_for(rows: int, groups: int, *, max_calls: int | None = None) -> Design:
    """The way that fits.

    Args:
        groups: Of rows that stay together.
        max_calls: What the judge may be asked at most; None = as often as need be.  Where a cross-fit would cost more,
            a part is sealed away, unless nothing would be left to learn from.
    """
    if rows < FEWEST or groups < 2:
        return Design(holding=Holding.NONE)
    if rows < INDICATIVE:
        return Design(holding=Holding.CROSS_FIT, folds=min(5, groups))
    cross_fit = Design(holding=Holding.CROSS_FIT, folds=min(4, groups))
    short = max_calls is not None and max_calls < expected_calls(rows, cross_fit)
    if groups >= 3 and (rows >= SEALED or short):
        return Design(holding=Holding.SEALED)
    return cross_fit


def expected_calls(rows: int, design: Design) -> int:
    """How often the judge is asked, about: a round asks each candidate about every row that it may see."""
    fit = rows * (REPEATS + CANDIDATES * ROUNDS // 2)
    if design.holding is Holding.SEALED:
        return round(fit * (SHARES[0] + SHARES[1]) + 2 * REPEATS * rows * SHARES[2])
    if design.holding is Holding.NONE:
        return fit
    return fit + round((design.folds - 1) * (fit - REPEATS * rows)) + REPEATS * rows
