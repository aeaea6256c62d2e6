"""A metric as it is kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.naming import BUILTIN


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricRecord:
    """A version of a metric.

    Attributes:
        create_time: When it was made; None for built-in ones.
        shadowed: A built-in whose name a custom metric has taken.
        warnings: What is doubtful about it though it was accepted; only on what was just made.
    """

    definition: MetricDefinition
    create_time: datetime | None = None
    shadowed: bool = False
    warnings: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The name by which exactly this metric is reached: its slug, or `builtin/` and its slug."""
        return f"{BUILTIN}{self.definition.name}" if self.shadowed else self.definition.name
