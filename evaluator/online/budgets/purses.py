"""Who pays for calls to judges: a rule's budget and the installation's, each by UTC day."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from evaluator.judges.metering import Hold, Meter, OverBudget
from evaluator.judges.port import PriceUnknown
from evaluator.online.budgets.account import Account
from evaluator.online.rules.definition import RuleDefinition
from evaluator.online.rules.policy import Budget
from storage.budgets import INSTALLATION, BudgetDay, Budgets, Unit
from storage.errors import StorageError
from storage.model import Usage

log = logging.getLogger(__name__)

TICK_SECONDS = 2.0
CLOCK_SECONDS = 60.0
"""How often the store is asked for its time; in between this process's own clock, which may not jump, counts on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """What one budget allows a day in one unit."""

    scope: str
    unit: Unit
    amount: float

    @property
    def owner(self) -> str:
        """As people call it."""
        return "the installation" if self.scope == INSTALLATION else f"rule {self.scope.removeprefix('rule:')}"


def limits_of(scope: str, budget: Budget) -> tuple[Limit, ...]:
    """The limits that a budget sets; none where it sets none."""
    amounts = ((Unit.CALLS, budget.calls), (Unit.TOKENS, budget.tokens), (Unit.USD, budget.usd))
    return tuple(Limit(scope=scope, unit=unit, amount=float(amount)) for unit, amount in amounts if amount)


def scope_of(rule: str) -> str:
    """Under which a rule's budget is kept."""
    return f"rule:{rule}"


class Purses:
    """All budgets of a process.  An async context manager; what it has drawn is given back at its end.

    Args:
        installation: What the whole installation may spend a day; 0 = no limit.
        clock: The time, in UTC; None = the store's.
    """

    def __init__(
        self, budgets: Budgets, *, installation: Budget | None = None, clock: Callable[[], datetime] | None = None
    ) -> None:
        self._budgets = budgets
        self._installation = limits_of(INSTALLATION, installation or Budget())
        self._clock = clock
        self._ahead_seconds = 0.0
        """The store's clock less the monotonic one."""
        self._asked_at: float | None = None
        self._asking = asyncio.Lock()
        self._accounts: dict[BudgetDay, Account] = {}
        self._rules: dict[str, RuleDefinition] = {}
        self._closed_draws = 0
        self._group = asyncio.TaskGroup()
        self._ticking: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Purses:
        await self._group.__aenter__()
        self._ticking = self._group.create_task(self._tick_forever())
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._ticking is not None:
            self._ticking.cancel()
        await self._group.__aexit__(None, None, None)
        await self._close()

    @property
    def draws(self) -> int:
        """How often a budget was drawn from."""
        return self._closed_draws + sum(account.draws for account in self._accounts.values())

    def installation(self) -> Meter | None:
        """Who pays for what no rule asks; None = nobody counts."""
        return _DayMeter(self, "") if self._installation else None

    def of(self, rule: RuleDefinition) -> Meter | None:
        """Who pays for a rule's calls, those for required metrics too; None = nobody counts."""
        known = self._rules.get(rule.name)
        if known is None or known.version <= rule.version:
            self._rules[rule.name] = known = rule
        return _DayMeter(self, rule.name) if limits_of("", known.budget) or self._installation else None

    def limits(self, rule: str) -> tuple[Limit, ...]:
        """What a rule's calls are charged to, by its newest version: an edit counts for what was selected before."""
        known = self._rules.get(rule)
        own = limits_of(scope_of(rule), known.budget) if known is not None else ()
        return (*own, *self._installation)

    async def today(self) -> date:
        """The UTC day on which calls are charged now.

        Raises:
            storage.errors.StorageError: The store is away, and was not asked lately.
        """
        if self._clock is not None:
            return self._clock().date()
        if self._asked_at is None or time.monotonic() - self._asked_at > CLOCK_SECONDS:
            async with self._asking:
                if self._asked_at is None or time.monotonic() - self._asked_at > CLOCK_SECONDS:
                    now_ms = await self._budgets.now_ms()
                    self._asked_at = time.monotonic()
                    self._ahead_seconds = now_ms / 1000 - self._asked_at
        return datetime.fromtimestamp(self._ahead_seconds + time.monotonic(), UTC).date()

    def account(self, budget: BudgetDay) -> Account:
        """This process's part of a budget."""
        found = self._accounts.get(budget)
        if found is None:
            found = self._accounts[budget] = Account(self._budgets, budget)
        return found

    async def _tick_forever(self) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            try:
                await self.tick()
            except StorageError as error:
                log.warning("budgets_not_told", extra={"reason": str(error)})
            except Exception:  # a bug here must not end the process: budgets are told again at the next draw
                log.exception("budgets_crashed")

    async def tick(self) -> None:
        """Tell what was spent, give back what others may want, and let go of days that are over.

        Raises:
            storage.errors.StorageError: The store is away.
        """
        if not self._accounts:
            return
        today = await self.today()
        found = await self._budgets.standing({budget.scope for budget in self._accounts})
        standing = {each.of: each for each in found}
        for budget, account in list(self._accounts.items()):
            over = budget.day < today
            await account.look(standing.get(budget), closing=over)
            if account.is_closed and over:
                self._closed_draws += account.draws
                del self._accounts[budget]

    async def _close(self) -> None:
        """Give everything back; where the store is away, what was drawn stays drawn for the day."""
        for account in self._accounts.values():
            try:
                await account.look(None, closing=True)
            except StorageError as error:
                log.warning("budget_not_given_back", extra={"scope": account.budget.scope, "reason": str(error)})


