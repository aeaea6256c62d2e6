"""A metric as it is kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from evaluator.metrics.definition import MetricDefinition


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricRecord:
    """A version of a metric and when it was made (None for built-in ones)."""

    definition: MetricDefinition
    create_time: datetime | None = None
