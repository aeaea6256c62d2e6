"""What an `sql` metric may say, and what is refused before anything is asked of the server."""

from __future__ import annotations

from typing import Any

import pytest

from evaluator.errors import InvalidDefinition
from evaluator.expressions.compiler import compile_expression
from evaluator.metrics.check import check
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.sql.sql_metric import check_type, outcome_of
from storage.model import Abstention, Failure, Level, MetricKind, Outcome, OutputType, Score


def _metric(expression: str, **other: Any) -> MetricDefinition:
    fields: dict[str, Any] = {
        "name": "own",
        "kind": MetricKind.SQL,
        "levels": (Level.SPAN,),
        "output_type": OutputType.NUMBER,
        "expression": expression,
    }
    return MetricDefinition(**fields | other)


def _refusal(expression: str, **other: Any) -> str:
    with pytest.raises(InvalidDefinition) as refused:
        check(_metric(expression, **other))
    assert refused.value.field == "metric.expression"
    return refused.value.reason


SUB_QUERY = "sub-queries and statements are not allowed"
FUNCTION = "is not allowed"
UNEXPECTED = "this was not expected here"
HOSTILE = {
    "(SELECT 1)": SUB_QUERY,
    "SELECT 1": SUB_QUERY,
    "1 + (SELECT count() FROM system.users)": SUB_QUERY,
    "Duration IN (SELECT 1)": SUB_QUERY,
    "EXISTS(SELECT 1)": SUB_QUERY,
    "(SELECT password FROM mysql('h', 'd', 't', 'u', 'p'))": SUB_QUERY,
    "1 FROM system.one": UNEXPECTED,
    "1 UNION ALL SELECT 2": SUB_QUERY,
    "DROP TABLE otel_traces": SUB_QUERY,
    "INSERT INTO evaluations VALUES (1)": "not",
    "1; DROP TABLE otel_traces": "one expression only, without ';'",
    "1 -- and no more": "comments are not allowed",
    "1 /* and no more": "a quote or comment is not closed",
    "/* 1 */ 2": "comments are not allowed",
    "1 # no": "comments are not allowed",
    "Duration) FROM system.users --": "comments are not allowed",
    "Duration) AS value FROM system.users": UNEXPECTED,
    "'unclosed": "a quote or comment is not closed",
    "`Duration`": "write columns unquoted",
    '"Duration"': "write columns unquoted",
    "url('http://x', 'CSV')": FUNCTION,
    "file('/etc/passwd')": FUNCTION,
    "s3('http://x')": FUNCTION,
    "remote('h', 'd', 't')": FUNCTION,
    "dictGet('d', 'a', 1)": FUNCTION,
    "joinGet('t', 'v', 1)": FUNCTION,
    "getSetting('readonly')": FUNCTION,
    "getMacro('x')": FUNCTION,
    "currentUser()": FUNCTION,
    "hostName()": FUNCTION,
    "version()": FUNCTION,
    "sleep(3)": FUNCTION,
    "sleepEachRow(1)": FUNCTION,
    "rand()": "random",
    "randomString(10)": FUNCTION,
    "generateUUIDv4()": FUNCTION,
    "now()": "when it is asked",
    "today()": "when it is asked",
    "current_timestamp": "there is no column 'current_timestamp'",
    "rowNumberInAllBlocks()": FUNCTION,
    "runningAccumulate(Duration)": FUNCTION,
    "throwIf(Duration > 1)": FUNCTION,
    "evalMLMethod('m', 1)": FUNCTION,
    "executable('x')": FUNCTION,
    "catboostEvaluate('/m', 1)": FUNCTION,
    "repeat('x', 1000000000)": FUNCTION,
    "range(1000000000)": FUNCTION,
    "arrayMap(x -> x + 1, [1])": FUNCTION,
    "arrayJoin([1, 2])": FUNCTION,
    "lower(x -> 1)": "lambdas are not allowed",
    "COLUMNS('.*')": FUNCTION,
    "*": "columns by name",
    "system.users": SUB_QUERY,
    "assay.evaluations": "there is no column 'assay.evaluations'",
    "spans.Duration": "there is no column 'spans.Duration'",
    "{e0:String}": "there are no parameters",
    "{x:Identifier}": "there are no parameters",
    "@@version": "",
    "Duration AS value": "not allowed in an expression (alias)",
    "CAST(Duration AS String)": "write toFloat64OrNull",
    "Duration::String": "casts are not allowed",
    "1 SETTINGS max_execution_time = 0": UNEXPECTED,
    "sum(Duration) OVER ()": "not allowed in an expression (window)",
    "sum(Duration)": "is over many spans",
    "Duration % 0": "moduloOrNull",
    "intDiv(1, 0)": "intDivOrNull",
    "toInt64('x')": "toInt64OrNull",
    "toFloat64(attributes['x'])": "toFloat64OrNull",
    "toHour(attributes['x'])": "write toHour(Timestamp)",
    "Duratoin": "did you mean 'duration'?",
    "lowr(Model)": "did you mean 'lower'?",
    "IngestedAt": "there is no column 'IngestedAt'",
    "EvaluationAttributes['x']": "only attributes['…'] and resource['…'] have keys",
    "attributes[Model]": "one text in 'single quotes'",
    "attributes": "name one attribute",
    "attributes['a']['b']": "one text in 'single quotes'",
    "Model LIKE Provider": "a text in 'single quotes'",
    "Model LIKE 'x\\\\'": "a pattern cannot end in a single backslash",
    "(1, 2)": "not allowed in an expression (tuple)",
    "[1, 2]": "not allowed in an expression (array)",
    "1e400": "this number is too large",
    "Model = ": "something is missing after this",
    "": "write one expression",
    "   ": "write one expression",
    "(" * 100 + "1" + ")" * 100: "nested more than 32 deep",
    "-" * 100 + "1": "",
    "1" + " + 1" * 600: "more than 1000 words and signs",
    "x" * 5000: "at most 4096",
}


