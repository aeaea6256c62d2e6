"""Whether a budget in USD can be kept: the price of every model that a rule's metrics ask must be known."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from evaluator.errors import InvalidDefinition
from evaluator.judges.port import JudgeError
from evaluator.metrics.composite.requirements import Knows, closure
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.judging.jury import seats
from evaluator.online.rules.policy import Budget
from storage.model import MetricKind


class KnowsPrices(Protocol):
    """What calls cost (`evaluator.judges.choose.Judges`)."""

    def model_for(self, model: str) -> str:
        """The model that would answer; '' = none is configured."""

    async def cost_of(
        self, model: str, *, input_tokens: int, output_tokens: int, cached_tokens: int = 0
    ) -> float | None:
        """USD; None where nobody knows.

        Raises:
            JudgeError: There is no such endpoint, or no model at all.
        """


async def check_prices(budget: Budget, metrics: Iterable[MetricDefinition], known: Knows, prices: KnowsPrices) -> None:
    """Refuse a budget in USD that could not be counted.

    Raises:
        InvalidDefinition: A model has no known price; says which, and what to set.
        RequiredMetricMissing: A required metric does not exist.
    """
    if not budget.usd:
        return
    needed = list(metrics)
    required = await closure(known, needed)
    needed += [each.metric for requirements in required.values() for each in requirements]
    asked = {seat.model for metric in needed if metric.kind is MetricKind.JUDGE for seat in seats(metric)}
    for model in sorted(asked):
        try:
            cost = await prices.cost_of(model, input_tokens=1, output_tokens=1)
        except JudgeError as error:
            raise InvalidDefinition("rule.budget.usd", f"cannot be counted: {error}") from error
        if cost is None:
            raise InvalidDefinition(
                "rule.budget.usd",
                f"cannot be counted: the price of {prices.model_for(model)} is not known; set price = {{ input = USD, "
                "output = USD } per million tokens in a table [judges.NAME] and name the model as gateway:/NAME, or "
                "set a budget of calls or tokens",
            )
