"""A rule as it is kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from evaluator.online.rules.definition import RuleDefinition


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleRecord:
    """A version of a rule and when it was made; `deleted` = it is the rule's deletion."""

    definition: RuleDefinition
    create_time: datetime | None = None
    deleted: bool = False
