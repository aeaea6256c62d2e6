"""Rules with composites: what is required is computed on the way, waited for, and looked at again when it changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from composite_parts import TRACE, leaf, mean_of
from online_parts import PACE, Online, a_rule, at_work, online
from storing import SentSpan, a_chat, a_result, store, until

from evaluator.judges.scripted import by_rule
from evaluator.metrics.definition import MetricDefinition, RollUp, Statistic
from evaluator.online.explaining.explanation import Decision
from storage.clickhouse.client import Database
from storage.model import Abstention, Evaluation, Failure, Level, MetricKind, Purpose, Score, Status, TargetRef
from storage.results import ResultFilter

QUICK = replace(PACE, waiting_seconds=0.1)


@pytest.fixture
async def parts(fresh_database: Database) -> AsyncIterator[Online]:
    """An evaluator on a database of its own."""
    async with online(fresh_database) as ready:
        yield ready


def told(**other: Any) -> MetricDefinition:
    """What somebody else's program sends about a trace."""
    return leaf("told", kind=MetricKind.EXTERNAL, levels=TRACE, **other)


async def current(parts: Online, ref: TargetRef, metric: str) -> list[Evaluation]:
    """What counts now."""
    return await parts.scoring.results.newest(ResultFilter(targets=(ref,), metrics=(metric,)), before=None, limit=10)


async def until_current(parts: Online, ref: TargetRef, metric: str, outcome: object) -> Evaluation:
    """Wait until this is what counts."""

    async def found() -> Evaluation | None:
        return next((each for each in await current(parts, ref, metric) if each.outcome == outcome), None)

    result: Evaluation = await until(found)
    return result


async def test_a_rule_computes_what_its_composite_requires_where_due(parts: Online) -> None:
    """Whatever its rate elsewhere: every model call of a trace once, under the rule; other spans not at all."""
    await parts.scoring.metrics.create(mean_of("lengths", "response_length@span", output_type="number"))
    await parts.rules.create(a_rule("composed", level=Level.TRACE, metrics=("lengths",)))
    root = a_chat()
    below = a_chat(trace_id=root.trace_id, answer="Paris!!!")
    await store(parts.database, root, below)
    async with at_work(parts):
        await until_current(parts, root.trace, "lengths", Score(value=7.0, explanation="of 2 results"))
        await parts.until_looked("composed")
    results = await parts.results()
    assert {(each.metric, each.target, each.rule, each.purpose) for each in results} == {
        ("response_length", root.ref, "composed", Purpose.ONLINE),
        ("response_length", below.ref, "composed", Purpose.ONLINE),
        ("lengths", root.trace, "composed", Purpose.ONLINE),
    }
    assert len(results) == 3


async def test_a_child_that_is_judged_again_makes_its_composite_be_computed_again(parts: Online) -> None:
    """By whomever: the rule's result becomes attempt 2; equal inputs make no further one."""
    await parts.scoring.metrics.create(mean_of("lengths", "response_length@span", output_type="number"))
    await parts.rules.create(a_rule("composed", level=Level.TRACE, metrics=("lengths",)))
    root = a_chat()
    await store(parts.database, root)
    async with at_work(parts):
        first = await until_current(parts, root.trace, "lengths", Score(value=6.0, explanation="of 1 results"))
        (child,) = await current(parts, root.ref, "response_length")
        await parts.scoring.results.append(
            [replace(child, attempt=child.attempt + 1, outcome=Score(value=60.0), rule="", inserted_us=None)]
        )
        second = await until_current(parts, root.trace, "lengths", Score(value=60.0, explanation="of 1 results"))
        await parts.until_looked("composed")
    assert (second.evaluation_id, first.attempt, second.attempt) == (first.evaluation_id, 1, 2)
    assert second.inputs_digest != first.inputs_digest
    assert len(await parts.results(metrics=("lengths",))) == 2


async def test_a_failed_composite_of_a_rule_recovers_when_its_child_is_run_again(parts: Online) -> None:
    """One error until then; the rule itself repeats nothing."""
    await parts.scoring.metrics.create(mean_of("grades", "correctness@span"))
    await parts.rules.create(a_rule("composed", level=Level.TRACE, metrics=("grades",)))
    root = a_chat()
    await store(parts.database, root)
    parts.scoring.judge.always(_refusing)
    async with at_work(parts):
        (failed,) = await _until_metric(parts, "grades", 1)
        assert isinstance(failed.outcome, Failure)
        assert failed.outcome.code == "REQUIRED_METRIC_FAILED"
        await parts.until_looked("composed")
        asked = len(parts.scoring.judge.requests)
        await parts.until_looked("composed")
        assert len(parts.scoring.judge.requests) == asked
        (child,) = await parts.results(metrics=("correctness",))
        good = Score(value=1.0, label="correct")
        await parts.scoring.results.append([replace(child, attempt=2, outcome=good, rule="", inserted_us=None)])
        await until_current(parts, root.trace, "grades", Score(value=1.0, explanation="of 1 results"))


