"""Agreement for alerts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from evaluator.errors import InvalidDefinition, InvalidFeedback
from evaluator.feedback.agreement import AgreementQuery, measure_agreement, watched
from evaluator.metrics.registry import Metrics
from evaluator.online.alerts.measuring import Agreed
from storage.agreement import Labels

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class AgreementWatch:
    """`evaluator.online.alerts.measuring.WatchesAgreement` over labels."""

    def __init__(self, metrics: Metrics, labels: Labels) -> None:
        self._metrics = metrics
        self._labels = labels

    async def agreement(self, metric: str, *, since_us: int, until_us: int) -> Agreed:
        """See the protocol."""
        query = AgreementQuery(metric=metric, start=_time(since_us), end=_time(until_us))
        try:
            found = await measure_agreement(self._metrics, self._labels, query)
        except InvalidFeedback as error:
            raise InvalidDefinition("alert.metric", error.reason) from None
        name = watched(await self._metrics.get(metric))
        return Agreed(
            statistic=name, estimate=found.judge_human[0].statistics[name], targets=found.counts["judge_human"]
        )


def _time(micros: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micros)