@pytest.mark.parametrize("expression", list(HOSTILE), ids=lambda text: text[:40])
def test_what_is_not_on_the_list_is_refused_with_its_place(expression: str) -> None:
    """Nothing reaches the server that the compiler did not write."""
    reason = _refusal(expression)
    assert reason.startswith("at character ")
    assert HOSTILE[expression] in reason


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("Duration", "put it into an aggregate, max(Duration)"),
        ("sum(Duration) + InputTokens", "put it into an aggregate, max(InputTokens)"),
        ("attributes['a'] = sum(1)", "put it into an aggregate"),
        ("sum(max(Duration))", "stands inside another aggregate"),
        ("1 + 1", "a trace has many spans"),
        ("any(Model)", "argMin(value, Timestamp) takes the first"),
        ("quantile(0.9)(Duration)", "quantileExact(0.9)(Duration)"),
        ("quantileExact(Duration)", "write quantileExact(0.9)(…)"),
        ("quantileExact(2)(Duration)", "a number from 0 to 1"),
        ("quantileExact(sleep(3))(Duration)", "a number from 0 to 1"),
        ("sum(0.5)(Duration)", "one pair of parentheses"),
        ("uniq(Model)", "uniqExact"),
        ("count(*)", "count() without a star"),
        ("count(DISTINCT Model)", "uniqExact"),
        ("groupArray(Model)", "is not allowed"),
        ("sumMerge(Duration)", "is not allowed"),
        ("sumState(Duration)", "is not allowed"),
        ("has(Events.Name, 'x')", "put it into an aggregate"),
    ],
)
def test_a_trace_is_concluded_on_by_aggregates_of_its_spans(expression: str, reason: str) -> None:
    """Else it would be chance which span's value came out, or a sample that differs every time."""
    assert reason in _refusal(expression, levels=(Level.TRACE,))


