"""Which metrics have to be computed for a wish, and in which order."""

from __future__ import annotations

from collections.abc import Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Protocol

from evaluator.errors import MetricNotFound, RequiredMetricMissing
from evaluator.metrics.definition import MetricDefinition
from evaluator.scoring.request import MetricRef


class KnowsMetrics(Protocol):
    """Resolves names to definitions (`evaluator.metrics.registry.Metrics`)."""

    async def get(self, name: str, version: int | None = None) -> MetricDefinition:
        """One version of a metric, or the active one.

        Raises:
            MetricNotFound: There is none.
        """


async def wanted(known: KnowsMetrics, refs: Sequence[MetricRef]) -> list[MetricDefinition]:
    """The definitions that were asked for, in the order asked.

    Raises:
        MetricNotFound: One of them does not exist.
    """
    return [await known.get(ref.name, ref.version) for ref in refs]


async def closure(known: KnowsMetrics, metrics: Sequence[MetricDefinition]) -> list[list[MetricDefinition]]:
    """Everything needed for `metrics`, in stages: a stage reads results of earlier stages only.

    Raises:
        RequiredMetricMissing: A required metric does not exist, or requires itself through others.
    """
    by_name = {metric.name: metric for metric in metrics}
    requires: dict[str, set[str]] = {}
    todo = list(by_name.values())
    while todo:
        metric = todo.pop()
        requires[metric.name] = set()
        for name in metric.required_metrics:
            try:
                required = await known.get(name)
            except MetricNotFound as error:
                raise RequiredMetricMissing(
                    f"metric {metric.name!r} requires {name!r}, which does not exist"
                ) from error
            requires[metric.name].add(required.name)
            if required.name not in by_name:
                by_name[required.name] = required
                todo.append(required)
    sorter = TopologicalSorter(requires)
    try:
        sorter.prepare()
    except CycleError as error:
        raise RequiredMetricMissing(f"metrics require each other in a circle: {' → '.join(error.args[1])}") from error
    stages: list[list[MetricDefinition]] = []
    while sorter.is_active():
        names = sorted(sorter.get_ready())
        stages.append([by_name[name] for name in names])
        sorter.done(*names)
    return stages
