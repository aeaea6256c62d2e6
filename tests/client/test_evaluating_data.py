"""`client.evaluate(data=…, scorers=…)`: rows, stored targets, functions; engine, judge and sandbox for real."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from evaluating_parts import Service, evaluating
from storing import a_chat, store

import assay
from assay import GalileoMetrics, LlmSpan, RetrieverSpan, Trace
from assay.client import CallFailed, Client, Evaluated, MetricDefinition, Spread, Status
from storage.clickhouse.client import Database
from storage.model import Level


@pytest.fixture
async def service(database: Database) -> AsyncIterator[Service]:
    """An evaluator with a scripted judge, a sandbox, and a worker for runs."""
    async with evaluating(database) as running:
        yield running


ROWS: list[dict[str, Any]] = [
    {"inputs": {"question": "Capital of France?"}, "outputs": "Paris", "expectations": "Paris"},
    {"inputs": "Capital of Spain?", "outputs": "Rome", "expectations": {"expected_response": "Madrid"}},
]


@assay.metric
def words(*, step_object: LlmSpan, **kwargs: object) -> int:
    """Words of the answer."""
    return len(step_object.output.content.split())


@assay.metric(required_metrics=[GalileoMetrics.correctness, "words"])
def right_and_short(*, step_object: LlmSpan, **kwargs: object) -> float:
    """Correctness per word."""
    return step_object.metrics[GalileoMetrics.correctness] / step_object.metrics["words"]  # type: ignore[no-any-return]


@assay.metric
def documents(*, step_object: Trace, **kwargs: object) -> int:
    """Retrievals of a trace."""
    return len([span for span in step_object.spans if isinstance(span, RetrieverSpan)])


async def test_rows_are_scored_by_metrics_that_ship_and_by_functions_in_one_call(service: Service) -> None:
    """Seed 002's offline evaluation: nothing of the rows is stored, the metrics that were brought along are."""
    evaluated = await service.client.evaluate(data=ROWS, scorers=["Correctness", "exact_match", words, right_and_short])
    assert [{name: result.value for name, result in each.results.items()} for each in evaluated] == [
        {"correctness": 1.0, "exact_match": 1.0, "words": 1.0, "right_and_short": 1.0},
        {"correctness": 0.0, "exact_match": 0.0, "words": 1.0, "right_and_short": 0.0},
    ]
    assert [each.row for each in evaluated] == ROWS
    assert {result.result_id for result in evaluated.results} == {""}
    assert (await service.client.get_metric("words")).definition.description == "Words of the answer."
    summary = evaluated.metrics[0]
    assert (summary.metric, summary.mean, dict(summary.statuses)) == ("correctness", 0.5, {Status.SUCCESS: 2})
    assert str(evaluated).splitlines()[0].split() == ["metric", "version", "mean", "scored", "without", "a", "score"]
    assert "Capital of Spain?" in str(evaluated)
    again = await service.client.evaluate(data=ROWS[:1], scorers=[words])
    assert again.results[0].metric_version == 1  # what was brought along and is there already is not saved again


async def test_a_row_has_a_context_and_each_scorer_its_level(service: Service) -> None:
    """The context is what a retriever found in the row's trace; a row without one abstains."""
    rows = [{"inputs": "Where?", "outputs": "Here", "context": ["a map", "a plan"]}, {"inputs": "x", "outputs": "y"}]
    evaluated = await service.client.evaluate(data=rows, scorers=[documents, "context_adherence"])
    assert [each.results["documents"].value for each in evaluated] == [1.0, 0.0]
    assert [each.results["context_adherence"].status for each in evaluated] == [Status.SUCCESS, Status.NOT_APPLICABLE]
    asked = service.parts.scoring.judge.requests[-1].prompt
    assert "a map" in asked
    assert "a plan" in asked


