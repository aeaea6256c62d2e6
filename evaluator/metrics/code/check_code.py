"""Whether a code metric, or the code of a composite, can be offered."""

from __future__ import annotations

from evaluator.errors import InvalidDefinition
from evaluator.metrics.checking import must_be_empty
from evaluator.metrics.code.code_metric import FUNCTIONS
from evaluator.metrics.code.plugin import GROUP, PREFIX, installed
from evaluator.metrics.code.scorer import compiled
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.functions.function import check_arguments
from evaluator.sandbox.errors import SourceRefused


def check_code(definition: MetricDefinition) -> None:
    """Accept or refuse a code metric.

    Raises:
        InvalidDefinition: Names the field and what to write instead.
    """
    must_be_empty(definition, "prompt", "model", "parameters", "required_metrics", "jury", "expression", "roll_up")
    check_scorer(definition)
    if not definition.function or definition.function.startswith(PREFIX):
        return
    function = FUNCTIONS.get(definition.function)
    if function is None:
        raise InvalidDefinition(
            "metric.function", f"no function {definition.function!r} ships; known are {sorted(FUNCTIONS)}"
        )
    if definition.output_type is not function.output_type:
        raise InvalidDefinition("metric.output_type", f"{definition.function} answers in {function.output_type}")
    check_arguments(definition, function)
    must_be_empty(definition, "labels")


def check_scorer(definition: MetricDefinition) -> None:
    """Accept or refuse the source or the plugin of a code or composite metric.

    Raises:
        InvalidDefinition: There is neither source nor function, or both; the source cannot run, with its line; no
            installed package offers the plugin.
    """
    if bool(definition.source) == bool(definition.function) and definition.roll_up is None:
        raise InvalidDefinition(
            "metric.source", "a code metric has a `source` (def scorer_fn(*, step_object, **kwargs)) or a `function`"
        )
    if definition.function.startswith(PREFIX):
        name = definition.function.removeprefix(PREFIX)
        if name not in (offered := installed()):
            raise InvalidDefinition(
                "metric.function", f"no installed package offers {name!r} under {GROUP}; known are {sorted(offered)}"
            )
    elif definition.source:
        must_be_empty(definition, "arguments")
        try:
            compiled(definition.source)
        except SourceRefused as error:
            raise InvalidDefinition("metric.source", str(error)) from None
