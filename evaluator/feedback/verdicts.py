"""A verdict as a person states it, completed by the metric's output type.  Nothing is rounded, clamped or guessed."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import NoReturn

from evaluator.errors import InvalidFeedback
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.judging.verdict import MAX_COUNT, MAX_TEXT_CHARACTERS, in_range, labels_on_offer, several
from storage.model import OutputType, Score

MAX_LABEL_CHARACTERS = 200
"""Of a label of a metric that declares none."""
_TRUTH = {"true": True, "false": False}
_MEANT_TRUE = frozenset({"yes", "y", "pass", "passed", "ok", "correct", "flagged"})
_MEANT_FALSE = frozenset({"no", "n", "fail", "failed", "wrong", "incorrect", "not flagged"})
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,4})?")
_PERCENT = re.compile(r"([+-]?[0-9]+\.?[0-9]*)\s*%")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """What a person wrote.  A label alone may be any verdict as text: `0.6`, `true`, `["a", "b"]`, an answer."""

    value: float | None = None
    label: str = ""
    labels: tuple[str, ...] = ()
    text: str = ""


def complete(definition: MetricDefinition, stated: Stated, *, field: str = "expected") -> Score:
    """The verdict in the metric's own output type, whole: value and label both where the type has both.

    Args:
        field: Path of the verdict in the request, for errors.

    Raises:
        InvalidFeedback: It is none of this metric; says what to write.
    """
    if stated.value is not None and not math.isfinite(stated.value):
        raise InvalidFeedback(f"{field}.value", "must be a finite number")
    output = definition.output_type
    if output is OutputType.TEXT:
        return _text(stated, field)
    if stated.text:
        raise InvalidFeedback(f"{field}.text", f"a {output} metric has no text; {_wanted(definition)}")
    if output is OutputType.MULTILABEL:
        return _several(definition, stated, field)
    if stated.labels:
        raise InvalidFeedback(f"{field}.labels", f"a {output} metric has one verdict; {_wanted(definition)}")
    if stated.value is None and not stated.label:
        raise InvalidFeedback(field, f"say what the metric should have concluded: {_wanted(definition)}")
    if output is OutputType.BOOLEAN:
        return _boolean(stated, field)
    if definition.labels or output is OutputType.CATEGORICAL:
        return _labelled(definition, stated, field)
    return _number(definition, stated, field)


def as_text(score: Score | None) -> str:
    """A verdict in one line, as `complete` reads it back from a label alone; '' for none."""
    if score is None:
        return ""
    if score.text:
        return score.text
    if score.labels:
        return json.dumps(list(score.labels), ensure_ascii=False)
    return score.label or ("" if score.value is None else repr(score.value).removesuffix(".0"))


def _wanted(definition: MetricDefinition) -> str:
    """What to write, in words."""
    labels = labels_on_offer(definition)
    match definition.output_type:
        case OutputType.BOOLEAN:
            return "write `true` or `false`"
        case OutputType.MULTILABEL:
            return f"write labels out of {_listed(labels)}, or `[]` where none applies"
        case _ if labels:
            return f"write one of {_listed(labels)}"
        case OutputType.PERCENTAGE:
            return "write a number from 0.0 to 1.0, such as 0.6 for 60 %"
        case OutputType.COUNT:
            return "write a whole number, 0 or more"
        case OutputType.DISCRETE:
            return f"write a whole number{_scale(definition)}"
        case OutputType.NUMBER:
            return f"write a number{_scale(definition)}"
        case OutputType.TEXT:
            return "write a text"
        case _:
            return "write a label"


def _scale(definition: MetricDefinition) -> str:
    low = "" if definition.minimum is None else f" from {definition.minimum:.15g}"
    return low + ("" if definition.maximum is None else f" to {definition.maximum:.15g}")


def _listed(labels: tuple[str, ...]) -> str:
    return ", ".join(f"`{label}`" for label in labels)


def _text(stated: Stated, field: str) -> Score:
    if stated.labels or stated.value is not None:
        raise InvalidFeedback(field, "a text metric has neither value nor labels; write a text")
    text = stated.text or stated.label
    if not text.strip():
        raise InvalidFeedback(f"{field}.text", "say what the metric should have written")
    if len(text) > MAX_TEXT_CHARACTERS:
        raise InvalidFeedback(f"{field}.text", f"at most {MAX_TEXT_CHARACTERS} characters, got {len(text)}")
    return Score(text=text)


def _boolean(stated: Stated, field: str) -> Score:
    said = stated.label.strip().lower()
    by_label = {**_TRUTH, "1": True, "0": False}.get(said)
    if said and by_label is None:
        meant = "true" if said in _MEANT_TRUE else "false" if said in _MEANT_FALSE else ""
        near = meant or next(iter(get_close_matches(said, _TRUTH, n=1)), "")
        hint = f"did you mean `{near}`?" if near else "write `true` or `false`"
        raise InvalidFeedback(f"{field}.label", f"{stated.label[:MAX_LABEL_CHARACTERS]!r} is no boolean; {hint}")
    if stated.value is not None and stated.value not in (0.0, 1.0):
        raise InvalidFeedback(
            f"{field}.value", f"a boolean is 1 or 0, got {stated.value:.15g}; write `true` or `false`"
        )
    truth = bool(stated.value) if by_label is None else by_label
    if stated.value is not None and bool(stated.value) is not truth:
        raise InvalidFeedback(field, f"value {stated.value:.15g} and label {stated.label!r} contradict each other")
    return Score(value=float(truth), label=str(truth).lower())


def _labelled(definition: MetricDefinition, stated: Stated, field: str) -> Score:
    labels = definition.labels
    label, value = stated.label, stated.value
    if label and labels and label not in labels:
        number = _parsed(label)
        if number is None or value is not None or number not in labels.values():
            raise _not_offered(labels, label, f"{field}.label", definition)
        label, value = "", number
    if not label:
        named = [each for each, worth in labels.items() if worth is not None and worth == value]
        if len(named) != 1:
            why = f"stands for {_listed(tuple(named))}" if named else "is the value of no label"
            raise InvalidFeedback(f"{field}.value", f"{value:.15g} {why}; {_wanted(definition)}")
        label = named[0]
    if len(label) > MAX_LABEL_CHARACTERS:
        raise InvalidFeedback(f"{field}.label", f"at most {MAX_LABEL_CHARACTERS} characters, got {len(label)}")
    worth = labels.get(label)
    if value is not None and worth is not None and worth != value:
        raise InvalidFeedback(field, f"label {label!r} is worth {worth:.15g}, and the value says {value:.15g}")
    return Score(value=worth if labels else value, label=label)


def _several(definition: MetricDefinition, stated: Stated, field: str) -> Score:
    chosen = list(stated.labels)
    if stated.label:
        if chosen:
            raise InvalidFeedback(f"{field}.label", "give the labels, or one of them, not both")
        chosen = _list_in(definition, stated.label, f"{field}.label")
    elif not chosen and stated.value != 0.0:
        raise InvalidFeedback(field, f"say what the metric should have concluded: {_wanted(definition)}")
    for number, label in enumerate(chosen):
        if label not in definition.labels:
            raise _not_offered(definition.labels, label, f"{field}.labels[{number}]", definition)
    score = several(definition.labels, chosen, "")
    if stated.value not in (None, score.value):
        raise InvalidFeedback(f"{field}.value", f"these labels are worth {score.value:.15g} together; leave it out")
    return score


def _list_in(definition: MetricDefinition, text: str, field: str) -> list[str]:
    if text == "0" and text not in definition.labels:  # the value of none of them
        return []
    if text in definition.labels or not text.lstrip().startswith("["):
        return [text]
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise InvalidFeedback(field, 'several labels are a JSON list, such as ["a", "b"]') from None
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise InvalidFeedback(field, 'several labels are a JSON list of texts, such as ["a", "b"]')
    return found


def _not_offered(
    labels: Mapping[str, float | None], label: str, field: str, definition: MetricDefinition
) -> InvalidFeedback:
    by_lower = {each.lower(): each for each in labels}
    near = get_close_matches(label.strip().lower(), by_lower, n=1)
    hint = f"did you mean `{by_lower[near[0]]}`?" if near else _wanted(definition)
    return InvalidFeedback(field, f"{label[:MAX_LABEL_CHARACTERS]!r} is no label of this metric; {hint}")


def _number(definition: MetricDefinition, stated: Stated, field: str) -> Score:
    if stated.label:
        stated = _read(definition, stated, field)
    value = stated.value
    assert value is not None
    whole = value == math.floor(value) and abs(value) <= MAX_COUNT
    match definition.output_type:
        case OutputType.PERCENTAGE:
            fits = 0.0 <= value <= 1.0
        case OutputType.COUNT:
            fits = value >= 0 and whole
        case OutputType.DISCRETE:
            fits = whole and in_range(definition, value)
        case _:
            fits = in_range(definition, value)
    if not fits:
        _refuse(definition, value, field)
    return Score(value=value + 0.0)


def _refuse(definition: MetricDefinition, value: float, field: str) -> NoReturn:
    if definition.output_type is OutputType.PERCENTAGE and 1.0 < value <= 100.0:
        hint = f"percentages are 0.0 to 1.0: for {value:.15g} % write {_shifted(value)}"
        raise InvalidFeedback(f"{field}.value", f"{value:.15g} is out of range; {hint}")
    raise InvalidFeedback(
        f"{field}.value", f"{value:.15g} is no {definition.output_type} of this metric; {_wanted(definition)}"
    )


def _read(definition: MetricDefinition, stated: Stated, field: str) -> Stated:
    """A number that was written as text."""
    if percent := _PERCENT.fullmatch(stated.label.strip()):
        if definition.output_type is OutputType.PERCENTAGE:
            hint = f"write {_shifted(float(percent[1]))}"
        else:
            hint = _wanted(definition)
        raise InvalidFeedback(f"{field}.value", f"{stated.label.strip()!r} is no number; {hint}")
    number = _parsed(stated.label)
    if number is None:
        said = stated.label[:MAX_LABEL_CHARACTERS]
        raise InvalidFeedback(
            f"{field}.label",
            f"a {definition.output_type} metric without labels has none, got {said!r}; {_wanted(definition)}",
        )
    if stated.value not in (None, number):
        raise InvalidFeedback(field, f"value {stated.value} and label {stated.label!r} contradict each other")
    return replace(stated, value=number, label="")


def _parsed(text: str) -> float | None:
    if not _NUMBER.fullmatch(text.strip()):
        return None
    number = float(text)
    return number if math.isfinite(number) else None


def _shifted(percent: float) -> str:
    return f"{percent / 100:.12g}"
