"""Whether a definition can be offered: what creating and updating a metric call before anything is stored."""

from __future__ import annotations

import json
import math
from dataclasses import replace

from evaluator.errors import InvalidDefinition
from evaluator.metrics.check_output import check_output
from evaluator.metrics.checking import must_be_empty
from evaluator.metrics.code.check_code import check_code, check_scorer
from evaluator.metrics.composite.check_composite import check_composite
from evaluator.metrics.definition import WAIT_SECONDS, MetricDefinition
from evaluator.metrics.judging.check_judge import check_judge
from evaluator.metrics.naming import BUILTIN
from evaluator.metrics.sql.check_sql import check_sql
from storage.model import Level, MetricKind

_WAYS_TO_CONCLUDE = (
    "prompt", "arguments", "model", "parameters", "jury", "source", "function", "expression", "required_metrics",
    "roll_up",
)  # fmt: skip
"""What says how to conclude: nothing where somebody else does."""
MAX_NAME_CHARACTERS = 200
MAX_TEXT_CHARACTERS = 20_000
MAX_WAIT_SECONDS = 30 * 86_400.0


def settled(definition: MetricDefinition) -> MetricDefinition:
    """The definition as it is kept: code that reads other metrics is a composite, whatever it was called."""
    if definition.kind is MetricKind.CODE and definition.required_metrics:
        return replace(definition, kind=MetricKind.COMPOSITE)
    return definition


def check(definition: MetricDefinition) -> None:
    """Accept or refuse a definition, by its kind.

    Raises:
        InvalidDefinition: Names the field and what to write instead.
    """
    if len(set(definition.levels)) != len(definition.levels):
        raise InvalidDefinition("metric.levels", "names a level twice")
    if definition.span_kinds and Level.SPAN not in definition.levels:
        raise InvalidDefinition("metric.span_kinds", "only a metric of level span has span_kinds")
    _check_texts(definition)
    _check_arguments(definition)
    if definition.wait_seconds != WAIT_SECONDS and definition.kind is not MetricKind.COMPOSITE:
        raise InvalidDefinition("metric.wait_seconds", f"a {definition.kind} metric waits for no other; leave it out")
    if not (math.isfinite(definition.wait_seconds) and 0.0 <= definition.wait_seconds <= MAX_WAIT_SECONDS):
        raise InvalidDefinition("metric.wait_seconds", f"must be 0 to {MAX_WAIT_SECONDS:.0f} (30 days)")
    check_output(definition)
    if definition.kind is not MetricKind.JUDGE:
        must_be_empty(definition, "guidelines")
    match definition.kind:
        case MetricKind.JUDGE:
            check_judge(definition)
        case MetricKind.CODE:
            check_code(definition)
        case MetricKind.COMPOSITE:
            check_composite(definition)
            check_scorer(definition)
        case MetricKind.SQL:
            check_sql(definition)
        case MetricKind.EXTERNAL | MetricKind.HUMAN:
            must_be_empty(definition, *_WAYS_TO_CONCLUDE)


def _check_arguments(definition: MetricDefinition) -> None:
    """They are stored, digested and sent as JSON; YAML also has dates, and numbers that are none."""
    for name, value in definition.arguments.items():
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            raise InvalidDefinition(f"metric.arguments.{name}", f"is no JSON: {error}") from error


def _check_texts(definition: MetricDefinition) -> None:
    shown = definition.display_name
    if len(shown) > MAX_NAME_CHARACTERS or not shown.isprintable() or shown != shown.strip():
        raise InvalidDefinition(
            "metric.display_name", f"at most {MAX_NAME_CHARACTERS} printable characters, no blanks at the ends"
        )
    if shown.startswith(BUILTIN):
        raise InvalidDefinition("metric.display_name", f"must not begin with {BUILTIN!r}: that names what ships")
    for field in ("description", "reference"):
        if len(getattr(definition, field)) > MAX_TEXT_CHARACTERS:
            raise InvalidDefinition(f"metric.{field}", f"at most {MAX_TEXT_CHARACTERS} characters")
