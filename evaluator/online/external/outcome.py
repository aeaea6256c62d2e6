"""What is concluded of a statement: by the metric's declared output where there is a definition, else by its looks.

Nothing is rounded, clamped or dropped: what does not fit is a failure `INVALID_RESULT` that says what was sent.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping

from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.judging.verdict import MAX_COUNT, in_range, several
from evaluator.online.external.events import Statement
from storage.model import Failure, Outcome, OutputType, Score

INVALID = "INVALID_RESULT"
MAX_LABEL_CHARACTERS = 200
"""A longer label is a text: labels are few and stand in dictionaries."""
_TRUTH: Mapping[str, bool] = {
    "true": True,
    "pass": True,
    "passed": True,
    "false": False,
    "fail": False,
    "failed": False,
}
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,4})?")
_NO_CODE = re.compile(r"[^A-Z0-9]+")
_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


class _Unfit(Exception):
    """A statement is no result of its metric; says why."""


def outcome_of(said: Statement, definition: MetricDefinition | None) -> tuple[OutputType, Outcome]:
    """Output type and outcome of a statement.  `definition` is of kind external or human; None = there is none."""
    try:
        value = _number(said.value)
        if definition is not None:
            output, score = definition.output_type, None if said.error else _declared(definition, value, said)
        else:
            output, score = _inferred(value, said)
    except _Unfit as unfit:
        output = definition.output_type if definition else OutputType.NUMBER
        if said.error:
            return output, _failure(said)
        return output, Failure(code=INVALID, message=f"{unfit}; sent were {_sent(said)}")
    if said.error or score is None:
        return output, _failure(said)
    return output, score


def _failure(said: Statement) -> Failure:
    """An `error.type` as a code like ours: `TimeoutError` -> `TIMEOUT_ERROR`, `429` -> `ERROR_429`."""
    code = _NO_CODE.sub("_", _WORDS.sub("_", said.error[:MAX_LABEL_CHARACTERS]).upper()).strip("_")[:64]
    return Failure(
        code=code if code[:1].isalpha() else f"ERROR_{code or 'OTHER'}",
        message=said.explanation or f"the evaluator ended in {said.error[:MAX_LABEL_CHARACTERS]}",
    )


def _sent(said: Statement) -> str:
    return f"value {said.value[:MAX_LABEL_CHARACTERS]!r}, label {said.label[:MAX_LABEL_CHARACTERS]!r}"


def _number(text: str) -> float | None:
    if not text:
        return None
    value = float(text) if _NUMBER.fullmatch(text.strip()) else math.nan
    if not math.isfinite(value):
        raise _Unfit("the value is no finite number")
    return value


def _inferred(value: float | None, said: Statement) -> tuple[OutputType, Score | None]:
    label, why = said.label, said.explanation
    truth = _TRUTH.get(label.lower())
    if (
        truth is not None
        and (value is None or value == float(truth))
        and (value is not None or label.lower() in _PLAIN)
    ):
        return OutputType.BOOLEAN, Score(value=float(truth), label=str(truth).lower(), explanation=why)
    if len(label) > MAX_LABEL_CHARACTERS and value is None:
        return OutputType.TEXT, Score(text=label, explanation=why)
    if label and len(label) <= MAX_LABEL_CHARACTERS:
        return OutputType.CATEGORICAL, Score(value=value, label=label, explanation=why)
    if value is not None and not label:
        return OutputType.NUMBER, Score(value=value, explanation=why)
    if said.error:
        return OutputType.NUMBER, None
    raise _Unfit("a label is too long for one" if label else "there is neither a value nor a label nor an error.type")


_PLAIN = frozenset({"true", "false"})
"""`pass` alone may be one of three labels."""


def _declared(definition: MetricDefinition, value: float | None, said: Statement) -> Score:
    label, why, labels = said.label, said.explanation, definition.labels
    match definition.output_type:
        case OutputType.BOOLEAN:
            truth = (
                _TRUTH.get(label.lower()) if label else {0.0: False, 1.0: True}.get(-1.0 if value is None else value)
            )
            if truth is None or value not in (None, float(truth)):
                raise _Unfit("a boolean is value 1 or 0, label true or false, or both alike")
            return Score(value=float(truth), label=str(truth).lower(), explanation=why)
        case OutputType.TEXT:
            text = label or said.value
            if not text:
                raise _Unfit("a text comes as label")
            return Score(text=text, explanation=why)
        case OutputType.MULTILABEL:
            return _several(labels, label, why)
        case _ if labels or definition.output_type is OutputType.CATEGORICAL:
            return _labelled(labels, value, label, why)
        case _:
            return _numeric(definition, value, why)


def _labelled(labels: Mapping[str, float | None], value: float | None, label: str, why: str) -> Score:
    if not label:
        named = [each for each, worth in labels.items() if value is not None and worth == value]
        if len(named) != 1:
            raise _Unfit(f"no label; offered are {sorted(labels)}")
        label = named[0]
    if labels and label not in labels:
        raise _Unfit(f"the label is not among {sorted(labels)}")
    if len(label) > MAX_LABEL_CHARACTERS:
        raise _Unfit(f"a label has at most {MAX_LABEL_CHARACTERS} characters")
    worth = labels.get(label, value)
    if value is not None and worth is not None and worth != value:
        raise _Unfit(f"label {label!r} is worth {worth:.15g}")
    return Score(value=worth, label=label, explanation=why)


def _several(labels: Mapping[str, float | None], text: str, why: str) -> Score:
    try:
        chosen = json.loads(text) if text.startswith("[") else [text]
    except (ValueError, RecursionError):
        raise _Unfit("several labels come as a JSON list") from None
    if not isinstance(chosen, list) or not all(isinstance(each, str) and each in labels for each in chosen):
        raise _Unfit(f"labels must be among {sorted(labels)}")
    return several(labels, chosen, why)


def _numeric(definition: MetricDefinition, value: float | None, why: str) -> Score:
    if value is None:
        raise _Unfit("no value")
    output, whole = definition.output_type, value == math.floor(value) and abs(value) <= MAX_COUNT
    fits = {
        OutputType.PERCENTAGE: 0.0 <= value <= 1.0,
        OutputType.COUNT: value >= 0 and whole,
        OutputType.DISCRETE: in_range(definition, value) and whole,
        OutputType.NUMBER: in_range(definition, value),
    }
    if not fits[output]:
        raise _Unfit(f"the value is no {output} on the metric's scale")
    return Score(value=value, explanation=why)
