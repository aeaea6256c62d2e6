"""A target at which workers die is set aside after three tries, and takes nobody with it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from online_parts import PACE, Online, a_rule, at_work, online
from scoring_parts import DEADLY
from storing import SentSpan, a_chat, located, store, until

from evaluator.judges import fence
from evaluator.judges.scripted import by_rule
from evaluator.judges.scripted_faults import hang
from evaluator.online.explaining.explanation import Decision as Explained
from evaluator.online.polling.resuming import MAX_TRIES, taken_over
from evaluator.online.polling.work import Chunk
from evaluator.online.rules.definition import RuleDefinition
from storage.clickhouse.client import Database
from storage.clickhouse.queue import ClickHouseLeases
from storage.model import TargetRef
from storage.queue import Decision
from storage.telemetry import TargetRecord

TESTS = Path(__file__).parent.parent


@pytest.fixture
async def parts(fresh_database: Database) -> AsyncIterator[Online]:
    """An evaluator on a database of its own."""
    async with online(fresh_database) as ready:
        yield ready


async def a_life(database: Database, url: str, targets: int) -> int:
    """Run one evaluator to its end, whatever that is; returns its exit code.  A dead one's leases are given back."""
    paths = os.pathsep.join((str(TESTS), str(TESTS.parent)))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(TESTS / "mortal_worker.py"),
        url,
        str(targets),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": paths},
    )
    assert process.stdout is not None
    owner = (await process.stdout.readline()).decode().strip()
    code = await process.wait()
    await ClickHouseLeases(database).release(owner)
    return code


async def left_by_the_dead(parts: Online, span: SentSpan, *, tries: int, rule: str = "all") -> Decision:
    """Work that so many workers died at."""
    metric = "correctness" if rule == "judged" else "response_length"
    record = await located(parts.database, span.ref)
    return replace(a_decision(record, metric=metric, rule=rule), tries=tries)


def a_record(span: SentSpan) -> TargetRecord:
    """Where a span stands, as if it were stored."""
    return TargetRecord(
        ref=span.ref,
        target_time_ns=span.start_ns,
        start_ns=span.start_ns,
        watermark_ms=span.start_ns // 1_000_000,
        anchor=span.anchor,
        trace_ids=(span.trace_id,),
        first_ns=span.start_ns,
        last_ns=span.start_ns,
    )


def a_decision(record: TargetRecord, *, metric: str = "response_length", rule: str = "all") -> Decision:
    """Work that somebody began who is dead."""
    return Decision(
        rule=rule,
        rule_version=1,
        metric=metric,
        target=record.ref,
        watermark_ms=record.watermark_ms,
        decision="started",
        worker="dead",
    )


async def test_a_target_that_kills_its_worker_is_set_aside_and_the_rest_of_its_chunk_is_not(
    parts: Online, fresh_database_url: str
) -> None:
    """kill -9 in the middle of a chunk of 16, in the middle of a chunk of one, and when it is alone; then peace."""
    await parts.rules.create(a_rule())
    poison, innocent = a_chat(answer=DEADLY), [a_chat() for _ in range(15)]
    await store(parts.database, *innocent[:7], poison, *innocent[7:])
    codes = [await a_life(parts.database, fresh_database_url, 16) for _ in range(MAX_TRIES)]
    assert codes == [-signal.SIGKILL] * MAX_TRIES
    assert await a_life(parts.database, fresh_database_url, 16) == 0
    ((entry, _),) = await parts.queue.decisions_of("all", poison.ref)
    assert (entry.decision, entry.reason) == ("poisoned", "3 workers died at it")
    assert await parts.scored() == {
        ("response_length", span.ref.key, (await located(parts.database, span.ref)).watermark_ms): 1
        for span in innocent
    }
    (explained,) = await parts.explainer.explain("all", poison.ref)
    assert (explained.decision, explained.reason) == (Explained.SET_ASIDE, "3 workers died at it")


