"""What became of the targets of a rule: the stages of its funnel, and how long they took."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from evaluator.online.rules.policy import Budget
from evaluator.online.rules.record import RuleRecord
from storage.budgets import Budgets, Unit
from storage.funnels import Funnel, Funnels

USUAL_SPAN = timedelta(hours=24)


class GetsRules(Protocol):
    """`evaluator.online.rules.catalogue.Rules`."""

    async def get(self, name: str) -> RuleRecord:
        """A rule; raises RuleNotFound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleFunnel:
    """Targets of a rule that completed in [since, until), per metric, in the rule's order.

    Attributes:
        spent: Of the rule's budget, today (UTC).
        budget: As the rule says; without limits where it has none.
    """

    rule: str
    since: datetime
    until: datetime
    metrics: tuple[Funnel, ...]
    spent: Budget
    budget: Budget


@dataclass(frozen=True, slots=True, kw_only=True)
class FunnelCounter:
    """Counts them."""

    rules: GetsRules
    funnels: Funnels
    budgets: Budgets

    async def count(self, name: str, *, since: datetime | None = None, until: datetime | None = None) -> RuleFunnel:
        """What completed in a span of time: the last 24 hours, where nothing is said.

        Raises:
            RuleNotFound: There is none of this name.
            Unavailable: The store is away.
        """
        rule = (await self.rules.get(name)).definition
        end = until or datetime.now(UTC)
        start = since or end - USUAL_SPAN
        counted = {each.metric: each for each in await self.funnels.of_rule(name, since=start, until=until)}
        return RuleFunnel(
            rule=name,
            since=start,
            until=end,
            metrics=tuple(counted.get(metric) or Funnel(metric=metric) for metric in rule.metrics),
            spent=await self._spent(name),
            budget=rule.budget,
        )

    async def _spent(self, rule: str) -> Budget:
        today = datetime.fromtimestamp(await self.budgets.now_ms() / 1000, UTC).date()
        standings = await self.budgets.standing([f"rule:{rule}"])
        spent = {each.of.unit: each.spent for each in standings if each.of.day == today}
        return Budget(
            calls=round(spent.get(Unit.CALLS, 0)), tokens=round(spent.get(Unit.TOKENS, 0)), usd=spent.get(Unit.USD, 0.0)
        )
