"""Definitions of metrics on the wire and back, every field of them."""

from __future__ import annotations

import math
from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from evaluator.errors import InvalidDefinition
from evaluator.metrics.catalogue import builtin_metrics
from evaluator.metrics.definition import Jury, MetricDefinition, RollUp, Statistic, TooLong, Vote
from evaluator.metrics.guideline import Guideline, Origin
from evaluator.metrics.record import MetricRecord
from evaluator.server.convert_metrics import metric, metric_to_proto
from evaluator.v1 import metrics_pb2 as pb
from storage.model import Level, MetricKind, OutputType

EVERYTHING = MetricDefinition(
    name="everything",
    display_name="Everything at Once",
    version=7,
    kind=MetricKind.COMPOSITE,
    levels=(Level.SESSION, Level.SPAN),
    span_kinds=("llm", "tool"),
    output_type=OutputType.CATEGORICAL,
    description="what it measures",
    reference="where it comes from",
    prompt="{{output}}",
    arguments={"text": "höflich", "whole": 3, "half": 0.5, "list": [1, "a", None], "deep": {"on": True}},
    labels={"good": 1.0, "bad": 0.0, "odd": None},
    colors={"good": "#00aa00"},
    model="gateway:/house",
    parameters={"temperature": 0.2, "max_tokens": 256},
    jury=Jury(models=("a/b", "c/d"), repeats=3, vote=Vote.MEDIAN),
    too_long=TooLong.CUT,
    source="def scorer_fn(*, step_object, **kwargs): return 1",
    function="plugin:mine",
    expression="DurationMs > 5",
    required_metrics=("correctness", "builtin/tone@span"),
    roll_up=RollUp(statistic=Statistic.SHARE, label="good"),
    wait_seconds=12.5,
    minimum=-1.5,
    maximum=0.0,
    higher_is_better=None,
    threshold=0.0,
    unit="{token}",
    guidelines=(
        Guideline(
            text="Beträge über 100 € nennen",
            guideline_id="g7",
            feedback_ids=("f1", "f2"),
            support=9,
            origin=Origin.RUN,
            alignment_id="a1",
        ),
        Guideline(text="Written by a person"),
    ),
    alignment_id="a2",
    builtin=True,
)


def over_the_wire(definition: MetricDefinition) -> MetricDefinition:
    """Written, sent and read."""
    message = pb.Metric.FromString(metric_to_proto(MetricRecord(definition=definition)).SerializeToString())
    return metric(message, version=message.version, builtin=message.builtin, alignment_id=message.alignment_id)


def test_every_field_of_a_definition_survives_the_wire() -> None:
    """None of them has its default here, so that a forgotten one shows; zeros are there, None is not 0."""
    defaults = {each.name: each.default for each in fields(MetricDefinition)}
    assert [name for name, default in defaults.items() if getattr(EVERYTHING, name) == default] == []
    assert over_the_wire(EVERYTHING) == EVERYTHING
    assert over_the_wire(EVERYTHING).digest == EVERYTHING.digest


@pytest.mark.parametrize("better", [True, False, None])
def test_a_direction_has_three_states(better: bool | None) -> None:
    """Higher is better, lower is better, or neither."""
    assert over_the_wire(replace(EVERYTHING, higher_is_better=better)).higher_is_better is better


def test_every_builtin_metric_survives_the_wire_with_its_digest() -> None:
    """A client sees what the server has."""
    for each in builtin_metrics():
        assert (over_the_wire(each), over_the_wire(each).digest) == (each, each.digest)


def test_what_is_only_said_by_the_service_is_not_read_back() -> None:
    """A caller that sends a metric back, edited, claims nothing by it."""
    record = MetricRecord(
        definition=EVERYTHING, create_time=datetime(2026, 11, 12, tzinfo=UTC), shadowed=True, warnings=("careful",)
    )
    message = metric_to_proto(record)
    assert (message.shadowed, list(message.warnings), message.digest) == (True, ["careful"], EVERYTHING.digest)
    assert metric(message) == replace(EVERYTHING, version=1, builtin=False, alignment_id="")


@pytest.mark.parametrize(
    ("name", "display_name", "expected"),
    [
        ("politeness", "", ("politeness", "")),
        ("My Custom Metric", "", ("my_custom_metric", "My Custom Metric")),
        ("My Custom Metric", "Mine", ("my_custom_metric", "Mine")),
        ("", "My Custom Metric", ("my_custom_metric", "My Custom Metric")),
    ],
)
def test_a_name_that_is_no_slug_is_a_display_name(name: str, display_name: str, expected: tuple[str, str]) -> None:
    """The slug is made of it."""
    message = metric_to_proto(MetricRecord(definition=EVERYTHING))
    message.name, message.display_name = name, display_name
    found = metric(message)
    assert (found.name, found.display_name) == expected


@pytest.mark.parametrize(
    ("edit", "field"),
    [
        ({"name": "日本語"}, "metric.name"),
        ({"name": ""}, "metric.name"),
        ({"name": "human"}, "metric.name"),
        ({"kind": 99}, "metric.kind"),
        ({"too_long": 99}, "metric.too_long"),
        ({"direction": 99}, "metric.direction"),
        ({"labels": [pb.Label(name="a"), pb.Label(name="a")]}, "metric.labels[1].name"),
        ({"labels": [pb.Label(value=1)]}, "metric.labels[0].name"),
        ({"jury": pb.Jury(vote=99)}, "metric.jury.vote"),  # type: ignore[arg-type]  # as a stranger may send it
        ({"roll_up": pb.RollUp()}, "metric.roll_up.statistic"),
        ({"span_kinds": ["moon"]}, "metric.span_kinds"),
        ({"guidelines": [pb.Guideline(text="a line", origin="oracle")]}, "metric.guidelines[0].origin"),
    ],
)
def test_what_makes_no_definition_is_refused_with_its_field(edit: dict[str, Any], field: str) -> None:
    """Never a KeyError."""
    message = metric_to_proto(MetricRecord(definition=replace(EVERYTHING, display_name="")))
    for name in edit:
        message.ClearField(name)  # type: ignore[arg-type]  # any field
    message.MergeFrom(pb.Metric(**edit))
    with pytest.raises(InvalidDefinition) as refused:
        metric(message)
    assert refused.value.field == field


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_numbers_that_are_none_are_refused_deep_inside(number: float) -> None:
    """JSON could not hold them, so the definition could not be stored."""
    message = metric_to_proto(MetricRecord(definition=EVERYTHING))
    message.arguments["deep"]["on"] = number
    with pytest.raises(InvalidDefinition, match="must be finite") as refused:
        metric(message)
    assert refused.value.field == "metric.arguments.deep.on"
