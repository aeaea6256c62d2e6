"""What goes wrong around an alignment: people stop it, processes die, models are away, money runs out."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import pytest
from aiohttp import web
from align_models import LINE, asked_twice, judged, plain_models, plain_rows, reflected
from align_run_parts import PRICE, Align, align, named, reviewed, working
from storing import until

from benchmarks.align_serving import Setting, Simulation
from evaluator.alignment.running.calls import IN_FLIGHT
from evaluator.alignment.running.definition import AlignmentRequest, Caps, Changes
from evaluator.alignment.running.outcome import AlignmentOutcome, Fault
from evaluator.errors import AlignmentNotEnded
from evaluator.judges.retrying import Retries
from evaluator.judges.scripted import Asked, Behaviour, ScriptedJudge
from evaluator.judges.scripted_faults import hang, says, status
from evaluator.online.budgets.purses import Purses
from evaluator.online.rules.policy import Budget
from storage.alignments import AlignmentPhase, AlignmentState
from storage.clickhouse.budgets import ClickHouseBudgets
from storage.clickhouse.client import Database
from storage.clickhouse.queue import ClickHouseLeases

TESTS = Path(__file__).parents[1]
ROOT = TESTS.parent


async def started(parts: Align, rows: int = 6, **asked: object) -> str:
    """A run on feedback of its own; its id."""
    definition = (await parts.metrics.create(named())).definition
    await reviewed(parts, definition, plain_rows(rows))
    request = AlignmentRequest(metric=definition.name, **asked)  # type: ignore[arg-type]
    return (await parts.parts.catalogue.start(request)).run.run_id


async def faulted(parts: Align, run_id: str) -> Fault:
    """How a run failed."""
    standing = await parts.ended(run_id)
    error = AlignmentOutcome.from_body(standing.outcome).error
    assert (standing.state, error is not None) == (AlignmentState.ERROR, True)
    assert error is not None
    return error


# ---------------------------------------------------------------------------------------------------------------------
# Cancelled
# ---------------------------------------------------------------------------------------------------------------------


def in_folds(of: int) -> Behaviour:
    """A reflection model that never answers once it is shown a part of the wrong cases only: rows are held out."""

    async def answer(server: ScriptedJudge, request: web.Request, asked: Asked) -> web.StreamResponse:
        behaviour = hang() if 0 < asked.prompt.count("a rude reply to") < of else plain_models()
        return await behaviour(server, request, asked)

    return answer


CANCELLED_IN: Mapping[AlignmentPhase, Mapping[str, Behaviour]] = {
    AlignmentPhase.BUILDING_DISAGREEMENT_TRACES: {"judge": hang()},
    AlignmentPhase.DISTILLING_GUIDELINES: {"reflection": hang()},
    AlignmentPhase.FINALIZING: {"reflection": in_folds(3)},
}


@pytest.mark.parametrize("phase", list(CANCELLED_IN), ids=str)
async def test_a_run_is_cancelled_while_a_model_does_not_answer(phase: AlignmentPhase, database: Database) -> None:
    """At once and for good, in every phase that asks somebody; the call is cut off; a second time changes nothing."""
    async with ScriptedJudge() as server, align(database, server.base_url) as parts, working(parts):
        server.always(plain_models(**CANCELLED_IN[phase]))
        run_id = await started(parts)

        async def there() -> bool:
            standing = await parts.alignments.get(run_id)
            return standing.phase is phase and server.in_flight > 0

        await until(there)
        cancelled = await parts.parts.catalogue.cancel(run_id)
        assert (cancelled.state, cancelled.phase) == (AlignmentState.CANCELLED, phase)
        assert cancelled.cancel_requested
        await until(idle(server))
        assert await parts.parts.catalogue.cancel(run_id) == cancelled
        assert AlignmentOutcome.from_body(cancelled.outcome).counts.annotations == 6


def idle(server: ScriptedJudge) -> Callable[[], Awaitable[bool]]:
    """Whether nothing is under way there."""

    async def nothing() -> bool:
        return server.hung_up.is_set() and server.in_flight == 0

    return nothing


async def test_a_run_is_cancelled_from_another_process_and_before_it_began(database: Database) -> None:
    """Whoever works on it notices; what nobody has begun is never begun."""
    async with (
        ScriptedJudge() as server,
        align(database, server.base_url) as parts,
        align(database, server.base_url) as other,
    ):
        server.always(plain_models(judge=hang()))
        waiting = await started(parts)
        assert (await other.parts.catalogue.cancel(waiting)).state is AlignmentState.CANCELLED
        async with working(parts):
            run_id = await started(parts)
            await until(server_asked(server))
            assert (await other.parts.catalogue.cancel(run_id)).state is AlignmentState.CANCELLED
            await until(idle(server))
        assert (await parts.alignments.get(waiting)).phase is None


def server_asked(server: ScriptedJudge) -> Callable[[], Awaitable[bool]]:
    """Whether somebody was asked."""

    async def asked() -> bool:
        return bool(server.requests)

    return asked


# ---------------------------------------------------------------------------------------------------------------------
# Killed and retried
# ---------------------------------------------------------------------------------------------------------------------


async def test_what_a_killed_process_has_paid_for_is_not_paid_for_again(database: Database, database_url: str) -> None:
    """kill -9 in the middle: another worker takes the run over and ends it; only what was under way is asked again."""
    async with ScriptedJudge(latency_seconds=0.005) as server, align(database, server.base_url) as parts:
        server.always(plain_models())
        run_id = await started(parts, rows=12)
        child = await asyncio.create_subprocess_exec(
            sys.executable, str(TESTS / "mortal_aligner.py"), database_url, server.base_url,
            env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{TESTS}"}, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert child.stdout is not None
        owner = (await child.stdout.readline()).decode().strip()

        async def enough() -> bool:
            return len(server.requests) >= 35

        await until(enough)
        os.kill(child.pid, signal.SIGKILL)
        await child.wait()
        await ClickHouseLeases(database).release(owner)  # else the test would wait until they expire
        assert not (await parts.alignments.get(run_id)).state.is_final
        async with working(parts):
            standing = await parts.ended(run_id)
        assert standing.state is AlignmentState.ALIGNED, standing.outcome
        assert sum(asked_twice(server).values()) - len(asked_twice(server)) <= IN_FLIGHT
        assert max(asked_twice(server).values(), default=0) <= 2
        assert LINE in [line.guideline.text for line in AlignmentOutcome.from_body(standing.outcome).lines]


async def test_a_retry_reads_what_the_run_before_has_paid_for(database: Database) -> None:
    """The reflection model was away: the judge's answers are remembered, and the history has both."""
    async with ScriptedJudge() as server, align(database, server.base_url) as parts, working(parts):
        server.always(plain_models(reflection=status(500)))
        run_id = await started(parts)
        fault = await faulted(parts, run_id)
        assert (fault.code, fault.retryable) == ("MODEL_UNAVAILABLE", True)
        assert fault.message.startswith("the reflection model: ")
        server.always(plain_models())
        asked = len(judged(server))
        again = await parts.parts.catalogue.retry(run_id, Changes(), request_id="r1")
        assert await parts.parts.catalogue.retry(run_id, Changes(), request_id="r1") == await parts.alignments.get(
            again.run.run_id
        )
        standing = await parts.ended(again.run.run_id)
        assert (standing.state, standing.run.retry_of) == (AlignmentState.ALIGNED, run_id)
        assert standing.usage["judge_calls"] == len(judged(server)) - asked
        assert {text for text in asked_twice(server) if "You improve" not in text} == set()
        newest = await parts.parts.catalogue.newest(standing.run.metric, before=None, limit=5)
        assert [each.state for each in newest] == [AlignmentState.ALIGNED, AlignmentState.ERROR]


