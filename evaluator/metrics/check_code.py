"""Whether a code metric can be offered."""

from __future__ import annotations

from evaluator.errors import InvalidDefinition
from evaluator.metrics.checking import must_be_empty
from evaluator.metrics.code_metric import FUNCTIONS
from evaluator.metrics.definition import MetricDefinition


def check_code(definition: MetricDefinition) -> None:
    """Accept or refuse a code metric.

    Raises:
        InvalidDefinition: Names the field and what to write instead.
    """
    function = FUNCTIONS.get(definition.function)
    if function is None:
        raise InvalidDefinition(
            "metric.function", f"no function {definition.function!r} ships; known are {sorted(FUNCTIONS)}"
        )
    if definition.output_type is not function.output_type:
        raise InvalidDefinition("metric.output_type", f"{definition.function} answers in {function.output_type}")
    must_be_empty(definition, "prompt", "labels", "model", "parameters", "required_metrics")
