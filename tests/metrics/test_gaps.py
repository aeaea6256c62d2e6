"""How far a conclusion is from what was expected, by output type."""

from __future__ import annotations

from dataclasses import replace

import pytest
from proof_parts import (
    BOOLEAN,
    CATEGORICAL,
    COUNT,
    DISCRETE,
    MULTILABEL,
    PERCENTAGE,
    UNREADABLE,
    expected,
    said,
)

from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.gaps import default_delta, disagrees, gap, row_score
from storage.model import Abstention, Outcome, OutputType, Score

GRADES = replace(CATEGORICAL, labels={"good": 1.0, "middling": 0.5, "bad": 0.0})
SHARED = replace(CATEGORICAL, labels={"good": 1.0, "fine": 1.0, "bad": 0.0})
STEPS = replace(DISCRETE, labels={"low": 1.0, "high": 4.0}, minimum=None, maximum=None)
NUMBER = replace(BOOLEAN, output_type=OutputType.NUMBER)
SCALE = replace(NUMBER, minimum=-10.0, maximum=10.0)
TEXT = replace(BOOLEAN, output_type=OutputType.TEXT)


@pytest.mark.parametrize(
    ("definition", "right", "concluded", "distance", "score"),
    [
        (BOOLEAN, True, True, 0.0, 1.0),
        (BOOLEAN, True, False, 1.0, 0.0),
        (CATEGORICAL, "bug", "bug", 0.0, 1.0),
        (CATEGORICAL, "bug", "praise", 1.0, 0.0),
        (GRADES, "good", "middling", 0.5, 0.0),
        (GRADES, "good", "bad", 1.0, 0.0),
        (SHARED, "good", "fine", 1.0, 0.0),
        (DISCRETE, 5, 3, 2.0, 0.5),
        (DISCRETE, 1, 5, 4.0, 0.0),
        (STEPS, 1, 2, 1.0, 2 / 3),
        (PERCENTAGE, 0.7, 0.6, 0.1, 0.9),
        (PERCENTAGE, 0.3, 0.1 + 0.2, 0.0, 1.0),
        (COUNT, 8, 4, 4.0, 0.5),
        (COUNT, 0, 1, 1.0, 0.0),
        (COUNT, 2, 9, 7.0, 0.0),
        (NUMBER, 4.0, 5.0, 1.0, 0.75),
        (NUMBER, 0.2, 0.7, 0.5, 0.5),
        (SCALE, -10.0, 0.0, 10.0, 0.5),
        (MULTILABEL, ["a", "b"], ["b", "a"], 0.0, 1.0),
        (MULTILABEL, ["a", "b"], ["a", "c"], 2 / 3, 1 / 3),
        (MULTILABEL, ["a"], [], 1.0, 0.0),
        (MULTILABEL, [], [], 0.0, 1.0),
    ],
)
def test_a_gap_and_a_score_of_each_output_type(
    definition: MetricDefinition, right: object, concluded: object, distance: float, score: float
) -> None:
    """In the metric's own unit; scores by its range, or by what is expected where the scale is open."""
    assert gap(definition, expected(right), said(concluded)) == pytest.approx(distance)
    assert row_score(definition, expected(right), said(concluded)) == pytest.approx(score)


@pytest.mark.parametrize("outcome", [UNREADABLE, Abstention(reason="no answer")])
@pytest.mark.parametrize("definition", [BOOLEAN, CATEGORICAL, PERCENTAGE, MULTILABEL])
def test_a_judge_that_did_not_conclude_has_no_gap_and_scores_nothing(
    definition: MetricDefinition, outcome: Outcome
) -> None:
    """It is neither an agreement nor a disagreement; whoever counts rows counts it apart."""
    right = Score(value=1.0, label="true", labels=("a",))
    assert gap(definition, right, outcome) is None
    assert not disagrees(gap(definition, right, outcome), 0.0)
    assert row_score(definition, right, outcome) == 0.0


def test_text_has_no_gap() -> None:
    """Nor has a verdict that lacks what its type has."""
    assert gap(TEXT, Score(text="a"), Score(text="a")) is None
    assert gap(PERCENTAGE, Score(value=0.5), Score(label="half")) is None
    assert gap(CATEGORICAL, Score(label="bug"), Score(value=1.0)) is None


@pytest.mark.parametrize(
    ("definition", "right", "concluded"),
    [
        (PERCENTAGE, 0.7, 0.6),
        (PERCENTAGE, 0.3, 0.2),
        (PERCENTAGE, 1.0, 0.9),
        (PERCENTAGE, 0.35, 0.45),
        (DISCRETE, 3, 4),
        (COUNT, 0, 1),
        (COUNT, 10**6, 10**6 + 1),
        (SCALE, 0.1, 2.1),
        (SCALE, -1.3, 0.7),
    ],
)
def test_a_gap_that_equals_the_threshold_is_a_disagreement(
    definition: MetricDefinition, right: float, concluded: float
) -> None:
    """As people write the numbers: 0.7 - 0.6 is 0.1, whatever binary fractions make of it."""
    assert disagrees(gap(definition, expected(right), said(concluded)), default_delta(definition))
    assert disagrees(gap(definition, expected(concluded), said(right)), default_delta(definition))


def test_every_threshold_of_two_decimals_is_met_by_a_gap_of_two_decimals() -> None:
    """5,050 pairs of percentages: no float slips through at any of them."""
    for high in range(101):
        for low in range(high):
            distance = gap(PERCENTAGE, Score(value=high / 100), Score(value=low / 100))
            assert disagrees(distance, (high - low) / 100)
            assert not disagrees(distance, (high - low + 1) / 100)


def test_less_than_the_threshold_and_nothing_at_all_are_agreements() -> None:
    """Also with a threshold of 0: a disagreement is a difference."""
    assert not disagrees(gap(PERCENTAGE, Score(value=0.7), Score(value=0.61)), 0.1)
    assert not disagrees(0.0, 0.0)
    assert not disagrees(gap(NUMBER, Score(value=0.3), Score(value=0.1 + 0.2)), 0.0)
    assert disagrees(gap(NUMBER, Score(value=0.3), Score(value=0.3001)), 0.0)


def test_the_default_thresholds() -> None:
    """ALIGNMENT, section 9; a number: a tenth of its scale, or any difference where it is open."""
    found = [
        default_delta(each) for each in (BOOLEAN, CATEGORICAL, MULTILABEL, PERCENTAGE, DISCRETE, COUNT, SCALE, NUMBER)
    ]
    assert found == [0.0, 0.0, 0.0, 0.1, 1.0, 1.0, 2.0, 0.0]
