"""What a composite may require, where that is due, and what a roll-up makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from composite_parts import SESSION, SPAN, TRACE, leaf, mean_of
from materials import SPAN_ID, TRACE_ID
from storing import SentSpan, a_result

from evaluator.errors import EvaluatorError, InvalidDefinition, LevelMismatch, RequiredMetricMissing
from evaluator.metrics.check import check
from evaluator.metrics.composite.check_composite import check_requirements
from evaluator.metrics.composite.reading import Read, reads_of
from evaluator.metrics.composite.requirements import Requirement, due_levels, parsed
from evaluator.metrics.composite.roll_up import roll_up
from evaluator.metrics.definition import MetricDefinition, RollUp, Statistic
from evaluator.metrics.directory import Directory
from evaluator.metrics.material import Material
from evaluator.targets.record import TraceRecord
from storage.model import Abstention, Evaluation, Failure, Level, MetricKind, Outcome, OutputType, Score, TargetRef

HEAD = "def scorer_fn(*, step_object, **kwargs):\n"
EVERY = (Level.SPAN, Level.TRACE, Level.SESSION)


def composite(source: str = "", *required: str, levels: tuple[Level, ...] = TRACE, **other: Any) -> MetricDefinition:
    """One with code."""
    return MetricDefinition(
        name="made",
        kind=MetricKind.COMPOSITE,
        levels=levels,
        output_type=OutputType.PERCENTAGE,
        source=source or HEAD + "    return 0.5\n",
        required_metrics=required,
        **other,
    )


def known(*metrics: MetricDefinition) -> Directory:
    """A catalogue of these."""
    return Directory(builtin={each.name: each for each in metrics}, custom={}, aliases={"other_name": "graded"})


@pytest.mark.parametrize(
    ("body", "reads"),
    [
        ("    return step_object.metrics['a']\n", [Read(name="a", level=Level.SESSION)]),
        ("    return step_object.metrics[GalileoMetrics.a]\n", [Read(name="a", level=Level.SESSION)]),
        ("    return step_object.metrics.get('a')\n", [Read(name="a", level=Level.SESSION)]),
        ("    return 'a' in step_object.metrics\n", [Read(name="a", level=Level.SESSION)]),
        (
            "    for t in step_object.traces:\n"
            "        t.metrics['b']\n"
            "        for s in t.spans:\n"
            "            s.metrics['a']\n",
            [Read(name="a", level=Level.SPAN), Read(name="b", level=Level.TRACE)],
        ),
        ("    return [s.metrics['a'] for s in step_object.traces[0].spans[1:]]\n", [Read(name="a", level=Level.SPAN)]),
        ("    return step_object.traces[-1].metrics['a']\n", [Read(name="a", level=Level.TRACE)]),
        ("    first = step_object.traces[0]\n    return first.metrics['a']\n", [Read(name="a", level=None)]),
        ("    name = 'a'\n    return step_object.metrics[name]\n", [Read(name=None, level=Level.SESSION)]),
        ("    return sum(step_object.metrics.values())\n", None),
        ("    return getattr(step_object, 'metrics')['a']\n", None),
        ("    return step_object.metrics[\n", None),
    ],
)
def test_what_a_source_reads_is_seen_where_it_says_so(body: str, reads: list[Read] | None) -> None:
    """On the target, in loops, on items; anything else is not guessed."""
    found = reads_of(HEAD + body, Level.SESSION)
    assert (found if found is None else sorted(found, key=repr)) == (
        reads if reads is None else sorted(reads, key=repr)
    )


@pytest.mark.parametrize(
    ("entry", "levels", "body", "due"),
    [
        ("graded", EVERY, "    return 0\n", set(EVERY)),
        ("graded", EVERY, "    return step_object.metrics['graded']\n", {Level.SESSION}),
        ("graded", EVERY, "    return [t.metrics['graded'] for t in step_object.traces]\n", {Level.TRACE}),
        ("Graded!", EVERY, "    return [t.metrics['Graded!'] for t in step_object.traces]\n", {Level.TRACE}),
        ("graded", EVERY, "    x = step_object.traces[0]\n    return x.metrics['graded']\n", set(EVERY)),
        ("graded", SPAN, "    return step_object.metrics['graded']\n", {Level.SPAN}),
        ("graded@trace", EVERY, "    return step_object.metrics['graded']\n", {Level.TRACE}),
    ],
)
def test_a_bare_name_is_due_where_the_source_reads_it(
    entry: str, levels: tuple[Level, ...], body: str, due: set[Level]
) -> None:
    """At all of the metric's levels where that cannot be seen; `name@level` says it outright."""
    metric = composite(HEAD + body, entry, levels=SESSION)
    name, level = parsed(entry)
    required = Requirement(entry=entry, metric=leaf("graded", levels, display_name="Graded!"), level=level)
    assert name in ("graded", "Graded!")
    assert due_levels(metric, Level.SESSION, required) == due


