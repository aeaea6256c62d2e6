"""Runs from their creation to their end."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web
from composite_parts import TRACE, leaf, mean_of
from run_parts import PACE, RunParts, working
from storing import SentSpan, a_chat, a_result, located, store, until

from evaluator.errors import (
    InvalidDefinition,
    InvalidFilter,
    LevelMismatch,
    MetricNotFound,
    RunNotFound,
    TargetNotFound,
)
from evaluator.judges.scripted import Asked, Behaviour, ScriptedJudge, by_rule
from evaluator.judges.scripted_faults import status
from evaluator.metrics.definition import MetricDefinition, RollUp, Statistic
from evaluator.runs.definition import Chosen, FailuresOf, Recompute, RunRequest, Where
from evaluator.scoring.request import MetricRef
from storage.clickhouse.queue import ClickHouseQueue
from storage.clickhouse.telemetry import ClickHouseTelemetry
from storage.model import Failure, Level, MetricKind, OutputType, Purpose, Score, Status, TargetRef
from storage.queue import Decision
from storage.runs import RunKind, RunState, RunTally

LENGTH = (MetricRef(name="response_length"),)
JUDGED = (MetricRef(name="correctness"),)
SPANS = Where(level=Level.SPAN)


def _slow(seconds: float) -> Behaviour:
    async def behave(judge: ScriptedJudge, request: web.Request, asked: Asked) -> web.StreamResponse:
        await asyncio.sleep(seconds)
        return await by_rule(judge, request, asked)

    return behave


def _refusing(text: str) -> Behaviour:
    async def behave(judge: ScriptedJudge, request: web.Request, asked: Asked) -> web.StreamResponse:
        return await (status(400, "no") if text in asked.prompt else by_rule)(judge, request, asked)

    return behave


async def test_a_run_scores_everything_that_its_filter_selects(parts: RunParts) -> None:
    """Pages of seven targets; what the filter leaves out is not touched; the estimate and the end agree."""
    spans = [a_chat(service="shop") for _ in range(20)]
    await store(parts.database, *spans, *[a_chat(service="other") for _ in range(5)])
    request = RunRequest(selection=Where(level=Level.SPAN, filter="service = 'shop'"), metrics=LENGTH, name="nightly")
    async with working(parts):
        standing = await parts.done(request)
    assert (standing.state, standing.total, standing.tally.decisions) == (RunState.SUCCEEDED, 20, {"scored": 20})
    assert (standing.run.kind, standing.run.subject, standing.run.metrics) == (
        RunKind.BACKFILL,
        "nightly",
        ("response_length@1",),
    )
    assert standing.run.estimate["targets"] == standing.run.estimate["pairs"] == 20
    results = await parts.results(standing.run.run_id)
    assert {each.target for each in results} == {span.ref for span in spans}
    assert {(each.run, each.purpose, each.attempt) for each in results} == {(standing.run.run_id, Purpose.BACKFILL, 1)}
    assert await parts.ledger(standing.run.run_id) == {"scored": 20}


@pytest.mark.parametrize("level", [Level.TRACE, Level.SPAN])
async def test_a_run_takes_what_started_in_its_window_and_at_most_its_limit(parts: RunParts, level: Level) -> None:
    """Since is inclusive, until is not; of what is in the window the earliest are taken."""
    start = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
    spans = [a_chat(start_ns=int((start + timedelta(minutes=number)).timestamp()) * 10**9) for number in range(30)]
    await store(parts.database, *spans)
    where = Where(level=level, since=start + timedelta(minutes=5), until=start + timedelta(minutes=25), limit=12)
    async with working(parts):
        standing = await parts.done(RunRequest(selection=where, metrics=(MetricRef(name="response_length"),)))
    wanted = {span.ref if level is Level.SPAN else span.trace for span in spans[5:17]}
    assert {each.target for each in await parts.results(standing.run.run_id)} == wanted
    assert (standing.total, standing.run.estimate["targets"]) == (12, 12)


async def test_a_run_samples_the_same_targets_as_a_rule_of_that_rate(parts: RunParts) -> None:
    """The hash of the trace decides, before any limit."""
    spans = [a_chat() for _ in range(80)]
    await store(parts.database, *spans)
    async with working(parts):
        standing = await parts.done(RunRequest(selection=Where(level=Level.SPAN, sample_rate=0.25), metrics=LENGTH))
    rows = await parts.database.query(
        "SELECT TraceId AS t FROM otel_traces WHERE cityHash64(TraceId, 'assay') % 1000000 < 250000"
    )
    assert {each.target.trace_id for each in await parts.results(standing.run.run_id)} == {row["t"] for row in rows}


async def test_validating_estimates_and_writes_nothing(parts: RunParts) -> None:
    """What the metric cost lately decides; what was never evaluated is unknown, and unknown is not 0."""
    await store(parts.database, *[a_chat() for _ in range(9)])
    request = RunRequest(selection=SPANS, metrics=JUDGED)
    before = await parts.catalogue.create(request, validate_only=True)
    assert before.run.run_id == ""
    assert before.run.estimate == {
        "targets": 9, "pairs": 9, "exact": True, "judge_calls": 9, "input_tokens": None, "output_tokens": None,
        "cost_usd": None, "unknown": ("correctness",),
    }  # fmt: skip
    assert await parts.runs.newest(states=(), before=None, limit=10) == []
    async with working(parts):
        done = await parts.done(request)
    after = (await parts.catalogue.create(request, validate_only=True)).run.estimate
    tally = done.tally
    assert (after["judge_calls"], after["input_tokens"], after["output_tokens"]) == (
        tally.judge_calls,
        tally.input_tokens,
        tally.output_tokens,
    )
    assert tally.judge_calls == 9


async def test_the_same_request_id_is_the_same_run(parts: RunParts) -> None:
    """A caller that did not see the answer asks again, and pays once."""
    await store(parts.database, a_chat())
    request = RunRequest(selection=SPANS, metrics=LENGTH, request_id=str(uuid.uuid4()))
    first, second = await parts.catalogue.create(request), await parts.catalogue.create(request)
    assert first.run == second.run
    assert [each.run.run_id for each in await parts.runs.newest(states=(), before=None, limit=10)] == [first.run.run_id]


async def test_some_failures_make_a_run_partial_and_a_run_over_them_is_a_further_attempt(parts: RunParts) -> None:
    """The failed ones are evaluated again under the same result ids; what succeeded is left alone."""
    good, bad = [a_chat() for _ in range(4)], [a_chat(answer="FAIL") for _ in range(3)]
    await store(parts.database, *good, *bad)
    judge = parts.scoring.judge
    judge.always(_refusing("FAIL"))
    async with working(parts):
        first = await parts.done(RunRequest(selection=SPANS, metrics=JUDGED))
        assert (first.state, first.detail) == (RunState.PARTIAL, "3 of 7 failed")
        assert first.tally.decisions == {"scored": 4, "failed": 3}
        [why] = await parts.catalogue.failures(first.run.run_id)
        assert (why.metric, why.code, why.count) == ("correctness", "JUDGE_REFUSED", 3)
        judge.always(by_rule)
        asked = len(judge.requests)
        second = await parts.done(RunRequest(selection=FailuresOf(run_id=first.run.run_id)))
    assert (second.state, second.tally.decisions, second.run.retry_of) == (
        RunState.SUCCEEDED,
        {"scored": 3},
        first.run.run_id,
    )
    assert len(judge.requests) - asked == 3
    again = await parts.results(second.run.run_id)
    assert {(each.target, each.attempt, each.status) for each in again} == {
        (span.ref, 2, Status.SUCCESS) for span in bad
    }
    failed = [each for each in await parts.results(first.run.run_id) if isinstance(each.outcome, Failure)]
    assert {each.evaluation_id for each in again} == {each.evaluation_id for each in failed}


async def test_a_run_over_the_failures_of_composites_ends(parts: RunParts) -> None:
    """What failed beneath a composite is its business, and no entry of the run's ledger."""
    quality = mean_of("quality", "correctness@span", levels=(Level.SPAN,), roll_up=RollUp(statistic=Statistic.MEAN))
    await parts.scoring.metrics.create(quality)
    span = a_chat()
    await store(parts.database, span)
    parts.scoring.judge.then(status(400, "no"))
    async with working(parts):
        first = await parts.done(RunRequest(selection=SPANS, metrics=(MetricRef(name="quality"),)))
        again = await parts.done(RunRequest(selection=FailuresOf(run_id=first.run.run_id)))
    assert (first.state, first.tally.decisions) == (RunState.FAILED, {"failed": 1})
    assert (again.state, again.tally.decisions) == (RunState.SUCCEEDED, {"scored": 1})


