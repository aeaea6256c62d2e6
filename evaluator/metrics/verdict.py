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
    if labels := labels_on_offer(definition):
        return {"type": "string", "enum": list(labels)}
    match definition.output_type:
        case OutputType.BOOLEAN:
            return {"type": "boolean"}
        case OutputType.COUNT:
            return {"type": "integer", "description": "A whole number, 0 or more."}
        case OutputType.PERCENTAGE:
            return {"type": "number", "description": "From 0.0 (worst) to 1.0 (best)."}
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
    verdict = answer["verdict"]
    if definition.labels:
        return _labelled(definition.labels, verdict, rationale, text)
    match definition.output_type, verdict:
        case OutputType.BOOLEAN, bool():
            return Score(value=float(verdict), label=str(verdict).lower(), explanation=rationale)
        case ((OutputType.COUNT | OutputType.PERCENTAGE), bool()):
            pass
        case OutputType.COUNT, (int() | float()) if 0 <= verdict <= MAX_COUNT and verdict == math.floor(verdict):
            return Score(value=float(verdict), explanation=rationale)
        case OutputType.PERCENTAGE, (int() | float()) if 0 <= verdict <= 1:
            return Score(value=float(verdict), explanation=rationale)
    raise BadAnswer(f"the judge's verdict is no {definition.output_type}: {plain.raw(text)}")


def _value(value: float | None) -> float:
    return -math.inf if value is None else value


def _labelled(values: Mapping[str, float | None], verdict: object, rationale: str, text: str) -> Score:
    if not isinstance(verdict, str):
        raise BadAnswer(f"the judge's verdict is not a label: {plain.raw(text)}")
    if verdict not in values:
        raise LabelNotOffered(f"offered were {sorted(values)}, the judge answered {plain.raw(text)}")
    return Score(value=values[verdict], label=verdict, explanation=rationale)
