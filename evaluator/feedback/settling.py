"""Where a target stands after what people said about it: a pure function of what counts."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from evaluator.feedback.verdicts import as_text
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.gaps import default_delta, disagrees, gap
from storage.feedback import FeedbackRow, ResolutionMethod, ResolutionStatus
from storage.model import OutputType, Score

SHOWN_VERDICTS = 5
"""So many verdicts the reason of a dispute names."""
_CONTINUOUS = frozenset({OutputType.PERCENTAGE, OutputType.NUMBER})
_WHOLE = frozenset({OutputType.COUNT, OutputType.DISCRETE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """Where a target stands, and what of the feedback counted: the last word of each annotator."""

    status: ResolutionStatus
    expected: Score | None = None
    method: ResolutionMethod = ResolutionMethod.NONE
    resolver: str = ""
    reason: str = ""
    counted: tuple[FeedbackRow, ...] = ()


def settle(
    definition: MetricDefinition, feedback: Sequence[FeedbackRow], *, quorum: int = 1, delta: float | None = None
) -> Settled:
    """Where one target and metric stand.

    The last word of each annotator counts.  Nobody has spoken: `open`.  Fewer than the quorum: `in_review`.  Two of
    them differ: `disputed`, whatever the others say, for nobody is outvoted silently.  Else `resolved`, by whoever
    spoke where one is enough.

    Args:
        feedback: What counts (submitted), oldest first.
        quorum: Annotators wanted, 1 or more.
        delta: The smallest gap that is a difference; None = the output type's own (`default_delta`).
    """
    last = {row.annotator: row for row in feedback}  # a newer word replaces the older
    counted = tuple(last.values())
    if not counted:
        return Settled(status=ResolutionStatus.OPEN)
    if len(counted) < quorum:
        reason = f"{len(counted)} of {quorum} have spoken"
        return Settled(status=ResolutionStatus.IN_REVIEW, reason=reason, counted=counted)
    least = default_delta(definition) if delta is None else delta
    if _differ(definition, counted, least):
        said = [f"{row.annotator}: {as_text(row.expected) or 'none'}" for row in counted[:SHOWN_VERDICTS]]
        more = [f"and {len(counted) - SHOWN_VERDICTS} more"] if len(counted) > SHOWN_VERDICTS else []
        return Settled(status=ResolutionStatus.DISPUTED, reason="; ".join(said + more), counted=counted)
    return Settled(
        status=ResolutionStatus.RESOLVED,
        expected=_middle(definition, counted),
        method=ResolutionMethod.SELF if quorum == 1 else ResolutionMethod.QUORUM,
        resolver=", ".join(row.annotator for row in counted[:SHOWN_VERDICTS]),
        counted=counted,
    )


def differ(definition: MetricDefinition, one: Score, other: Score, delta: float) -> bool:
    """Whether two verdicts of people contradict each other; a gap that equals `delta` does, any does where it is 0."""
    distance = gap(definition, one, other)
    if distance is None:  # texts, and verdicts of another output type
        return _identity(one) != _identity(other)
    return disagrees(distance, delta)


def _differ(definition: MetricDefinition, counted: Sequence[FeedbackRow], delta: float) -> bool:
    distinct = list({_identity(row.expected): row.expected for row in counted}.values())
    return any(
        differ(definition, one, other, delta) for number, one in enumerate(distinct) for other in distinct[number + 1 :]
    )


def _identity(score: Score) -> tuple[object, ...]:
    return score.value, score.label, score.labels, score.text.strip()


def _middle(definition: MetricDefinition, counted: Sequence[FeedbackRow]) -> Score:
    """Of verdicts that agree: the newest; of numbers their median, so that no order decides."""
    newest = counted[-1].expected
    values = [row.expected.value for row in counted if row.expected.value is not None]
    if definition.labels or len(values) < len(counted):
        return newest
    if definition.output_type in _CONTINUOUS:
        return Score(value=statistics.median(values))
    return Score(value=statistics.median_low(values)) if definition.output_type in _WHOLE else newest