async def test_a_run_that_is_under_way_is_not_retried(database: Database) -> None:
    """It has to end first."""
    async with ScriptedJudge() as server, align(database, server.base_url) as parts:
        run_id = await started(parts)
        with pytest.raises(AlignmentNotEnded, match="cancel it first"):
            await parts.parts.catalogue.retry(run_id, Changes())


# ---------------------------------------------------------------------------------------------------------------------
# Models that are away, or talk nonsense
# ---------------------------------------------------------------------------------------------------------------------


async def test_a_judge_that_is_away_ends_the_run_with_an_error_that_a_retry_may_cure(database: Database) -> None:
    """Nobody is asked a thousand times: a few in a row without an answer are enough."""
    async with ScriptedJudge() as server, align(database, server.base_url) as parts, working(parts):
        server.always(plain_models(judge=status(503)))
        fault = await faulted(parts, await started(parts))
        assert (fault.code, fault.retryable) == ("MODEL_UNAVAILABLE", True)
        assert fault.message.startswith("the judge: ")
        assert reflected(server) == []


async def test_a_reflection_model_that_cannot_be_read_ends_the_run(database: Database) -> None:
    """With the beginning of what it said."""
    async with ScriptedJudge() as server, align(database, server.base_url) as parts, working(parts):
        server.always(plain_models(reflection=says("I would rather not.")))
        fault = await faulted(parts, await started(parts))
        assert (fault.code, fault.retryable) == ("REFLECTION_UNPARSEABLE", True)


