"""What calls to judges may cost: asked before one is sent, told what it took when it came back."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from storage.model import JudgeAnswer, Usage


class OverBudget(Exception):
    """A budget of the day does not cover a further call, so nothing is sent.  A decision, never a result or a failure.

    Attributes:
        resets: When the budget starts again, in UTC.
        answers: What was paid for before it was over, as votes of a jury: worth keeping.
    """

    def __init__(self, reason: str, *, resets: datetime) -> None:
        super().__init__(reason)
        self.reason = reason
        self.resets = resets
        self.answers: tuple[JudgeAnswer, ...] = ()


class Hold(Protocol):
    """What one call may take."""

    def settle(self, spent: Usage) -> None:
        """Say what it took: `attempts` requests, their tokens, and USD where known; all 0 = it was not sent."""


class Meter(Protocol):
    """The budgets that pay for somebody's calls."""

    async def hold(self, expected: Usage) -> Hold:
        """Set aside what a call is expected to take; MUST be settled.

        Raises:
            OverBudget: One of the budgets does not cover it.
            PriceUnknown: A budget is in USD, and `expected` has no cost.
            storage.errors.StorageError: The store is away.
        """