async def test_a_run_over_failures_takes_what_no_budget_covered_too(parts: RunParts) -> None:
    """It has no result yet: what comes of it is its first attempt."""
    paid, unpaid = a_chat(), a_chat()
    await store(parts.database, paid)
    async with working(parts):
        first = await parts.done(RunRequest(selection=SPANS, metrics=JUDGED))
        await store(parts.database, unpaid)
        record = await located(parts.database, unpaid.ref)
        (metric,) = (ref.name for ref in JUDGED)
        left = Decision(
            rule=f"run:{first.run.run_id}",
            rule_version=1,
            metric=metric,
            target=unpaid.ref,
            watermark_ms=record.watermark_ms,
            decision="over_budget",
        )
        await ClickHouseQueue(parts.database).record([left])
        again = await parts.done(RunRequest(selection=FailuresOf(run_id=first.run.run_id)))
    assert (again.run.estimate["pairs"], again.tally.decisions) == (1, {"scored": 1})
    found = await parts.results(again.run.run_id)
    assert [(each.target, each.attempt, each.status) for each in found] == [(unpaid.ref, 1, Status.SUCCESS)]


async def test_a_run_of_which_everything_failed_has_failed(parts: RunParts) -> None:
    """And says how much."""
    await store(parts.database, a_chat(), a_chat())
    parts.scoring.judge.always(status(400, "no"))
    async with working(parts):
        standing = await parts.done(RunRequest(selection=SPANS, metrics=JUDGED))
    assert (standing.state, standing.detail) == (RunState.FAILED, "2 of 2 failed")


