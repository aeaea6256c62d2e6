"""Rules score what they are about: once for every revision, whatever stops, restarts or changes meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from online_parts import PACE, Online, a_rule, at_work, online
from scoring_parts import CRASH
from storing import SentSpan, a_chat, located, store, until

from evaluator.judges.scripted import by_rule
from evaluator.judges.scripted_faults import status
from evaluator.metrics.definition import MetricDefinition
from evaluator.online.leases import LeaseKeeper
from storage.clickhouse.client import Database
from storage.clickhouse.queue import ClickHouseLeases
from storage.model import Failure, Level, MetricKind, OutputType, Purpose, Score
from storage.queue import Decision
from storage.results import ResultFilter

HOUR_MS = 3_600_000


@pytest.fixture
async def parts(fresh_database: Database) -> AsyncIterator[Online]:
    """An evaluator on a database of its own: rules see everything that is stored."""
    async with online(fresh_database) as ready:
        yield ready


def once(*spans: SentSpan) -> set[tuple[str, str]]:
    """What one length per span looks like."""
    return {("response_length", span.ref.key) for span in spans}


async def test_every_span_is_scored_once_over_polls_and_restarts(parts: Online) -> None:
    """Three workers one after the other, 30 spans in pages of seven traces: each span once, by id, by row, by cost."""
    await parts.rules.create(a_rule("judged", metrics=("correctness", "response_length")))
    spans: list[SentSpan] = []
    for place in range(15):
        root = a_chat()
        spans += [root, *(a_chat(trace_id=root.trace_id, parent=root.span_id) for _ in range(place % 3))]
    third = len(spans) // 3
    for part in (spans[:third], spans[third : 2 * third], spans[2 * third :]):
        await store(parts.database, *part)
        async with at_work(parts):
            await parts.until_looked("judged")
    found = await parts.scored()
    assert {key[:2] for key in found} == {
        (metric, span.ref.key) for span in spans for metric in ("correctness", "response_length")
    }
    assert set(found.values()) == {1}
    assert len(found) == 2 * len(spans)
    assert len(parts.scoring.judge.requests) == len(spans)
    results = await parts.results()
    assert {(each.rule, each.rule_version, each.purpose) for each in results} == {("judged", 1, Purpose.ONLINE)}
    assert {each.outcome for each in results if each.metric == "response_length"} == {Score(value=6.0)}


async def test_a_trace_rule_scores_the_trace_at_its_last_arrival(parts: Online) -> None:
    """One result per revision; a late span supersedes, on the same anchor."""
    await parts.rules.create(a_rule("traces", level=Level.TRACE))
    root = a_chat()
    await store(parts.database, root)
    async with at_work(parts):
        (first,) = await parts.until_results(1)
        assert first.watermark_ms == (await located(parts.database, root.trace)).watermark_ms
        await store(parts.database, SentSpan(trace_id=root.trace_id, parent=root.span_id, name="late"))
        _, second = await parts.until_results(2)
        await parts.until_looked("traces")
    assert second.watermark_ms > first.watermark_ms
    assert (second.target, second.target_time_ns, second.anchor) == (first.target, first.target_time_ns, first.anchor)
    assert second.evaluation_id != first.evaluation_id
    current = await parts.scoring.results.newest(ResultFilter(), before=None, limit=10)
    assert [each.evaluation_id for each in current] == [second.evaluation_id]


async def test_a_late_span_does_not_score_its_neighbours_again(parts: Online) -> None:
    """A span's revision is its own arrival."""
    await parts.rules.create(a_rule())
    root = a_chat()
    await store(parts.database, root)
    async with at_work(parts):
        await parts.until_results(1)
        late = a_chat(trace_id=root.trace_id, parent=root.span_id)
        await store(parts.database, late)
        await parts.until_results(2)
        await parts.until_looked("all")
    assert Counter(key[:2] for key in await parts.scored()) == Counter(once(root, late))