async def _refusing(judge: Any, request: Any, asked: Any) -> Any:
    from aiohttp import web

    return web.json_response({"error": {"message": "no"}}, status=400)


async def _until_metric(parts: Online, metric: str, count: int) -> list[Evaluation]:
    return await parts.until_results(count, metrics=(metric,))


async def test_a_rule_waits_for_a_result_of_others_and_says_so(parts: Online) -> None:
    """Ledger, Explain and `evaluations_open` say for what and until when; when it comes, the composite is computed."""
    await parts.scoring.metrics.create(told())
    await parts.scoring.metrics.create(_share_of_told())
    await parts.rules.create(a_rule("composed", level=Level.TRACE, metrics=("approved",)))
    root = a_chat()
    await store(parts.database, root)
    async with at_work(parts, pace=QUICK):

        async def waiting() -> bool:
            ((decision, _),) = await parts.queue.decisions_of("composed", root.trace) or ((None, False),)
            return decision is not None and decision.decision == "waiting"

        await until(waiting)
        (explained,) = await parts.explainer.explain("composed", root.trace)
        assert explained.decision is Decision.WAITING
        assert explained.reason == "waiting for results of told (external)"
        assert explained.next_attempt is not None
        open_now = await parts.database.query("SELECT Status AS s, Reason AS r, MetricName AS m FROM evaluations_open")
        assert open_now == [{"s": "queued", "r": "waiting for results of told (external)", "m": "approved"}]
        sent = a_result(root, Score(value=0.9), target=root.trace, metric="told", kind=MetricKind.EXTERNAL)
        await parts.scoring.results.append([sent])
        await until_current(parts, root.trace, "approved", Score(value=0.9, explanation="of 1 results"))
        await parts.until_quiet()
    (explained,) = await parts.explainer.explain("composed", root.trace)
    assert explained.decision is Decision.SCORED


def _share_of_told(**other: Any) -> MetricDefinition:
    roll_up = RollUp(statistic=Statistic.MEAN)
    return mean_of("approved", "told@trace", levels=TRACE, roll_up=roll_up, **other)


async def test_a_rule_gives_up_waiting_when_the_time_is_over(parts: Online) -> None:
    """`not_computed`, and never a 0; also by a worker that starts afterwards."""
    await parts.scoring.metrics.create(told())
    await parts.scoring.metrics.create(_share_of_told(wait_seconds=2.0))
    await parts.rules.create(a_rule("composed", level=Level.TRACE, metrics=("approved",)))
    root = a_chat()
    await store(parts.database, root)

    async def waiting() -> bool:
        rows = await parts.database.query(
            "SELECT count() AS n FROM decisions WHERE Decision IN ('waiting', 'not_computed')"
        )
        return bool(rows[0]["n"])

    async with at_work(parts, pace=QUICK):
        await until(waiting)
    async with at_work(parts, pace=QUICK):
        (result,) = await _until_metric(parts, "approved", 1)
    assert result.outcome == Abstention(
        reason=f"no result came within 2 s for told@trace on trace {root.trace_id}", status=Status.NOT_COMPUTED
    )


async def test_a_judge_that_hangs_for_one_rule_delays_no_other(parts: Online) -> None:
    """More targets of the hanging rule than all lanes hold, and the other rule scores everything meanwhile."""
    await parts.rules.create(a_rule("hangs", metrics=("correctness",)))
    await parts.rules.create(a_rule("works", metrics=("response_length",)))
    release = asyncio.Event()

    async def when_released(judge: Any, request: Any, asked: Any) -> Any:
        await release.wait()
        return await by_rule(judge, request, asked)

    parts.scoring.judge.always(when_released)
    pace = replace(PACE, lanes=2, chunk_targets=1, page_traces=5)
    spans: list[SentSpan] = []
    async with at_work(parts, pace=pace):
        for _ in range(2):
            more = [a_chat() for _ in range(6)]
            spans += more
            await store(parts.database, *more)
            await parts.until_results(len(spans), metrics=("response_length",))
        assert await parts.results(metrics=("correctness",)) == []
        release.set()
        await parts.until_results(len(spans), metrics=("correctness",))
        await parts.until_quiet()
    assert set((await parts.scored()).values()) == {1}
    assert {key[:2] for key in await parts.scored()} == {
        (metric, span.ref.key) for span in spans for metric in ("correctness", "response_length")
    }
