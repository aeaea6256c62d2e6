"""Whether an SQL metric can be offered."""

from __future__ import annotations

from evaluator.errors import InvalidDefinition
from evaluator.metrics.checking import must_be_empty
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.sql.sql_metric import FIELD, OUTPUT_TYPES, check_type, expression_of
from storage.errors import Rejected
from storage.expressions import SpanExpressions
from storage.model import Level, MetricKind


def check_sql(definition: MetricDefinition) -> None:
    """Accept or refuse an SQL metric, without asking the server.

    Raises:
        InvalidDefinition: Names the field, the place in the expression, and what to write instead.
    """
    must_be_empty(
        definition, "prompt", "arguments", "model", "parameters", "jury", "source", "function", "required_metrics",
        "roll_up",
    )  # fmt: skip
    if definition.output_type not in OUTPUT_TYPES:
        raise InvalidDefinition(
            "metric.output_type", f"an sql metric answers in one of {sorted(map(str, OUTPUT_TYPES))}"
        )
    if Level.SPAN in definition.levels and len(definition.levels) > 1:
        raise InvalidDefinition(
            "metric.levels", "one expression is either about a span or about the spans of a trace or session: choose"
        )
    expression_of(definition)


async def check_on_server(definition: MetricDefinition, expressions: SpanExpressions | None) -> None:
    """Ask the server whether an SQL metric's expression has a type that fits; others pass.

    Raises:
        InvalidDefinition: The server does not accept the expression, or its type does not fit; says why.
    """
    if definition.kind is not MetricKind.SQL or expressions is None:
        return
    try:
        found = await expressions.type_of(expression_of(definition))
    except Rejected as error:
        said = str(error).partition(": while executing")[0]
        raise InvalidDefinition(FIELD, f"ClickHouse refuses it: {said}") from error
    check_type(definition, found)
