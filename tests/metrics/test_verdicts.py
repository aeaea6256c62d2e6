"""Every output type at the judge: what it is asked for, and what is taken for an answer."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from evaluator.judges.port import BadAnswer, LabelNotOffered
from evaluator.metrics.check import check
from evaluator.metrics.conclude import passed
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.judging.verdict import MAX_TEXT_CHARACTERS, schema_of, score_of
from storage.model import Abstention, Failure, Level, MetricKind, Outcome, OutputType, Score


def metric(output_type: OutputType, **fields: Any) -> MetricDefinition:
    """A judge metric of this output type."""
    return MetricDefinition(
        name="m", kind=MetricKind.JUDGE, levels=(Level.SPAN,), output_type=output_type, prompt="{{output}}", **fields
    )


BOOLEAN = metric(OutputType.BOOLEAN)
CATEGORICAL = metric(OutputType.CATEGORICAL, labels={"kind": 1.0, "rude": 0.0, "neither": None})
PERCENTAGE = metric(OutputType.PERCENTAGE)
GRADED = metric(OutputType.PERCENTAGE, labels={"good": 1.0, "bad": 0.0})
COUNT = metric(OutputType.COUNT)
LABELLED_SCALE = metric(OutputType.DISCRETE, labels={"poor": 1.0, "good": 3.0, "fair": 2.0})
SCALE = metric(OutputType.DISCRETE, minimum=1.0, maximum=5.0)
MULTILABEL = metric(OutputType.MULTILABEL, labels={"price": None, "tone": None, "speed": 2.0})
TEXT = metric(OutputType.TEXT)
NUMBER = metric(OutputType.NUMBER, minimum=-1.5, maximum=2.0)
OPEN = metric(OutputType.NUMBER)
ALL = (BOOLEAN, CATEGORICAL, PERCENTAGE, GRADED, COUNT, LABELLED_SCALE, SCALE, MULTILABEL, TEXT, NUMBER, OPEN)


def answer(verdict: object) -> str:
    """A judge's message."""
    return json.dumps({"rationale": "r", "verdict": verdict})


@pytest.mark.parametrize(
    ("definition", "wanted"),
    [
        (BOOLEAN, {"type": "boolean"}),
        (CATEGORICAL, {"type": "string", "enum": ["kind", "rude", "neither"]}),
        (PERCENTAGE, {"type": "number", "description": "From 0.0 to 1.0, both included."}),
        (GRADED, {"type": "string", "enum": ["good", "bad"]}),
        (COUNT, {"type": "integer", "description": "A whole number, 0 or more."}),
        (LABELLED_SCALE, {"type": "string", "enum": ["good", "fair", "poor"]}),
        (SCALE, {"type": "integer", "description": "A whole number from 1 up to 5, both included."}),
        (
            MULTILABEL,
            {
                "type": "array",
                "items": {"type": "string", "enum": ["speed", "price", "tone"]},
                "description": "Those labels that apply, each once; an empty list where none does.",
            },
        ),
        (TEXT, {"type": "string"}),
        (NUMBER, {"type": "number", "description": "A number from -1.5 up to 2, both included."}),
        (OPEN, {"type": "number", "description": "A number."}),
    ],
)
def test_the_schema_asks_for_the_output_type_after_the_rationale(
    definition: MetricDefinition, wanted: dict[str, object]
) -> None:
    """The judge thinks first; nothing but the two fields may be answered."""
    check(definition)
    schema = schema_of(definition)
    properties = schema["properties"]
    assert isinstance(properties, dict)
    assert list(properties) == ["rationale", "verdict"] == schema["required"]
    assert (properties["verdict"], schema["additionalProperties"]) == (wanted, False)


@pytest.mark.parametrize(
    ("definition", "verdict", "score"),
    [
        (BOOLEAN, True, Score(value=1.0, label="true", explanation="r")),
        (BOOLEAN, False, Score(value=0.0, label="false", explanation="r")),
        (CATEGORICAL, "rude", Score(value=0.0, label="rude", explanation="r")),
        (CATEGORICAL, "neither", Score(value=None, label="neither", explanation="r")),
        (PERCENTAGE, 0.25, Score(value=0.25, explanation="r")),
        (GRADED, "good", Score(value=1.0, label="good", explanation="r")),
        (COUNT, 3, Score(value=3.0, explanation="r")),
        (COUNT, 3.0, Score(value=3.0, explanation="r")),
        (LABELLED_SCALE, "fair", Score(value=2.0, label="fair", explanation="r")),
        (SCALE, 1, Score(value=1.0, explanation="r")),
        (SCALE, 5.0, Score(value=5.0, explanation="r")),
        (MULTILABEL, ["tone", "price"], Score(value=2.0, labels=("price", "tone"), explanation="r")),
        (MULTILABEL, ["speed"], Score(value=2.0, labels=("speed",), explanation="r")),
        (MULTILABEL, [], Score(value=0.0, explanation="r")),
        (TEXT, "Zwölf Boxkämpfer 🥊", Score(text="Zwölf Boxkämpfer 🥊", explanation="r")),
        (NUMBER, -1.5, Score(value=-1.5, explanation="r")),
        (OPEN, 1e300, Score(value=1e300, explanation="r")),
    ],
)
def test_a_verdict_of_the_output_type_is_a_score(definition: MetricDefinition, verdict: object, score: Score) -> None:
    """Labels carry their values; a set of labels the sum of theirs, where one without a value counts 1."""
    assert score_of(definition, answer(verdict)) == score


