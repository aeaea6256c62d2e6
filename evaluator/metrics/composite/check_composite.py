"""Whether a composite metric can be offered: by itself, and with the metrics that it requires."""

from __future__ import annotations

from evaluator.errors import InvalidDefinition, LevelMismatch
from evaluator.metrics.checking import must_be_empty
from evaluator.metrics.code.check_code import check_scorer
from evaluator.metrics.code.plugin import PREFIX
from evaluator.metrics.composite.requirements import Knows, Requirement, closure, due_levels, parsed
from evaluator.metrics.composite.roll_up import COUNTING
from evaluator.metrics.definition import MetricDefinition, Statistic
from storage.model import Level, OutputType

MAX_REQUIRED = 100
_MEASURED = frozenset({OutputType.NUMBER, OutputType.PERCENTAGE, OutputType.COUNT, OutputType.DISCRETE})
_ANSWERS = {
    Statistic.MEAN: frozenset({OutputType.NUMBER, OutputType.PERCENTAGE}),
    Statistic.SUM: frozenset({OutputType.NUMBER, OutputType.COUNT}),
    Statistic.MIN: _MEASURED | {OutputType.BOOLEAN},
    Statistic.MAX: _MEASURED | {OutputType.BOOLEAN},
    Statistic.SHARE: frozenset({OutputType.PERCENTAGE}),
    Statistic.COUNT: frozenset({OutputType.COUNT}),
}
"""Output types that a roll-up can have."""


def check_composite(definition: MetricDefinition) -> None:
    """Accept or refuse a composite by what it says itself.

    Raises:
        InvalidDefinition: Names the field and what to write instead.
    """
    required = definition.required_metrics
    if not required:
        raise InvalidDefinition("metric.required_metrics", "a composite names at least one metric that it reads")
    if len(required) > MAX_REQUIRED:
        raise InvalidDefinition("metric.required_metrics", f"at most {MAX_REQUIRED}, got {len(required)}")
    for entry in required:
        parsed(entry)
    if len(set(required)) < len(required):
        raise InvalidDefinition("metric.required_metrics", "names a metric twice")
    must_be_empty(definition, "prompt", "model", "parameters", "jury", "expression")
    ways = [name for name in ("source", "function", "roll_up") if getattr(definition, name)]
    if len(ways) != 1:
        raise InvalidDefinition(
            "metric.source", "a composite has a `source`, or a `function` of a plugin, or a `roll_up`: one of them"
        )
    if definition.roll_up is not None:
        _check_roll_up(definition, definition.roll_up.statistic)
        return
    if definition.function and not definition.function.startswith(PREFIX):
        raise InvalidDefinition("metric.function", f"functions that ship read no metrics; write `{PREFIX}NAME`")
    check_scorer(definition)


def _check_roll_up(definition: MetricDefinition, statistic: Statistic) -> None:
    if len(definition.required_metrics) != 1:
        raise InvalidDefinition("metric.required_metrics", "a roll-up reads one metric")
    if definition.roll_up is not None and definition.roll_up.label and statistic not in COUNTING:
        raise InvalidDefinition("metric.roll_up.label", "only share and count look at labels")
    if definition.output_type not in _ANSWERS[statistic]:
        answers = ", ".join(sorted(_ANSWERS[statistic]))
        raise InvalidDefinition("metric.output_type", f"a roll-up by {statistic} answers in {answers}")


async def check_requirements(definition: MetricDefinition, known: Knows) -> None:
    """Accept or refuse what a composite requires; `known` holds the definition itself already.

    Raises:
        RequiredMetricMissing: A required metric does not exist, or requires this one through others.
        LevelMismatch: One does not exist where this metric could read it.
        InvalidDefinition: A roll-up's metric has no value to roll up, or stands at several levels below it.
    """
    if not definition.required_metrics:
        return
    for required in (await closure(known, [definition]))[definition.name, definition.version]:
        for level in definition.levels:
            _check_level(definition, level, required)
        if definition.roll_up is not None:
            _check_rolled_up(definition, required)


def _check_level(definition: MetricDefinition, level: Level, required: Requirement) -> None:
    metric = required.metric
    if required.level is not None and required.level not in metric.levels:
        raise LevelMismatch(f"{required.entry!r}: metric {metric.name!r} works on {', '.join(metric.levels)}")
    due = due_levels(definition, level, required)
    if not due:
        raise LevelMismatch(
            f"metric {definition.name!r} on a {level} cannot read {required.entry!r}, which works on "
            f"{required.level or ', '.join(metric.levels)}: a span sees itself, a trace itself and its spans, "
            "a session all of these"
        )
    if definition.roll_up is not None and len(due) > 1:
        raise InvalidDefinition(
            "metric.required_metrics",
            f"metric {metric.name!r} works on {', '.join(metric.levels)}: say which to roll up, "
            f"{' or '.join(f'{metric.name}@{each}' for each in sorted(due))}",
        )
    apart = not set(definition.span_kinds) & set(metric.span_kinds)
    if level is Level.SPAN and definition.span_kinds and metric.span_kinds and apart:
        raise LevelMismatch(
            f"metric {definition.name!r} is about spans of kind {', '.join(definition.span_kinds)}, and "
            f"{metric.name!r} about {', '.join(metric.span_kinds)}: it would never be there"
        )


def _check_rolled_up(definition: MetricDefinition, required: Requirement) -> None:
    metric, how = required.metric, definition.roll_up
    if how is None:
        return
    if how.statistic in COUNTING:
        if not how.label and metric.output_type is not OutputType.BOOLEAN and metric.threshold is None:
            raise InvalidDefinition(
                "metric.roll_up.label", f"metric {metric.name!r} is not boolean and has no threshold: name a label"
            )
    elif metric.output_type in (OutputType.TEXT, OutputType.MULTILABEL) or None in metric.labels.values():
        raise InvalidDefinition(
            "metric.roll_up.statistic", f"results of {metric.name!r} have no number to take the {how.statistic} of"
        )
