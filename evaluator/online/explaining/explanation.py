"""Why a target was or was not scored by a rule."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from storage.model import TargetRef


class Decision(StrEnum):
    """What a rule decided about one target and metric."""

    SCORED = "scored"
    WAITING = "waiting"
    QUEUED = "queued"
    RUNNING = "running"
    OUT_OF_SCOPE = "out_of_scope"
    SAMPLED_OUT = "sampled_out"
    FILTERED_OUT = "filtered_out"
    FAILED = "failed"
    NOT_APPLICABLE = "not_applicable"
    DISABLED = "disabled"
    BEFORE_LOOKBACK = "before_lookback"
    EARLIER_VERSION = "earlier_version"
    LATE_IGNORED = "late_ignored"
    OVER_BUDGET = "over_budget"
    CANCELLED = "cancelled"
    SET_ASIDE = "set_aside"
    DEPENDENCY_FAILED = "dependency_failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class FalseClause:
    """A condition of a filter that is not true for a target.

    Attributes:
        text: As the rule's author wrote it.
        seen: What it looks at, as it was written -> its value; `NULL` where there is none.
    """

    text: str
    seen: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """One decision.

    Attributes:
        rule: Its name.
        metric: As the rule names it.
        reason: A sentence for people: what it waits for, the hash and the rate, the clause that was not true.
        evaluation_id: The result, where there is one.
        decided: When it was decided; None for what is worked out when asked.
        next_attempt: When it will be looked at again; None where nothing is planned.
        attempts: How often it was attempted, 0 or more.
        clauses: Conditions of the filter that are not true.
    """

    rule: str
    metric: str
    decision: Decision
    reason: str
    evaluation_id: uuid.UUID | None = None
    decided: datetime | None = None
    next_attempt: datetime | None = None
    attempts: int = 0
    clauses: tuple[FalseClause, ...] = field(default=())


class Explaining(Protocol):
    """Answers why."""

    async def explain(self, rule: str, target: TargetRef) -> list[Explanation]:
        """One explanation for each metric of the rule, in the rule's order, and of every rule of the target's level by
        name where `rule` is ''.  Of a named rule never empty.

        Metrics that the rule names no more, and rules that were deleted, are explained as far as the ledger knows them.

        Raises:
            RuleNotFound: There never was such a rule.
            TargetNotFound: No such target is stored, and nothing was ever decided about it.
            LevelMismatch: The rule is about another level.
            storage.errors.Unavailable: ClickHouse is away.
        """