async def test_what_waited_in_a_dead_workers_lanes_is_not_counted_as_tried(parts: Online) -> None:
    """Work that was taken over counts as begun when its turn comes, not when it is handed over."""
    await parts.rules.create(a_rule())
    spans = [a_chat() for _ in range(3)]
    await store(parts.database, *spans)
    await parts.queue.record([await left_by_the_dead(parts, span, tries=2) for span in spans])
    async with at_work(parts):
        await parts.until_results(3)
        await parts.until_quiet()
    rows = await parts.database.query(
        "SELECT Tries AS tries, count() AS n FROM decisions WHERE Decision = 'started' AND Worker != 'dead' "
        "GROUP BY tries ORDER BY tries"
    )
    # A merge may have dropped the row of the hand-over already: what it said was replaced.
    assert {row["tries"] for row in rows} <= {2, 3}
    entries = [entry for span in spans for entry, _ in await parts.queue.decisions_of("all", span.ref)]
    assert [(entry.decision, entry.attempt) for entry in entries] == [("scored", 1)] * 3


async def test_what_two_workers_died_at_is_scored_when_nothing_else_is(parts: Online) -> None:
    """So that it is known what the third dies at: never two at once, nor beside work that is above suspicion."""
    await parts.rules.create(a_rule("judged", metrics=("correctness",)))
    suspects = [a_chat(answer=f"suspect {number}") for number in range(2)]
    await store(parts.database, *suspects)
    await parts.queue.record([await left_by_the_dead(parts, span, tries=2, rule="judged") for span in suspects])
    fresh = [a_chat(answer=f"fresh {number}") for number in range(6)]
    await store(parts.database, *fresh)
    seen: list[frozenset[str]] = []
    under_way: set[str] = set()

    async def watched(judge: Any, request: Any, asked: Any) -> Any:
        output = fence.contents(asked.prompt)["output"]
        under_way.add(output)
        seen.append(frozenset(under_way))
        answer = await by_rule(judge, request, asked)
        under_way.discard(output)
        return answer

    parts.scoring.judge.always(watched)
    async with at_work(parts, pace=replace(PACE, page_traces=100, chunk_targets=1)):
        await parts.until_results(8)
        await parts.until_quiet()
    assert [each for each in seen if len(each) > 1 and any(name.startswith("suspect") for name in each)] == []


async def test_what_an_orderly_stop_cuts_off_was_not_tried(parts: Online) -> None:
    """Deploying three times while a judge hangs sets nothing aside."""
    parts.scoring.judge.always(hang())
    await parts.rules.create(a_rule("judged", metrics=("correctness",)))
    span = a_chat()
    await store(parts.database, span)
    for life in range(MAX_TRIES + 1):
        asked = len(parts.scoring.judge.requests)

        async def asked_again(before: int = asked) -> bool:
            return len(parts.scoring.judge.requests) > before

        async with at_work(parts, pace=replace(PACE, drain_seconds=0.05)):
            await until(asked_again)
        (entry,) = await parts.explainer.inquiries.ledger(span.ref)
        assert (entry.decision.decision, entry.decision.tries) == ("started", 0), life


def closed(
    left: Decision, rules: dict[str, RuleDefinition], located_: dict[TargetRef, TargetRecord]
) -> tuple[str, str]:
    """What becomes of work that is not taken up."""
    (decision,) = taken_over([left], rules, located_).closed
    return decision.decision, decision.reason


def test_the_dead_leave_chunks_of_one() -> None:
    """And a target that is gone, of a rule that is off, or of an older revision leaves none."""
    span = a_chat()
    rule = a_rule()
    record = a_record(span)
    left = a_decision(record)
    chunk = Chunk(rule=rule, metrics=("response_length",), records=(record,), tries=1, died=True)
    assert taken_over([left], {"all": rule}, {span.ref: record}).again == [chunk]
    assert closed(left, {}, {span.ref: record}) == ("cancelled", "the rule is not enabled any more")
    assert closed(left, {"all": rule}, {}) == ("cancelled", "the target is not stored any more")
    older = replace(left, watermark_ms=record.watermark_ms - 1)
    assert closed(older, {"all": rule}, {span.ref: record}) == ("cancelled", "a newer revision of the target is scored")
    assert closed(replace(left, tries=3), {"all": rule}, {span.ref: record}) == ("poisoned", "3 workers died at it")