async def test_a_filter_selects_stored_targets_and_a_run_scores_them(service: Service, database: Database) -> None:
    """The blocking client; results are stored, and read back by the run."""
    shop = f"shop-{uuid.uuid4().hex[:8]}"
    await store(database, a_chat(answer="Paris", service=shop), a_chat(answer="Rome", service=shop))

    def evaluate() -> Evaluated:
        with Client(service.address) as client:
            return client.evaluate(
                data=f"service = '{shop}' AND kind = 'llm'", scorers=["correctness"], level=Level.SPAN
            )

    evaluated = await asyncio.to_thread(evaluate)
    assert sorted(result.value for result in evaluated.results if result.value is not None) == [0.0, 1.0]
    assert (await service.client.get_run(evaluated.run_id)).done == 2
    assert {result.result_id for result in evaluated.results} != {""}


@pytest.mark.parametrize(
    ("data", "scorers", "message"),
    [
        ([], ["correctness"], "data is a list of rows"),
        ([1], ["correctness"], "data is a list of rows"),
        (5, ["correctness"], "data is a list of rows"),
        ([{"input": "x"}], ["correctness"], "a row has no \\['input'\\]"),
        ([{"context": "x"}], ["correctness"], "a row needs inputs or outputs"),
        ([{"inputs": "x"}], [], "name at least one scorer"),
        ([{"inputs": "x"}], ["conversation_completeness"], "no level fits"),
        ([{"inputs": "x"}], [str.upper], "a scorer is a metric's name or definition, or a function under `@metric`"),
    ],
)
async def test_what_cannot_be_evaluated_is_refused_before_anything_is_paid(
    service: Service, data: Any, scorers: list[Any], message: str
) -> None:
    """With what to do instead."""
    before = len(service.parts.scoring.judge.requests)
    with pytest.raises((ValueError, TypeError), match=message):
        await service.client.evaluate(data=data, scorers=scorers)
    assert len(service.parts.scoring.judge.requests) == before


async def test_a_metric_is_tried_on_a_stored_target_and_nothing_is_written(
    service: Service, database: Database
) -> None:
    """Unsaved, with what it requires; each repetition asks the judge afresh, and only the answer knows of it."""
    span = a_chat(answer="Paris")
    await store(database, span)
    unsaved = replace(right_and_short.definition, required_metrics=("correctness", "response_length"))
    unsaved = replace(unsaved, source=unsaved.source.replace('"words"', '"response_length"'))
    before, asked = await everything_written(database), len(service.parts.scoring.judge.requests)
    trial = await service.client.test_metric(unsaved, span.ref, repeats=3)
    assert [result.value for result in trial.results] == [1.0 / 5] * 3
    assert trial.spread == Spread(
        mean=0.2, standard_deviation=0.0, minimum=0.2, maximum=0.2, agreement=1.0, successes=3
    )  # fmt: skip
    assert len(service.parts.scoring.judge.requests) == asked + 3
    judged = await service.client.test_metric("correctness", span.ref, repeats=2)
    assert (judged.usage.attempts, judged.usage.input_tokens > 0) == (2, True)
    assert await everything_written(database) == before


async def everything_written(database: Database) -> dict[str, int]:
    """Rows of every table that scoring could write to."""
    tables = ("evaluations", "judge_traces", "judge_cache", "control_docs", "runs", "decisions")
    counts = " UNION ALL ".join(f"SELECT '{table}' AS name, count() AS n FROM {table}" for table in tables)
    return {row["name"]: row["n"] for row in await database.query(counts)}


@pytest.mark.parametrize(
    ("metric", "repeats", "reason"),
    [
        ("no_such_metric", 1, "METRIC_NOT_FOUND"),
        ("correctness", 51, "INVALID_REQUEST"),
        ("conversation_completeness", 1, "LEVEL_MISMATCH"),
        (replace(words.definition, source="import os"), 1, "INVALID_DEFINITION"),
        (replace(right_and_short.definition, required_metrics=("nothing",)), 1, "REQUIRED_METRIC_MISSING"),
    ],
)
async def test_what_cannot_be_tried_is_refused(
    service: Service, database: Database, metric: str | MetricDefinition, repeats: int, reason: str
) -> None:
    """As it would be where it is saved or asked for."""
    span = a_chat(answer="Paris")
    await store(database, span)
    with pytest.raises(CallFailed) as refused:
        await service.client.test_metric(metric, span.ref, repeats=repeats)
    assert refused.value.reason == reason