async def test_a_sample_and_a_filter_are_kept_to(parts: Online) -> None:
    """Nothing outside is scored, nothing inside is missing."""
    await parts.rules.create(a_rule("few", sample_rate=0.5, filter="SpanName = 'wanted'"))
    wanted = [a_chat(name="wanted") for _ in range(40)]
    await store(parts.database, *wanted, *(a_chat(name="other") for _ in range(10)))
    async with at_work(parts):
        await parts.until_looked("few")
    rows = await parts.database.query(
        "SELECT TraceId AS id FROM otel_traces "
        "WHERE SpanName = 'wanted' AND cityHash64(TraceId, 'assay') % 1000000 < 500000"
    )
    assert 5 < len(rows) < 35
    assert {each.target.trace_id for each in await parts.results()} == {row["id"] for row in rows}


async def test_an_edit_does_not_score_old_targets_again(parts: Online) -> None:
    """A wider filter and another metric hold from now on, also for a worker that starts afterwards."""
    created = await parts.rules.create(a_rule("edited", filter="SpanName = 'old'"))
    old, left_out = a_chat(name="old"), a_chat(name="other")
    await store(parts.database, old, left_out)
    async with at_work(parts):
        await parts.until_results(1)
        await parts.until_looked("edited")
    edited = replace(created.definition, filter="", metrics=("correctness", "response_length"))
    await parts.rules.update(edited, base_version=1)
    async with at_work(parts):
        await parts.until_looked("edited")
        assert Counter(key[:2] for key in await parts.scored()) == Counter(once(old))
        new = a_chat(name="new")
        await store(parts.database, new)
        await parts.until_results(3)
        await parts.until_looked("edited")
    assert {key[:2] for key in await parts.scored()} == once(old, new) | {("correctness", new.ref.key)}


async def test_disabling_stops_at_once_and_enabling_goes_on_from_there(parts: Online) -> None:
    """What waits in the lanes is given up; the ledger says so; what comes later is scored again."""
    slow = asyncio.Event()

    async def when_released(judge: Any, request: Any, asked: Any) -> Any:
        await slow.wait()
        return await by_rule(judge, request, asked)

    parts.scoring.judge.always(when_released)
    await parts.rules.create(a_rule("judged", metrics=("correctness",)))
    await store(parts.database, *(a_chat() for _ in range(12)))
    pace = replace(PACE, lanes=1, chunk_targets=1, page_traces=100)
    async with at_work(parts, pace=pace):
        await asyncio.wait_for(parts.scoring.judge.asked.wait(), 60)
        await parts.rules.disable("judged")
        slow.set()
        await parts.until_quiet()
    scored = len(await parts.results())
    assert scored in (1, 2), "what was under way, and perhaps one more before the lane asked again"
    rows = await parts.database.query(
        "SELECT Decision AS d, Reason AS r, count() AS n FROM decisions FINAL GROUP BY d, r"
    )
    counts = {(row["d"], row["r"]): row["n"] for row in rows}
    assert counts[("scored", "")] == scored
    assert set(counts) <= {("scored", ""), ("cancelled", "the rule was disabled")}
    await parts.rules.enable("judged")
    later = a_chat()
    await store(parts.database, later)
    async with at_work(parts):
        await until(lambda: _has(parts, later))


async def _has(parts: Online, span: SentSpan) -> bool:
    return bool(await parts.results(targets=(span.ref,)))


async def test_enabling_looks_back_one_hour_at_most(parts: Online) -> None:
    """What completed within the hour before is scored, what completed earlier is not."""
    now = time.time_ns() // 1_000_000
    recent, old = a_chat(), a_chat()
    await store(parts.database, recent, ingested_ms=now - HOUR_MS + 60_000)
    await store(parts.database, old, ingested_ms=now - HOUR_MS - 60_000)
    await parts.rules.create(a_rule())
    async with at_work(parts):
        await parts.until_looked("all")
    assert {key[:2] for key in await parts.scored()} == once(recent)


