"""The second seed (MLflow's automatic evaluation): its code blocks as they stand there, with other import lines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
from online_parts import at_work, online
from running_front import Front, running_front
from storing import a_chat, store

import assay
from assay.client import AsyncClient
from evaluator.judges.endpoints import Endpoint
from evaluator.judges.scripted import ScriptedJudge
from storage.clickhouse.client import Database
from storage.model import Level, Status, TargetRef

SPECIFY = """\
import mlflow
mlflow.set_experiment("my-experiment")
"""
TRACES = """\
from mlflow.genai.scorers import ToolCallCorrectness, ScorerSamplingConfig
tool_judge = ToolCallCorrectness(model="gateway:/my-llm-endpoint")
registered_tool_judge = tool_judge.register(name="tool_call_correctness")
registered_tool_judge.start(
sampling_config=ScorerSamplingConfig(sample_rate=0.5), # Evaluate 50% of traces
)
"""
CONVERSATIONS = """\
from mlflow.genai.scorers import ConversationalGuidelines, ScorerSamplingConfig
frustration_judge = ConversationalGuidelines(
name="user_frustration",
guidelines="The user should not express frustration, confusion, or dissatisfaction during the conversation.",
model="gateway:/my-llm-endpoint",
)
registered_frustration_judge = frustration_judge.register(name="user_frustration")
registered_frustration_judge.start(
sampling_config=ScorerSamplingConfig(sample_rate=1.0), # Evaluate all conversations
)
"""
UPDATE = """\
from mlflow.genai.scorers import get_scorer, ScorerSamplingConfig
judge = get_scorer(name="tool_call_correctness")
judge.update(
sampling_config=ScorerSamplingConfig(sample_rate=0.3)
) # Change sample rate
judge.stop() # Or, disable the judge
"""
OURS = {"import mlflow": "import assay as mlflow", "from mlflow.genai.scorers import": "from assay.scorers import"}


def with_our_imports(block: str) -> str:
    """A block of the seed, its import line changed and nothing else."""
    first, rest = block.split("\n", 1)
    for theirs, ours in OURS.items():
        first = first.replace(theirs, ours)
    return f"{first}\n{rest}"


def run(blocks: Sequence[str]) -> None:
    """One notebook: the blocks one after the other, in one namespace."""
    namespace: dict[str, object] = {}
    for block in blocks:
        exec(with_our_imports(block), namespace)


@pytest.fixture
async def front(database: Database, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Front]:
    """A running server that the settings name."""
    async with running_front(database) as running:
        monkeypatch.setenv("ASSAY_GRPC", running.address)
        yield running


async def test_seed_002_runs_with_only_its_import_lines_changed(front: Front) -> None:
    """Metrics with the seed's model, rules for the seed's experiment, a rate changed, and a judge stopped."""
    await asyncio.to_thread(run, [SPECIFY, TRACES, CONVERSATIONS])
    async with AsyncClient(front.address) as client:
        metric = (await client.get_metric("tool_call_correctness")).definition
        assert (metric.model, metric.levels, metric.builtin) == ("gateway:/my-llm-endpoint", (Level.TRACE,), False)
        rule = (await client.get_rule("my_experiment_tool_call_correctness")).definition
        assert (rule.level, rule.metrics, rule.sample_rate, rule.scope, rule.filter, rule.enabled) == (
            Level.TRACE, ("tool_call_correctness",), 0.5, "my-experiment", "", True,
        )  # fmt: skip
        metric = (await client.get_metric("user_frustration")).definition
        assert (metric.levels, metric.model, metric.builtin) == ((Level.SESSION,), "gateway:/my-llm-endpoint", False)
        assert metric.arguments["guidelines"] == (
            "The user should not express frustration, confusion, or dissatisfaction during the conversation."
        )
        rule = (await client.get_rule("my_experiment_user_frustration")).definition
        assert (rule.level, rule.metrics, rule.sample_rate, rule.scope, rule.session_idle_seconds, rule.enabled) == (
            Level.SESSION, ("user_frustration",), 1.0, "my-experiment", 300.0, True,
        )  # fmt: skip
        await asyncio.to_thread(run, [SPECIFY, UPDATE])
        rule = (await client.get_rule("my_experiment_tool_call_correctness")).definition
        assert (rule.sample_rate, rule.scope, rule.enabled) == (0.3, "my-experiment", False)


def start_with_a_filter() -> list[str | None]:
    """A judge of one's own, without an experiment and in one, with the seed's filters."""
    from assay.scorers import ScorerSamplingConfig, make_judge

    judge = make_judge("Is it polite?", "Is it polite? {{ inputs }} {{ outputs }}", feedback_value_type=bool).register()
    filters = []
    for experiment, text in (("", "trace.status = 'OK'"), ("it's mine", "metadata.environment = 'production'")):
        assay.set_experiment(experiment)
        judge.start(sampling_config=ScorerSamplingConfig(filter_string=text))
        filters.append(judge.sampling_config.filter_string)
    return filters


async def test_a_filter_of_the_seed_is_kept_as_it_was_written_and_the_experiment_beside_it(front: Front) -> None:
    """The experiment is the rule's scope, so what was written comes back."""
    written = ["trace.status = 'OK'", "metadata.environment = 'production'"]
    assert await asyncio.to_thread(start_with_a_filter) == written
    async with AsyncClient(front.address) as client:
        rules = [(await client.get_rule(name)).definition for name in ("is_it_polite", "it_s_mine_is_it_polite")]
        judge = (await client.get_metric("is it polite?")).definition
    assert [(rule.scope, rule.filter) for rule in rules] == [("", written[0]), ("it's mine", written[1])]
    assert judge.prompt == "Is it polite? {{input}} {{output}}"


async def test_seed_002_scores_a_conversation_of_the_experiment_and_no_other(front: Front, database: Database) -> None:
    """The session judge of block 3, on two conversations that ended: one of them is of the experiment."""
    await asyncio.to_thread(run, [SPECIFY, CONVERSATIONS])
    async with ScriptedJudge() as judge:
        endpoint = Endpoint(name="my-llm-endpoint", model="openai/scripted", base_url=judge.base_url)
        ended = {"assay.session.end": "true"}
        for session, service in (("angry", "my-experiment"), ("elsewhere", "another")):
            named = {"session.id": session}
            await store(
                database,
                a_chat(question="It fails again!", service=service, attributes=named),
                a_chat(question="Still broken.", service=service, attributes=named | ended),
            )
        async with online(database, endpoints=[endpoint]) as parts, at_work(parts):
            (result,) = await parts.until_results(1, metrics=("user_frustration",))
            await parts.until_looked("my_experiment_user_frustration")
            assert await parts.results(metrics=("user_frustration",)) == [result]
        assert len(judge.requests) == 1
    assert (result.target, result.rule, result.status) == (
        TargetRef(level=Level.SESSION, session_id="angry"), "my_experiment_user_frustration", Status.SUCCESS,
    )  # fmt: skip
