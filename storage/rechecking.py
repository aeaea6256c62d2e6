"""People's verdicts, checked against versions of a judge, and the port that keeps what came of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from storage.model import Score, TargetRef


class RowVerdict(StrEnum):
    """What a version does with a row that people have decided."""

    SOLVED = "solved"
    """It was wrong before, and is right: a regression row from then on."""
    KEPT = "kept"
    """It was right before, or nobody had asked; and it is right."""
    STILL_WRONG = "still_wrong"
    REGRESSED = "regressed"
    """It was right before, and is wrong."""
    FAILED = "failed"
    """The judge did not conclude."""

    @property
    def is_right(self) -> bool:
        """Whether judge and people agree."""
        return self in (RowVerdict.SOLVED, RowVerdict.KEPT)


class RecheckState(StrEnum):
    """How far a version is checked."""

    RUNNING = "running"
    OVER_BUDGET = "over_budget"
    """It goes on when the budgets cover it."""
    DONE = "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecheckedRow:
    """A target under one version of a metric.

    Attributes:
        concluded: None = the judge did not conclude; the explanation then says why.
        solved_in: The version that put it right first; 0 = none has.
    """

    target: TargetRef
    version: int
    verdict: RowVerdict
    expected: Score
    concluded: Score | None = None
    explanation: str = ""
    solved_in: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Recheck:
    """How far one version is checked.

    Attributes:
        counts: Rows by verdict, and those that were set to `needs_reconfirm` or `excluded`.
    """

    metric: str
    version: int
    state: RecheckState
    counts: Mapping[str, int] = field(default_factory=dict)
    reason: str = ""
    updated: datetime | None = None


class Rechecks(Protocol):
    """The port to rechecks.

    Raises (every method):
        Unavailable: The store is away.
    """

    async def metrics(self) -> set[str]:
        """Metrics that people have decided targets of."""

    async def latest(self, metrics: Collection[str]) -> dict[str, Recheck]:
        """Of each metric the recheck of its highest version that has one."""

    async def get(self, metric: str, version: int) -> Recheck | None:
        """How far a version is checked; None = not at all."""

    async def enter(self, recheck: Recheck) -> None:
        """Record how far a version is checked."""

    async def keep(self, metric: str, rows: Sequence[RecheckedRow]) -> None:
        """Keep what became of rows; the same again does no harm."""

    async def rows(self, metric: str, version: int) -> dict[TargetRef, RecheckedRow]:
        """What a version does with rows."""

    async def before(self, metric: str, version: int) -> dict[TargetRef, RecheckedRow]:
        """Of each row what the highest version below says that has one."""

    async def regression_targets(self, metric: str) -> dict[TargetRef, int]:
        """Targets that a version put right once, and the first such version."""
