"""A rule is tested with a target that is not real: through every stage, or to where it stops; then it is gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from online_parts import Online, a_rule, at_work, online
from storing import a_chat, store

from evaluator.errors import RuleNotFound
from evaluator.judges.scripted_faults import status
from evaluator.online.explaining.self_test import SelfTest
from evaluator.online.explaining.stages import Stage, StageReport
from evaluator.online.writeback import WriteBackWorker
from storage.clickhouse.client import Database
from storage.clickhouse.self_test import ClickHouseSelfTests
from storage.clickhouse.writeback import ClickHouseWriteBack
from storage.model import Level, TargetRef

PATIENCE_SECONDS = 600.0
TABLES = ("otel_traces", "trace_events", "traces_rollup", "session_traces", "evaluations", "evaluations_current")


@pytest.fixture
async def parts(fresh_database: Database) -> AsyncIterator[Online]:
    """An evaluator on a database of its own."""
    async with online(fresh_database) as ready:
        yield ready


async def stages(
    parts: Online, rule: str, *, target: TargetRef | None = None, seconds: float = PATIENCE_SECONDS
) -> list[StageReport]:
    """Every stage that is reported."""
    tested = SelfTest(parts.explainer, ClickHouseSelfTests(parts.database))
    return [report async for report in tested.test(rule, target=target, timeout_seconds=seconds)]


@asynccontextmanager
async def everybody_at_work(parts: Online) -> AsyncIterator[None]:
    """An evaluator that scores, and the writer that shows results on spans."""
    async with at_work(parts) as leases, asyncio.TaskGroup() as group:
        writing = group.create_task(WriteBackWorker(ClickHouseWriteBack(parts.database), leases).run())
        yield
        writing.cancel()


async def left(parts: Online) -> dict[str, int]:
    """Rows by table that are still there."""
    found = {}
    for table in (*TABLES, "decisions"):
        rows = await parts.database.query(f"SELECT count() AS n FROM {table}")
        found[table] = int(rows[0]["n"])
    return {table: rows for table, rows in found.items() if rows}


@pytest.mark.parametrize("level", list(Level))
async def test_a_synthetic_target_passes_every_stage_and_leaves_nothing(parts: Online, level: Level) -> None:
    """Also of a small sample, within the rule's scope, and without waiting for the trace or session to be quiet."""
    metric = "conversation_quality" if level is Level.SESSION else "response_length"
    await parts.rules.create(a_rule(level=level, metrics=(metric,), sample_rate=0.01, scope="shop"))
    async with everybody_at_work(parts):
        found = await stages(parts, "all")
        await parts.until_quiet()
    assert [(each.stage, each.passed) for each in found] == [(stage, True) for stage in Stage], found
    assert {each.target.level for each in found if each.target} == {level}
    assert await left(parts) == {}


async def test_a_target_that_the_filter_leaves_out_stops_there(parts: Online) -> None:
    """With the clause and what it saw, and what to do about it; nobody need be at work."""
    await parts.rules.create(a_rule(filter="attributes['tier'] = 'gold'"))
    found = await stages(parts, "all")
    assert [(each.stage, each.passed) for each in found] == [
        (Stage.RULE, True), (Stage.STORED, True), (Stage.FILTER, False),
    ]  # fmt: skip
    assert "attributes['tier'] = 'gold' (attributes['tier'] is " in found[-1].detail
    assert found[-1].detail.endswith("→ edit the filter, or test with a target that it is about (--target)")
    assert await left(parts) == {}


async def test_a_rule_that_takes_nothing_says_so(parts: Online) -> None:
    """Disabled, of rate 0, or not there."""
    await parts.rules.create(a_rule("off", enabled=False))
    await parts.rules.create(a_rule("none", sample_rate=0.0))
    assert [(each.stage, each.passed, each.detail) for each in await stages(parts, "off")] == [
        (Stage.RULE, False, "the rule is disabled → assay rule enable")
    ]
    assert [(each.stage, each.passed) for each in await stages(parts, "none")] == [
        (Stage.RULE, True), (Stage.SAMPLE, False),
    ]  # fmt: skip
    with pytest.raises(RuleNotFound):
        await stages(parts, "nobody")


async def test_without_an_evaluator_nobody_takes_it(parts: Online) -> None:
    """Complete, in the sample, and there it stays until the time is over."""
    await parts.rules.create(a_rule())
    found = await stages(parts, "all", seconds=1.0)
    assert [each.passed for each in found] == [True] * (len(found) - 1) + [False]
    assert found[-1].stage in (Stage.STORED, Stage.COMPLETE, Stage.CLAIMED)  # by how slow this machine is
    if found[-1].stage is Stage.CLAIMED:
        assert found[-1].detail.endswith("→ no evaluator takes it: assay doctor")
    assert await left(parts) == {}


async def test_a_judge_that_refuses_is_named(parts: Online) -> None:
    """It was claimed, and not scored."""
    parts.scoring.judge.always(status(400, "no such model"))
    await parts.rules.create(a_rule(metrics=("response_length", "correctness")))
    async with everybody_at_work(parts):
        found = await stages(parts, "all")
        await parts.until_quiet()
    assert (found[-1].stage, found[-1].passed) == (Stage.SCORED, False)
    assert "correctness: JUDGE_REFUSED: HTTP 400: no such model" in found[-1].detail


async def test_a_stored_target_is_followed_and_kept(parts: Online) -> None:
    """With `--target`."""
    await parts.rules.create(a_rule())
    span = a_chat()
    await store(parts.database, span)
    async with everybody_at_work(parts):
        found = await stages(parts, "all", target=span.ref)
    assert [(each.stage, each.passed) for each in found] == [(stage, True) for stage in Stage], found
    assert "response_length scored 6, attempt 1" in found[-2].detail
    assert (await left(parts))["otel_traces"] == 1
