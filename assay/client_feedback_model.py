"""Feedback as both clients give it out and take it in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from evaluator.feedback.verdicts import Stated
from storage.feedback import FeedbackStatus, Resolution
from storage.model import Score, TargetRef

Expected: TypeAlias = bool | float | str | Sequence[str] | Stated
"""A verdict: `True`, `0.6`, `"polite"`, `["rude", "long"]`; of a text metric the text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """One person's word on one target and metric.

    Attributes:
        result_id: The result that it corrects; '' = none.
        judged: What the judge had concluded, with its explanation; None = nothing that was seen.
        advice: What would make the explanation more useful; empty where it is fine.
        earlier_revision: The target has grown since.
        bulk_id: What `undo_bulk` takes back together; '' = it was given alone.
        retracted, retractor, retract_reason: When, by whom and why it was taken back; None and '' where it counts.
    """

    feedback_id: str
    target: TargetRef
    metric: str
    metric_version: int
    expected: Score
    explanation: str
    annotator: str
    result_id: str = ""
    judged: Score | None = None
    judge_model: str = ""
    status: FeedbackStatus = FeedbackStatus.SUBMITTED
    queue: str = ""
    created: datetime | None = None
    advice: tuple[str, ...] = ()
    earlier_revision: bool = False
    bulk_id: str = ""
    retracted: datetime | None = None
    retractor: str = ""
    retract_reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """The feedback, and where its target stands now."""

    feedback: Feedback
    resolution: Resolution


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackHistory:
    """What became of one feedback.

    Attributes:
        states: Oldest first; the last one counts.
        inputs: What a judge reads of the target, as it was when the feedback was given.
        segment: What it is reported by.
    """

    states: tuple[Feedback, ...]
    inputs: Mapping[str, str]
    segment: Mapping[str, str]
    resolution: Resolution | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFeedback:
    """One of many that `import_feedback` takes in; a result, or a target and a metric.

    Attributes:
        version: 0 = the active one.
        annotator: '' = the import's.
        feedback_id: Its id where it was exported; '' = a new one.
        created: When it was given; None = now.
    """

    expected: Expected
    target: TargetRef | None = None
    metric: str = ""
    version: int = 0
    result_id: str = ""
    explanation: str = ""
    annotator: str = ""
    feedback_id: str = ""
    created: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Why one of many is not acceptable; `number` counts from 0."""

    number: int
    field: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What became of many; `vague` explanations are kept, and alignment will learn little from them."""

    bulk_id: str
    added: int
    present: int
    vague: int
    refused: tuple[Refused, ...] = field(default=())
