"""Why a target was or was not scored by a rule."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from storage.model import TargetRef


class Decision(StrEnum):
    """What a rule decided about one target and metric."""

    SCORED = "scored"
    WAITING = "waiting"
    RUNNING = "running"
    SAMPLED_OUT = "sampled_out"
    FILTERED_OUT = "filtered_out"
    FAILED = "failed"
    NOT_APPLICABLE = "not_applicable"
    DISABLED = "disabled"
    BEFORE_LOOKBACK = "before_lookback"
    CANCELLED = "cancelled"
    SET_ASIDE = "set_aside"
    DEPENDENCY_FAILED = "dependency_failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """One decision.

    Attributes:
        metric: As the rule names it.
        reason: A sentence for people: what it waits for, the hash and the rate, the clause that was not true.
        evaluation_id: The result, where there is one.
        decided: When it was decided; None for what is worked out when asked.
        next_attempt: When it will be looked at again; None where nothing is planned.
        attempts: How often it was attempted, 0 or more.
    """

    metric: str
    decision: Decision
    reason: str
    evaluation_id: uuid.UUID | None = None
    decided: datetime | None = None
    next_attempt: datetime | None = None
    attempts: int = 0


class Explaining(Protocol):
    """Answers why."""

    async def explain(self, rule: str, target: TargetRef) -> list[Explanation]:
        """One explanation for each metric of the rule, in the rule's order; never empty.

        Raises:
            RuleNotFound: No such rule.
            TargetNotFound: No such target is stored.
            storage.errors.Unavailable: ClickHouse is away.
        """
