"""Who pays for the tries of one question, and what each of them cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from evaluator.judges.metering import Hold, Meter
from evaluator.judges.port import Call
from storage.model import Usage

PriceOf: TypeAlias = Callable[[int, int, int], float | None]
"""USD of a call by its input, output and cached tokens; None where nobody knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """The payment for one question.

    Attributes:
        expected: What one try is expected to take.
        own_price: `price` is what the settings say: it comes before what the provider told.
    """

    meter: Meter
    expected: Usage
    price: PriceOf
    own_price: bool

    async def hold(self) -> Hold:
        """Set aside what a try is expected to take; raises as `Meter.hold`."""
        cost = self.price(self.expected.input_tokens, self.expected.output_tokens, 0)
        return await self.meter.hold(replace(self.expected, cost_usd=cost))

    def settle(self, hold: Hold, calls: Sequence[Call]) -> None:
        """Say what a try took."""
        hold.settle(sum((self._usage(call) for call in calls), start=Usage()))

    def _usage(self, call: Call) -> Usage:
        used = call.usage
        if used.cost_usd is not None and not self.own_price:
            return used
        return replace(used, cost_usd=self.price(used.input_tokens, used.output_tokens, call.cached_tokens))
