"""What a reviewer can press or write for a verdict, by the output type of the metric."""

from __future__ import annotations

from dataclasses import dataclass

from evaluator.errors import InvalidFeedback
from evaluator.feedback.verdicts import Stated, as_text, complete
from evaluator.metrics.definition import MetricDefinition
from storage.model import OutputType

DIGITS = "1234567890"
_TRUE, _FALSE = Stated(label="true"), Stated(label="false")
_SPOKEN = {"y": _TRUE, "yes": _TRUE, "true": _TRUE, "n": _FALSE, "no": _FALSE, "false": _FALSE}


@dataclass(frozen=True, slots=True)
class Choice:
    """One key, and the verdict that it gives."""

    key: str
    name: str
    stated: Stated


def choices(metric: MetricDefinition) -> tuple[Choice, ...]:
    """Verdicts that take one key; () = they are written.

    Boolean: y and n.  Labels: a digit for each, up to ten.  A discrete scale within 0 to 9: the digit itself.
    """
    if metric.output_type is OutputType.BOOLEAN:
        return Choice("y", "true", _TRUE), Choice("n", "false", _FALSE)
    if metric.labels and len(metric.labels) <= len(DIGITS):
        pairs = zip(DIGITS, metric.labels, strict=False)
        return tuple(Choice(key, label, Stated(label=label)) for key, label in pairs)
    low, high = metric.minimum, metric.maximum
    if metric.output_type is OutputType.DISCRETE and low is not None and high is not None and 0 <= low <= high <= 9:
        values = range(int(low), int(high) + 1)
        return tuple(Choice(str(value), str(value), Stated(value=float(value))) for value in values)
    return ()


def is_list(metric: MetricDefinition) -> bool:
    """Whether several keys make a verdict."""
    return metric.output_type is OutputType.MULTILABEL


def written(metric: MetricDefinition, text: str) -> tuple[Stated, str]:
    """A verdict that was written, and why: `y`, `0.6 because …`, `3`, `angry`; of a text metric all of it.

    Raises:
        InvalidFeedback: It is none of this metric; says what to write.
    """
    if metric.output_type is OutputType.TEXT:
        return _checked(metric, Stated(text=text)), ""
    label = max((each for each in metric.labels if _begins(text, each)), key=len, default="")
    if label:
        return _listed(metric, [label]), _why(text, label)
    first = text.split(maxsplit=1)[0] if text.split() else ""
    pressed = {choice.key: choice.stated for choice in choices(metric)}
    if is_list(metric) and first and set(first.replace(",", "")) <= set(pressed):
        return _listed(metric, [pressed[key].label for key in first if key != ","]), _why(text, first)
    stated = pressed.get(first.rstrip(":,;"))
    if stated is None and metric.output_type is OutputType.BOOLEAN:
        stated = _SPOKEN.get(first.rstrip(":,;").lower())
    return _checked(metric, stated or Stated(label=first.rstrip(":;"))), _why(text, first)


def _begins(text: str, label: str) -> bool:
    return text == label or text.startswith((f"{label} ", f"{label}:", f"{label},"))


def _why(text: str, verdict: str) -> str:
    return text.removeprefix(verdict).lstrip(" :,;").strip()


def _listed(metric: MetricDefinition, labels: list[str]) -> Stated:
    return _checked(metric, Stated(labels=tuple(labels)) if is_list(metric) else Stated(label=labels[0]))


def _checked(metric: MetricDefinition, stated: Stated) -> Stated:
    complete(metric, stated)
    return stated


def checked(metric: MetricDefinition, stated: Stated) -> str:
    """A verdict in one line.

    Raises:
        InvalidFeedback: It is none of this metric.
    """
    return as_text(complete(metric, stated))


__all__ = ["Choice", "InvalidFeedback", "checked", "choices", "is_list", "written"]
