"""Labels, scale, threshold, colors and unit of a metric: what makes sense for its output type, whatever its kind."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from evaluator.errors import InvalidDefinition
from evaluator.metrics.check import check, settled
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.doubts import doubts
from storage.model import Level, MetricKind, OutputType

NUMBER = MetricDefinition(
    name="seconds",
    kind=MetricKind.EXTERNAL,
    levels=(Level.SPAN, Level.SESSION),
    output_type=OutputType.NUMBER,
)
DISCRETE = replace(NUMBER, output_type=OutputType.DISCRETE, minimum=1.0, maximum=5.0)
BOOLEAN = replace(NUMBER, output_type=OutputType.BOOLEAN)
CATEGORICAL = replace(NUMBER, output_type=OutputType.CATEGORICAL, labels={"good": 1.0, "odd": None})
TEXT = replace(NUMBER, output_type=OutputType.TEXT)


@pytest.mark.parametrize(
    "definition",
    [
        NUMBER,
        replace(NUMBER, minimum=-1.0, threshold=-1.0, unit="s", higher_is_better=False),
        replace(NUMBER, minimum=0.0, maximum=0.1, unit="{token}/min"),
        DISCRETE,
        replace(DISCRETE, threshold=5.0),
        replace(DISCRETE, labels={"low": 1.0, "high": 2.0}, minimum=None, maximum=None, threshold=1.5),
        replace(BOOLEAN, threshold=1.0, colors={"true": "#00AA00", "false": "#aa0000"}),
        replace(CATEGORICAL, threshold=1.0, colors={"odd": "#000000"}),
        replace(NUMBER, output_type=OutputType.MULTILABEL, labels={"a": None, "b": 2.0}),
        replace(NUMBER, output_type=OutputType.COUNT, threshold=1e9),
        TEXT,
        replace(NUMBER, higher_is_better=None),
        replace(NUMBER, kind=MetricKind.HUMAN),
    ],
)
def test_outputs_that_make_sense_are_accepted(definition: MetricDefinition) -> None:
    """Ends included."""
    check(definition)


@pytest.mark.parametrize(
    ("definition", "field"),
    [
        (replace(NUMBER, minimum=1.0, maximum=1.0), "metric.maximum"),
        (replace(NUMBER, minimum=math.nan), "metric.minimum"),
        (replace(NUMBER, maximum=math.inf), "metric.maximum"),
        (replace(NUMBER, minimum=0.0, labels={"a": 1.0, "b": 2.0}), "metric.minimum"),
        (replace(BOOLEAN, minimum=0.0), "metric.minimum"),
        (replace(NUMBER, output_type=OutputType.PERCENTAGE, maximum=1.0), "metric.maximum"),
        (replace(DISCRETE, maximum=None), "metric.labels"),
        (replace(DISCRETE, maximum=4.5), "metric.maximum"),
        (replace(DISCRETE, threshold=6.0), "metric.threshold"),
        (replace(NUMBER, threshold=math.nan), "metric.threshold"),
        (replace(NUMBER, threshold=1.0, higher_is_better=None), "metric.threshold"),
        (replace(TEXT, threshold=1.0), "metric.threshold"),
        (replace(NUMBER, output_type=OutputType.PERCENTAGE, threshold=70.0), "metric.threshold"),
        (replace(NUMBER, output_type=OutputType.COUNT, threshold=-1.0), "metric.threshold"),
        (replace(TEXT, labels={"a": None, "b": None}), "metric.labels"),
        (replace(NUMBER, labels={"a": None}), "metric.labels"),
        (replace(CATEGORICAL, labels={"a": 1.0, "x" * 201: 2.0}), "metric.labels"),
        (replace(CATEGORICAL, labels={f"label {number}": 1.0 for number in range(101)}), "metric.labels"),
        (replace(CATEGORICAL, colors={"bad": "#000000"}), "metric.colors.bad"),
        (replace(CATEGORICAL, colors={"good": "green"}), "metric.colors.good"),
        (replace(BOOLEAN, colors={"yes": "#000000"}), "metric.colors.yes"),
        (replace(NUMBER, unit="per second"), "metric.unit"),
        (replace(NUMBER, unit="x" * 33), "metric.unit"),
        (replace(TEXT, unit="s"), "metric.unit"),
        (replace(NUMBER, wait_seconds=1.0), "metric.wait_seconds"),
        (replace(NUMBER, display_name=" padded"), "metric.display_name"),
        (replace(NUMBER, display_name="two\nlines"), "metric.display_name"),
        (replace(NUMBER, display_name="x" * 201), "metric.display_name"),
        (replace(NUMBER, display_name="builtin/x"), "metric.display_name"),
        (replace(NUMBER, description="x" * 20_001), "metric.description"),
        (replace(NUMBER, prompt="{{output}}"), "metric.prompt"),
    ],
)
def test_outputs_that_make_no_sense_are_refused_with_their_field(definition: MetricDefinition, field: str) -> None:
    """When it is saved, not when somebody draws it."""
    with pytest.raises(InvalidDefinition) as refused:
        check(definition)
    assert refused.value.field == field


READER = replace(
    NUMBER,
    name="reader",
    kind=MetricKind.CODE,
    required_metrics=("correctness", "My Own@span", "builtin/tone"),
)


def test_code_that_requires_metrics_is_a_composite() -> None:
    """Whatever its author called it; what requires none stays what it is."""
    assert settled(READER).kind is MetricKind.COMPOSITE
    assert settled(replace(READER, required_metrics=())).kind is MetricKind.CODE


@pytest.mark.parametrize(
    ("body", "never_read"),
    [
        ("m[GalileoMetrics.correctness] + m['my own'] + m.get('tone')", []),
        ("m['Correctness']", ["My Own@span", "builtin/tone"]),
        ("0.0", ["correctness", "My Own@span", "builtin/tone"]),
        ("m[kwargs['which']]", []),
        ("sum(m.values())", []),
        ("[span.metrics['correctness'] for span in step_object.spans]", ["My Own@span", "builtin/tone"]),
    ],
)
def test_a_required_metric_that_the_source_never_reads_is_doubtful(body: str, never_read: list[str]) -> None:
    """Where the names can be seen; a name that is worked out may be any of them."""
    source = f"def scorer_fn(*, step_object, **kwargs):\n    return {body.replace('m[', 'step_object.metrics[')}\n"
    source = source.replace("m.get", "step_object.metrics.get").replace("m.values", "step_object.metrics.values")
    told = doubts(replace(READER, source=source))
    assert [text.split("'")[1] for text in told] == never_read
