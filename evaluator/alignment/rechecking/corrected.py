"""Means that stay honest after a judge has changed: the judge's mean, and that corrected by what people said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from evaluator.errors import InvalidDefinition
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.registry import Metrics
from evaluator.statistics.ppi import PoweredMean, powered_mean
from storage.means import MeanQuery, Means
from storage.model import Level, OutputType

SPAN = timedelta(days=7)
FEW = 30
"""Labels below which the normal approximation of an interval is a guess."""
CHOSEN = (
    "labels correct a mean without bias only where the labelled targets were drawn at random: name a queue that is "
    "filled at random, or take the correction for what people happened to look at"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectedMean:
    """Means of one version of a metric, and what to mind about them, for people."""

    definition: MetricDefinition
    means: PoweredMean
    warnings: tuple[str, ...] = ()


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectedMeans:
    """Every method may raise `storage.errors.Unavailable`."""

    metrics: Metrics
    means: Means
    clock: Callable[[], datetime] = _now

    async def of(
        self,
        metric: str,
        version: int | None = None,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        level: Level | None = None,
        queue: str = "",
    ) -> CorrectedMean:
        """Of current results on targets of [start, end), UTC; unless said, of the last seven days.

        Raises:
            MetricNotFound: There is no such metric or version.
            InvalidDefinition: Its results have no number, or the time is empty.
        """
        definition = await self.metrics.get(metric, version)
        if definition.output_type is OutputType.TEXT:
            raise InvalidDefinition("metric", f"{definition.name!r} writes texts, which have no mean")
        until = end or self.clock()
        since = start or until - SPAN
        if since >= until:
            raise InvalidDefinition("start_time", "must be before end_time")
        query = MeanQuery(
            metric=definition.name, version=definition.version, start=since, end=until, level=level, queue=queue
        )
        judged = await self.means.judged(query)
        labelled = await self.means.labelled(query)
        means = powered_mean(
            judged_mean=judged.mean,
            judged_variance=judged.variance,
            judged_count=judged.count,
            expected=[each.expected for each in labelled],
            concluded=[each.concluded for each in labelled],
            groups=[each.group for each in labelled],
        )
        learned = await self.means.learned(query, definition.alignment_id) if definition.alignment_id else 0
        return CorrectedMean(
            definition=definition, means=means, warnings=_warnings(len(labelled), learned, queue=queue)
        )


def _warnings(labelled: int, learned: int, *, queue: str) -> tuple[str, ...]:
    said = []
    if labelled and not queue:
        said.append(CHOSEN)
    if labelled < FEW:
        said.append(f"{labelled} labels are few: the interval is an approximation that wants {FEW} or more")
    if learned:
        said.append(
            f"{learned} of the {labelled} labels made this version, and it agrees with these more than with others: "
            "the correction is too kind; label targets that it has not learned from"
        )
    return tuple(said)
