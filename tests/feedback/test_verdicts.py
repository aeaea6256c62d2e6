"""A verdict is completed by the output type, or refused with what to write."""

from __future__ import annotations

import math

import pytest
from feedback_parts import EXPECTED, SCALES

from evaluator.errors import InvalidFeedback
from evaluator.feedback.verdicts import Stated, as_text, complete
from evaluator.metrics.definition import MetricDefinition
from storage.model import Level, MetricKind, OutputType, Score


def _metric(output: OutputType, **other: object) -> MetricDefinition:
    fields = {"name": "m", "kind": MetricKind.JUDGE, "levels": (Level.SPAN,), "output_type": output}
    return MetricDefinition(**{**fields, **SCALES[output], **other})  # type: ignore[arg-type]


@pytest.mark.parametrize("output", list(OutputType))
def test_a_whole_verdict_reads_back_from_one_line(output: OutputType):
    """What a cell of a file, or one option of a command, can hold."""
    metric = _metric(output)
    stated, whole = EXPECTED[output]
    assert complete(metric, stated) == complete(metric, Stated(label=as_text(whole)))


@pytest.mark.parametrize(
    ("output", "stated", "whole"),
    [
        (OutputType.BOOLEAN, Stated(value=0.0), Score(value=0.0, label="false")),
        (OutputType.BOOLEAN, Stated(label=" TRUE "), Score(value=1.0, label="true")),
        (OutputType.BOOLEAN, Stated(label="0"), Score(value=0.0, label="false")),
        (OutputType.BOOLEAN, Stated(value=1.0, label="true"), Score(value=1.0, label="true")),
        (OutputType.CATEGORICAL, Stated(value=0.5), Score(value=0.5, label="middling")),
        (OutputType.CATEGORICAL, Stated(label="1"), Score(value=1.0, label="good")),
        (OutputType.PERCENTAGE, Stated(label="0.6"), Score(value=0.6)),
        (OutputType.PERCENTAGE, Stated(value=1.0), Score(value=1.0)),
        (OutputType.COUNT, Stated(label="12"), Score(value=12.0)),
        (OutputType.DISCRETE, Stated(value=1.0), Score(value=1.0)),
        (OutputType.NUMBER, Stated(label="-1e1"), Score(value=-10.0)),
        (OutputType.MULTILABEL, Stated(value=0.0), Score(value=0.0)),
        (OutputType.MULTILABEL, Stated(label="[]"), Score(value=0.0)),
        (OutputType.MULTILABEL, Stated(label='["long", "rude"]'), Score(value=2.0, labels=("rude", "long"))),
        (OutputType.MULTILABEL, Stated(label="rude"), Score(value=1.0, labels=("rude",))),
        (OutputType.TEXT, Stated(label="0.6"), Score(text="0.6")),
    ],
)
def test_a_part_of_a_verdict_is_enough(output: OutputType, stated: Stated, whole: Score):
    """A value alone, a label alone, or anything as text."""
    assert complete(_metric(output), stated) == whole


@pytest.mark.parametrize(
    ("output", "stated", "field", "said"),
    [
        (OutputType.PERCENTAGE, Stated(value=60.0), "expected.value", "write 0.6"),
        (OutputType.PERCENTAGE, Stated(label="60%"), "expected.value", "write 0.6"),
        (OutputType.PERCENTAGE, Stated(label="60"), "expected.value", "write 0.6"),
        (OutputType.PERCENTAGE, Stated(value=101.0), "expected.value", "from 0.0 to 1.0"),
        (OutputType.PERCENTAGE, Stated(value=-0.1), "expected.value", "from 0.0 to 1.0"),
        (OutputType.PERCENTAGE, Stated(value=math.nan), "expected.value", "finite"),
        (OutputType.PERCENTAGE, Stated(label="high"), "expected.label", "such as 0.6"),
        (OutputType.BOOLEAN, Stated(label="yes"), "expected.label", "did you mean `true`?"),
        (OutputType.BOOLEAN, Stated(label="flase"), "expected.label", "did you mean `false`?"),
        (OutputType.BOOLEAN, Stated(value=0.5), "expected.value", "`true` or `false`"),
        (OutputType.BOOLEAN, Stated(value=1.0, label="false"), "expected", "contradict"),
        (OutputType.BOOLEAN, Stated(), "expected", "`true` or `false`"),
        (OutputType.BOOLEAN, Stated(text="true"), "expected.text", "no text"),
        (OutputType.BOOLEAN, Stated(labels=("true",)), "expected.labels", "one verdict"),
        (OutputType.CATEGORICAL, Stated(label="midling"), "expected.label", "did you mean `middling`?"),
        (OutputType.CATEGORICAL, Stated(label="Good"), "expected.label", "did you mean `good`?"),
        (OutputType.CATEGORICAL, Stated(label="awful"), "expected.label", "`good`, `middling`, `bad`"),
        (OutputType.CATEGORICAL, Stated(value=0.7), "expected.value", "no label"),
        (OutputType.CATEGORICAL, Stated(value=0.5, label="good"), "expected", "worth 1"),
        (OutputType.COUNT, Stated(value=-1.0), "expected.value", "0 or more"),
        (OutputType.COUNT, Stated(value=1.5), "expected.value", "whole"),
        (OutputType.COUNT, Stated(label="1e999"), "expected.label", "whole"),
        (OutputType.DISCRETE, Stated(value=6.0), "expected.value", "from 1 to 5"),
        (OutputType.DISCRETE, Stated(value=2.5), "expected.value", "from 1 to 5"),
        (OutputType.NUMBER, Stated(value=11.0), "expected.value", "from -10 to 10"),
        (OutputType.MULTILABEL, Stated(labels=("rude", "lng")), "expected.labels[1]", "did you mean `long`?"),
        (OutputType.MULTILABEL, Stated(label="[1]"), "expected.label", "JSON list"),
        (OutputType.MULTILABEL, Stated(label="[" * 100_000), "expected.label", "JSON list"),
        (OutputType.MULTILABEL, Stated(), "expected", "`[]`"),
        (OutputType.MULTILABEL, Stated(labels=("rude",), value=3.0), "expected.value", "worth 1"),
        (OutputType.TEXT, Stated(label="  "), "expected.text", "should have written"),
        (OutputType.TEXT, Stated(value=1.0), "expected", "write a text"),
        (OutputType.TEXT, Stated(text="x" * 65_537), "expected.text", "at most"),
    ],
)
def test_what_is_no_verdict_is_refused_with_what_to_write(output: OutputType, stated: Stated, field: str, said: str):
    """The field, and the way out."""
    with pytest.raises(InvalidFeedback) as refused:
        complete(_metric(output), stated)
    assert (refused.value.field, said in refused.value.reason) == (field, True), refused.value.reason


def test_a_value_that_two_labels_share_needs_the_label():
    """Nothing is guessed."""
    metric = _metric(OutputType.CATEGORICAL, labels={"a": 1.0, "b": 1.0, "c": None})
    with pytest.raises(InvalidFeedback, match="stands for `a`, `b`"):
        complete(metric, Stated(value=1.0))
    assert complete(metric, Stated(label="c")) == Score(label="c")
