"""The verdict of a judge: the schema that forces it to a metric's output type, and its reading.  Nothing is guessed."""

from __future__ import annotations

import math
from collections.abc import Mapping

from evaluator.judges import plain
from evaluator.judges.port import BadAnswer, LabelNotOffered
from evaluator.metrics.definition import MetricDefinition
from storage.model import OutputType, Score

MAX_COUNT = 2**53
"""Greatest whole number that a double holds exactly."""
MAX_TEXT_CHARACTERS = 64 * 1024
"""Longest verdict of a `text` metric."""


def labels_on_offer(definition: MetricDefinition) -> tuple[str, ...]:
    """Labels, best first, in an order that depends on nothing but the labels: equal definitions give equal prompts."""
    return tuple(sorted(definition.labels, key=lambda label: (-_value(definition.labels[label]), label)))


def schema_of(definition: MetricDefinition) -> dict[str, object]:
    """JSON schema of the answer: `rationale` first, so that the judge thinks before it decides, then `verdict`.

    Ranges stand in the description only: strict modes refuse `minimum` and `maximum`.
    """
    return {
        "type": "object",
        "properties": {
            "rationale": {"type": "string", "description": "Why, in one to three sentences, before the verdict."},
            "verdict": _verdict_schema(definition),
        },
        "required": ["rationale", "verdict"],
        "additionalProperties": False,
    }


def _verdict_schema(definition: MetricDefinition) -> dict[str, object]:
    labels = list(labels_on_offer(definition))
    match definition.output_type:
        case OutputType.MULTILABEL:
            return {
                "type": "array",
                "items": {"type": "string", "enum": labels},
                "description": "Those labels that apply, each once; an empty list where none does.",
            }
        case _ if labels:
            return {"type": "string", "enum": labels}
        case OutputType.BOOLEAN:
            return {"type": "boolean"}
        case OutputType.COUNT:
            return {"type": "integer", "description": "A whole number, 0 or more."}
        case OutputType.DISCRETE:
            return {"type": "integer", "description": f"A whole number{_range(definition)}."}
        case OutputType.PERCENTAGE:
            return {"type": "number", "description": "From 0.0 to 1.0, both included."}
        case OutputType.NUMBER:
            return {"type": "number", "description": f"A number{_range(definition)}."}
        case OutputType.TEXT:
            return {"type": "string"}
        case other:
            raise ValueError(f"a judge cannot answer in {other} without labels")  # `check` refuses such definitions


def score_of(definition: MetricDefinition, text: str) -> Score:
    """Read the judge's message.

    Raises:
        LabelNotOffered: The verdict is a label, and not one of those offered, letter by letter.
        BadAnswer: Not one JSON object with a verdict of the type and range asked for.
    """
    answer = plain.object_in(text)
    rationale = answer.get("rationale", "")
    if "verdict" not in answer or not isinstance(rationale, str):
        raise BadAnswer(f"the judge's object lacks a verdict or a rationale in words: {plain.raw(text)}")
    return _typed(definition, answer["verdict"], rationale, text)


def _typed(definition: MetricDefinition, verdict: object, rationale: str, text: str) -> Score:
    output_type, labels = definition.output_type, definition.labels
    if output_type is OutputType.MULTILABEL:
        return _several(labels, verdict, rationale, text)
    if labels:
        return _labelled(labels, verdict, rationale, text)
    match output_type, verdict:
        case OutputType.BOOLEAN, bool():
            return Score(value=float(verdict), label=str(verdict).lower(), explanation=rationale)
        case _, bool():  # JSON's true is no 1, although Python's is
            pass
        case OutputType.COUNT, (int() | float()) if 0 <= verdict <= MAX_COUNT and verdict == math.floor(verdict):
            return Score(value=float(verdict), explanation=rationale)
        case OutputType.PERCENTAGE, (int() | float()) if 0 <= verdict <= 1:
            return Score(value=float(verdict), explanation=rationale)
        case OutputType.DISCRETE, (int() | float()) if (
            in_range(definition, verdict) and abs(verdict) <= MAX_COUNT and verdict == math.floor(verdict)
        ):
            return Score(value=float(verdict), explanation=rationale)
        case OutputType.NUMBER, (int() | float()) if in_range(definition, verdict):
            return Score(value=float(verdict), explanation=rationale)
        case OutputType.TEXT, str() if verdict.strip() and len(verdict) <= MAX_TEXT_CHARACTERS:
            return Score(text=verdict, explanation=rationale)
    raise BadAnswer(f"the judge's verdict is no {output_type}{_range(definition)}: {plain.raw(text)}")


def in_range(definition: MetricDefinition, value: float) -> bool:
    """Whether a number is finite and on the scale of a definition, both ends included."""
    lowest = -math.inf if definition.minimum is None else definition.minimum
    highest = math.inf if definition.maximum is None else definition.maximum
    try:
        return math.isfinite(value) and lowest <= value <= highest
    except OverflowError:  # a whole number beyond the doubles
        return False


def _range(definition: MetricDefinition) -> str:
    """` from 1 to 5`, in words, of what has ends."""
    if definition.output_type not in (OutputType.DISCRETE, OutputType.NUMBER):
        return ""
    low = "" if definition.minimum is None else f" from {definition.minimum:.15g}"
    high = "" if definition.maximum is None else f" up to {definition.maximum:.15g}"
    return f"{low}{high}, both included" if low and high else low or high


def _value(value: float | None) -> float:
    return -math.inf if value is None else value


def _labelled(values: Mapping[str, float | None], verdict: object, rationale: str, text: str) -> Score:
    if not isinstance(verdict, str):
        raise BadAnswer(f"the judge's verdict is not a label: {plain.raw(text)}")
    if verdict not in values:
        raise _not_offered(values, text)
    return Score(value=values[verdict], label=verdict, explanation=rationale)


def _several(values: Mapping[str, float | None], verdict: object, rationale: str, text: str) -> Score:
    if not isinstance(verdict, list) or not all(isinstance(label, str) for label in verdict):
        raise BadAnswer(f"the judge's verdict is not a list of labels: {plain.raw(text)}")
    if not set(verdict) <= set(values):
        raise _not_offered(values, text)
    if len(set(verdict)) != len(verdict):
        raise BadAnswer(f"the judge's verdict names a label twice: {plain.raw(text)}")
    return several(values, verdict, rationale)


def several(values: Mapping[str, float | None], chosen: list[str], rationale: str) -> Score:
    """The score of some labels, in the definition's order; its value is the sum of theirs, 1 where one has none."""
    labels = tuple(label for label in values if label in chosen)
    return Score(value=sum((_weight(values[label]) for label in labels), 0.0), labels=labels, explanation=rationale)


def _weight(value: float | None) -> float:
    return 1.0 if value is None else value


def _not_offered(values: Mapping[str, float | None], text: str) -> LabelNotOffered:
    return LabelNotOffered(f"offered were {sorted(values)}, the judge answered {plain.raw(text)}")