async def test_a_cancelled_run_stops_at_once_and_keeps_what_it_has(parts: RunParts) -> None:
    """The requests under way are hung up on, cancelling again changes nothing, and the ledger holds nothing open."""
    await store(parts.database, *[a_chat() for _ in range(40)])
    judge = parts.scoring.judge
    judge.always(_slow(0.05))
    async with working(parts):
        created = await parts.catalogue.create(RunRequest(selection=SPANS, metrics=JUDGED))
        run_id = created.run.run_id

        async def some() -> bool:
            return len(await parts.results(run_id)) >= 5

        await until(some)
        cancelled = await parts.catalogue.cancel(run_id)
        assert cancelled.state is RunState.CANCELLED

        async def quiet() -> bool:
            return judge.in_flight == 0

        await until(quiet)
        asked = len(judge.requests)
        assert asked < 40
        again = await parts.catalogue.cancel(run_id)
    assert (again.state, again.tally, again.updated) == (cancelled.state, cancelled.tally, cancelled.updated)
    assert len(judge.requests) == asked
    assert len(await parts.results(run_id)) >= 5
    assert set(await parts.ledger(run_id)) <= {"scored", "cancelled"}


async def test_a_run_that_nobody_works_on_is_cancelled_all_the_same(parts: RunParts) -> None:
    """Its queue is emptied with it."""
    span = a_chat()
    await store(parts.database, span)
    created = await parts.catalogue.create(RunRequest(selection=Chosen(targets=(span.ref,)), metrics=LENGTH))
    assert await parts.ledger(created.run.run_id) == {"waiting": 1}
    assert (await parts.catalogue.cancel(created.run.run_id)).state is RunState.CANCELLED
    assert await parts.ledger(created.run.run_id) == {"cancelled": 1}


async def test_chosen_targets_wait_in_the_ledger_until_they_are_scored(parts: RunParts) -> None:
    """Spans and traces in one run; `evaluations_open` shows them as queued."""
    spans = [a_chat() for _ in range(10)]
    await store(parts.database, *spans)
    targets = tuple(span.ref for span in spans) + tuple(span.trace for span in spans)
    created = await parts.catalogue.create(
        RunRequest(selection=Chosen(targets=targets), metrics=(MetricRef(name="response_length"),))
    )
    opened = await parts.database.query("SELECT Status, count() AS n FROM evaluations_open GROUP BY Status")
    assert opened == [{"Status": "queued", "n": 20}]
    async with working(parts):
        standing = await parts.ended(created.run.run_id)
    assert (standing.state, standing.tally.decisions) == (RunState.SUCCEEDED, {"scored": 20})
    assert {each.target for each in await parts.results(created.run.run_id)} == set(targets)


