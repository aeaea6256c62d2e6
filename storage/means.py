"""What a mean of a metric is made of: the judge's values, and people's where both have spoken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from storage.model import Level


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanQuery:
    """Which mean: of current automatic results of one version, of targets in [start, end).

    Attributes:
        level: None = every level.
        queue: Only people's verdicts of this review queue; '' = all of them.
    """

    metric: str
    version: int
    start: datetime
    end: datetime
    level: Level | None = None
    queue: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedMean:
    """Of what the judge says; variance over n - 1, 0.0 of fewer than two."""

    mean: float | None
    variance: float
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledValue:
    """A target that judge and people have both spoken about.

    Attributes:
        group: Equal ones are related.
    """

    group: str
    expected: float
    concluded: float


class Means(Protocol):
    """The port.

    Raises (every method):
        Unavailable: The store is away.
    """

    async def judged(self, query: MeanQuery) -> JudgedMean:
        """What the judge says of all targets."""

    async def labelled(self, query: MeanQuery) -> Sequence[LabelledValue]:
        """What judge and people say of targets that people have resolved."""

    async def learned(self, query: MeanQuery, alignment_id: str) -> int:
        """How many of these targets an alignment has used."""
