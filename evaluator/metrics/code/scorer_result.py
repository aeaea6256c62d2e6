"""What a scorer returned, held to its metric's output type.  Nothing is guessed, rounded or cut to fit."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.judging.verdict import MAX_COUNT, in_range, several
from storage.model import OutputType, Score

MAX_TEXT: Final = 64 * 1024
"""Characters of a text result."""
MAX_EXPLANATION: Final = 10_000
"""Characters of an explanation; the rest is cut, with a mark."""
MAX_LABEL: Final = 200
RETURNS: Final = "a scorer returns a number, a bool, a text, a list of texts, or a dict with `value` and `explanation`"
_KEYS: Final = frozenset({"value", "label", "explanation"})
_NUMBERS: Final = frozenset({OutputType.PERCENTAGE, OutputType.COUNT, OutputType.DISCRETE, OutputType.NUMBER})


class BadResult(Exception):
    """A scorer returned what its metric cannot have; the message is for its author."""


@dataclass(frozen=True, slots=True)
class Several:
    """Items that a scorer returned together: a tuple, or a list or set."""

    items: tuple[object, ...]
    is_tuple: bool


def score_from(definition: MetricDefinition, returned: object) -> Score:
    """The score of what a scorer returned.

    Args:
        returned: A value; a `Several`; or a dict with `value` and, if it likes, `label` and `explanation`.

    Raises:
        BadResult: Says what came, and what the metric takes.
    """
    value, label, explanation = _parts(definition, returned)
    score = _score(definition, value)
    if label:
        score = _with_label(definition, score, label)
    return replace(score, explanation=_cut(explanation)) if explanation else score


def _parts(definition: MetricDefinition, returned: object) -> tuple[object, str, str]:
    """Value, label and explanation; the latter two may be ''."""
    if isinstance(returned, dict):
        if unknown := sorted(set(returned) - _KEYS):
            raise BadResult(f"returned a dict with {unknown[0]!r}; it may have value, label and explanation")
        label, explanation = returned.get("label"), returned.get("explanation")
        value = returned.get("value", label)
        return value, _text("label", label), _text("explanation", explanation)
    if isinstance(returned, Several) and returned.is_tuple and _is_explained(definition, returned.items):
        return returned.items[0], "", _text("explanation", returned.items[1])
    return returned, "", ""


def _is_explained(definition: MetricDefinition, items: tuple[object, ...]) -> bool:
    """Whether a tuple is a value and its explanation; of a multilabel metric two texts are two labels."""
    if len(items) != 2 or not isinstance(items[1], str | None):
        return False
    return definition.output_type is not OutputType.MULTILABEL or isinstance(items[0], Several)


def _score(definition: MetricDefinition, value: object) -> Score:
    output_type = definition.output_type
    if output_type is OutputType.MULTILABEL:
        return _multilabel(definition, value)
    if isinstance(value, str) and output_type is not OutputType.TEXT:
        return _labelled(definition, value)
    match value:
        case bool() if output_type is OutputType.BOOLEAN:
            return Score(value=float(value), label=str(value).lower())
        case str() if output_type is OutputType.TEXT and value.strip() and len(value) <= MAX_TEXT:
            return Score(text=value)
        case bool():
            pass
        case int() | float() if output_type in _NUMBERS and _fits(definition, value):
            return _numbered(definition, float(value))
    raise _wrong(definition, value)


def _fits(definition: MetricDefinition, value: float) -> bool:
    if isinstance(value, float) and not math.isfinite(value):
        return False
    match definition.output_type:
        case OutputType.PERCENTAGE:
            return 0 <= value <= 1
        case OutputType.COUNT:
            return 0 <= value <= MAX_COUNT and value == math.floor(value)
        case OutputType.DISCRETE:
            return abs(value) <= MAX_COUNT and value == math.floor(value) and in_range(definition, value)
    return in_range(definition, value)


def _numbered(definition: MetricDefinition, value: float) -> Score:
    """A number; of a discrete scale with labels, the one that stands for it."""
    if definition.output_type is OutputType.DISCRETE and definition.labels:
        label = next((label for label, number in definition.labels.items() if number == value), None)
        if label is None:
            raise _wrong(definition, value)
        return Score(value=value, label=label)
    return Score(value=value)


def _labelled(definition: MetricDefinition, label: str) -> Score:
    if definition.labels:
        if label not in definition.labels:
            raise BadResult(f"returned the label {_shown(label)}; offered are {sorted(definition.labels)}")
        return Score(value=definition.labels[label], label=label)
    if definition.output_type is not OutputType.CATEGORICAL or not label.strip() or len(label) > MAX_LABEL:
        raise _wrong(definition, label)
    return Score(label=label)


def _multilabel(definition: MetricDefinition, value: object) -> Score:
    if not isinstance(value, Several):
        raise _wrong(definition, value)
    labels = list(dict.fromkeys(label for label in value.items if isinstance(label, str)))
    if not all(isinstance(label, str) for label in value.items):
        raise BadResult("returned a list with something else than labels; a multilabel metric takes a list of texts")
    if unknown := [label for label in labels if label not in definition.labels]:
        raise BadResult(f"returned the label {_shown(unknown[0])}; offered are {sorted(definition.labels)}")
    return several(definition.labels, labels, "")


def _with_label(definition: MetricDefinition, score: Score, label: str) -> Score:
    if score.label and score.label != label:
        raise BadResult(f"returned the label {_shown(label)} with a value that stands for {_shown(score.label)}")
    if definition.labels and label not in definition.labels:
        raise BadResult(f"returned the label {_shown(label)}; offered are {sorted(definition.labels)}")
    if len(label) > MAX_LABEL:
        raise BadResult(f"returned a label of {len(label):,} characters; at most {MAX_LABEL} are kept")
    return replace(score, label=label)


def _text(what: str, value: object) -> str:
    if value is not None and not isinstance(value, str):
        raise BadResult(f"returned {_shown(value)} as {what}, which must be a text")
    return value or ""


def _cut(text: str) -> str:
    return text if len(text) <= MAX_EXPLANATION else f"{text[:MAX_EXPLANATION]} … (cut)"


def _wrong(definition: MetricDefinition, value: object) -> BadResult:
    return BadResult(f"returned {_shown(value)}; {_expected(definition)}")


def _expected(definition: MetricDefinition) -> str:
    ends = [
        f"{word} {end:.15g}"
        for word, end in (("from", definition.minimum), ("up to", definition.maximum))
        if end is not None
    ]
    match definition.output_type:
        case OutputType.BOOLEAN:
            return "a boolean metric takes True or False"
        case OutputType.PERCENTAGE:
            return "a percentage metric takes a number from 0.0 to 1.0"
        case OutputType.COUNT:
            return "a count metric takes a whole number, 0 or more"
        case OutputType.DISCRETE:
            scale = sorted(definition.labels) if definition.labels else " ".join(["a whole number", *ends])
            return f"a discrete metric takes {scale}"
        case OutputType.NUMBER:
            return f"a number metric takes {' '.join(['a finite number', *ends])}"
        case OutputType.CATEGORICAL:
            return (
                f"a categorical metric takes one of {sorted(definition.labels)}"
                if definition.labels
                else (f"a categorical metric takes a label of at most {MAX_LABEL} characters")
            )
        case OutputType.MULTILABEL:
            return f"a multilabel metric takes a list of {sorted(definition.labels)}"
        case OutputType.TEXT:
            return f"a text metric takes a text of 1 to {MAX_TEXT:,} characters"


def _shown(value: object) -> str:
    match value:
        case str() if len(value) > 100:
            return f"a text of {len(value):,} characters"
        case int() if not isinstance(value, bool) and abs(value) >= 10**20:
            return "a whole number of more than 20 digits"
        case Several(is_tuple=is_tuple):
            return f"a {'tuple' if is_tuple else 'list'} of {len(value.items)}"
        case dict():
            return "a dict inside a result"
    return repr(value)
