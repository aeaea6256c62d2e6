"""Stages through which a target goes, as a self-test reports them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from storage.model import TargetRef


class Stage(StrEnum):
    """A stage through which a target goes, in order."""

    RULE = "rule"
    STORED = "stored"
    FILTER = "filter"
    SAMPLE = "sample"
    COMPLETE = "complete"
    CLAIMED = "claimed"
    SCORED = "scored"
    READABLE = "readable"


@dataclass(frozen=True, slots=True, kw_only=True)
class StageReport:
    """What became of a stage.

    Attributes:
        detail: What was seen; where it stopped, why, and what to do.
        seconds: Since the stage before.
    """

    stage: Stage
    passed: bool
    detail: str
    seconds: float
    target: TargetRef | None = None
