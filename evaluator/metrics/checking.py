"""What the checks of the kinds share."""

from __future__ import annotations

from evaluator.errors import InvalidDefinition
from evaluator.metrics.definition import MetricDefinition


def must_be_empty(definition: MetricDefinition, *fields: str) -> None:
    """Refuse fields that a metric of this kind has no use for.

    Raises:
        InvalidDefinition: Names the first that is set.
    """
    for name in fields:
        if getattr(definition, name):
            raise InvalidDefinition(f"metric.{name}", f"a {definition.kind} metric has no {name}")
