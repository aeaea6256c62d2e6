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


class AlignmentNotFound(EvaluatorError):
    """No alignment of this id."""


class AlignmentNotEnded(EvaluatorError):
    """What is asked for needs an alignment that has ended."""


class SourceNotFound(EvaluatorError):
    """No completed evaluation of this id has resolved feedback for the metric."""


class NoResolvedAnnotations(EvaluatorError):
    """Nobody has said what is right yet, or nothing of it can be used; the message says why."""


class NotAJudge(EvaluatorError):
    """Only judge metrics can be aligned."""


class IncompatibleOutputType(EvaluatorError):
    """Verdicts of this output type cannot be compared."""


class ResultNotFound(EvaluatorError):
    """No result of this id is stored, and none is being computed here."""


class InvalidFeedback(EvaluatorError):
    """What a person says is not acceptable.  `field` is its path in the message: `expected.value`, say."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.reason = message


class FeedbackNotFound(EvaluatorError):
    """No feedback of this id, or nobody has said anything about this target and metric."""


class BulkNotFound(EvaluatorError):
    """No feedback was given under this bulk id."""


class AlreadyAccepted(EvaluatorError):
    """The alignment's guidelines are in force."""


class AlreadyDiscarded(EvaluatorError):
    """The alignment was put aside."""


class NoGuidelines(EvaluatorError):
    """There is nothing to accept: the judge would be what it is."""


class NotSupported(EvaluatorError):
    """No proof that the guidelines help, and nobody has said why they are to be accepted all the same."""


class RegressionBroken(EvaluatorError):
    """What an earlier version put right would be wrong again, and nobody has said why that is acceptable."""


class BaseMoved(EvaluatorError):
    """The metric has changed since the alignment started from it."""


class QueueNotFound(EvaluatorError):
    """No review queue of this name."""


class QueueEmpty(EvaluatorError):
    """Nothing is left in a review queue for this annotator."""


class ItemNotFound(EvaluatorError):
    """No item of this id stands in the review queue."""


class ReservationLost(EvaluatorError):
    """A reservation has expired, and others have taken the item's places."""


class AlreadyReviewed(EvaluatorError):
    """The annotator has given a verdict on this item already."""
