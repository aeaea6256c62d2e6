"""What can be saved as a metric."""

from __future__ import annotations

from dataclasses import replace

import pytest

from evaluator.errors import InvalidDefinition
from evaluator.metrics.catalogue import builtin_metrics, load
from evaluator.metrics.check import check
from evaluator.metrics.definition import MetricDefinition
from storage.model import Level, MetricKind, OutputType

JUDGE = MetricDefinition(
    name="tone",
    kind=MetricKind.JUDGE,
    levels=(Level.SPAN,),
    output_type=OutputType.CATEGORICAL,
    prompt="Judge {{output}}",
    labels={"kind": 1.0, "rude": 0.0},
)
CODE = MetricDefinition(
    name="size",
    kind=MetricKind.CODE,
    levels=(Level.TRACE,),
    output_type=OutputType.COUNT,
    function="response_length",
)


@pytest.mark.parametrize(
    "definition",
    [
        JUDGE,
        CODE,
        replace(JUDGE, labels={}, output_type=OutputType.BOOLEAN),
        replace(JUDGE, labels={}, output_type=OutputType.COUNT),
        replace(JUDGE, labels={}, output_type=OutputType.PERCENTAGE),
        replace(JUDGE, output_type=OutputType.PERCENTAGE),
        replace(JUDGE, labels={"1": 1.0, "2": 2.0}, output_type=OutputType.DISCRETE),
        replace(JUDGE, model="anthropic/claude", parameters={"temperature": 0.2, "reasoning_effort": "low"}),
    ],
)
def test_sound_definitions_pass(definition: MetricDefinition) -> None:
    """Every output type that a judge can be held to."""
    check(definition)


@pytest.mark.parametrize(
    ("definition", "field"),
    [
        (replace(JUDGE, prompt=""), "metric.prompt"),
        (replace(JUDGE, prompt="Is it good?"), "metric.prompt"),
        (replace(JUDGE, prompt="{{outputt}}"), "metric.prompt"),
        (replace(JUDGE, labels={}), "metric.labels"),
        (replace(JUDGE, labels={"only": 1.0}), "metric.labels"),
        (replace(JUDGE, labels={"a": 1.0, " ": 0.0}), "metric.labels"),
        (replace(JUDGE, labels={"a": 1.0, "b": float("nan")}), "metric.labels"),
        (replace(JUDGE, labels={"a": 1.0, "b": 2.0}, output_type=OutputType.PERCENTAGE), "metric.labels"),
        (replace(JUDGE, labels={"a": 1.0, "b": float("nan")}, output_type=OutputType.PERCENTAGE), "metric.labels"),
        (replace(JUDGE, labels={"a": 1.0, "b": 0.5}, output_type=OutputType.DISCRETE), "metric.labels"),
        (replace(JUDGE, labels={}, output_type=OutputType.DISCRETE), "metric.labels"),
        (replace(JUDGE, output_type=OutputType.BOOLEAN), "metric.labels"),
        (replace(JUDGE, output_type=OutputType.TEXT), "metric.labels"),
        (replace(JUDGE, function="response_length"), "metric.function"),
        (replace(JUDGE, required_metrics=("size",)), "metric.required_metrics"),
        (replace(JUDGE, parameters={"api_base": "http://elsewhere"}), "metric.parameters.api_base"),
        (replace(JUDGE, parameters={"temperature": [1]}), "metric.parameters.temperature"),
        (replace(JUDGE, parameters={"temperature": float("inf")}), "metric.parameters.temperature"),
        (replace(JUDGE, model="gpt 4"), "metric.model"),
        (replace(JUDGE, levels=(Level.SPAN, Level.SPAN)), "metric.levels"),
        (replace(JUDGE, levels=(Level.TRACE,), span_kinds=("llm",)), "metric.span_kinds"),
        (replace(CODE, function="no_such"), "metric.function"),
        (replace(CODE, output_type=OutputType.PERCENTAGE), "metric.output_type"),
        (replace(CODE, prompt="{{output}}"), "metric.prompt"),
        (replace(CODE, required_metrics=("tone",)), "metric.required_metrics"),
        (replace(CODE, kind=MetricKind.COMPOSITE), "metric.required_metrics"),
        (replace(CODE, kind=MetricKind.SQL), "metric.function"),
        (replace(CODE, kind=MetricKind.EXTERNAL), "metric.function"),
        (replace(CODE, kind=MetricKind.HUMAN), "metric.function"),
    ],
)
def test_what_could_not_be_honoured_is_refused_and_the_field_is_named(definition: MetricDefinition, field: str) -> None:
    """At the time of saving, not when the first target is scored."""
    with pytest.raises(InvalidDefinition) as raised:
        check(definition)
    assert raised.value.field == field


def test_a_definition_survives_its_stored_form() -> None:
    """Stored, read again: the same metric with the same digest."""
    for metric in builtin_metrics():
        again = MetricDefinition.from_body(metric.to_body(), version=1, builtin=True)
        assert (again, again.digest) == (metric, metric.digest)


@pytest.mark.parametrize("text", ["- a list", "{", "name: x\nkind: judge\n", "name: x\nkind: judge\nsurprise: 1\n"])
def test_a_broken_catalogue_file_is_an_invalid_definition(text: str) -> None:
    """Never a KeyError."""
    with pytest.raises(InvalidDefinition):
        load(text)
