"""Which metrics are wished for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

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
    """The definitions that were asked for, in the order asked; what is not saved comes with its definition.

    Raises:
        MetricNotFound: One of them does not exist.
    """
    return [ref.definition or await known.get(ref.name, ref.version) for ref in refs]
