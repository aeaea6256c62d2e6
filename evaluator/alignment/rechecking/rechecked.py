"""What became of people's verdicts under a version, for whoever asks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from storage.rechecking import RecheckedRow, Rechecks, RowVerdict

if TYPE_CHECKING:  # clients load this module, and not what stands behind it
    from evaluator.alignment.rechecking.worker import Rechecker
    from evaluator.metrics.registry import Metrics

MAX_ROWS = 1000
PENDING = "pending"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rechecked:
    """People's verdicts under a version.

    Attributes:
        state: `pending`, or that of `storage.rechecking.Recheck`; '' = there is nothing to check.
        counts: Rows by verdict, and those that were set aside.
        rows: Regression rows, and rows that were newly broken: the wrong ones first, in order of their targets.
    """

    metric: str
    version: int
    state: str
    counts: Mapping[str, int] = field(default_factory=dict)
    rows: tuple[RecheckedRow, ...] = ()
    updated: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecheckedVersions:
    """Every method may raise `storage.errors.Unavailable`."""

    metrics: Metrics
    rechecks: Rechecks
    rechecker: Rechecker

    async def of(self, metric: str, version: int | None = None) -> Rechecked:
        """One version, or the active one.

        Raises:
            MetricNotFound: There is no such metric or version.
        """
        definition = await self.metrics.get(metric, version)
        name, number = definition.name, definition.version
        recheck = await self.rechecks.get(name, number)
        if recheck is None:
            waits = any((each.name, each.version) == (name, number) for each in await self.rechecker.due())
            return Rechecked(metric=name, version=number, state=PENDING if waits else "")
        rows = await self.rechecks.rows(name, number)
        shown = [row for row in rows.values() if row.solved_in or row.verdict is RowVerdict.REGRESSED]
        shown.sort(key=lambda row: (row.verdict.is_right, row.target.level, row.target.key))
        return Rechecked(
            metric=name,
            version=number,
            state=str(recheck.state),
            counts=recheck.counts,
            rows=tuple(shown[:MAX_ROWS]),
            updated=recheck.updated,
        )
