"""Parts of an evaluator that tell what they do; the plain ones where nobody listens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evaluator.metrics.conclude import Conclusion
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.judging.answers import KeptAnswers
from evaluator.metrics.material import Material
from evaluator.online.polling.worker import OnlineWorker
from evaluator.scoring.engine import Applies
from storage.clickhouse.client import Database
from storage.clickhouse.queue import ClickHouseQueue
from storage.clickhouse.writeback import ClickHouseWriteBack

if TYPE_CHECKING:
    from opentelemetry.metrics import Meter


class EvaluatorParts:
    """Makes them, for a meter or for none."""

    def __init__(self, meter: Meter | None) -> None:
        self._meter = meter

    def queue(self, database: Database) -> ClickHouseQueue:
        """The queue of rules."""
        if self._meter is None:
            return ClickHouseQueue(database)
        from assay.own.of_evaluator import MeasuredQueue

        return MeasuredQueue(database, self._meter)

    def write_back(self, database: Database) -> ClickHouseWriteBack:
        """Results onto spans."""
        if self._meter is None:
            return ClickHouseWriteBack(database)
        from assay.own.of_evaluator import MeasuredWriteBack

        return MeasuredWriteBack(database, self._meter)

    def applying(self, apply: Applies) -> Applies:
        """How metrics are applied."""
        if self._meter is None:
            return apply
        from assay.own.of_evaluator import JudgeTelemetry

        judges = JudgeTelemetry(self._meter)

        async def measured(definition: MetricDefinition, material: Material, **how: Any) -> Conclusion:
            conclusion = await apply(definition, material, **how)
            judges.concluded(definition.name, conclusion)
            return conclusion

        return measured

    def tell(self, worker: OnlineWorker, kept: KeptAnswers | None) -> None:
        """Register what worker and cache know of themselves."""
        if self._meter is not None:
            from assay.own.of_evaluator import tell_worker

            tell_worker(self._meter, worker, kept)
