"""What judging may cost on one UTC day, drawn by many workers from one row.

Every method may raise `storage.errors.Unavailable`; a draw whose outcome is not known is repeated with the same tokens.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Protocol

INSTALLATION = "installation"
"""The scope of everything that this installation asks judges."""


class Unit(StrEnum):
    """What a budget counts."""

    CALLS = "calls"
    """Requests to judges, those that are repeated too."""
    TOKENS = "tokens"
    """Input and output together."""
    USD = "usd"


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetDay:
    """One budget on one UTC day; `scope` is `rule:NAME` or `installation`."""

    scope: str
    day: date
    unit: Unit


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """What a worker asks of a budget.

    Attributes:
        limit: Of the whole day.
        old: Token of its draw so far; '' = it has none.
        new: A fresh token, under which the new draw is proven.
        spent: Of the old draw, since it was told last.
        need: What calls under way need, of the old draw too.
        want: What it would like to have, `need` included; it may get less, also less than it needs.
    """

    limit: float
    old: str
    new: str
    spent: float
    need: float
    want: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """What became of it: what the worker has now, what others have, and what was spent in all."""

    amount: float
    others: float
    spent: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a budget stands; `drawn` is with workers, who have not spent it yet."""

    of: BudgetDay
    spent: float
    drawn: float
    limit: float


class Budgets(Protocol):
    """Budgets and what was spent of them."""

    async def now_ms(self) -> int:
        """The store's clock."""

    async def draw(self, budget: BudgetDay, draw: Draw) -> Drawn:
        """Tell what was spent and draw again, in one step that takes place once however often it is asked for."""

    async def standing(self, scopes: Collection[str]) -> list[Standing]:
        """Budgets of these scopes from which was drawn today or yesterday."""
