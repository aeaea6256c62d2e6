"""What a person says about a target and a metric, before it is looked at."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import datetime

from evaluator.errors import InvalidFeedback
from evaluator.feedback.verdicts import Stated
from storage.feedback import FeedbackRow, Resolution
from storage.model import NO_ID, TargetRef

MAX_ANNOTATOR_CHARACTERS = 200
MAX_EXPLANATION_CHARACTERS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """On a result, or on a target and a metric.

    Attributes:
        metric, version: By name; None = the active version.  Where a result is named they are its own.
        request_id: UUID; the same one again is the same feedback; '' = new feedback.
        feedback_id: Its id where it was exported; None = a new one.
        queue: The review queue in which it is given; '' = none.
        bulk_id: What it can be undone with, together with others; `NO_ID` = it is given alone.
        created: When it was given; None = now.
    """

    result_id: uuid.UUID | None = None
    target: TargetRef | None = None
    metric: str = ""
    version: int | None = None
    stated: Stated = field(default_factory=Stated)
    explanation: str = ""
    annotator: str = ""
    request_id: str = ""
    feedback_id: uuid.UUID | None = None
    queue: str = ""
    bulk_id: uuid.UUID = NO_ID
    created: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What became of words: the feedback, where its target stands now, and whether it was there already."""

    row: FeedbackRow
    resolution: Resolution
    present: bool = False


def checked_annotator(name: str, field_name: str = "annotator") -> str:
    """Who says so, without blanks around.

    Raises:
        InvalidFeedback: Nobody, or too long a name.
    """
    found = name.strip()
    if not found:
        raise InvalidFeedback(field_name, "is required: say who says so")
    if len(found) > MAX_ANNOTATOR_CHARACTERS:
        raise InvalidFeedback(field_name, f"at most {MAX_ANNOTATOR_CHARACTERS} characters, got {len(found)}")
    return found


def checked_text(text: str, field_name: str) -> str:
    """An explanation or a reason.

    Raises:
        InvalidFeedback: It is too long.
    """
    if len(text) > MAX_EXPLANATION_CHARACTERS:
        raise InvalidFeedback(field_name, f"at most {MAX_EXPLANATION_CHARACTERS} characters, got {len(text)}")
    return text.strip()
