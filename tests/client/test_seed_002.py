"""The second seed's code (MLflow's automatic evaluation), with its import lines changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from running_front import Front, running_front

import assay
from assay.client import AsyncClient
from evaluator.errors import InvalidDefinition
from storage.clickhouse.client import Database
from storage.model import Level


@pytest.fixture
async def front(database: Database, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Front]:
    """A running server that the settings name."""
    async with running_front(database) as running:
        monkeypatch.setenv("ASSAY_GRPC", running.address)
        yield running


def start_a_trace_judge() -> None:
    """Steps 1 and 2 of the seed."""
    assay.set_experiment("my-experiment")

    from assay.scorers import ScorerSamplingConfig, ToolCallCorrectness

    tool_judge = ToolCallCorrectness(model="gateway:/my-llm-endpoint")
    registered_tool_judge = tool_judge.register(name="tool_call_correctness")
    registered_tool_judge.start(
        sampling_config=ScorerSamplingConfig(sample_rate=0.5),  # Evaluate 50% of traces
    )


def start_a_conversation_judge() -> None:
    """Step 3 of the seed."""
    from assay.scorers import ConversationalGuidelines, ScorerSamplingConfig

    frustration_judge = ConversationalGuidelines(
        name="user_frustration",
        guidelines="The user should not express frustration, confusion, or dissatisfaction during the conversation.",
        model="gateway:/my-llm-endpoint",
    )
    registered_frustration_judge = frustration_judge.register(name="user_frustration")
    registered_frustration_judge.start(
        sampling_config=ScorerSamplingConfig(sample_rate=1.0),  # Evaluate all conversations
    )


def update_and_stop_a_judge() -> None:
    """Step 4 of the seed."""
    assay.set_experiment("my-experiment")

    from assay.scorers import ScorerSamplingConfig, get_scorer

    judge = get_scorer(name="tool_call_correctness")
    judge.update(sampling_config=ScorerSamplingConfig(sample_rate=0.3))  # Change sample rate
    judge.stop()  # Or, disable the judge


async def test_seed_002_starts_changes_and_stops_a_judge_of_traces(front: Front) -> None:
    """A metric with the seed's model, a rule for the seed's experiment, its rate changed, and stopped."""
    async with AsyncClient(front.address) as client:
        await asyncio.to_thread(start_a_trace_judge)
        metric = (await client.get_metric("tool_call_correctness")).definition
        assert (metric.model, metric.levels, metric.builtin) == ("gateway:/my-llm-endpoint", (Level.TRACE,), False)
        rule = (await client.get_rule("my_experiment_tool_call_correctness")).definition
        assert (rule.level, rule.metrics, rule.sample_rate, rule.filter, rule.enabled) == (
            Level.TRACE, ("tool_call_correctness",), 0.5, "service = 'my-experiment'", True,
        )  # fmt: skip
        await asyncio.to_thread(update_and_stop_a_judge)
        rule = (await client.get_rule(rule.name)).definition
        assert (rule.sample_rate, rule.filter, rule.enabled) == (0.3, "service = 'my-experiment'", False)


async def test_seed_002_registers_a_judge_of_conversations(front: Front) -> None:
    """Its metric is there with the guidelines; rules over sessions are not offered yet, and the refusal says so."""
    with pytest.raises(InvalidDefinition, match="session rules are not offered yet"):
        await asyncio.to_thread(start_a_conversation_judge)
    metric = await front.metrics.get("user_frustration")
    assert (metric.levels, metric.model, metric.builtin) == ((Level.SESSION,), "gateway:/my-llm-endpoint", False)
    assert metric.arguments["guidelines"] == (
        "The user should not express frustration, confusion, or dissatisfaction during the conversation."
    )


def start_with_a_filter() -> list[str | None]:
    """A judge of one's own, without an experiment and in one."""
    from assay.scorers import ScorerSamplingConfig, make_judge

    judge = make_judge("Is it polite?", "Is it polite? {{ inputs }} {{ outputs }}", feedback_value_type=bool).register()
    filters = []
    for experiment in ("", "it's mine"):
        assay.set_experiment(experiment)
        judge.start(sampling_config=ScorerSamplingConfig(filter_string="status = 'OK' OR duration_ms > 5"))
        filters.append(judge.sampling_config.filter_string)
    return filters


async def test_a_filter_and_the_experiment_must_both_hold(front: Front) -> None:
    """What was written comes back; the rule has both, each in brackets of its own."""
    written = "status = 'OK' OR duration_ms > 5"
    assert await asyncio.to_thread(start_with_a_filter) == [written, written]
    async with AsyncClient(front.address) as client:
        filters = [
            (await client.get_rule(name)).definition.filter for name in ("is_it_polite", "it_s_mine_is_it_polite")
        ]
        judge = (await client.get_metric("is it polite?")).definition
    assert filters == [written, f"service = 'it''s mine' AND ({written})"]
    assert judge.prompt == "Is it polite? {{input}} {{output}}"
