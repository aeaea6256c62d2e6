"""Spans as they arrive, what arrives late, and times that senders only claim."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from online_parts import PACE, Online, a_rule, at_work, online
from storing import SECOND_NS, SentSpan, a_chat, located, store, store_log, until

from evaluator.online.rules.policy import Late, When
from storage.clickhouse.client import Database
from storage.model import Level
from storage.queue import Completion, Look, Stream

DAY_NS = 86_400 * SECOND_NS
NEVER = Completion(grace_one_ms=10**9, grace_many_ms=10**9, idle_ms=10**9)
"""Nothing is complete within a test."""


@pytest.fixture
async def parts(fresh_database: Database) -> AsyncIterator[Online]:
    """An evaluator on a database of its own: rules see everything that is stored."""
    async with online(fresh_database) as ready:
        yield ready


async def decisions(parts: Online, rule: str) -> Counter[str]:
    """How often the ledger of a rule says what."""
    rows = await parts.database.query(
        "SELECT toString(Decision) AS d, count() AS n FROM decisions FINAL WHERE RuleId = {rule:String} GROUP BY d",
        {"rule": rule},
    )
    return Counter({row["d"]: row["n"] for row in rows})


async def test_a_span_is_ready_as_it_arrives(parts: Online) -> None:
    """With no root and no quiet, in every look the trace of what arrived in its window; nothing else is ready."""
    root = a_chat(parent="e" * 16)
    await store(parts.database, root)
    first = (await located(parts.database, root.ref)).watermark_ms
    await store(parts.database, a_chat(trace_id=root.trace_id, parent=root.span_id), ingested_ms=first + 5_000)

    async def ready(stream: Stream, since_ms: int, until_ms: int) -> list[int]:
        look = Look(since_ms=since_ms, until_ms=until_ms, shards=range(16), limit=10)
        return [each.ready_ms for each in await parts.queue.ready(stream, NEVER, look)]

    arriving = Stream(level=Level.SPAN)
    assert await ready(arriving, first - 1, first) == [first]
    assert await ready(arriving, first, first + 4_999) == []
    assert await ready(arriving, first, first + 5_000) == [first + 5_000]
    assert await ready(Stream(level=Level.TRACE), first - 1, first + 60_000) == []


async def test_a_rule_that_does_not_wait_scores_spans_of_a_trace_that_goes_on(parts: Online) -> None:
    """Each once, by its own arrival; one that waits has scored nothing, for no trace was complete."""
    await parts.rules.create(a_rule("at_once", when=When.INGEST))
    first = a_chat(parent="e" * 16)
    await store(parts.database, first)
    async with at_work(parts):
        await parts.until_results(1)
        second = a_chat(parent="e" * 16, trace_id=first.trace_id)
        await store(parts.database, second)
        await parts.until_results(2)
        await parts.until_looked("at_once")
    assert Counter(key[1] for key in await parts.scored()) == Counter([first.ref.key, second.ref.key])


async def test_late_arrivals_score_a_trace_again_three_times_at_most(parts: Online) -> None:
    """The fifth revision is too late, and the ledger says so; a rule that ignores them says it of the second."""
    await parts.rules.create(a_rule("again", level=Level.TRACE))
    await parts.rules.create(a_rule("once", level=Level.TRACE, late=Late.IGNORE))
    root = a_chat()
    await store(parts.database, root)
    async with at_work(parts):
        await parts.until_results(1, rule="again")
        await parts.until_results(1, rule="once")
        for count in (2, 3, 4):
            await store(parts.database, SentSpan(trace_id=root.trace_id, parent=root.span_id, name="late"))
            await parts.until_results(count, rule="again")
            await parts.until_quiet()
        await store(parts.database, SentSpan(trace_id=root.trace_id, parent=root.span_id, name="too late"))

        async def said() -> bool:
            return (await decisions(parts, "again"))["too_late"] == 1 and (await decisions(parts, "once"))[
                "too_late"
            ] == 4

        await until(said)
    assert await decisions(parts, "again") == Counter(scored=4, too_late=1)
    assert await decisions(parts, "once") == Counter(scored=1, too_late=4)
    reasons = await parts.database.query(
        "SELECT DISTINCT toString(RuleId) AS rule, Reason AS why FROM decisions WHERE Decision = 'too_late' "
        "ORDER BY rule"
    )
    assert [(row["rule"], row["why"]) for row in reasons] == [
        ("again", "something arrived late again, and it was scored again 3 times already"),
        ("once", "it was scored before something arrived late, and the rule ignores that"),
    ]


async def test_a_log_that_comes_late_makes_its_span_new(parts: Online) -> None:
    """Content may come as a log record: the span is scored with it, unless its rule ignores what is late."""
    await parts.rules.create(a_rule("again"))
    await parts.rules.create(a_rule("once", late=Late.IGNORE))
    root = a_chat()
    await store(parts.database, root)
    async with at_work(parts):
        await parts.until_results(2)
        await parts.until_quiet()
        await store_log(parts.database, root)
        await parts.until_results(3)
        await until(lambda: _too_late(parts, "once"))
    assert await decisions(parts, "again") == Counter(scored=2)
    assert await decisions(parts, "once") == Counter(scored=1, too_late=1)


async def _too_late(parts: Online, rule: str) -> bool:
    return (await decisions(parts, rule))["too_late"] == 1


async def test_the_time_that_a_span_claims_is_not_believed(parts: Online) -> None:
    """Clocks a day ahead, spans of ten days ago, children before their parents, no root, two roots: all are scored."""
    await parts.rules.create(a_rule("spans"))
    await parts.rules.create(a_rule("traces", level=Level.TRACE))
    now = a_chat().start_ns
    ahead, late = a_chat(start_ns=now + DAY_NS), a_chat(start_ns=now - 10 * DAY_NS)
    parent = a_chat(start_ns=now)
    child = a_chat(start_ns=now - 2 * DAY_NS, trace_id=parent.trace_id, parent=parent.span_id)
    rootless, one = a_chat(parent="e" * 16), a_chat()
    other = a_chat(trace_id=one.trace_id)
    spans = [ahead, late, parent, child, rootless, one, other]
    await store(parts.database, child)
    await store(parts.database, *(span for span in spans if span is not child))
    async with at_work(parts):
        await parts.until_looked("spans")
        await parts.until_looked("traces")
    assert {each.target for each in await parts.results(rule="spans")} == {span.ref for span in spans}
    assert {each.target for each in await parts.results(rule="traces")} == {span.trace for span in spans}


async def test_a_question_of_two_rules_is_asked_once_and_recorded_for_both(fresh_database: Database) -> None:
    """As many requests as spans, a result and a word in the ledger for each rule; answers are kept, as by default."""
    async with online(fresh_database, cached=True) as parts:
        await parts.rules.create(a_rule("one", metrics=("correctness",)))
        await parts.rules.create(a_rule("two", metrics=("correctness", "response_length")))
        spans = [a_chat(question=f"What is {n} plus {n}?") for n in range(5)]
        await store(parts.database, *spans)
        async with at_work(parts):
            await parts.until_results(15)
            await parts.until_quiet()
        assert len(parts.scoring.judge.requests) == len(spans)
        judged = await parts.results(metrics=("correctness",))
        assert Counter((each.rule, each.target) for each in judged) == Counter(
            (rule, span.ref) for rule in ("one", "two") for span in spans
        )
        assert (await decisions(parts, "one"), await decisions(parts, "two")) == (Counter(scored=5), Counter(scored=10))


async def test_more_than_a_page_of_one_millisecond_is_scored_to_the_last(parts: Online) -> None:
    """One INSERT of many traces, pages of two, a few pages at a time: the place within the millisecond is kept."""
    await parts.rules.create(a_rule(level=Level.TRACE))
    spans = [a_chat() for _ in range(18)]
    await store(parts.database, *spans, ingested_ms=a_chat().start_ns // 1_000_000 - 60_000)
    async with at_work(parts, pace=replace(PACE, page_traces=2)):
        await parts.until_looked("all")
    assert {each.target for each in await parts.results()} == {span.trace for span in spans}


async def test_what_becomes_visible_after_a_poll_has_passed_is_swept_up(parts: Online) -> None:
    """As rows of an INSERT that nobody could see running: they carry a time that was looked at long ago."""
    await parts.rules.create(a_rule())
    seen = a_chat()
    await store(parts.database, seen)
    async with at_work(parts, pace=replace(PACE, sweep_seconds=0.2)):
        await parts.until_results(1)
        await parts.until_looked("all")
        hidden = a_chat()
        passed_ms = (await located(parts.database, seen.ref)).watermark_ms
        await store(parts.database, hidden, ingested_ms=passed_ms - 600_000)
        await parts.until_results(2)
        await parts.until_looked("all")
    assert Counter(key[1] for key in await parts.scored()) == Counter([seen.ref.key, hidden.ref.key])