async def test_what_was_recorded_before_a_worker_died_is_not_paid_for_again(parts: RunParts) -> None:
    """A worker that is cancelled in the middle leaves `started` rows; the next one buys what is missing, no more."""
    spans = [a_chat() for _ in range(30)]
    await store(parts.database, *spans)
    judge = parts.scoring.judge
    judge.always(_slow(0.03))
    async with working(parts):
        created = await parts.catalogue.create(RunRequest(selection=SPANS, metrics=JUDGED))
        run_id = created.run.run_id

        async def some() -> bool:
            return len(await parts.results(run_id)) >= 8

        await until(some)
    assert (await parts.runs.get(run_id)).state is RunState.RUNNING
    in_flight = PACE.lanes * PACE.judged_targets
    async with working(parts):
        standing = await parts.ended(run_id)
    assert (standing.state, standing.tally.decisions) == (RunState.SUCCEEDED, {"scored": 30})
    assert Counter(each.target for each in await parts.results(run_id)) == Counter(span.ref for span in spans)
    assert 30 <= len(judge.requests) <= 30 + in_flight
    assert standing.tally.judge_calls == 30


async def test_a_new_version_is_computed_beside_the_old_one(parts: RunParts) -> None:
    """Recompute finds what has a result of the metric, but none of the version that is asked for."""
    spans = [a_chat() for _ in range(5)]
    await store(parts.database, *spans, *[a_chat() for _ in range(4)])
    old = await parts.scoring.metrics.get("correctness")
    async with working(parts):
        chosen = Chosen(targets=tuple(span.ref for span in spans))
        name = "my_correctness"
        made = (await parts.scoring.metrics.create(replace(old, name=name, display_name="", builtin=False))).definition
        await parts.done(RunRequest(selection=chosen, metrics=(MetricRef(name=name),)))
        newer = replace(made, prompt=made.prompt + "\nBe strict.")
        await parts.scoring.metrics.update(newer, base_version=1)
        again = await parts.done(RunRequest(selection=Recompute(where=SPANS), metrics=(MetricRef(name=name),)))
        nothing = await parts.done(RunRequest(selection=Recompute(where=SPANS), metrics=(MetricRef(name=name),)))
    assert (again.run.kind, again.tally.decisions) == (RunKind.RECOMPUTE, {"scored": 5})
    assert (nothing.state, nothing.tally.decisions) == (RunState.SUCCEEDED, {})
    rows = await parts.database.query(
        "SELECT MetricVersion AS v, count() AS n FROM evaluations_current FINAL GROUP BY v ORDER BY v"
    )
    assert rows == [{"v": 1, "n": 5}, {"v": 2, "n": 5}]


async def test_a_target_that_is_gone_does_not_hold_up_its_run(parts: RunParts) -> None:
    """Retention or `erase` took it between the request and the work."""
    kept, lost = a_chat(), a_chat()
    await store(parts.database, kept, lost)
    created = await parts.catalogue.create(RunRequest(selection=Chosen(targets=(kept.ref, lost.ref)), metrics=LENGTH))
    await parts.database.execute(
        "ALTER TABLE otel_traces DELETE WHERE TraceId = {t:String} SETTINGS mutations_sync = 2", {"t": lost.trace_id}
    )
    await parts.database.execute(
        "ALTER TABLE traces_rollup DELETE WHERE TraceId = {t:String} SETTINGS mutations_sync = 2", {"t": lost.trace_id}
    )
    async with working(parts):
        standing = await parts.ended(created.run.run_id)
    assert standing.tally.decisions == {"scored": 1, "cancelled": 1}


async def test_a_run_that_waits_for_others_holds_up_no_other_run_and_survives_a_restart(parts: RunParts) -> None:
    """It gives its place away between two looks; its place in the selection stays what it was."""
    await parts.scoring.metrics.create(leaf("told", kind=MetricKind.EXTERNAL, levels=TRACE))
    approved = mean_of("approved", "told@trace", levels=TRACE, roll_up=RollUp(statistic=Statistic.MEAN))
    await parts.scoring.metrics.create(approved)
    first, second = a_chat(), a_chat()
    await store(parts.database, first, second)
    alone = replace(PACE, active_runs=1)

    async def told(span: SentSpan) -> None:
        sent = a_result(span, Score(value=0.5), target=span.trace, metric="told", kind=MetricKind.EXTERNAL)
        await parts.scoring.results.append([sent])

    async def one_is_told() -> bool:
        return await parts.ledger(run_id) == {"scored": 1, "waiting": 1}

    async with working(parts, pace=alone):
        request = RunRequest(selection=Where(level=Level.TRACE), metrics=(MetricRef(name="approved"),))
        run_id = (await parts.catalogue.create(request)).run.run_id
        other = await parts.done(RunRequest(selection=SPANS, metrics=LENGTH))
        await told(first)
        await until(one_is_told)
    assert (other.state, other.tally.decisions) == (RunState.SUCCEEDED, {"scored": 2})
    assert (await parts.runs.get(run_id)).state is RunState.RUNNING
    await told(second)
    async with working(parts, pace=alone):
        standing = await parts.ended(run_id)
    assert (standing.state, standing.tally.decisions) == (RunState.SUCCEEDED, {"scored": 2})