@dataclass(frozen=True, slots=True)
class _Held:
    """What is set aside for one call, of every budget that pays for it."""

    parts: Sequence[tuple[Account, float]]
    expected: Usage

    def settle(self, spent: Usage) -> None:
        """Say what it took; what cost nobody knows is charged as it was expected."""
        for account, held in self.parts:
            taken = _amount(account.budget.unit, spent)
            if taken is None:
                taken = held if spent.input_tokens or spent.output_tokens else 0.0
            account.settle(held, taken)


@dataclass(frozen=True, slots=True)
class _DayMeter:
    """Budgets that pay for the same calls."""

    purses: Purses
    rule: str

    async def hold(self, expected: Usage) -> Hold:
        """See `evaluator.judges.metering.Meter`."""
        day = await self.purses.today()
        parts: list[tuple[Account, float]] = []
        try:
            for limit in self.purses.limits(self.rule):
                amount = _amount(limit.unit, expected)
                if amount is None:
                    raise PriceUnknown(price_unknown(limit.owner))
                account = self.purses.account(BudgetDay(scope=limit.scope, day=day, unit=limit.unit))
                if not await account.take(amount, limit.amount):
                    raise _over(limit, account, amount)
                parts.append((account, amount))
        except BaseException:
            for account, amount in parts:
                account.settle(amount, 0.0)
            raise
        return _Held(parts, expected)


def price_unknown(owner: str) -> str:
    """What is said where a budget in USD meets a model whose price nobody knows."""
    return (
        f"{owner} has a budget in USD, and the price of the model is not known: set price = "
        "{ input = USD, output = USD } per million tokens in its table [judges.NAME], and use it as gateway:/NAME"
    )


def _amount(unit: Unit, usage: Usage) -> float | None:
    match unit:
        case Unit.CALLS:
            return float(usage.attempts)
        case Unit.TOKENS:
            return float(usage.input_tokens + usage.output_tokens)
        case Unit.USD:
            return usage.cost_usd


def _over(limit: Limit, account: Account, amount: float) -> OverBudget:
    day = account.budget.day
    resets = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
    used = f"{_said(account.used)} of {_said(limit.amount)} {_NAME[limit.unit]} of {day} (UTC) are spent or under way"
    more = "" if limit.unit is Unit.CALLS else f", and the next call takes about {_said(amount)}"
    again = f"{resets:%Y-%m-%dT%H:%M:%SZ}"
    return OverBudget(f"the budget of {limit.owner}: {used}{more}; it starts again at {again}", resets=resets)


_NAME = {Unit.CALLS: "calls", Unit.TOKENS: "tokens", Unit.USD: "USD"}


def _said(number: float) -> str:
    return f"{number:,.0f}" if number == int(number) else f"{number:,.6g}"
