"""Packs of obvious cases: sound as data, right for every function, and whole on their way to a judge."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web

from evaluator.errors import InvalidDefinition
from evaluator.judges import fence
from evaluator.judges.choose import Judges
from evaluator.judges.scripted import Asked, ScriptedJudge, completion
from evaluator.metrics import packs
from evaluator.metrics.catalogue import builtin_metrics, variants
from evaluator.metrics.conclude import Instruments, conclude
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.judging import template
from evaluator.metrics.packs import Case
from storage.model import Level, MetricKind, OutputType

METRICS = {metric.name: metric for metric in builtin_metrics() if metric.name not in variants()}
JUDGES = sorted(name for name, metric in METRICS.items() if metric.kind is MetricKind.JUDGE)
FUNCTIONS = sorted(name for name, metric in METRICS.items() if metric.function)
MEASURED = {"response_length", "latency", "cost", "tokens", "language", "readability", "levenshtein"}
"""Values without a good and a bad end of their own."""


def with_arguments(metric: MetricDefinition, case: Case) -> MetricDefinition:
    """The metric of one's own that a case is about."""
    return replace(metric, arguments=dict(case.arguments), builtin=False) if case.arguments else metric


@pytest.mark.parametrize("name", sorted(METRICS))
def test_a_pack_has_ten_cases_of_different_names_and_content(name: str) -> None:
    """What is promised of each metric."""
    cases = packs.load(name).cases
    assert len(cases) >= 10
    assert len({case.name for case in cases}) == len(cases)
    content = [(case.inputs, case.arguments, case.record, case.level) for case in cases]
    assert all(content.count(each) == 1 for each in content)
    assert all((case.expected is None) == bool(case.abstains) for case in cases)


@pytest.mark.parametrize("name", sorted(set(METRICS) - MEASURED))
def test_a_third_of_the_cases_is_good_and_a_third_is_bad(name: str) -> None:
    """A metric that always says the same passes no pack; every label appears."""
    metric, pack = METRICS[name], packs.load(name)
    expected = [case.expected for case in pack.cases if case.expected is not None]
    if metric.output_type is OutputType.CATEGORICAL:
        assert set(expected) == set(metric.labels)
        return
    if metric.labels:
        counts = Counter(expected)
        assert set(counts) == set(metric.labels)
        values = [metric.labels[str(each)] or 0.0 for each in expected]
    else:
        values = [float(each) for each in expected if not isinstance(each, str)]
    assert sum(value >= 0.65 for value in values) >= len(values) // 3
    assert sum(value <= 0.35 for value in values) >= len(values) // 3


@pytest.mark.parametrize("name", JUDGES)
def test_a_case_offers_what_the_prompt_needs_and_nothing_that_it_does_not_name(name: str) -> None:
    """Else the case would abstain, or say less than it seems to."""
    metric = METRICS[name]
    for case in packs.load(name).cases:
        parsed = template.parse(metric.prompt, with_arguments(metric, case).arguments)
        assert parsed.first_missing(case.inputs) is None, case.name
        assert set(case.inputs) <= set(parsed.names), case.name


@pytest.mark.parametrize("name", FUNCTIONS)
async def test_a_function_is_right_on_every_obvious_case(name: str, judges: Judges) -> None:
    """For real: nothing is asked of a judge."""
    metric, pack = METRICS[name], packs.load(name)
    for case in pack.cases:
        found = await conclude(
            with_arguments(metric, case), case.material(metric.levels[0]), using=Instruments(judges=judges, secret=b"s")
        )
        assert case.agrees(found.outcome, tolerance=pack.tolerance), (case.name, found.outcome)


@pytest.mark.parametrize("name", JUDGES)
async def test_a_case_reaches_the_judge_and_its_verdict_comes_back(
    name: str, judge: ScriptedJudge, judges: Judges
) -> None:
    """A judge that knows the pack passes it: rendering, inputs, schema and reading of every built-in judge metric."""
    metric, pack = METRICS[name], packs.load(name)
    answers = {
        json.dumps([*sorted(case.inputs.items()), case.arguments.get("guidelines")]): case for case in pack.cases
    }
    expected: Case

    async def knows(judge: ScriptedJudge, request: web.Request, asked: Asked) -> web.StreamResponse:
        assert fence.contents(asked.prompt) == dict(expected.inputs)
        return completion(asked, {"rationale": "it is plain", "verdict": _verdict(asked, expected)})

    judge.always(knows)
    for expected in answers.values():
        found = await conclude(
            with_arguments(metric, expected),
            expected.material(metric.levels[0]),
            using=Instruments(judges=judges, secret=b"s"),
        )
        assert expected.agrees(found.outcome, tolerance=0.0), (expected.name, found.outcome)
    assert len(judge.requests) == len(pack.cases)


def _verdict(asked: Asked, case: Case) -> Any:
    """The expected one, in the type that the schema wants; a wrong type in the pack fails here."""
    schema = (asked.schema or {})["properties"]["verdict"]
    if labels := schema.get("enum"):
        assert case.expected in labels
    else:
        assert {"boolean": bool, "number": float}[schema["type"]] is type(case.expected)
    return case.expected


def test_a_variant_has_the_pack_of_its_metric() -> None:
    """One pack, two models to hold against it."""
    assert packs.load("context_adherence_luna").cases == packs.load("context_adherence").cases


def test_a_metric_without_a_pack_is_an_error_that_names_it() -> None:
    """A custom metric brings its own."""
    with pytest.raises(InvalidDefinition, match="there is no pack for 'nobody'"):
        packs.load("nobody")


def test_cases_stand_at_the_level_of_their_target() -> None:
    """A span, spans of a trace, traces of a session."""
    levels = {case.level for case in packs.load("tokens").cases}
    assert levels == {Level.SPAN, Level.TRACE, Level.SESSION}
