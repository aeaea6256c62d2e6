"""Definitions that files state, and what became, or would become, of them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from evaluator.online.rules.definition import RuleDefinition


class Action(StrEnum):
    """What is done about a definition."""

    CREATED = "created"
    CHANGED = "changed"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A field that differs; None = it is not set."""

    field: str
    before: object
    after: object


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What was (or would be) done about one definition.

    Attributes:
        kind: `metric` or `rule`.
        version: That is there now, or would be (of a metric that was deleted before: 1, until it is written).
    """

    kind: str
    name: str
    action: Action
    version: int
    changes: tuple[Change, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedRule:
    """A rule as it ought to be; `enabled` None = as it is, and on where it is new."""

    definition: RuleDefinition
    enabled: bool | None = None
