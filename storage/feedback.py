"""What people expect of targets and metrics, where each stands among its reviewers, and the port that keeps it.

Feedback is append-only: a retraction is a further row with the same id, and the newest row of an id counts.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from storage.model import NO_ID, Level, Score, TargetRef


class FeedbackStatus(StrEnum):
    """Whether feedback counts."""

    SUBMITTED = "submitted"
    RETRACTED = "retracted"


class ResolutionStatus(StrEnum):
    """Where a target and metric stand among their reviewers."""

    OPEN = "open"
    """Nobody has said anything."""
    IN_REVIEW = "in_review"
    """Fewer than the quorum have spoken."""
    RESOLVED = "resolved"
    DISPUTED = "disputed"
    """Reviewers differ, and somebody has to decide."""
    NEEDS_RECONFIRM = "needs_reconfirm"
    """The criteria have changed since."""
    EXCLUDED = "excluded"
    """It cannot be used; the reason says why."""


class ResolutionMethod(StrEnum):
    """How a target was resolved."""

    NONE = "none"
    QUORUM = "quorum"
    ADJUDICATED = "adjudicated"
    SELF = "self"
    """Outside a queue, or with quorum 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What a judge reads of a target, as it was when a person spoke about it.

    Attributes:
        inputs: Text by name (`evaluator.targets.inputs.INPUT_NAMES`), as a judge may see it (redacted).
        span_kind: That of a span; '' for traces and sessions.
        has_media: Whether a judge would also have been sent images or files, which are not in it.
        segment: What to report by: `service`, `environment`, `version` of the application, ….
    """

    inputs: Mapping[str, str]
    span_kind: str = ""
    has_media: bool = False
    segment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackRow:
    """One person's word on one target and metric.

    Attributes:
        metric_version: The version that it was made on.
        result_id: The result that it corrects; `NO_ID` = none.
        expected: In the metric's own output type, complete (value and label both where the type has both).
        rationale: Why, in the annotator's words; '' = nothing was said.
        judged: What the judge had concluded, with its rationale; None = nothing that was seen.
        group_key: Keeps related rows in one split: the session, else the trace, else a digest of the input.
        watermark_ms: Newest arrival of the target when it was made.
        bulk_id: What it can be undone with, together with others; `NO_ID` = it was given alone.
        by, reason: Who took it back, and why; '' where it counts.
        created: When it was given; None = now, by the database's clock.
        updated: When this row was written; None until it was.
    """

    feedback_id: uuid.UUID
    target: TargetRef
    metric: str
    metric_version: int
    annotator: str
    expected: Score
    rationale: str = ""
    result_id: uuid.UUID = NO_ID
    judged: Score | None = None
    judge_model: str = ""
    snapshot: Snapshot
    group_key: str
    watermark_ms: int = 0
    queue: str = ""
    bulk_id: uuid.UUID = NO_ID
    status: FeedbackStatus = FeedbackStatus.SUBMITTED
    by: str = ""
    reason: str = ""
    created: datetime | None = None
    updated: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """Where one target and metric stand.

    Attributes:
        metric_version: Under which it stands among results; it never falls.
        queue: The review queue whose quorum counted; '' = none.
        counts_from: What was said before counts no more, because the criteria have changed; None = all counts.
        updated: Since when; None until it was recorded.
    """

    target: TargetRef
    metric: str
    metric_version: int = 0
    status: ResolutionStatus
    expected: Score | None = None
    method: ResolutionMethod = ResolutionMethod.NONE
    queue: str = ""
    resolver: str = ""
    reason: str = ""
    watermark_ms: int = 0
    counts_from: datetime | None = None
    updated: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackFilter:
    """Which feedback; empty fields choose nothing."""

    metric: str = ""
    target: TargetRef | None = None
    level: Level | None = None
    annotator: str = ""
    queue: str = ""
    status: FeedbackStatus | None = None
    resolution: ResolutionStatus | None = None
    bulk_id: uuid.UUID = NO_ID
    start: datetime | None = None
    end: datetime | None = None


class Feedbacks(Protocol):
    """The port to feedback and resolutions.

    Raises (every method):
        Unavailable: The store is away.
    """

    async def add(self, rows: Sequence[FeedbackRow]) -> None:
        """Keep rows; the same rows again are the same rows."""

    async def by_id(self, ids: Collection[uuid.UUID]) -> dict[uuid.UUID, FeedbackRow]:
        """Feedback as it stands: a retraction is final, else the first row of an id counts."""

    async def history(self, feedback_id: uuid.UUID) -> list[FeedbackRow]:
        """Every row of one feedback, oldest first."""

    async def page(self, chosen: FeedbackFilter, *, after: Sequence[str], limit: int) -> list[FeedbackRow]:
        """Feedback as it stands, newest first, strictly after `after` (creation time, id)."""

    async def on(self, metric: str, targets: Collection[TargetRef]) -> dict[TargetRef, list[FeedbackRow]]:
        """What counts (submitted) about targets and a metric, oldest first."""

    async def resolve(self, resolutions: Sequence[Resolution]) -> None:
        """Record where targets stand."""

    async def resolutions(self, metric: str, targets: Collection[TargetRef]) -> dict[TargetRef, Resolution]:
        """Where they stand; those that nobody spoke about are missing."""

    async def resolution_page(
        self, metric: str, status: ResolutionStatus | None, *, after: Sequence[str], limit: int
    ) -> list[Resolution]:
        """Where targets stand, newest first; metric '' = all."""

    async def resolved(self, metric: str, *, limit: int | None = None) -> list[tuple[Resolution, list[FeedbackRow]]]:
        """Every resolution of a metric with the feedback that counts about its target, in order of the target."""
