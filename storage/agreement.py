"""What is needed to tell how far people agree with each other and a judge with them, and the port that reads it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from storage.feedback import ResolutionStatus
from storage.model import Score, TargetRef


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelFilter:
    """Which feedback; empty fields restrict nothing.

    Attributes:
        versions: Versions of the metric whose verdicts are wanted; empty = all.
        segments: Whether segments are wanted: they are read out of snapshots, which are long.
    """

    metric: str
    versions: tuple[int, ...] = ()
    queue: str = ""
    start: datetime | None = None
    end: datetime | None = None
    segments: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """One person's word: the last of an annotator about a target, unless it was given before the criteria changed.

    Attributes:
        judged: What the judge had concluded when they spoke, in version `metric_version`; None = they saw nothing.
    """

    annotator: str
    expected: Score
    judged: Score | None
    metric_version: int
    queue: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledTarget:
    """A target that people spoke about.

    Attributes:
        resolved: What it should have been; None unless it is resolved.
        labels: In order of time.
        verdicts: What stands in the results, by version of the metric.
        segment: Empty unless it was asked for.
    """

    target: TargetRef
    status: ResolutionStatus
    resolved: Score | None
    group_key: str
    labels: tuple[Label, ...]
    verdicts: Mapping[int, Score] = field(default_factory=dict)
    segment: Mapping[str, str] = field(default_factory=dict)


class Labels(Protocol):
    """The port.  Every method may raise `storage.errors.Unavailable`."""

    async def count(self, chosen: LabelFilter) -> int:
        """Targets with such feedback."""

    async def read(self, chosen: LabelFilter, *, share: float = 1.0) -> Sequence[LabelledTarget]:
        """Targets with such feedback, in order of target; of a share below 1 always the same ones."""
