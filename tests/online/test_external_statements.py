"""What others say, read: by looks where nothing is defined, by the definition where there is one; never by guessing."""

from __future__ import annotations

import math
import random

import pytest

from evaluator.metrics.definition import MetricDefinition
from evaluator.online.external.events import MAX_CHARACTERS, Statement, statements
from evaluator.online.external.outcome import outcome_of
from storage.external import ResultEvent
from storage.model import Failure, Level, MetricKind, Outcome, OutputType, Score

NOW_MS = 1_795_000_000_000


def said(value: str = "", label: str = "", *, error: str = "", why: str = "") -> Statement:
    """A statement about nothing in particular."""
    return Statement(
        name="m", value=value, label=label, error=error, explanation=why, time_ns=NOW_MS * 10**6, ingested_ms=NOW_MS
    )


def defined(output: OutputType, **other: object) -> MetricDefinition:
    """Of kind external."""
    return MetricDefinition(
        name="m",
        kind=MetricKind.EXTERNAL,
        levels=(Level.SPAN,),
        output_type=output,
        **other,  # type: ignore[arg-type]
    )


def invalid(reason: str, value: str = "", label: str = "") -> Failure:
    """A failure that says what was sent."""
    return Failure(code="INVALID_RESULT", message=f"{reason}; sent were value {value!r}, label {label!r}")


NO_NUMBER = "the value is no finite number"
LOOKS: list[tuple[Statement, OutputType, Outcome]] = [
    (said("0.5"), OutputType.NUMBER, Score(value=0.5)),
    (said("-1e3"), OutputType.NUMBER, Score(value=-1000.0)),
    (said("1", "true"), OutputType.BOOLEAN, Score(value=1.0, label="true")),
    (said("0", "fail"), OutputType.BOOLEAN, Score(value=0.0, label="false")),
    (said("", "False"), OutputType.BOOLEAN, Score(value=0.0, label="false")),
    (said("", "pass"), OutputType.CATEGORICAL, Score(label="pass")),
    (said("0", "pass"), OutputType.CATEGORICAL, Score(value=0.0, label="pass")),
    (said("4", "relevant"), OutputType.CATEGORICAL, Score(value=4.0, label="relevant")),
    (said("", "x" * 300), OutputType.TEXT, Score(text="x" * 300)),
    (said("NaN"), OutputType.NUMBER, invalid(NO_NUMBER, "NaN")),
    (said("+Inf"), OutputType.NUMBER, invalid(NO_NUMBER, "+Inf")),
    (said("1e999"), OutputType.NUMBER, invalid(NO_NUMBER, "1e999")),
    (said("1_0"), OutputType.NUMBER, invalid(NO_NUMBER, "1_0")),
    (said("٣"), OutputType.NUMBER, invalid(NO_NUMBER, "٣")),
    (said(why="because"), OutputType.NUMBER, invalid("there is neither a value nor a label nor an error.type")),
    (said(error="429", why="slow down"), OutputType.NUMBER, Failure(code="ERROR_429", message="slow down")),
    (said("NaN", error="_OTHER", why="w"), OutputType.NUMBER, Failure(code="OTHER", message="w")),
    (
        said("0.5", error="httpx.ReadTimeout"),
        OutputType.NUMBER,
        Failure(code="HTTPX_READ_TIMEOUT", message="the evaluator ended in httpx.ReadTimeout"),
    ),
    (said(error="!"), OutputType.NUMBER, Failure(code="ERROR_OTHER", message="the evaluator ended in !")),
]


@pytest.mark.parametrize(("statement", "output", "outcome"), LOOKS)
def test_what_nobody_defined_is_what_it_looks_like(statement: Statement, output: OutputType, outcome: Outcome) -> None:
    """A value is a number, a label a category, both alike a boolean; everything else says what was wrong."""
    assert outcome_of(statement, None) == (output, outcome)