@pytest.mark.parametrize(
    ("metric", "error", "message"),
    [
        (composite("", "nobody"), RequiredMetricMissing, "requires 'nobody', which does not exist"),
        (
            composite("", "nobody", "graded", "no_one"),
            RequiredMetricMissing,
            "requires 'nobody', 'no_one', which do not exist",
        ),
        (composite("", "of_traces", levels=SPAN), LevelMismatch, "'made' on a span cannot read 'of_traces'"),
        (composite("", "graded@trace"), LevelMismatch, "'graded@trace': metric 'graded' works on span"),
        (composite("", "of_sessions"), LevelMismatch, "a trace itself and its spans"),
        (composite("", "made"), RequiredMetricMissing, "circle: made → made"),
        (composite("", "uses_made"), RequiredMetricMissing, "circle"),
        (composite("", "of_tools", levels=SPAN, span_kinds=("llm",)), LevelMismatch, "it would never be there"),
        (mean_of("made", "everywhere", levels=SESSION), InvalidDefinition, "everywhere@span or everywhere@trace"),
        (mean_of("made", "texts@span"), InvalidDefinition, "have no number to take the mean of"),
        (
            mean_of("made", "graded", roll_up=RollUp(statistic=Statistic.SHARE)),
            InvalidDefinition,
            "is not boolean and has no threshold: name a label",
        ),
    ],
)
async def test_what_can_never_be_read_is_refused_when_it_is_saved(
    metric: MetricDefinition, error: type[EvaluatorError], message: str
) -> None:
    """Unknown names, circles, levels above, kinds that never meet, roll-ups of nothing to count."""
    there = known(
        leaf("graded"), leaf("of_traces", TRACE), leaf("of_sessions", SESSION), leaf("of_tools", span_kinds=("tool",)),
        leaf("everywhere", EVERY), leaf("texts", output_type=OutputType.TEXT),
        mean_of("uses_made", "made@trace", levels=TRACE), metric,
    )  # fmt: skip
    with pytest.raises(error, match=message.replace("(", r"\(")):
        await check_requirements(metric, there)


