"""Runs of `sql` metrics over very many spans: values, ids, results and ledger are made in the store, window by window.

Only what is no plain number on the metric's scale comes to Python, which says what is wrong with it, as ever.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace

from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.sql.sql_metric import NO_VALUE, expression_of
from evaluator.runs.definition import RunPlan
from evaluator.runs.tally import Progress
from storage.bulk import BulkMetric, BulkResults
from storage.errors import Rejected
from storage.expressions import SpanExpressions
from storage.model import Level, MetricKind, OutputType

log = logging.getLogger(__name__)

LEAST_PAIRS = 5_000
"""Fewer go the usual way."""
WINDOW_SPANS = 250_000
MAX_COUNT = 2.0**53
_TYPES = frozenset({OutputType.NUMBER, OutputType.PERCENTAGE, OutputType.COUNT, OutputType.BOOLEAN})


@dataclass(frozen=True, slots=True, kw_only=True)
class Bulk:
    """Scores a run's selection in the store."""

    expressions: SpanExpressions
    results: BulkResults
    least_pairs: int = LEAST_PAIRS
    window_spans: int = WINDOW_SPANS

    def takes(self, plan: RunPlan, metrics: Sequence[MetricDefinition], *, pairs: int) -> bool:
        """Whether a run can be done so: many spans that a query selects, and metrics whose values are numbers."""
        if plan.selected is None or plan.selected.level is not Level.SPAN or plan.limit or plan.rule is not None:
            return False
        return pairs >= self.least_pairs and all(
            metric.kind is MetricKind.SQL and metric.output_type in _TYPES and not metric.labels for metric in metrics
        )

    async def score(
        self, plan: RunPlan, metrics: Sequence[MetricDefinition], progress: Progress, *, resumed: bool
    ) -> bool:
        """Window after window from the checkpoint on; what is left stands in the ledger.

        Returns whether the whole selection is done; else the usual way goes on at the checkpoint.

        Raises:
            Unavailable: The store is away; what is done is stored.
        """
        assert plan.selected is not None
        since_ns = int(progress.checkpoint[0]) if progress.checkpoint else plan.selected.since_ns
        selected = replace(plan.selected, since_ns=since_ns)
        for first_ns, end_ns in await self.results.windows(selected, spans=self.window_spans):
            part = replace(selected, since_ns=first_ns, until_ns=end_ns)
            for metric in metrics:
                try:
                    values = await self.expressions.values_between(
                        expression_of(metric), since_ns=first_ns, until_ns=end_ns
                    )
                except Rejected as error:  # it fails on one of the values, or there are too many: page by page, then
                    log.info("not_in_bulk", extra={"run": plan.run_id, "metric": metric.name, "reason": str(error)})
                    return False
                counts = await self.results.append(
                    _bulk_metric(metric), part, values, run_id=plan.run_id, purpose=plan.purpose, again=resumed
                )
                progress.count(counts)
            progress.checkpoint = (end_ns, "", "", 0)
        return True


def _bulk_metric(metric: MetricDefinition) -> BulkMetric:
    lowest, highest = -sys.float_info.max, sys.float_info.max
    match metric.output_type:
        case OutputType.PERCENTAGE:
            lowest, highest = 0.0, 1.0
        case OutputType.BOOLEAN:
            lowest, highest = 0.0, 1.0
        case OutputType.COUNT:
            lowest, highest = 0.0, MAX_COUNT
        case _:
            lowest = lowest if metric.minimum is None else metric.minimum
            highest = highest if metric.maximum is None else metric.maximum
    whole = metric.output_type in (OutputType.COUNT, OutputType.BOOLEAN)
    says = metric.threshold is not None and metric.higher_is_better is not None
    return BulkMetric(
        name=metric.name,
        version=metric.version,
        digest=metric.digest,
        output_type=metric.output_type,
        kinds=tuple(metric.span_kinds),
        lowest=lowest,
        highest=highest,
        whole=whole,
        threshold=metric.threshold if says else None,
        higher_is_better=bool(metric.higher_is_better),
        no_value=NO_VALUE,
    )