async def test_runs_are_listed_newest_first_page_after_page(parts: RunParts) -> None:
    """By state, too."""
    await store(parts.database, a_chat())
    made = [await parts.catalogue.create(RunRequest(selection=SPANS, metrics=LENGTH)) for _ in range(3)]
    ids = [each.run.run_id for each in made][::-1]
    first = await parts.runs.newest(states=(), before=None, limit=2)
    last = first[-1].run
    assert last.created is not None
    place = (round(last.created.timestamp() * 1_000_000), last.run_id)
    rest = await parts.runs.newest(states=(), before=place, limit=2)
    assert [each.run.run_id for each in (*first, *rest)] == ids
    await parts.catalogue.cancel(ids[0])
    assert [each.run.run_id for each in await parts.runs.newest(states=(RunState.PENDING,), before=None, limit=9)] == [
        ids[1],
        ids[2],
    ]


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (RunRequest(selection=SPANS), InvalidDefinition),
        (RunRequest(selection=SPANS, metrics=LENGTH * 2), InvalidDefinition),
        (RunRequest(selection=SPANS, metrics=LENGTH, name="x" * 201), InvalidDefinition),
        (RunRequest(selection=SPANS, metrics=(MetricRef(name="nothing"),)), MetricNotFound),
        (RunRequest(selection=Where(level=Level.SESSION), metrics=LENGTH), LevelMismatch),
        (RunRequest(selection=FailuresOf(run_id="none")), RunNotFound),
        (RunRequest(selection=FailuresOf(run_id="none"), metrics=LENGTH), InvalidDefinition),
        (RunRequest(selection=Chosen(targets=()), metrics=LENGTH), InvalidDefinition),
        (
            RunRequest(selection=Chosen(targets=(TargetRef(level=Level.SESSION, session_id="s"),)), metrics=LENGTH),
            LevelMismatch,
        ),
        (
            RunRequest(selection=Chosen(targets=(a_chat().ref,)), metrics=LENGTH),
            TargetNotFound,
        ),
        (
            RunRequest(selection=Where(level=Level.SPAN, filter="1; DROP TABLE otel_traces"), metrics=LENGTH),
            InvalidFilter,
        ),
        (
            RunRequest(
                selection=Where(level=Level.TRACE, filter="sleep(3)"), metrics=(MetricRef(name="response_length"),)
            ),
            InvalidFilter,
        ),
        (RunRequest(selection=Recompute(where=Where(level=Level.SPAN, limit=3)), metrics=LENGTH), InvalidDefinition),
    ],
)
async def test_what_cannot_be_run_is_refused_before_anything_is_written(
    parts: RunParts, request_: RunRequest, error: type[Exception]
) -> None:
    """No run, no ledger."""
    with pytest.raises(error):
        await parts.catalogue.create(request_)
    assert await parts.runs.newest(states=(), before=None, limit=10) == []
    assert await parts.database.query("SELECT count() AS n FROM decisions") == [{"n": 0}]


async def test_a_run_cannot_compute_what_others_send(parts: RunParts) -> None:
    """A metric of kind human has nothing that a run could do."""
    thumb = MetricDefinition(name="thumb", kind=MetricKind.HUMAN, levels=(Level.SPAN,), output_type=OutputType.BOOLEAN)
    await parts.scoring.metrics.create(thumb)
    with pytest.raises(InvalidDefinition, match="'thumb' is human: others send its results"):
        await parts.catalogue.create(RunRequest(selection=SPANS, metrics=(MetricRef(name="thumb"),)))


