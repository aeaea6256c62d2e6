"""The Python client against a real server and the real store."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from running_front import Front, a_span, an_evaluation, running_front

from assay.client import (
    AsyncClient,
    CallFailed,
    Client,
    Decision,
    Explanation,
    FalseClause,
    FieldViolation,
    Level,
    MetricDefinition,
    MetricKind,
    MetricRef,
    OutputType,
    Result,
    ResultFilter,
    RuleDefinition,
    Status,
)
from evaluator.scoring.request import EvaluationRequest, Pending
from storage.clickhouse.client import Database
from storage.model import Abstention, Failure, Purpose, Usage


@pytest.fixture
async def front(database: Database) -> AsyncIterator[Front]:
    """A running server."""
    async with running_front(database) as running:
        yield running


@pytest.fixture
async def client(front: Front) -> AsyncIterator[AsyncClient]:
    """A client of it."""
    async with AsyncClient(front.address, timeout_seconds=20.0) as opened:
        yield opened


def politeness(name: str) -> MetricDefinition:
    """A judge metric with everything that a definition can have."""
    return MetricDefinition(
        name=name,
        display_name=f"Politeness {name}",
        kind=MetricKind.JUDGE,
        levels=(Level.SPAN, Level.TRACE),
        span_kinds=("llm",),
        output_type=OutputType.CATEGORICAL,
        description="How polite the answer is.",
        prompt="Is this polite?\n{{output}}",
        labels={"polite": 1.0, "neutral": 0.5, "rude": 0.0},
        model="openai/gpt-5-mini",
        parameters={"temperature": 0.2, "max_tokens": 256},
    )


def a_name() -> str:
    """A slug that nobody else uses."""
    return f"m_{uuid.uuid4().hex[:12]}"


async def test_a_score_comes_back_with_everything_that_is_known_about_it(front: Front, client: AsyncClient) -> None:
    """The first sentence of the README: ask for a score, get a score."""
    target = a_span()
    evaluation = an_evaluation(target)
    front.scoring.prepared = [evaluation]
    hint = datetime(2026, 11, 12, tzinfo=UTC)
    request_id = str(uuid.uuid4())
    results = await client.evaluate(
        [target], [MetricRef(name="correctness", version=1)], wait_seconds=2.5, request_id=request_id, start_time=hint
    )
    assert results == [
        Result(
            result_id=str(evaluation.evaluation_id),
            target=target,
            metric="correctness",
            metric_version=1,
            metric_digest="d" * 32,
            status=Status.SUCCESS,
            kind=MetricKind.JUDGE,
            output_type=OutputType.PERCENTAGE,
            value=0.5,
            explanation="half",
            judge_model="openai/gpt-5-mini",
            usage=Usage(input_tokens=120, output_tokens=30, cost_usd=0.0004, latency_ms=900, attempts=1),
            watermark_time=datetime(2026, 11, 12, 0, 0, 1, tzinfo=UTC),
            evaluate_time=datetime(2026, 11, 12, 0, 0, 2, tzinfo=UTC),
            attempt=1,
            purpose=Purpose.ONDEMAND,
        )
    ]
    assert front.scoring.asked == [
        EvaluationRequest(
            targets=(target,),
            metrics=(MetricRef(name="correctness", version=1),),
            origin=request_id,
            wait_seconds=2.5,
            deduplicate=True,
            time_hint_ns=1_794_441_600_000_000_000,
        )
    ]


async def test_a_failure_has_an_error_and_no_value(front: Front, client: AsyncClient) -> None:
    """A broken judge is never a 0, also not after the wire."""
    failure = Failure(code="JUDGE_TIMEOUT", message="no answer in 30 s", retryable=True)
    front.scoring.prepared = [
        an_evaluation(a_span(), failure),
        an_evaluation(a_span(), Abstention(reason="no output")),
    ]
    failed, abstained = await client.evaluate([a_span(), a_span()], ["correctness"])
    assert (failed.status, failed.value, failed.error) == (Status.FAILED, None, failure)
    assert (abstained.status, abstained.value, abstained.error, abstained.explanation) == (
        Status.NOT_APPLICABLE,
        None,
        None,
        "no output",
    )


async def test_what_is_not_ready_can_be_asked_for_later(front: Front, client: AsyncClient) -> None:
    """`computing` first, the score once it is stored, and nothing in between is NOT_FOUND."""
    target = a_span()
    evaluation = an_evaluation(target)
    pending = Pending(evaluation_id=evaluation.evaluation_id, target=target, metric="correctness", metric_version=1)
    front.scoring.prepared = [pending]
    front.scoring.computing[pending.evaluation_id] = pending
    (first,) = await client.evaluate([target], ["correctness"], wait_seconds=0.0)
    assert first == await client.get_result(first.result_id)
    assert (first.status, first.result_id, first.kind) == (Status.COMPUTING, str(pending.evaluation_id), None)
    await front.results.append([evaluation])
    del front.scoring.computing[pending.evaluation_id]
    final = await client.get_result(first.result_id)
    assert (final.status, final.value) == (Status.SUCCESS, 0.5)
    assert final.insert_time is not None


async def test_a_refusal_tells_code_reason_and_field(client: AsyncClient) -> None:
    """A caller can act on an error without reading prose."""
    with pytest.raises(CallFailed) as refused:
        await client.get_result("not-a-uuid")
    assert (refused.value.code, refused.value.reason, refused.value.field_violations) == (
        "INVALID_ARGUMENT",
        "INVALID_REQUEST",
        (FieldViolation(field="result_id", description="must be a UUID, got 'not-a-uuid'"),),
    )
    assert refused.value.retry_seconds is None


async def test_an_unreachable_service_is_an_error_of_the_client(front: Front) -> None:
    """The same exception, without a reason."""
    async with AsyncClient("127.0.0.1:1", timeout_seconds=5.0) as client:
        with pytest.raises(CallFailed) as failed:
            await client.get_rule("x")
    assert (failed.value.code, failed.value.reason) == ("UNAVAILABLE", "")


async def test_a_store_that_is_away_is_worth_a_retry() -> None:
    """The caller learns that it is not its fault, and when to come again."""
    nowhere = Database("http://127.0.0.1:1/assay")  # never connected
    async with running_front(nowhere) as front, AsyncClient(front.address, timeout_seconds=20.0) as client:
        with pytest.raises(CallFailed) as failed:
            await client.get_rule("x")
    assert (failed.value.code, failed.value.reason, failed.value.retry_seconds) == (
        "UNAVAILABLE",
        "STORAGE_UNAVAILABLE",
        1.0,
    )


async def test_a_metric_lives_from_creation_to_deletion(client: AsyncClient) -> None:
    """Create, read by both names, edit one field, list versions, delete."""
    name = a_name()
    created = await client.create_metric(politeness(name))
    assert created.definition == politeness(name)
    assert created.create_time is not None
    assert (await client.get_metric(f"Politeness {name}")) == created
    edit = replace(politeness(name), prompt="Really polite?\n{{output}}", description="ignored: not in the mask")
    edited = await client.update_metric(edit, base_version=1, fields=["prompt"])
    assert edited.definition == replace(politeness(name), prompt="Really polite?\n{{output}}", version=2)
    assert [record.definition.version async for record in client.list_metric_versions(name)] == [2, 1]
    assert (await client.get_metric(name, version=1)).definition == politeness(name)
    await client.delete_metric(name)
    with pytest.raises(CallFailed) as gone:
        await client.get_metric(name)
    assert (gone.value.code, gone.value.reason) == ("NOT_FOUND", "METRIC_NOT_FOUND")


async def test_a_rule_lives_from_creation_to_deletion(client: AsyncClient) -> None:
    """Create, edit, disable, enable, delete; an edit keeps the time of enabling, enabling sets it."""
    name = a_name()
    rule = RuleDefinition(name=name, level=Level.SPAN, metrics=("Correctness",), sample_rate=0.25)
    created = await client.create_rule(rule)
    enabled_at = created.definition.enable_time
    assert enabled_at is not None
    assert created.definition == replace(rule, metrics=("correctness",), enable_time=enabled_at)
    edit = replace(rule, sample_rate=0.0)
    edited = (await client.update_rule(edit, base_version=1, fields=["sample_rate"])).definition
    assert edited == replace(created.definition, sample_rate=0.0, version=2)
    disabled = (await client.disable_rule(name)).definition
    assert disabled == replace(edited, enabled=False, version=3)
    assert (await client.disable_rule(name)).definition == disabled
    enabled = (await client.enable_rule(name)).definition
    assert enabled.enable_time is not None
    assert enabled.enable_time > enabled_at
    assert enabled == replace(disabled, enabled=True, version=4, enable_time=enabled.enable_time)
    assert name in [record.definition.name async for record in client.list_rules()]
    await client.delete_rule(name)
    with pytest.raises(CallFailed) as gone:
        await client.get_rule(name)
    assert (gone.value.code, gone.value.reason) == ("NOT_FOUND", "RULE_NOT_FOUND")


async def test_an_explanation_keeps_its_times(front: Front, client: AsyncClient) -> None:
    """What the rules say arrives as they say it."""
    explanation = Explanation(
        rule="known",
        metric="correctness",
        decision=Decision.WAITING,
        reason="the trace is open until 12:00:30",
        evaluation_id=uuid.uuid4(),
        decided=datetime(2026, 11, 12, 12, tzinfo=UTC),
        next_attempt=datetime(2026, 11, 12, 12, 0, 30, tzinfo=UTC),
        attempts=1,
        clauses=(FalseClause(text="kind = 'llm'", seen={"kind": "tool"}),),
    )
    front.explaining.answers["known"] = [explanation]
    assert await client.explain("known", a_span()) == [explanation]


async def test_every_page_of_a_list_is_read(front: Front, client: AsyncClient) -> None:
    """More results than a page holds come back, newest first, each once."""
    target = a_span()
    stored = [an_evaluation(target) for _ in range(1005)]
    await front.results.append(stored)
    where = ResultFilter(targets=(target,), include_superseded=True)
    listed = [result.result_id async for result in client.list_results(where)]
    assert len(listed) == 1005
    assert set(listed) == {str(evaluation.evaluation_id) for evaluation in stored}


async def test_a_watcher_sees_what_is_stored_after_it_began_and_can_go_on_from_its_cursor(
    front: Front, client: AsyncClient
) -> None:
    """No result is lost between two watches."""
    target = a_span()
    before, first, second = (an_evaluation(target) for _ in range(3))
    await front.results.append([before])
    where = ResultFilter(targets=(target,))
    async with asyncio.timeout(30):
        watch = client.watch_results(where)
        assert (await anext(watch)).result is None
        await front.results.append([first])
        seen = await anext(watch)
        assert seen.result is not None
        assert seen.result.result_id == str(first.evaluation_id)
        await front.results.append([second])
        again = client.watch_results(where, cursor=seen.cursor)
        assert (await anext(again)).cursor == seen.cursor
        later = await anext(again)
        assert later.result is not None
        assert later.result.result_id == str(second.evaluation_id)


async def test_the_blocking_client_does_the_same(front: Front) -> None:
    """One of each way of calling: a call, a list, a stream, a refusal."""
    target = a_span()
    front.scoring.prepared = [an_evaluation(target)]

    def calls() -> tuple[float | None, bool, bool, str]:
        with Client(front.address, timeout_seconds=20.0) as client:
            (result,) = client.evaluate([target], ["correctness"])
            listed = "correctness" in [record.definition.name for record in client.list_metrics()]
            begun = next(client.watch_results()).result is None
            with pytest.raises(CallFailed) as refused:
                client.get_rule("unknown")
            return result.value, listed, begun, refused.value.reason

    assert await asyncio.to_thread(calls) == (0.5, True, True, "RULE_NOT_FOUND")