async def test_a_standby_takes_over_and_nothing_is_lost_or_doubled(parts: Online) -> None:
    """While one lives the other does nothing; when it dies in the middle, its work is taken up again."""
    await parts.rules.create(a_rule())
    first, second = parts.leases(ttl_seconds=20.0), parts.leases(ttl_seconds=30.0)
    await first.renew()
    dead = parts.worker(first)
    spans = [a_chat() for _ in range(9)]
    await store(parts.database, *spans)

    async def polled() -> bool:
        await first.renew()
        await dead.poll()  # writes `started` and dies before its lanes take anything
        rows = await parts.database.query("SELECT count() AS n FROM decisions WHERE Decision = 'started'")
        return bool(rows[0]["n"] == 9)

    await until(polled)
    assert await parts.results() == []
    await second.renew()
    assert second.owned("score") == []
    async with at_work(parts, leases=second):
        await parts.until_results(9)
        await parts.until_quiet()
    found = await parts.scored()
    assert {key[:2] for key in found} == once(*spans)
    assert set(found.values()) == {1}
    attempts = await parts.database.query(
        "SELECT DISTINCT Attempt AS n, Tries AS t, Decision AS d FROM decisions FINAL"
    )
    assert attempts == [{"n": 1, "t": 2, "d": "scored"}], "a death is no attempt"


async def _begun(parts: Online) -> set[str]:
    rows = await parts.database.query("SELECT DISTINCT TargetId AS id FROM decisions WHERE Decision = 'started'")
    return {row["id"] for row in rows}


class _Counting(LeaseKeeper):
    """Counts how often a worker found out that it owns nothing."""

    refused = 0

    def owned(self, name: str) -> list[int]:
        """As every keeper."""
        found = super().owned(name)
        self.refused += not found
        return found


async def test_a_lease_that_runs_out_does_not_cancel_what_waits(parts: Online) -> None:
    """As while the store is away for long: the work in the lanes is not given up as if its rule were disabled."""
    release = asyncio.Event()

    async def when_released(judge: Any, request: Any, asked: Any) -> Any:
        await release.wait()
        return await by_rule(judge, request, asked)

    parts.scoring.judge.always(when_released)
    await parts.rules.create(a_rule("judged", metrics=("correctness",)))
    spans = [a_chat() for _ in range(4)]
    await store(parts.database, *spans)
    leases, stop = _Counting(ClickHouseLeases(parts.database), ttl_seconds=2.0), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        worker = parts.worker(leases, replace(PACE, lanes=1, chunk_targets=1))
        group.create_task(worker.run(stop))

        async def all_begun() -> bool:
            await leases.renew()  # and never again afterwards
            return len(await _begun(parts)) == len(spans) and parts.scoring.judge.asked.is_set()

        await until(all_begun)

        async def polled_without_lease() -> bool:
            return worker.looked_until_ms("judged") > 0 and leases.refused >= 3

        await until(polled_without_lease)
        release.set()
        stop.set()
    assert Counter(key[1] for key in await parts.scored()) == Counter(span.ref.key for span in spans)


async def test_a_worker_that_was_stopped_beyond_its_lease_leaves_to_the_other_what_that_began(parts: Online) -> None:
    """As after SIGSTOP and SIGCONT: only the call that was in flight is paid twice, and no result is there twice."""
    release = asyncio.Event()
    asked: list[int] = []

    async def first_waits(judge: Any, request: Any, body: Any) -> Any:
        asked.append(len(asked))
        if len(asked) == 1:
            await release.wait()
        return await by_rule(judge, request, body)

    parts.scoring.judge.always(first_waits)
    await parts.rules.create(a_rule("judged", metrics=("correctness",)))
    spans = [a_chat() for _ in range(4)]
    await store(parts.database, *spans)
    stopped, stop = parts.leases(ttl_seconds=3.0), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        worker = parts.worker(stopped, replace(PACE, lanes=1, chunk_targets=1))
        group.create_task(worker.run(stop))

        async def all_begun() -> bool:
            await stopped.renew()
            return len(await _begun(parts)) == len(spans) and bool(asked)

        await until(all_begun)
        async with at_work(parts, leases=parts.leases(ttl_seconds=600.0)):  # from when the other's has run out
            await parts.until_results(4)
            release.set()
            stop.set()
    assert len(asked) == 4 + 1
    assert Counter(key[1] for key in await parts.scored()) == Counter(span.ref.key for span in spans)


