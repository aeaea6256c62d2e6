"""The six scorers of the document on composite metrics, word for word, on nested traces and on sessions.

The stray `]` behind the complete example is no part of it and is left out; nothing else is changed.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from steps import Given, material_of, nested, scorer, session_of, span, trace_of

from evaluator.metrics.catalogue import builtin_metrics
from evaluator.metrics.code.check_code import check_scorer
from evaluator.metrics.code.code_metric import code_metric
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.doubts import doubts
from evaluator.metrics.material import Material
from evaluator.sandbox.sandbox import Sandbox
from storage.model import Failure, MetricKind, Outcome, OutputType, Score

DOCUMENT = (Path(__file__).parent.parent / "fixtures" / "documents" / "composite_metrics.txt").read_text()
NAMES = {metric.name: metric.name for metric in builtin_metrics()}


def sources() -> list[str]:
    """The examples, in the order of the document."""
    found = []
    for start in re.finditer(r"(?:from galileo import [^\n]*\n\n)?def scorer_fn\(", DOCUMENT):
        lines = DOCUMENT[start.start() :].split("\n")
        first = next(at for at, line in enumerate(lines) if line.startswith("def "))
        end = next(at for at, line in enumerate(lines) if at > first and line and not line.startswith(" "))
        found.append("\n".join(lines[:end]).rstrip() + "\n")
    return found


CONDITIONAL, HIERARCHICAL, MULTI, CROSS, CUSTOM, COMPLETE = sources()
REQUIRED = {
    CONDITIONAL: ("correctness", "context_adherence"),
    HIERARCHICAL: ("context_adherence",),
    MULTI: ("output_pii",),
    CROSS: ("context_relevance", "context_adherence"),
    CUSTOM: ("context_adherence", "My Custom Metric"),
    COMPLETE: ("conversation_quality", "action_completion", "agent_efficiency", "action_completion_luna",
               "action_advancement", "context_adherence", "context_relevance", "tool_error_rate"),
}  # fmt: skip


def without_import(source: str) -> str:
    """What is imported is predefined, too."""
    return source.partition("\n\n")[2] if source.startswith("from") else source


def with_other_import(source: str) -> str:
    """Our own module offers the same."""
    return source.replace("from galileo import", "from assay import")


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """Workers."""
    async with Sandbox() as opened:
        yield opened


async def concluded(sandbox: Sandbox, source: str, material: Material) -> Outcome:
    """The same with each way to import, which must agree."""
    found = [
        await code_metric(metric(written), material, sandbox=sandbox, names=NAMES)
        for written in (source, without_import(source), with_other_import(source))
    ]
    assert found == [found[0]] * 3
    return found[0]


def metric(source: str) -> MetricDefinition:
    """A composite of what the document lists for an example; the third counts."""
    listed = {without_import(each): required for each, required in REQUIRED.items()}
    required = listed[without_import(source)]
    output_type = OutputType.COUNT if "-> int" in source else OutputType.PERCENTAGE
    return scorer(source, output_type, kind=MetricKind.COMPOSITE, required_metrics=required)


def test_all_six_are_found_and_can_be_saved() -> None:
    """Each reads every metric that it requires, so none gives a warning; one that it does not read would."""
    assert [source.count("def ") for source in sources()] == [1] * 6
    for source in REQUIRED:
        check_scorer(metric(source))
        assert doubts(metric(source)) == ()
    told = doubts(scorer(CONDITIONAL, required_metrics=("correctness", "completeness@span")))
    assert [each.partition(" is never read")[0] for each in told] == ["required metric 'completeness@span'"]


async def test_the_conditional_one(sandbox: Sandbox) -> None:
    """Adherence where the answer is correct, else 0."""
    call = span(1)
    for correctness, expected in ((0.7, 0.9), (0.69, 0.0)):
        found = material_of(call, [(call, {"correctness": correctness, "context_adherence": 0.9})])
        assert await concluded(sandbox, CONDITIONAL, found) == Score(value=expected)


async def test_the_hierarchical_one(sandbox: Sandbox) -> None:
    """Over all model calls of all traces of a session, nested ones too; 0 where there is none."""
    first, second = nested(1), nested(2)
    calls = [step for trace in (first, second) for step in trace.spans if step.kind == "llm"]
    results = [(step, {"context_adherence": value}) for step, value in zip(calls, (1.0, 0.5, 0.5, 0.0), strict=True)]
    assert await concluded(sandbox, HIERARCHICAL, material_of(session_of(first, second), results)) == Score(value=0.5)
    toolless = session_of(trace_of(span(1, "agent")))
    assert await concluded(sandbox, HIERARCHICAL, material_of(toolless)) == Score(value=0.0)


async def test_the_multi_metric_one(sandbox: Sandbox) -> None:
    """`output_pii` is falsy when clean; numbers are counted only where it is not."""
    call = span(1)
    clean = Score(value=0.0, label="false")
    assert await concluded(sandbox, MULTI, material_of(call, [(call, {"output_pii": clean})])) == Score(value=0.0)
    found = Score(value=1.0, label="true")
    assert await concluded(sandbox, MULTI, material_of(call, [(call, {"output_pii": found})])) == Score(value=1.0)


async def test_the_cross_span_one(sandbox: Sandbox) -> None:
    """On a nested trace the last retriever and the last model call decide."""
    trace = nested()
    by_id = {int(step.span_id, 16): step for step in trace.spans}
    results = [
        (by_id[2], {"context_adherence": 0.1}),
        (by_id[3], {"context_relevance": 0.5}),
        (by_id[6], {"context_adherence": 1.0}),
    ]
    assert await concluded(sandbox, CROSS, material_of(trace, results)) == Score(value=0.75)


async def test_the_one_with_a_custom_metric(sandbox: Sandbox) -> None:
    """By enum and by display name, mixed."""
    call = span(1)
    results = [(call, {"context_adherence": 0.5, "my_custom_metric": 1.0})]
    assert await concluded(sandbox, CUSTOM, material_of(call, results)) == Score(value=0.75)


def _complete(*, tools: bool) -> Material:
    traces = [nested(1), nested(2)] if tools else [trace_of(span(1, "llm", trace=1)), trace_of(span(1, "llm", trace=2))]
    session = session_of(*traces)
    results: list[tuple[object, dict[str, float]]] = [
        (session, {"conversation_quality": 1.0, "action_completion": 0.5, "agent_efficiency": 0.0})
    ]
    for trace in traces:
        results.append((trace, {"action_completion_luna": 1.0, "action_advancement": 0.0}))
        for step in trace.spans:
            values = {"llm": {"context_adherence": 0.9}, "retriever": {"context_relevance": 0.7},
                      "tool": {"tool_error_rate": 0.4}}  # fmt: skip
            results.append((step, values.get(step.kind, {})))
    given: Given = results  # type: ignore[assignment]
    return material_of(session, given)


async def test_the_complete_one(sandbox: Sandbox) -> None:
    """(0.5 + 0.5 + 0.9 + 0.7 + 0.6) / 5, worked out by hand."""
    found = await concluded(sandbox, COMPLETE, _complete(tools=True))
    assert isinstance(found, Score)
    assert found.value == pytest.approx(0.64)


async def test_the_complete_one_on_a_session_without_tools(sandbox: Sandbox) -> None:
    """What is empty counts 0.5: (0.5 + 0.5 + 0.9 + 0.5 + 0.5) / 5."""
    found = await concluded(sandbox, COMPLETE, _complete(tools=False))
    assert isinstance(found, Score)
    assert found.value == pytest.approx(0.58)


async def test_an_undeclared_metric_is_named_with_the_declared_ones(sandbox: Sandbox) -> None:
    """Though its result is there: only what is listed can be read."""
    call = span(1)
    material = material_of(call, [(call, {"correctness": 1.0})])
    definition = scorer(CONDITIONAL, required_metrics=("correctness",))
    assert await code_metric(definition, material, sandbox=sandbox, names=NAMES) == Failure(
        code="SCORER_ERROR",
        message="line 10: KeyError: 'context_adherence' is not in required_metrics; declared: correctness",
    )