@pytest.mark.parametrize(
    "metric",
    [
        composite("", "graded"),
        composite("", "Graded!"),
        composite("", "other_name", "graded@span"),
        composite("", "everywhere", levels=EVERY),
        mean_of("made", "everywhere@trace", levels=SESSION),
        mean_of("made", "yes", roll_up=RollUp(statistic=Statistic.SHARE)),
    ],
)
async def test_names_display_names_and_aliases_are_accepted(metric: MetricDefinition) -> None:
    """Also at several levels at once."""
    there = known(
        leaf("graded", display_name="Graded!"), leaf("everywhere", EVERY), leaf("yes", output_type=OutputType.BOOLEAN)
    )
    await check_requirements(metric, there)


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        (composite(""), "names at least one metric that it reads"),
        (composite("", "a@page"), "must be `name` or `name@span`"),
        (composite("", "@span"), "names no metric"),
        (composite("", "a", "a"), "names a metric twice"),
        (composite("", "a", roll_up=RollUp(statistic=Statistic.MEAN)), "one of them"),
        (composite("", "a", prompt="{{output}}"), "has no prompt"),
        (composite("def other():\n    return 1\n", "a"), "scorer_fn"),
        (mean_of("made", "a", output_type=OutputType.COUNT), "a roll-up by mean answers in number, percentage"),
        (mean_of("made", "a", roll_up=RollUp(statistic=Statistic.MEAN, label="x")), "only share and count look"),
        (leaf("judged", required_metrics=("a",)), "a judge metric has no required_metrics"),
    ],
)
def test_a_composite_that_contradicts_itself_is_refused(metric: MetricDefinition, message: str) -> None:
    """Before the catalogue is looked at."""
    with pytest.raises(InvalidDefinition, match=message):
        check(metric)


def results(*outcomes: Outcome, metric: str = "graded") -> dict[tuple[TargetRef, str], Evaluation]:
    """Of as many spans."""
    spans = [SentSpan() for _ in outcomes]
    found = zip(spans, outcomes, strict=True)
    return {(span.ref, metric): a_result(span, outcome, metric=metric) for span, outcome in found}


def rolled(how: RollUp, child: MetricDefinition, found: Mapping[tuple[TargetRef, str], Evaluation]) -> Outcome:
    """What a roll-up says."""
    ref = TargetRef(level=Level.TRACE, trace_id=TRACE_ID)
    record = TraceRecord(trace_id=TRACE_ID, root_span=SPAN_ID)
    material = Material(ref=ref, kind="", inputs={}, record=record, results=found, required={"graded": child})
    return roll_up(mean_of("made", "graded", roll_up=how), material)


THREE = (Score(value=0.0), Score(value=0.5), Score(value=1.0))


@pytest.mark.parametrize(
    ("statistic", "value"),
    [
        (Statistic.MEAN, 0.5), (Statistic.SUM, 1.5), (Statistic.MIN, 0.0), (Statistic.MAX, 1.0),
        (Statistic.SHARE, 2 / 3), (Statistic.COUNT, 2.0),
    ],
)  # fmt: skip
def test_every_statistic_of_three_results(statistic: Statistic, value: float) -> None:
    """0, 0.5 and 1 with a threshold of 0.5."""
    outcome = rolled(RollUp(statistic=statistic), leaf("graded", threshold=0.5), results(*THREE))
    assert isinstance(outcome, Score)
    assert outcome.value == pytest.approx(value)


def test_lower_may_be_better() -> None:
    """Then what is at most the threshold passes."""
    child = leaf("graded", threshold=0.5, higher_is_better=False)
    assert rolled(RollUp(statistic=Statistic.COUNT), child, results(Score(value=0.2), Score(value=0.7))) == Score(
        value=1.0, explanation="1 of 2"
    )


def test_labels_are_counted() -> None:
    """One label, or one of several."""
    found = results(Score(label="good"), Score(label="bad"), Score(labels=("good", "bad")))
    share = rolled(RollUp(statistic=Statistic.SHARE, label="good"), leaf("graded"), found)
    assert share == Score(value=2 / 3, explanation="2 of 3")


def test_nothing_to_roll_up_is_no_zero() -> None:
    """Not even for a count."""
    for statistic in Statistic:
        assert rolled(RollUp(statistic=statistic), leaf("graded"), {}) == Abstention(reason="nothing to roll up")


def test_labels_without_numbers_have_no_mean() -> None:
    """A failure that says so."""
    found = results(Score(value=1.0, label="good"), Score(label="bad"))
    assert rolled(RollUp(statistic=Statistic.MEAN), leaf("graded"), found) == Failure(
        code="NO_VALUE", message="1 of 2 results of graded have a label and no number"
    )