async def test_work_that_killed_its_workers_is_set_aside(parts: Online) -> None:
    """The third death is the last; others of the same rule go on."""
    await parts.rules.create(a_rule())
    poison, fine = a_chat(), a_chat()
    await store(parts.database, poison, fine)
    record = await located(parts.database, poison.ref)
    left = Decision(
        rule="all",
        rule_version=1,
        metric="response_length",
        target=poison.ref,
        watermark_ms=record.watermark_ms,
        decision="started",
        tries=3,
        worker="dead",
    )
    await parts.queue.record([left])
    async with at_work(parts):
        await parts.until_results(1)
        await parts.until_looked("all")
    assert {key[:2] for key in await parts.scored()} == once(fine)
    ((entry, _),) = await parts.queue.decisions_of("all", poison.ref)
    assert (entry.decision, entry.reason) == ("poisoned", "3 workers died at it")


async def test_a_rule_that_cannot_work_does_not_stop_the_others(parts: Online) -> None:
    """A metric that was deleted under it: that rule stays where it is, and goes on when it is repaired."""
    metric = MetricDefinition(
        name="vanishing",
        kind=MetricKind.JUDGE,
        levels=(Level.SPAN,),
        output_type=OutputType.COUNT,
        prompt="Count {{output}}",
    )
    await parts.scoring.metrics.create(metric)
    broken = await parts.rules.create(a_rule("a_broken", metrics=("vanishing",)))
    await parts.rules.create(a_rule("b_fine"))
    definitions = parts.rules._definitions  # the catalogue refuses to delete a metric in use; a race can
    await definitions.delete("metric", "vanishing", 1)

    async def gone() -> bool:  # what the registry read is fresh for a second
        return "vanishing" not in (await parts.scoring.metrics.directory(fresh=True)).custom

    await until(gone)
    span = a_chat()
    await store(parts.database, span)
    async with at_work(parts):
        await parts.until_results(1)
        assert {key[:2] for key in await parts.scored()} == once(span)
        repaired = replace(broken.definition, metrics=("correctness",))
        await parts.rules.update(repaired, base_version=1)
        await parts.until_results(2)
    assert {key[:2] for key in await parts.scored()} == once(span) | {("correctness", span.ref.key)}


async def test_a_failure_is_stored_and_recorded_and_not_asked_again(parts: Online) -> None:
    """Evaluating a failed target again is off by default."""
    await parts.rules.create(a_rule())
    crashing = a_chat(answer=CRASH)
    await store(parts.database, crashing)
    async with at_work(parts):
        (failed,) = await parts.until_results(1)
        await parts.until_looked("all")
    assert isinstance(failed.outcome, Failure)
    ((entry, _),) = await parts.queue.decisions_of("all", crashing.ref)
    assert (entry.decision, entry.reason) == ("failed", f"INTERNAL: {failed.outcome.message}")
    assert len(await parts.results()) == 1


async def test_kinds_that_a_metric_is_not_about_are_not_started(parts: Online) -> None:
    """A tool span has no correctness: no decision, no result, no call."""
    await parts.rules.create(a_rule(metrics=("correctness",)))
    tool = SentSpan(attributes={"gen_ai.operation.name": "execute_tool"})
    chat = a_chat(trace_id=tool.trace_id, parent=tool.span_id)
    await store(parts.database, tool, chat)
    async with at_work(parts):
        await parts.until_results(1)
        await parts.until_looked("all")
    assert [each.target for each in await parts.results()] == [chat.ref]
    assert await parts.queue.decisions_of("all", tool.ref) == []


