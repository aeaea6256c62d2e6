"""What the evaluator refuses.  `evaluator/server/errors.py` maps each to a gRPC status, once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class EvaluatorError(Exception):
    """Root of this module."""


class InvalidDefinition(EvaluatorError):
    """A metric or rule definition is not acceptable.  `field` is its path in the message: `metric.prompt`, say."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.reason = message


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One thing that is wrong: its path, `metrics[2].prompt` for example, and what to write instead."""

    field: str
    message: str


class InvalidDefinitions(EvaluatorError):
    """Some of many definitions are not acceptable; nothing of them was kept."""

    def __init__(self, violations: Sequence[Violation]) -> None:
        super().__init__("; ".join(f"{each.field}: {each.message}" for each in violations))
        self.violations = tuple(violations)


class InvalidFilter(InvalidDefinition):
    """A filter does not parse or names what may not be named.  `position` counts characters from 0."""

    def __init__(self, message: str, *, position: int, field: str = "rule.filter") -> None:
        super().__init__(field, message)
        self.position = position


class MetricNotFound(EvaluatorError):
    """No metric of this name or version."""


class RuleNotFound(EvaluatorError):
    """No rule of this name."""


class TargetNotFound(EvaluatorError):
    """No such span, trace or session is stored."""


class LevelMismatch(EvaluatorError):
    """The metric does not work at the level of the target."""


class RequiredMetricMissing(EvaluatorError):
    """A metric requires another that does not exist, or requires itself through others."""


class MetricInUse(EvaluatorError):
    """A rule or another metric still names this metric."""


class TooManyTargets(EvaluatorError):
    """A call asks for more (target, metric) pairs than one call may."""


class BudgetSpent(EvaluatorError):
    """A budget does not pay for the calls to judges that are asked for; `retry_seconds` later it does again."""

    def __init__(self, message: str, *, retry_seconds: float) -> None:
        super().__init__(message)
        self.retry_seconds = retry_seconds


class RunNotFound(EvaluatorError):
    """No run of this id."""


class AlertNotFound(EvaluatorError):
    """No alert of this name."""


class DeliveryNotFound(EvaluatorError):
    """No delivery of this id."""