def test_the_place_of_a_refusal_is_counted_in_characters() -> None:
    """Also behind text of every plane."""
    assert _refusal("Model = '🦊' AND Duratoin > 1").startswith("at character 16: there is no column 'Duratoin'")


def test_literals_are_bound_and_quotes_stay_text() -> None:
    """Whatever stands in quotes is a value, never a part of the sentence."""
    text = "Model = 'x'' OR 1=1 --' AND attributes['a\\'; DROP TABLE x'] != '{e0:String}'"
    compiled = compile_expression(text, Level.SPAN)
    assert compiled.sql == "((`Model` = {e0:String}) AND (nullIf(`RawSpanAttributes`[{e1:String}], '') != {e2:String}))"
    assert dict(compiled.parameters) == {"e0": "x' OR 1=1 --", "e1": "a'; DROP TABLE x", "e2": "{e0:String}"}


@pytest.mark.parametrize(
    ("other", "field"),
    [
        ({"prompt": "x"}, "metric.prompt"),
        ({"source": "x"}, "metric.source"),
        ({"model": "x"}, "metric.model"),
        ({"required_metrics": ("x",)}, "metric.required_metrics"),
        ({"output_type": OutputType.MULTILABEL, "labels": {"a": None}}, "metric.output_type"),
        ({"levels": (Level.SPAN, Level.TRACE)}, "metric.levels"),
    ],
)
def test_what_an_sql_metric_cannot_have_is_refused(other: dict[str, Any], field: str) -> None:
    """The field is named."""
    with pytest.raises(InvalidDefinition) as refused:
        check(_metric("1", **other))
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("output_type", "found"),
    [
        (OutputType.NUMBER, "String"),
        (OutputType.NUMBER, "Nothing"),
        (OutputType.COUNT, "Array(String)"),
        (OutputType.BOOLEAN, "UInt64"),
        (OutputType.CATEGORICAL, "Float64"),
        (OutputType.TEXT, "DateTime64(9)"),
    ],
)
def test_a_type_that_never_fits_is_refused(output_type: OutputType, found: str) -> None:
    """It is known before the first result."""
    with pytest.raises(InvalidDefinition):
        check_type(_metric("1", output_type=output_type), found)


@pytest.mark.parametrize(
    ("output_type", "value", "outcome"),
    [
        (OutputType.NUMBER, 2.5, Score(value=2.5)),
        (OutputType.NUMBER, None, Abstention(reason="no value")),
        (OutputType.CATEGORICAL, "", Abstention(reason="no value")),
        (OutputType.CATEGORICAL, "schnell 🦊", Score(label="schnell 🦊")),
        (OutputType.BOOLEAN, 1, Score(value=1.0, label="true")),
        (OutputType.BOOLEAN, False, Score(value=0.0, label="false")),
        (OutputType.COUNT, True, Score(value=1.0)),
        (OutputType.PERCENTAGE, 1, Score(value=1.0)),
        (OutputType.TEXT, "x", Score(text="x")),
    ],
)
def test_a_value_becomes_a_result_of_the_output_type(output_type: OutputType, value: Any, outcome: Outcome) -> None:
    """NULL is no value, and never a 0."""
    assert outcome_of(_metric("1", output_type=output_type), value) == outcome


@pytest.mark.parametrize(
    ("output_type", "value"),
    [
        (OutputType.NUMBER, float("nan")),
        (OutputType.NUMBER, float("inf")),
        (OutputType.PERCENTAGE, 1.5),
        (OutputType.PERCENTAGE, float("nan")),
        (OutputType.COUNT, -1),
        (OutputType.COUNT, 0.5),
        (OutputType.BOOLEAN, 2),
    ],
)
def test_a_value_that_does_not_fit_is_a_failure(output_type: OutputType, value: Any) -> None:
    """Nothing is rounded or cut to fit."""
    outcome = outcome_of(_metric("1", output_type=output_type), value)
    assert isinstance(outcome, Failure)
    assert outcome.code == "SQL_BAD_RESULT"