async def test_a_row_that_cannot_be_judged_is_a_failure_and_the_run_goes_on(database: Database) -> None:
    """An answer that is none, for one case: the others decide."""

    async def answer(server: ScriptedJudge, request: web.Request, asked: Asked) -> web.StreamResponse:
        broken = says("no verdict") if plain_rows(6)[0].inputs["output"] in asked.prompt else plain_models()
        return await broken(server, request, asked)

    async with ScriptedJudge() as server, align(database, server.base_url) as parts, working(parts):
        server.always(plain_models(judge=answer))
        standing = await parts.ended(await started(parts))
        assert standing.state is AlignmentState.ALIGNED, standing.outcome
        rows = await parts.alignments.rows(standing.run.run_id)
        assert sum('"code":"JUDGE_BAD_ANSWER"' in row.before[0] for row in rows) == 1


async def test_a_shaky_world_is_aligned_all_the_same(database: Database) -> None:
    """Every tenth request is refused with 429, every twentieth answer is cut."""
    patient = Retries(max_tries=8, first_pause=0.001, longest_pause=0.01, call=30.0, whole=60.0)
    setting = Setting(seed=5, error_rate=0.1, malformed=0.05)
    async with (
        Simulation(setting) as world,
        align(database, world.base_url, retries=patient) as parts,
        working(parts),
    ):
        standing = await parts.ended(await started(parts))
        assert standing.state is AlignmentState.ALIGNED, standing.outcome


# ---------------------------------------------------------------------------------------------------------------------
# Money
# ---------------------------------------------------------------------------------------------------------------------


async def test_a_cap_on_calls_is_kept_and_a_run_that_had_asked_nothing_yet_says_so(database: Database) -> None:
    """Before anything is distilled it is an error; a retry with a larger cap goes on where it stopped."""
    async with ScriptedJudge() as server, align(database, server.base_url) as parts, working(parts):
        server.always(plain_models())
        run_id = await started(parts, caps=Caps(max_calls=5))
        fault = await faulted(parts, run_id)
        assert (fault.code, fault.retryable) == ("BUDGET_EXHAUSTED", True)
        assert "5 calls" in fault.message
        assert len(server.requests) == 5
        again = await parts.parts.catalogue.retry(run_id, Changes(caps=Caps()))
        assert (await parts.ended(again.run.run_id)).state is AlignmentState.ALIGNED
        assert asked_twice(server) == {}


async def test_a_cap_that_ends_a_run_later_keeps_what_it_has_found(database: Database) -> None:
    """Aligned, with guidelines, and the warning that it was cut short."""
    async with ScriptedJudge() as server, align(database, server.base_url) as parts, working(parts):
        server.always(plain_models())
        standing = await parts.ended(await started(parts, caps=Caps(max_calls=15)))
        outcome = AlignmentOutcome.from_body(standing.outcome)
        assert (standing.state, outcome.exhausted) == (AlignmentState.ALIGNED, True)
        assert len(server.requests) <= 15
        assert any("ended it early" in each for each in outcome.warnings)


async def test_a_cap_in_dollars_is_kept(database: Database) -> None:
    """By the price that the settings state: what a call is expected to take is set aside before it is made."""
    async with ScriptedJudge() as server, align(database, server.base_url, price=PRICE) as parts, working(parts):
        server.always(plain_models())
        fault = await faulted(parts, run_id := await started(parts, caps=Caps(max_cost_usd=0.002)))
        assert (fault.code, "0.002 USD" in fault.message) == ("BUDGET_EXHAUSTED", True)
        assert 0.0 < (await parts.alignments.get(run_id)).usage["cost_usd"] <= 0.002


async def test_the_budget_of_the_installation_pays_for_alignments_too(database: Database) -> None:
    """What is used up for the day ends the run."""
    budget = Budget(calls=7)
    async with (
        ScriptedJudge() as server,
        Purses(ClickHouseBudgets(database), installation=budget) as purses,
        align(database, server.base_url, purses=purses) as parts,
        working(parts),
    ):
        server.always(plain_models())
        fault = await faulted(parts, await started(parts))
        assert (fault.code, len(server.requests)) == ("BUDGET_EXHAUSTED", 7)
