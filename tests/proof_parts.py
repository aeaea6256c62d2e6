"""Held-out rows for proofs, made of plain words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from evaluator.alignment.model import Line, Optimized, Row, RowResult, Split
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.guideline import Guideline
from storage.model import Failure, Level, MetricKind, Outcome, OutputType, Score, TargetRef

BOOLEAN = MetricDefinition(
    name="helpful",
    kind=MetricKind.JUDGE,
    levels=(Level.SPAN, Level.TRACE, Level.SESSION),
    output_type=OutputType.BOOLEAN,
    prompt="Is it? {{output}}",
)
CATEGORICAL = replace(BOOLEAN, output_type=OutputType.CATEGORICAL, labels={"refund": None, "bug": None, "praise": None})
DISCRETE = replace(BOOLEAN, output_type=OutputType.DISCRETE, minimum=1.0, maximum=5.0)
PERCENTAGE = replace(BOOLEAN, output_type=OutputType.PERCENTAGE)
COUNT = replace(BOOLEAN, output_type=OutputType.COUNT)
MULTILABEL = replace(BOOLEAN, output_type=OutputType.MULTILABEL, labels={"a": None, "b": None, "c": None})
UNREADABLE = Failure(code="JUDGE_UNPARSEABLE", message="no verdict")


def said(value: object) -> Outcome:
    """A verdict: True, a label, a number, a list of labels; None = the judge did not conclude."""
    match value:
        case None:
            return UNREADABLE
        case bool():
            return Score(value=float(value), label=str(value).lower())
        case str():
            return Score(label=value)
        case int() | float():
            return Score(value=float(value))
        case list():
            return Score(labels=tuple(value), text="none" if not value else "")
    raise ValueError(f"no verdict: {value!r}")


def expected(value: object) -> Score:
    """What people expect."""
    found = said(value)
    assert isinstance(found, Score)
    return found


def held_out(
    rows: Sequence[tuple[object, object, object]],
    *,
    groups: Sequence[str] | None = None,
    guidelines: int = 1,
    design: str = "cross-fit, 4 folds",
    segments: Sequence[dict[str, str]] | None = None,
    annotators: Sequence[tuple[str, ...]] | None = None,
) -> Optimized:
    """What an optimizer found: (expected, before, after) of each row; a tuple is one answer of each repeat."""
    results = []
    for number, (right, before, after) in enumerate(rows):
        row = Row(
            row_id=f"{number:032x}",
            target=TargetRef(level=Level.TRACE, trace_id=f"{number + 1:032x}"),
            group=groups[number] if groups else f"session-{number}",
            expected=expected(right),
            feedback_ids=(),
            annotators=annotators[number] if annotators else (),
            inputs={"output": f"answer {number}"},
            segment=segments[number] if segments else {},
        )
        results.append(
            RowResult(row=row, split=Split.HELD_OUT, fold=number % 4, before=_answers(before), after=_answers(after))
        )
    lines = tuple(Line(guideline=Guideline(text=f"Guideline {each}.")) for each in range(guidelines))
    return Optimized(lines=lines, rows=tuple(results), design=design)


def _answers(value: object) -> tuple[Outcome, ...]:
    return tuple(map(said, value)) if isinstance(value, tuple) else (said(value),)