_NOTHING = (None, [], {}, [1], {"a": 1})
_BAD: tuple[tuple[MetricDefinition, tuple[object, ...]], ...] = (
    (BOOLEAN, (*_NOTHING, 1, 0, "true", "yes")),
    (PERCENTAGE, (*_NOTHING, 1.01, -0.01, 87, "0.5", "87 %", True, False)),
    (COUNT, (*_NOTHING, -1, 2.5, "5", True, 10**400, 1e300)),
    (SCALE, (*_NOTHING, 0, 6, 2.5, "3", True, 10**400)),
    (NUMBER, (*_NOTHING, -1.51, 2.01, "1", False, 10**400)),
    (OPEN, (*_NOTHING, "1", True, 10**400)),
    (TEXT, (*_NOTHING, "", " \n", 5, True, "x" * (MAX_TEXT_CHARACTERS + 1))),
    (CATEGORICAL, (*_NOTHING, 1, True, ["kind"])),
    (LABELLED_SCALE, (*_NOTHING, 2, ["fair"])),
    (MULTILABEL, (None, {}, [1], "price", ["price", "price"], ["price", None])),
)


@pytest.mark.parametrize(("definition", "verdict"), [(each, verdict) for each, several in _BAD for verdict in several])
def test_anything_else_is_no_verdict(definition: MetricDefinition, verdict: object) -> None:
    """A number in a text, a bool for a number, 87 for 0.87, more labels than one, a value off the scale."""
    with pytest.raises(BadAnswer):
        score_of(definition, answer(verdict))


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize("definition", [PERCENTAGE, COUNT, SCALE, OPEN])
def test_what_is_no_number_in_json_is_none_here(definition: MetricDefinition, number: str) -> None:
    """Python's own reader would take it."""
    with pytest.raises(BadAnswer, match="is not JSON"):
        score_of(definition, f'{{"rationale": "r", "verdict": {number}}}')


@pytest.mark.parametrize("label", ["Kind", "KIND", " kind", "kind.", "freundlich", "kınd", ""])
def test_a_label_that_was_not_offered_letter_by_letter_is_no_verdict(label: str) -> None:
    """Not in another case, another language, with a blank; one of several is enough to refuse all."""
    for definition, verdict in ((CATEGORICAL, label), (MULTILABEL, ["price", label])):
        with pytest.raises(LabelNotOffered, match="offered were"):
            score_of(definition, answer(verdict))


def test_what_the_judge_said_stands_in_the_error() -> None:
    """Readable, and cut: the whole of it is in the exchange."""
    with pytest.raises(BadAnswer) as raised:
        score_of(SCALE, '{"rationale": "so so", "verdict": "' + "7" * 10_000 + '"}')
    message = str(raised.value)
    assert message.startswith("the judge's verdict is no discrete from 1 up to 5, both included: ")
    assert '"so so"' in message
    assert len(message) < 700


@pytest.mark.parametrize(
    ("higher_is_better", "value", "good"),
    [(True, 0.5, True), (True, 0.49, False), (False, 0.5, True), (False, 0.51, False), (None, 0.5, None)],
)
def test_a_value_on_the_good_side_of_the_threshold_passes(
    higher_is_better: bool | None, value: float, good: bool | None
) -> None:
    """The threshold itself passes, whichever side is good."""
    definition = replace(PERCENTAGE, threshold=0.5, higher_is_better=higher_is_better)
    assert passed(definition, Score(value=value)) is good


@pytest.mark.parametrize("outcome", [Abstention(reason="x"), Failure(code="X", message=""), Score(label="neither")])
def test_what_has_no_value_neither_passes_nor_fails(outcome: Outcome) -> None:
    """A judge that could not judge is no failed test."""
    assert passed(replace(PERCENTAGE, threshold=0.5), outcome) is None


def test_without_a_threshold_nothing_is_said() -> None:
    """A metric need not have a line to cross."""
    assert passed(PERCENTAGE, Score(value=0.9)) is None
