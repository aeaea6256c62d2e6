"""What of a metric's change matters to verdicts that people have given."""

from __future__ import annotations

from evaluator.metrics.definition import MetricDefinition


def schema_change(was: MetricDefinition, now: MetricDefinition) -> str:
    """How verdicts of the two differ in form, for people; '' = they do not, what people said still is a verdict."""
    if was.output_type is not now.output_type:
        return f"the output type was {was.output_type}, and is {now.output_type}"
    if set(was.labels) != set(now.labels):
        return f"the labels were {_named(was)}, and are {_named(now)}"
    if (was.minimum, was.maximum) != (now.minimum, now.maximum):
        return f"the scale was {_scale(was)}, and is {_scale(now)}"
    return ""


def criteria_edited(was: MetricDefinition, now: MetricDefinition) -> bool:
    """Whether the text that people judged by is another one; guidelines do not count, they say how it is meant."""
    return (_words(was.prompt), was.arguments) != (_words(now.prompt), now.arguments)


def _words(text: str) -> list[str]:
    """Line breaks and indentation change nothing."""
    return text.split()


def _named(metric: MetricDefinition) -> str:
    return ", ".join(metric.labels) or "any"


def _scale(metric: MetricDefinition) -> str:
    ends = ["open" if each is None else f"{each:.15g}" for each in (metric.minimum, metric.maximum)]
    return f"{ends[0]} to {ends[1]}"
