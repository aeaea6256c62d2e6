"""Alignments in the store."""

from __future__ import annotations

import uuid
from dataclasses import replace

import pytest
from storing import SentSpan, store

from storage.alignments import (
    AlignedRow,
    AlignmentPhase,
    AlignmentRun,
    AlignmentStanding,
    AlignmentState,
    CallKind,
    FlipKind,
    StoredCall,
)
from storage.clickhouse.alignments import ClickHouseAlignments
from storage.clickhouse.client import Database
from storage.clickhouse.erase import ClickHouseErasure
from storage.clickhouse.runs import ClickHouseRuns
from storage.erasure import Root
from storage.errors import NotFound


def a_run(**other: object) -> AlignmentRun:
    """One that nobody works on."""
    run_id = str(uuid.uuid4())
    run = AlignmentRun(
        run_id=run_id, metric="politeness", version=3, source_ids=("ondemand@2026-11-20",), config={"seed": 4},
        lineage=(run_id,), author="ann",
    )  # fmt: skip
    return replace(run, **other)  # type: ignore[arg-type]


async def test_a_run_is_read_as_it_was_written(database: Database) -> None:
    """Everything that it was asked for, and that nothing has happened yet."""
    alignments, run = ClickHouseAlignments(database), a_run()
    await alignments.create(run)
    found = await alignments.get(run.run_id)
    assert found == AlignmentStanding(run=replace(run, created=found.run.created), state=AlignmentState.PENDING)


async def test_the_first_final_state_stands_and_what_comes_later_does_not_show(database: Database) -> None:
    """A worker that was late, and a second wish to stop it, change nothing; a decision does."""
    alignments, run = ClickHouseAlignments(database), a_run()
    await alignments.create(run)
    working = AlignmentStanding(
        run=run, state=AlignmentState.RUNNING, phase=AlignmentPhase.DISTILLING_GUIDELINES, done=2, total=3,
        usage={"judge_calls": 12.0},
    )  # fmt: skip
    await alignments.enter(working)
    await alignments.note(run.run_id, {"counts": {"annotations": 5}})
    await alignments.request_cancel(run.run_id)
    await alignments.enter(replace(working, state=AlignmentState.CANCELLED))
    cancelled = await alignments.get(run.run_id)
    await alignments.enter(replace(working, state=AlignmentState.ALIGNED, outcome={"summary": "late"}, done=3))
    await alignments.progress(replace(working, done=3, phase=AlignmentPhase.FINALIZING))
    await alignments.request_cancel(run.run_id)
    assert await alignments.get(run.run_id) == cancelled
    assert (cancelled.state, cancelled.phase, cancelled.done, cancelled.total) == (
        AlignmentState.CANCELLED, AlignmentPhase.DISTILLING_GUIDELINES, 2, 3,
    )  # fmt: skip
    assert cancelled.notes == {"counts": {"annotations": 5}}
    assert cancelled.usage == {"judge_calls": 12.0}
    assert cancelled.cancel_requested
    assert await alignments.is_final(run.run_id)
    await alignments.decide(run.run_id, {"decision": "discarded"})
    await alignments.decide(run.run_id, {"decision": "accepted"})
    assert (await alignments.get(run.run_id)).decision == {"decision": "discarded"}


async def test_alignments_are_listed_newest_first_and_apart_from_other_runs(database: Database) -> None:
    """By metric, page by page; who looks for a run of another kind finds none."""
    alignments, metric = ClickHouseAlignments(database), f"m_{uuid.uuid4().hex[:8]}"
    runs = [a_run(metric=metric) for _ in range(3)]
    for run in runs:
        await alignments.create(run)
    await alignments.create(a_run())
    first = await alignments.newest(metric, before=None, limit=2)
    created = first[-1].run.created
    assert created is not None
    rest = await alignments.newest(
        metric, before=(round(created.timestamp() * 1_000_000), first[-1].run.run_id), limit=2
    )
    assert [each.run.run_id for each in (*first, *rest)] == [run.run_id for run in reversed(runs)]
    with pytest.raises(NotFound):
        await ClickHouseRuns(database).get(runs[0].run_id)
    shards = await alignments.unfinished(range(16))
    assert {run.run_id for run in runs} <= set(shards)
    assert runs[0].run_id not in await ClickHouseRuns(database).unfinished(range(16))


async def test_answers_and_rows_are_read_as_they_were_written(database: Database) -> None:
    """Of a run and of those that it retries; what the run itself paid is told apart."""
    alignments, run, before = ClickHouseAlignments(database), a_run(), a_run()
    one = StoredCall(
        key=b"1" * 32, kind=CallKind.JUDGE, response="{}", trace_ids=("a" * 32,), calls=2, input_tokens=7,
        output_tokens=3, cost_usd=0.5,
    )  # fmt: skip
    other = StoredCall(key=b"2" * 32, kind=CallKind.REFLECTION, response="a line", input_tokens=70)
    await alignments.keep_calls(before.run_id, [one])
    await alignments.keep_calls(run.run_id, [other])
    found = await alignments.calls([run.run_id, before.run_id])
    assert found == {one.key: replace(one, trace_ids=()), other.key: other}
    assert await alignments.spent(before.run_id) == {
        "judge_calls": 2.0, "reflection_calls": 0.0, "input_tokens": 7.0, "output_tokens": 3.0, "cost_usd": 0.5,
    }  # fmt: skip
    row = AlignedRow(
        feedback_id=uuid.uuid4(), row_id="r1", target=SentSpan().ref, split="held_out", fold=2, expected='{"value":1}',
        before=("{}", "{}"), after=("{}",), flip=FlipKind.FIXED,
    )  # fmt: skip
    await alignments.keep_rows(run.run_id, [row])
    await alignments.keep_rows(run.run_id, [row])
    assert await alignments.rows(run.run_id) == [row]


async def test_what_was_said_of_an_erased_target_is_erased(database: Database) -> None:
    """Answers of judges, answers of reflection that saw it among others, and its rows."""
    alignments, run, gone, kept = ClickHouseAlignments(database), a_run(), SentSpan(), SentSpan()
    calls = [
        StoredCall(key=b"g" * 32, kind=CallKind.JUDGE, response="gone", trace_ids=(gone.trace_id,)),
        StoredCall(key=b"b" * 32, kind=CallKind.REFLECTION, response="both", trace_ids=(gone.trace_id, kept.trace_id)),
        StoredCall(key=b"k" * 32, kind=CallKind.JUDGE, response="kept", trace_ids=(kept.trace_id,)),
    ]
    await alignments.keep_calls(run.run_id, calls)
    rows = [
        AlignedRow(feedback_id=uuid.uuid4(), row_id=span.trace_id, target=span.ref, split="train")
        for span in (gone, kept)
    ]
    await alignments.keep_rows(run.run_id, rows)
    await store(database, gone, kept)
    erasure = ClickHouseErasure(database, key=b"k" * 32, embedded=False)
    await erasure.erase(Root(kind="trace", id=gone.trace_id))
    assert {call.response for call in (await alignments.calls([run.run_id])).values()} == {"kept"}
    assert [row.target for row in await alignments.rows(run.run_id)] == [kept.ref]
