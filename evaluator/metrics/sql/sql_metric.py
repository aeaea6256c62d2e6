"""SQL metrics: one expression over the columns of view `spans`, computed in the store."""

from __future__ import annotations

import functools
import re
from typing import Final

from evaluator.errors import InvalidDefinition, InvalidFilter
from evaluator.metrics.code.scorer_result import BadResult, score_from
from evaluator.metrics.definition import MetricDefinition
from storage.expressions import SpanExpression, Value
from storage.model import Abstention, Failure, Level, Outcome, OutputType

FIELD: Final = "metric.expression"
NO_VALUE: Final = "no value"
_NUMBER: Final = re.compile(r"U?Int\d+|Float\d+|Bool")
_TAKES: Final = {
    OutputType.BOOLEAN: (re.compile(r"Bool|UInt8"), "a condition, such as Duration > 1e9"),
    OutputType.CATEGORICAL: (re.compile(r"String"), "a text, such as if(Duration > 1e9, 'slow', 'fast')"),
    OutputType.TEXT: (re.compile(r"String"), "a text"),
    OutputType.PERCENTAGE: (_NUMBER, "a number; of an attribute: toFloat64OrNull(attributes['…'])"),
    OutputType.COUNT: (_NUMBER, "a number; of an attribute: toInt64OrNull(attributes['…'])"),
    OutputType.DISCRETE: (_NUMBER, "a number; of an attribute: toInt64OrNull(attributes['…'])"),
    OutputType.NUMBER: (_NUMBER, "a number; of an attribute: toFloat64OrNull(attributes['…'])"),
}
OUTPUT_TYPES: Final = frozenset(_TAKES)


def expression_of(definition: MetricDefinition) -> SpanExpression:
    """A metric's expression, compiled.

    Raises:
        InvalidDefinition: Names the place of what is not accepted.
    """
    return _compiled(definition.expression, definition.levels[0])


@functools.lru_cache(maxsize=1024)
def _compiled(text: str, level: Level) -> SpanExpression:
    from evaluator.expressions.compiler import compile_expression  # brings sqlglot, which a start need not wait for

    try:
        return compile_expression(text, level)
    except InvalidFilter as error:
        raise InvalidDefinition(FIELD, f"at character {error.position}: {error.reason}") from None


def check_type(definition: MetricDefinition, found: str) -> None:
    """Accept or refuse the type that the server gives an expression.

    Raises:
        InvalidDefinition: It can never be a result of this metric.
    """
    pattern, takes = _TAKES[definition.output_type]
    if found == "Nothing":
        raise InvalidDefinition(FIELD, "is always NULL")
    if not pattern.fullmatch(found):
        raise InvalidDefinition(FIELD, f"is of type {found}; a {definition.output_type} metric takes {takes}")


def outcome_of(definition: MetricDefinition, value: Value) -> Outcome:
    """What a value of the expression means: NULL and the empty text are no value; nothing is rounded to fit."""
    if value is None or value == "":
        return Abstention(reason=NO_VALUE)
    if definition.output_type is OutputType.BOOLEAN and value in (0, 1):
        value = bool(value)
    elif isinstance(value, bool):
        value = int(value)
    try:
        return score_from(definition, value)
    except BadResult as error:
        return Failure(code="SQL_BAD_RESULT", message=str(error))