async def test_a_rule_that_names_what_ships_is_not_taken_in_by_its_shadow(parts: Online) -> None:
    """`builtin/NAME` in a rule stays the built-in metric, in the result, the ledger and the explanation."""
    shipped = await parts.scoring.metrics.get("response_length")
    judged = MetricDefinition(
        name="response_length",
        kind=MetricKind.JUDGE,
        levels=(Level.SPAN,),
        output_type=OutputType.COUNT,
        prompt="Count {{output}}",
    )
    await parts.rules.create(a_rule(metrics=("builtin/response_length",)))
    await parts.scoring.metrics.create(judged)
    span = a_chat()
    await store(parts.database, span)
    async with at_work(parts):
        (result,) = await parts.until_results(1)
        await parts.until_looked("all")
    assert (result.metric_digest, result.outcome) == (shipped.digest, Score(value=6.0))
    (explained,) = await parts.explainer.explain("all", span.ref)
    assert (explained.metric, explained.evaluation_id) == ("builtin/response_length", result.evaluation_id)


async def test_half_a_character_in_a_refusal_does_not_stop_the_rules(parts: Online) -> None:
    r"""`\ud800` is JSON and no UTF-8: the ledger has a question mark, as the result, and the next span is scored."""
    await parts.rules.create(a_rule(metrics=("correctness",)))
    parts.scoring.judge.then(status(400, "half \ud800"))
    first, second = a_chat(), a_chat()
    await store(parts.database, first)
    async with at_work(parts):
        await parts.until_results(1)
        await parts.until_quiet()
        await store(parts.database, second)
        await parts.until_results(2)
    ((entry, _),) = await parts.queue.decisions_of("all", first.ref)
    assert entry.reason.startswith("JUDGE_REFUSED: HTTP 400: half ?")


async def test_a_stop_finishes_what_was_started(parts: Online) -> None:
    """The drain: after `stop` nothing is left in the ledger as started."""
    await parts.rules.create(a_rule(metrics=("correctness",)))
    await store(parts.database, *(a_chat() for _ in range(20)))
    async with at_work(parts):
        await asyncio.wait_for(parts.scoring.judge.asked.wait(), 60)
    started = await parts.database.query("SELECT count() AS n FROM decisions FINAL WHERE Decision = 'started'")
    assert started == [{"n": 0}]


async def test_two_rules_score_the_same_span_each_for_itself(parts: Online) -> None:
    """Their results have ids of their own; the later one is current."""
    await parts.rules.create(a_rule("one"))
    await parts.rules.create(a_rule("two"))
    span = a_chat()
    await store(parts.database, span)
    async with at_work(parts):
        await parts.until_results(2)
        await parts.until_looked("one")
    assert sorted(each.rule for each in await parts.results()) == ["one", "two"]


async def test_a_result_that_the_store_refuses_ends_as_a_failure(parts: Online) -> None:
    """A retry cannot help, so the lane must not try for ever."""
    await parts.rules.create(a_rule())
    await parts.database.execute("ALTER TABLE evaluations ADD CONSTRAINT nothing_any_more CHECK MetricName = ''")
    span = a_chat()
    await store(parts.database, span)

    async def recorded() -> bool:
        entries = await parts.queue.decisions_of("all", span.ref)
        return [entry.decision for entry, _ in entries] == ["failed"]

    try:
        async with at_work(parts):
            await until(recorded)
    finally:
        await parts.database.execute("ALTER TABLE evaluations DROP CONSTRAINT nothing_any_more")
    ((entry, _),) = await parts.queue.decisions_of("all", span.ref)
    assert entry.reason.startswith("NOT_STORED: ")
    assert "nothing_any_more" in entry.reason
