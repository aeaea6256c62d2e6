"""Where a target stands: a pure function of what people said."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from feedback_parts import SCALES

from evaluator.feedback.settling import settle
from evaluator.metrics.definition import MetricDefinition
from storage.feedback import FeedbackRow, ResolutionMethod, ResolutionStatus, Snapshot
from storage.model import Level, MetricKind, OutputType, Score, TargetRef

TARGET = TargetRef(level=Level.TRACE, trace_id="ab" * 16)


def _metric(output: OutputType) -> MetricDefinition:
    fields: dict[str, Any] = {"name": "m", "kind": MetricKind.JUDGE, "levels": (Level.TRACE,), "output_type": output}
    return MetricDefinition(**fields | SCALES[output])


def _said(*words: tuple[str, Score]) -> list[FeedbackRow]:
    return [
        FeedbackRow(
            feedback_id=uuid.uuid4(),
            target=TARGET,
            metric="m",
            metric_version=1,
            annotator=annotator,
            expected=expected,
            snapshot=Snapshot(inputs={}),
            group_key="g",
        )
        for annotator, expected in words
    ]


TRUE, FALSE = Score(value=1.0, label="true"), Score(value=0.0, label="false")
BOOLEAN = _metric(OutputType.BOOLEAN)


def _p(value: float) -> Score:
    return Score(value=value)


@pytest.mark.parametrize(
    ("quorum", "words", "status", "method"),
    [
        (1, (), ResolutionStatus.OPEN, ResolutionMethod.NONE),
        (1, (("ann", TRUE),), ResolutionStatus.RESOLVED, ResolutionMethod.SELF),
        (2, (("ann", TRUE),), ResolutionStatus.IN_REVIEW, ResolutionMethod.NONE),
        (2, (("ann", TRUE), ("ann", TRUE)), ResolutionStatus.IN_REVIEW, ResolutionMethod.NONE),
        (2, (("ann", TRUE), ("bob", TRUE)), ResolutionStatus.RESOLVED, ResolutionMethod.QUORUM),
        (1, (("ann", TRUE), ("bob", FALSE)), ResolutionStatus.DISPUTED, ResolutionMethod.NONE),
        (1, (("ann", FALSE), ("bob", TRUE), ("ann", TRUE)), ResolutionStatus.RESOLVED, ResolutionMethod.SELF),
        (3, (("ann", TRUE), ("bob", FALSE)), ResolutionStatus.IN_REVIEW, ResolutionMethod.NONE),
        (3, (("a", TRUE), ("b", FALSE), ("c", TRUE)), ResolutionStatus.DISPUTED, ResolutionMethod.NONE),
        (2, (("a", TRUE), ("b", TRUE), ("c", FALSE)), ResolutionStatus.DISPUTED, ResolutionMethod.NONE),
    ],
)
def test_a_target_stands_where_the_last_words_put_it(
    quorum: int, words: tuple[tuple[str, Score], ...], status: ResolutionStatus, method: ResolutionMethod
):
    """Nobody is outvoted, and nobody counts twice."""
    settled = settle(BOOLEAN, _said(*words), quorum=quorum)
    assert (settled.status, settled.method) == (status, method)
    assert (settled.expected is not None) == (status is ResolutionStatus.RESOLVED)


@pytest.mark.parametrize(
    ("output", "one", "other", "agreed"),
    [
        (OutputType.PERCENTAGE, _p(0.6), _p(0.66), _p(0.63)),
        (OutputType.PERCENTAGE, _p(0.6), _p(0.7), None),
        (OutputType.DISCRETE, _p(3.0), _p(3.0), _p(3.0)),
        (OutputType.DISCRETE, _p(3.0), _p(4.0), None),
        (OutputType.COUNT, _p(0.0), _p(1.0), None),
        (OutputType.NUMBER, _p(1.0), _p(2.0), _p(1.5)),
        (OutputType.NUMBER, _p(1.0), _p(3.0), None),
        (OutputType.TEXT, Score(text="Paris"), Score(text=" Paris\n"), Score(text=" Paris\n")),
        (OutputType.TEXT, Score(text="Paris"), Score(text="Rome"), None),
        (OutputType.MULTILABEL, Score(value=0.0), Score(value=0.0), Score(value=0.0)),
        (OutputType.MULTILABEL, Score(value=0.0), Score(value=1.0, labels=("rude",)), None),
        (OutputType.CATEGORICAL, Score(value=1.0, label="good"), Score(value=0.5, label="middling"), None),
    ],
)
def test_verdicts_agree_below_the_smallest_gap_of_their_type(
    output: OutputType, one: Score, other: Score, agreed: Score | None
):
    """A gap that equals it is a difference; what agrees comes to the median, whoever spoke first."""
    for words in ((("ann", one), ("bob", other)), (("ann", other), ("bob", one))):
        settled = settle(_metric(output), _said(*words))
        if agreed is None:
            assert settled.status is ResolutionStatus.DISPUTED
        elif output is OutputType.TEXT:
            assert settled.expected is not None
            assert settled.expected.text.strip() == agreed.text.strip()
        else:
            assert settled.expected == agreed


def test_what_is_a_difference_can_be_said():
    """A wider or narrower gap than the output type's own."""
    said = _said(("ann", _p(0.5)), ("bob", _p(0.7)))
    metric = _metric(OutputType.PERCENTAGE)
    assert settle(metric, said, delta=0.3).status is ResolutionStatus.RESOLVED
    assert settle(metric, said, delta=0.2).status is ResolutionStatus.DISPUTED


def test_a_dispute_of_many_names_some_of_them():
    """A reason is for people to read."""
    said = _said(*((f"p{number}", TRUE if number % 2 else FALSE) for number in range(20)))
    assert settle(BOOLEAN, said).reason == ("p0: false; p1: true; p2: false; p3: true; p4: false; and 15 more")


def test_a_verdict_of_an_output_type_that_is_no_more_contradicts():
    """The schema changed between the two: they cannot be compared, so they do not agree."""
    settled = settle(BOOLEAN, _said(("ann", TRUE), ("bob", Score(text="true"))))
    assert settled.status is ResolutionStatus.DISPUTED