GRADES = {"good": 1.0, "bad": 0.0, "odd": None}
NO_SCALE = "on the metric's scale"
FITS: list[tuple[MetricDefinition, Statement, Outcome]] = [
    (defined(OutputType.BOOLEAN), said("1"), Score(value=1.0, label="true")),
    (defined(OutputType.BOOLEAN), said("", "pass"), Score(value=1.0, label="true")),
    (
        defined(OutputType.BOOLEAN),
        said("0", "true"),
        invalid("a boolean is value 1 or 0, label true or false, or both alike", "0", "true"),
    ),
    (defined(OutputType.PERCENTAGE), said("1.0"), Score(value=1.0)),
    (defined(OutputType.PERCENTAGE), said("87"), invalid(f"the value is no percentage {NO_SCALE}", "87")),
    (defined(OutputType.COUNT), said("3"), Score(value=3.0)),
    (defined(OutputType.COUNT), said("2.5"), invalid(f"the value is no count {NO_SCALE}", "2.5")),
    (defined(OutputType.NUMBER, maximum=5.0), said("6"), invalid(f"the value is no number {NO_SCALE}", "6")),
    (defined(OutputType.NUMBER), said("", "good"), invalid("no value", "", "good")),
    (defined(OutputType.CATEGORICAL, labels=GRADES), said("", "good"), Score(value=1.0, label="good")),
    (defined(OutputType.CATEGORICAL, labels=GRADES), said("0"), Score(value=0.0, label="bad")),
    (defined(OutputType.CATEGORICAL, labels=GRADES), said("2", "odd"), Score(label="odd")),
    (
        defined(OutputType.CATEGORICAL, labels=GRADES),
        said("", "Good"),
        invalid("the label is not among ['bad', 'good', 'odd']", "", "Good"),
    ),
    (
        defined(OutputType.CATEGORICAL, labels=GRADES),
        said("1", "bad"),
        invalid("label 'bad' is worth 0", "1", "bad"),
    ),
    (
        defined(OutputType.MULTILABEL, labels=GRADES),
        said("", '["bad", "good"]'),
        Score(value=1.0, labels=("good", "bad")),
    ),
    (
        defined(OutputType.MULTILABEL, labels=GRADES),
        said("", "[["),
        invalid("several labels come as a JSON list", "", "[["),
    ),
    (defined(OutputType.TEXT), said("", "a summary"), Score(text="a summary")),
    (defined(OutputType.PERCENTAGE), said("0.5", error="Boom", why="w"), Failure(code="BOOM", message="w")),
]


@pytest.mark.parametrize(("definition", "statement", "outcome"), FITS)
def test_a_definition_decides_what_fits(definition: MetricDefinition, statement: Statement, outcome: Outcome) -> None:
    """What does not fit is a failure; nothing is clamped, rounded or matched by half."""
    assert outcome_of(statement, definition) == (definition.output_type, outcome)


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Answer Relevance", "answer_relevance"),
        ("IntentResolution", "intent_resolution"),
        ("a" * 64, "a" * 64),
        ("a" * 65, ""),
        ("A" + "b" * 70, ""),
        ("trace", ""),
        ("Human", ""),
        ("", ""),
        ("!?", ""),
        ("x" * 10_000_000, ""),
    ],
)
def test_a_name_is_a_slug_or_is_refused(name: str, slug: str) -> None:
    """Two long names never become one metric, and no name stands where levels do."""
    event = ResultEvent(
        form="event",
        ingested_ms=NOW_MS,
        time_ns=0,
        trace_id="",
        span_id="",
        attributes={"gen_ai.evaluation.name": name},
    )
    (statement,) = statements(event)
    assert statement.slug == slug
    assert len(statement.name) <= MAX_CHARACTERS


def test_no_text_breaks_the_reading() -> None:
    """Thousands of events of every form, with texts of every plane in every place."""
    numbers = random.Random(7)
    keys = ["name", "score.value", "score.label", "explanation"]
    shapes = ["evaluations.{}.evaluation.score", "trace.annotations.{}.annotation.name", "evaluations.{}.x.y"]
    texts = ["", "0.5", "NaN", "true", "[", "[" * 5000, "{}", '{"a": {"value": 1}}', '{"a": 3}', "\ud800", "9" * 400]
    definitions = [None, *(defined(output, labels={"0.5": 1.0, "true": 0.0}) for output in OutputType)]

    def text() -> str:
        noise = "".join(chr(numbers.randrange(1, 0x110000)) for _ in range(numbers.randrange(12)))
        return numbers.choice([*texts, noise])

    read = 0
    for _ in range(3000):
        names = [f"gen_ai.evaluation.{key}" for key in keys] + ["error.type", "gen_ai.response.id", "assay.level"]
        names += [shape.format(numbers.randrange(10 ** numbers.randrange(9))) for shape in shapes]
        names += ["scores", "labels", "assertions"]
        event = ResultEvent(
            form=numbers.choice(["event", "annotations", "case"]),
            ingested_ms=NOW_MS,
            time_ns=numbers.choice([0, -5, 2**62, NOW_MS * 10**6]),
            trace_id=numbers.choice([text(), "a" * 32]),
            span_id=numbers.choice([text(), "b" * 16]),
            session_id=numbers.choice([text(), "s" * 40_000]),
            attributes={name: text() for name in numbers.sample(names, 6)},
        )
        for statement in statements(event):
            outcome = outcome_of(statement, numbers.choice(definitions))[1]
            assert not isinstance(outcome, Score) or outcome.value is None or math.isfinite(outcome.value)
            assert (statement.span(), statement.trace(), statement.session(), statement.slug) is not None
            assert len(statement.digest) == 32
            read += 1
    assert read > 1000
