"""One budget of one day, as this process draws from it."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable

from storage.budgets import BudgetDay, Budgets, Draw, Standing

CHUNK_SHARE = 50
"""A draw is a fiftieth of the limit: that makes few draws a day, and little is out of reach when a worker dies."""
PATIENCE_SECONDS = 5.0
"""How long the first who finds nothing left waits for what other workers have drawn and do not use."""
LOOK_SECONDS = 0.5
RECHECK_SECONDS = 5.0
"""How often it is looked whether something came back to a budget that is spent."""
IDLE_SECONDS = 2.0
"""What was not used for so long is given back where others may want it; where they do not, after LONG_IDLE_SECONDS."""
LONG_IDLE_SECONDS = 60.0
REPORT_SECONDS = 10.0
ROUNDING = 1e-9


class Account:
    """What this process has drawn of a budget, and what became of it.

    What is held is for calls under way.  `limit` may change from one call to the next: the rule was edited.

    Attributes:
        draws: How often it was drawn.
    """

    def __init__(self, budgets: Budgets, budget: BudgetDay, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.budget = budget
        self.draws = 0
        self._budgets = budgets
        self._clock = clock
        self._limit = 0.0
        self._token = ""
        self._unproven: tuple[str, float] | None = None
        """A draw whose outcome is not known: its token, and what it says was spent."""
        self._drawn = self._spent = self._held = self._others = self._told = 0.0
        self._empty = False
        self._look_again_at = 0.0
        self._used_at = self._told_at = clock()
        self._drawing = asyncio.Lock()

    @property
    def used(self) -> float:
        """What is spent or under way, by all workers, as far as this one knows."""
        return self._told + self._spent + self._held + self._others

    @property
    def is_closed(self) -> bool:
        """Whether nothing is out: nothing drawn, held or still to be told."""
        return not (self._drawn or self._held or self._spent or self._unproven)

    async def take(self, amount: float, limit: float) -> bool:
        """Set something aside for a call; False = the budget does not cover it.

        Raises:
            storage.errors.StorageError: The store is away.
        """
        if limit == self._limit and self._covers(amount):
            self._hold(amount)
            return True
        async with self._drawing:
            if limit != self._limit:
                self._empty = False
            if not (limit == self._limit and self._covers(amount)) and not await self._refill(amount, limit):
                return False
            self._hold(amount)
            return True

    def settle(self, held: float, spent: float) -> None:
        """A call for which `held` was set aside came back, and took `spent`."""
        left = self._held - held
        self._held = left if left > ROUNDING else 0.0
        self._spent += spent
        self._used_at = self._clock()

    async def look(self, standing: Standing | None, *, closing: bool = False) -> None:
        """Tell what was spent lately, and give back what is not used and others may want; at the end all of it.

        Args:
            standing: Where the budget stands in the store; None = it is not known.

        Raises:
            storage.errors.StorageError: The store is away.
        """
        if self._drawing.locked() or self.is_closed:
            return
        now = self._clock()
        room = 0.0 if standing is None else self._limit - standing.spent - standing.drawn
        if self._empty and room > ROUNDING:
            self._look_again_at = now
        unused = max(0.0, self._drawn - self._spent - self._held)
        idle, scarce = now - self._used_at, room < self._limit / CHUNK_SHARE
        back = closing or (unused > ROUNDING and idle >= (IDLE_SECONDS if scarce else LONG_IDLE_SECONDS))
        if back or (self._spent and now - self._told_at >= REPORT_SECONDS):
            async with self._drawing:
                await self._draw(self._limit, need=self._held, want=self._held + (0.0 if back else unused))

    def _covers(self, amount: float) -> bool:
        return self._drawn - self._spent - self._held >= amount * (1.0 - ROUNDING)

    def _hold(self, amount: float) -> None:
        self._held += amount
        self._used_at = self._clock()

    async def _refill(self, amount: float, limit: float) -> bool:
        if self._empty and self._clock() < self._look_again_at:
            return False
        await self._draw(limit, need=self._held + amount, want=self._held + amount + limit / CHUNK_SHARE)
        until = self._clock() + (0.0 if self._empty else PATIENCE_SECONDS)
        while not self._covers(amount) and self._others > ROUNDING and self._clock() < until:
            await asyncio.sleep(LOOK_SECONDS)  # others give back what they do not use
            if not self._covers(amount):
                await self._draw(limit, need=self._held + amount, want=self._held + amount)
        self._empty = not self._covers(amount)
        self._look_again_at = self._clock() + RECHECK_SECONDS
        return not self._empty

    async def _draw(self, limit: float, *, need: float, want: float) -> None:
        self._unproven = self._unproven or (uuid.uuid4().hex, self._spent)
        token, spent = self._unproven
        self.draws += 1
        draw = Draw(limit=limit, old=self._token, new=token, spent=spent, need=need, want=want)
        drawn = await self._budgets.draw(self.budget, draw)
        self._unproven = None
        self._token, self._drawn, self._limit = token, drawn.amount, limit
        self._spent = max(0.0, self._spent - spent)
        self._others, self._told = drawn.others, drawn.spent
        self._told_at = self._clock()
