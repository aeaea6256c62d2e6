"""What became of the targets of rules, in numbers.

Every method may raise `storage.errors.Unavailable` (a retry may succeed).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Funnel:
    """Targets of one rule that completed in a span of time, for one metric.  `complete` is the sum of the other counts.

    Attributes:
        sampled_out: The hash of their trace (session) falls outside the rate that was in force.
        queued: Complete; no evaluator has looked that far.
        filtered_out: Looked at and not wanted: the filter, the scope, or a kind of span that the metric is not about.
        waiting: For a result of others, or left behind by an evaluator that died.
        retrying: An attempt failed, and another is planned.
        oldest_seconds: Since when the oldest that is not decided for good is complete; None = there is none.
        lag_seconds: From completion to result: the 0.5, 0.9 and 0.99 quantiles; None = there is no result.
    """

    metric: str
    complete: int = 0
    sampled_out: int = 0
    filtered_out: int = 0
    queued: int = 0
    waiting: int = 0
    retrying: int = 0
    started: int = 0
    scored: int = 0
    not_applicable: int = 0
    not_computed: int = 0
    failed: int = 0
    dependency_failed: int = 0
    over_budget: int = 0
    too_late: int = 0
    cancelled: int = 0
    poisoned: int = 0
    oldest_seconds: float | None = None
    lag_seconds: tuple[float, float, float] | None = None


class Funnels(Protocol):
    """Counts them."""

    async def of_rule(self, rule: str, *, since: datetime, until: datetime | None = None) -> list[Funnel]:
        """One per metric, by name, of what completed in [since, until); `until` None = up to now."""
