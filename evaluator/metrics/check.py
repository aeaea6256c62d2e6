"""Whether a definition can be offered: what creating and updating a metric call before anything is stored."""

from __future__ import annotations

from evaluator.errors import InvalidDefinition
from evaluator.metrics.check_code import check_code
from evaluator.metrics.check_judge import check_judge
from evaluator.metrics.definition import MetricDefinition
from storage.model import Level, MetricKind


def check(definition: MetricDefinition) -> None:
    """Accept or refuse a definition, by its kind.

    Raises:
        InvalidDefinition: Names the field and what to write instead.
    """
    if Level.SESSION in definition.levels:
        raise InvalidDefinition("metric.levels", "session metrics are not offered yet; use span or trace")
    if len(set(definition.levels)) != len(definition.levels):
        raise InvalidDefinition("metric.levels", "names a level twice")
    if definition.span_kinds and Level.SPAN not in definition.levels:
        raise InvalidDefinition("metric.span_kinds", "only a metric of level span has span_kinds")
    match definition.kind:
        case MetricKind.JUDGE:
            check_judge(definition)
        case MetricKind.CODE:
            check_code(definition)
        case other:
            raise InvalidDefinition("metric.kind", f"{other} metrics are not offered yet; use judge or code")
