"""What a run may take, and what it has taken: every try of a call is paid for before it is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from evaluator.alignment.running.definition import Caps
from evaluator.judges.metering import Hold, Meter, OverBudget
from evaluator.judges.port import PriceUnknown
from storage.alignments import CallKind
from storage.model import Usage

NEVER = datetime.max.replace(tzinfo=UTC)


class CapReached(OverBudget):
    """The run's own caps do not cover a further call."""


@dataclass(slots=True)
class Spent:
    """What a run has used; `remembered` are answers that cost nothing."""

    judge_calls: float = 0.0
    reflection_calls: float = 0.0
    remembered: float = 0.0
    input_tokens: float = 0.0
    output_tokens: float = 0.0
    cost_usd: float = 0.0

    @classmethod
    def of(cls, *said: Mapping[str, float]) -> Spent:
        """The greatest of what is known of each."""
        return cls(**{name: max(each.get(name, 0.0) for each in said) for name in cls.__slots__})

    @property
    def calls(self) -> float:
        """Of judge and reflection model."""
        return self.judge_calls + self.reflection_calls

    def to_usage(self) -> dict[str, float]:
        """As a run's event has it."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(slots=True, kw_only=True)
class Till:
    """The money of one run.

    Attributes:
        outer: The installation's budget, which pays, too; None = nobody else counts.
    """

    caps: Caps
    spent: Spent = field(default_factory=Spent)
    outer: Meter | None = None
    held_calls: float = 0.0
    held_usd: float = 0.0

    def meter(self, kind: CallKind) -> Meter:
        """Who pays for calls of one kind."""
        return _Purse(self, kind)


@dataclass(frozen=True, slots=True)
class _Purse:
    till: Till
    kind: CallKind

    async def hold(self, expected: Usage) -> Hold:
        """See `evaluator.judges.metering.Meter`."""
        till, caps = self.till, self.till.caps
        if caps.max_calls and till.spent.calls + till.held_calls + 1 > caps.max_calls:
            raise CapReached(f"the run's {caps.max_calls} calls are used up", resets=NEVER)
        usd = expected.cost_usd
        if caps.max_cost_usd:
            if usd is None:
                raise PriceUnknown("caps.max_cost_usd is set, and what the model costs is not known; give its price")
            if till.spent.cost_usd + till.held_usd + usd > caps.max_cost_usd:
                raise CapReached(f"the run's {caps.max_cost_usd:g} USD are used up", resets=NEVER)
        till.held_calls += 1
        till.held_usd += usd or 0.0
        held = _Held(till, self.kind, usd or 0.0)
        if till.outer is not None:
            try:
                held.outer = await till.outer.hold(expected)
            except BaseException:
                held.settle(Usage())
                raise
        return held


@dataclass(slots=True)
class _Held:
    till: Till
    kind: CallKind
    usd: float
    outer: Hold | None = None

    def settle(self, spent: Usage) -> None:
        """See `evaluator.judges.metering.Hold`."""
        till = self.till
        till.held_calls -= 1
        till.held_usd -= self.usd
        if self.kind is CallKind.JUDGE:
            till.spent.judge_calls += spent.attempts
        else:
            till.spent.reflection_calls += spent.attempts
        till.spent.input_tokens += spent.input_tokens
        till.spent.output_tokens += spent.output_tokens
        till.spent.cost_usd += spent.cost_usd or 0.0
        if self.outer is not None:
            self.outer.settle(spent)
