"""What a backfill will take: from its first pages, chosen as the run itself will choose."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from evaluator.metrics.definition import MetricDefinition
from evaluator.runs.backfill import RuleWork, chosen
from evaluator.runs.estimate import Estimate, Estimator
from evaluator.runs.pages import Pages
from storage.runs import Runs, Selected


async def estimate_backfill(
    runs: Runs,
    kept: Pages,
    estimator: Estimator,
    work: RuleWork,
    metrics: Sequence[MetricDefinition],
    selected: Selected,
    *,
    pages: int,
) -> Estimate:
    """The estimate of a backfill: what has its result is neither bought nor counted.

    It is exact where the range has no more than `pages` pages; else the rest is taken to be like those.
    """
    total = sum((await runs.count(selected)).values())
    looked, targets, numbers = 0, 0, Counter[str]()
    async for rows, _ in kept.selected(selected, (selected.since_ns, "", "")):
        passed = await kept.passing(selected, rows)
        located = await kept.telemetry.locate([row.ref for row in passed]) if passed else {}
        pairs = await chosen(runs, work, metrics, located.values())
        numbers.update(metric for metric, _ in pairs)
        targets += len({key for _, key in pairs})
        looked += len(rows)
        pages -= 1
        if pages <= 0:
            break
    share = total / looked if looked else 1.0
    return await estimator.estimate(
        [(metric, round(numbers[metric.name] * share)) for metric in metrics],
        targets=round(targets * share),
        level=selected.level,
        exact=looked == total,
    )