@pytest.mark.parametrize(("field", "value"), [("sample_rate", 0.0), ("sample_rate", float("nan")), ("limit", -1)])
def test_a_selection_that_makes_no_sense_is_refused(field: str, value: float) -> None:
    """Where it is made."""
    with pytest.raises(InvalidDefinition):
        Where(level=Level.SPAN, **{field: value})


async def test_two_runs_share_the_lanes_and_both_end(parts: RunParts) -> None:
    """A big run does not keep a small one waiting for its end."""
    await store(parts.database, *[a_chat() for _ in range(24)])
    small = a_chat(service="small")
    await store(parts.database, small)
    parts.scoring.judge.always(_slow(0.05))
    async with working(parts):
        big = await parts.catalogue.create(RunRequest(selection=SPANS, metrics=JUDGED))
        where = Where(level=Level.SPAN, filter="service = 'small'")
        await parts.done(RunRequest(selection=where, metrics=JUDGED))
        assert (await parts.runs.get(big.run.run_id)).state is RunState.RUNNING
        assert (await parts.ended(big.run.run_id)).tally.decisions == {"scored": 25}


async def test_a_worker_that_lost_its_leases_leaves_its_runs_to_others(parts: RunParts) -> None:
    """Two processes never work on one run for long; nothing is marked as cancelled, and the next owner ends it."""
    await store(parts.database, *[a_chat(question=f"question {number}") for number in range(18)])
    judge = parts.scoring.judge
    judge.always(_slow(0.05))
    async with working(parts) as leases:
        created = await parts.catalogue.create(RunRequest(selection=SPANS, metrics=JUDGED))
        run_id = created.run.run_id

        async def some() -> bool:
            return len(await parts.results(run_id)) >= 5

        await until(some)
        await leases.release()

        async def quiet() -> bool:
            return judge.in_flight == 0

        await until(quiet)
        assert (await parts.runs.get(run_id)).state is RunState.RUNNING
        assert "cancelled" not in await parts.ledger(run_id)
    async with working(parts):
        assert (await parts.ended(run_id)).tally.decisions == {"scored": 18}


async def test_what_a_run_left_open_is_closed(parts: RunParts) -> None:
    """A worker may write after its run has ended; a process may die between a run's ledger and the run itself."""
    spans = [a_chat() for _ in range(3)]
    await store(parts.database, *spans)
    chosen = RunRequest(selection=Chosen(targets=tuple(span.ref for span in spans)), metrics=LENGTH)
    ended = (await parts.catalogue.create(chosen)).run.run_id
    await parts.catalogue.cancel(ended)
    waiting = (await parts.catalogue.create(chosen)).run.run_id
    records = list((await ClickHouseTelemetry(parts.database).locate([span.ref for span in spans])).values())
    await parts.runs.enqueue(ended, records[:1], ["response_length"])
    await parts.runs.enqueue("never-made", records, ["response_length"])
    await parts.runs.sweep(quiet_seconds=3600)
    assert await parts.ledger("never-made") == {"waiting": 3}
    await parts.runs.sweep(quiet_seconds=0)
    assert await parts.ledger("never-made") == {"cancelled": 3}
    assert await parts.ledger(ended) == {"cancelled": 3}
    assert await parts.ledger(waiting) == {"waiting": 3}


async def test_superseded_progress_is_forgotten_and_nothing_else(parts: RunParts) -> None:
    """A run that ended long ago says what it said: its last state has the totals."""
    await store(parts.database, *[a_chat() for _ in range(9)])
    async with working(parts):
        standing = await parts.done(RunRequest(selection=SPANS, metrics=LENGTH))
    run_id = standing.run.run_id
    await parts.runs.progress(run_id, total=9, tally=RunTally(), checkpoint=("1", "a"))
    await parts.database.execute(
        "INSERT INTO run_events SELECT * REPLACE (At - INTERVAL 3 DAY AS At, concat(RunId, '-old') AS RunId) "
        "FROM run_events"
    )
    await parts.database.execute("OPTIMIZE TABLE run_events FINAL")
    rows = await parts.database.query(
        "SELECT toString(Event) AS event, Done AS done FROM run_events WHERE endsWith(RunId, '-old') ORDER BY At"
    )
    assert {row["event"] for row in rows} == {"state"}
    assert rows[-1]["done"] == 9
    kept = await parts.runs.get(run_id)
    assert kept.state is RunState.SUCCEEDED
