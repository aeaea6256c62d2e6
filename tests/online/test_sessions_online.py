"""Rules on sessions at work: scored when they are over, again when they go on, and shown where SQL looks for them."""

from __future__ import annotations

import random
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from composite_parts import leaf, mean_of
from online_parts import Online, a_rule, at_work, online
from storing import SECOND_NS, SentSpan, a_chat, a_result, located, store, store_log, until

from evaluator.metrics.definition import MetricDefinition, RollUp, Statistic
from evaluator.online.explaining.explanation import Decision
from storage.clickhouse.client import Database
from storage.clickhouse.completions import ClickHouseCompletions
from storage.clickhouse.writeback import ClickHouseWriteBack
from storage.completions import Ended
from storage.model import Evaluation, Level, MetricKind, OutputType, Score, TargetRef
from storage.results import ResultFilter

IDLE_MS = 1_000
"""The least that a rule can say."""
LONG_AGO_MS = 600_000
LENGTH = MetricDefinition(
    name="session_length", levels=(Level.SESSION,), kind=MetricKind.CODE, output_type=OutputType.COUNT,
    function="response_length",
)  # fmt: skip
SHOWN = "gen_ai.evaluation.session.session_length.score.value"


@pytest.fixture
async def parts(fresh_database: Database) -> AsyncIterator[Online]:
    """An evaluator on a database of its own, with a metric of sessions: how long the last answer is."""
    async with online(fresh_database) as ready:
        await ready.scoring.metrics.create(LENGTH)
        yield ready


def session_rule(name: str = "sessions", **other: Any) -> Any:
    """Every session after a second of quiet."""
    fields: dict[str, Any] = {
        "level": Level.SESSION, "metrics": ("session_length",), "session_idle_seconds": IDLE_MS / 1000,
    }  # fmt: skip
    return a_rule(name, **fields | other)


def new_session() -> TargetRef:
    """A fresh one."""
    return TargetRef(level=Level.SESSION, session_id=f"chat-{uuid.uuid4().hex[:12]}")


def a_turn(session: TargetRef, answer: str = "Paris.", **other: Any) -> SentSpan:
    """One model call, in a trace of its own."""
    attributes = {"session.id": session.session_id} | other.pop("attributes", {})
    return a_chat(answer=answer, attributes=attributes, **other)


def ago_ms(milliseconds: int = LONG_AGO_MS) -> int:
    """A moment of the past."""
    return time.time_ns() // 1_000_000 - milliseconds


async def until_over(parts: Online, rule: str = "sessions", idle_ms: int = IDLE_MS) -> None:
    """Wait until everything that is stored now was over, and is decided."""
    limit = await parts.queue.safe_until_ms() + idle_ms + 100

    async def passed() -> bool:
        return parts.workers[-1].looked_until_ms(rule) > limit

    await until(passed, seconds=60)
    await parts.until_quiet()


async def current(parts: Online, target: TargetRef) -> list[Evaluation]:
    """What counts."""
    return await parts.scoring.results.newest(ResultFilter(targets=(target,)), before=None, limit=10)


async def shown(database: Database, span: SentSpan) -> str | None:
    """What stands on a span after a round of the writer."""
    write_back = ClickHouseWriteBack(database)
    await write_back.project(since_ms=await write_back.newest_ms(), lag_seconds=60, limit=10_000)
    rows = await database.query(
        "SELECT EvaluationAttributes[{key:String}] AS value FROM spans WHERE TraceId = {trace:String} "
        "AND SpanId = {span:String}",
        {"key": SHOWN, "trace": span.trace_id, "span": span.span_id},
    )
    found: str | None = rows[0]["value"]
    return found


async def test_a_session_is_scored_when_it_is_over_and_again_when_it_goes_on(parts: Online) -> None:
    """One result per revision, on the root of the trace that arrived first; the newer one supersedes."""
    await parts.rules.create(session_rule())
    session = new_session()
    first, second = a_turn(session), a_turn(session, "Rome!")
    await store(parts.database, first, ingested_ms=ago_ms())
    await store(parts.database, second, ingested_ms=ago_ms() + 10)
    async with at_work(parts):
        (result,) = await parts.until_results(1)
        record = await located(parts.database, session)
        assert (result.target, result.watermark_ms, result.outcome) == (session, record.watermark_ms, Score(value=5.0))
        assert (result.anchor, result.target_time_ns) == (first.anchor, record.target_time_ns)
        assert await shown(parts.database, first) == "5"
        third = a_turn(session, "Madrid, of course.")
        await store(parts.database, third)
        _, again = await parts.until_results(2)
        await until_over(parts)
    assert (again.outcome, again.anchor) == (Score(value=18.0), first.anchor)
    assert again.watermark_ms == (await located(parts.database, session)).watermark_ms
    assert [each.evaluation_id for each in await current(parts, session)] == [again.evaluation_id]
    assert [await shown(parts.database, span) for span in (first, second, third)] == ["18", None, None]
    assert len(await parts.results()) == 2


async def test_a_session_is_scored_at_once_when_it_was_ended(parts: Online) -> None:
    """By an attribute, by a call; and the same call again changes nothing."""
    await parts.rules.create(session_rule(session_idle_seconds=86_400.0))
    by_attribute, by_call, open_still = new_session(), new_session(), new_session()
    completions = ClickHouseCompletions(parts.database)
    await store(parts.database, *(a_turn(each) for each in (by_attribute, by_call, open_still)))
    await store(parts.database, a_turn(by_attribute, attributes={"assay.session.end": "true"}))
    ended = await completions.end(by_call)
    assert await completions.end(by_call) == ended
    assert ended.stored
    async with at_work(parts):
        results = await parts.until_results(2)
        await parts.until_looked("sessions")
        assert {each.target for each in results} == {by_attribute, by_call}
        await store(parts.database, a_turn(by_call, "And then?"))
        again = await completions.end(by_call)
        assert again.at_ms > ended.at_ms
        *_, newest = await parts.until_results(3)
    assert (newest.target, newest.outcome) == (by_call, Score(value=9.0))
    assert await completions.end(new_session()) == Ended(at_ms=pytest.approx(again.at_ms, abs=600_000), stored=False)


async def test_a_filter_is_decided_again_when_an_earlier_first_trace_arrives(parts: Online) -> None:
    """A session that was let through may not be any more: its result stays, and is stale; and the other way round."""
    await parts.rules.create(session_rule(filter="RootName = 'wanted'"))
    start_ns = time.time_ns()
    leaves, enters = new_session(), new_session()
    await store(parts.database, a_turn(leaves, name="wanted", start_ns=start_ns), ingested_ms=ago_ms())
    await store(parts.database, a_turn(enters, name="other", start_ns=start_ns), ingested_ms=ago_ms())
    async with at_work(parts):
        (before,) = await parts.until_results(1)
        await parts.until_looked("sessions")
        assert before.target == leaves
        earlier_ns = start_ns - 60 * SECOND_NS
        moved = a_turn(leaves, "Berlin?", name="other", start_ns=earlier_ns)
        await store(
            parts.database,
            moved,
            a_turn(enters, "Berlin?", name="wanted", start_ns=earlier_ns),
        )
        _, after = await parts.until_results(2)
        await until_over(parts)
    assert after.target == enters
    assert [each.target for each in await parts.results()] == [leaves, enters]
    assert [each.evaluation_id for each in await current(parts, leaves)] == [before.evaluation_id]
    (explained,) = await parts.explainer.explain("sessions", leaves)
    assert (explained.decision, explained.evaluation_id) == (Decision.SCORED, before.evaluation_id)
    assert "its newer revision is not scored: the filter is not true for it: RootName = 'wanted'" in explained.reason
    assert f"the filter was decided again: trace {moved.trace_id} started before" in explained.reason
    (explained,) = await parts.explainer.explain("sessions", enters)
    assert (explained.decision, explained.evaluation_id) == (Decision.SCORED, after.evaluation_id)
    stale = await parts.database.query("SELECT SessionId AS id, Why AS why FROM evaluations_stale")
    assert stale == [{"id": leaves.session_id, "why": "target has a newer revision"}]


async def test_each_rule_waits_as_long_as_it_says(parts: Online) -> None:
    """One that waits an hour has nothing yet; how long it still takes can be asked."""
    await parts.rules.create(session_rule("soon"))
    await parts.rules.create(session_rule("late", session_idle_seconds=3_600.0))
    session = new_session()
    await store(parts.database, a_turn(session), ingested_ms=ago_ms())
    async with at_work(parts):
        await parts.until_results(1, rule="soon")
        await parts.until_looked("late")
    assert await parts.results(rule="late") == []
    assert await parts.queue.decisions_of("late", session) == []
    progress = await parts.queue.session_progress(session.session_id, quiet_ms=3_600_000)
    assert progress is not None
    assert progress.ready_ms == progress.watermark_ms + 3_600_000 > progress.now_ms
    (explained,) = await parts.explainer.explain("late", session)
    assert explained.decision is Decision.WAITING
    assert explained.reason.startswith("waiting for the session to be quiet for 3600 s, until ")


async def test_a_session_of_a_thousand_traces_is_scored_once(parts: Online) -> None:
    """All of it is located, read and concluded on."""
    await parts.rules.create(session_rule())
    session, start_ns = new_session(), time.time_ns() - 3_600 * SECOND_NS
    turns = [a_turn(session, f"Answer {number}", start_ns=start_ns + number * SECOND_NS) for number in range(1_000)]
    await store(parts.database, *turns, ingested_ms=ago_ms())
    async with at_work(parts):
        (result,) = await parts.until_results(1)
        await parts.until_looked("sessions")
    assert (result.target, result.outcome) == (session, Score(value=float(len("Answer 999"))))
    assert len(await parts.results()) == 1


async def test_a_composite_of_a_session_is_computed_again_when_a_result_below_it_comes(parts: Online) -> None:
    """On a trace, and on a span of it: what somebody else's program sends late."""
    told = leaf("told", kind=MetricKind.EXTERNAL, levels=(Level.SPAN, Level.TRACE))
    await parts.scoring.metrics.create(told)
    mean = RollUp(statistic=Statistic.MEAN)
    await parts.scoring.metrics.create(mean_of("approved", "told@trace", levels=(Level.SESSION,), roll_up=mean))
    await parts.rules.create(session_rule(metrics=("approved",)))
    session = new_session()
    first, second = a_turn(session), a_turn(session)
    await store(parts.database, first, second, ingested_ms=ago_ms())

    async def send(span: SentSpan, value: float) -> None:
        record = await located(parts.database, span.trace)
        sent = a_result(
            span, Score(value=value), target=span.trace, metric="told", kind=MetricKind.EXTERNAL,
            watermark_ms=record.watermark_ms, target_time_ns=record.target_time_ns,
        )  # fmt: skip
        await parts.scoring.results.append([sent])

    async def concluded(value: float) -> bool:
        found = [each for each in await current(parts, session) if each.metric == "approved"]
        return [each.outcome for each in found] == [Score(value=value, explanation="of 2 results")]

    await send(first, 0.0)
    async with at_work(parts):
        await parts.until_decided("sessions", "waiting", 1)
        await send(second, 1.0)
        await until(lambda: concluded(0.5))
        await send(first, 1.0)
        await until(lambda: concluded(1.0))


@dataclass
class Oracle:
    """Everything that was sent, and what must have come of it: a slow, obviously right recomputation."""

    spans: list[SentSpan] = field(default_factory=list)
    revisions: Counter[TargetRef] = field(default_factory=Counter)
    scored: list[tuple[TargetRef, int, Score]] = field(default_factory=list)

    async def look(self, database: Database, touched: set[TargetRef], *, wanted: str) -> None:
        """After a round: each session of which something arrived and whose first trace is wanted is scored again, but
        not more than three times."""
        rows = await database.query(
            "SELECT TraceId AS id, toUnixTimestamp64Milli(max(at)) AS at FROM (SELECT TraceId, IngestedAt AS at "
            "FROM otel_traces UNION ALL SELECT TraceId, IngestedAt FROM otel_logs) GROUP BY id"
        )
        arrived = {row["id"]: row["at"] for row in rows}
        for session in sorted(touched, key=lambda each: each.session_id):
            ids = {span.trace_id for span in self.spans if span.attributes.get("session.id") == session.session_id}
            members = [span for span in self.spans if span.trace_id in ids]
            roots = {span.trace_id: span for span in members if not span.parent}
            starts = {each: min(span.start_ns for span in members if span.trace_id == each) for each in ids}
            first = min(ids, key=lambda each: (starts[each], each))
            if roots[first].name != wanted or self.revisions[session] > 3:
                continue
            self.revisions[session] += 1
            last = max(roots.values(), key=lambda span: span.start_ns)
            answer = last.attributes["gen_ai.output.messages"].split('"content": "')[1].split('"')[0]
            watermark_ms = max(arrived[each] for each in ids)
            self.scored.append((session, watermark_ms, Score(value=float(len(answer)))))


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(1, 6))])
async def test_what_was_scored_is_what_a_recomputation_says(parts: Online, seed: int) -> None:
    """Over sessions whose traces, late spans without an id and logs come in random order, six rounds of them."""
    chance = random.Random(20261121 + seed)
    await parts.rules.create(session_rule(filter="RootName = 'wanted'"))
    sessions = [new_session() for _ in range(4)]
    base_ns = time.time_ns() - 3_600 * SECOND_NS
    oracle = Oracle()
    async with at_work(parts):
        for number in range(6):
            sent: list[SentSpan] = []
            logs: list[SentSpan] = []
            touched = set(sessions[:1] if number == 5 else chance.sample(sessions, chance.randint(1, 3)))
            for session in touched:
                roots = [
                    span
                    for span in oracle.spans
                    if not span.parent and span.attributes["session.id"] == session.session_id
                ]
                what = chance.choice(("trace", "span", "log")) if roots else "trace"
                start_ns = base_ns + chance.randrange(3_000) * SECOND_NS + number
                if what == "trace":
                    name = chance.choice(("wanted", "wanted", "other"))
                    sent.append(a_turn(session, "x" * chance.randint(1, 50), name=name, start_ns=start_ns))
                elif what == "span":
                    root = chance.choice(roots)
                    sent.append(SentSpan(trace_id=root.trace_id, parent=root.span_id, start_ns=root.start_ns + 1))
                else:
                    logs.append(chance.choice(roots))
            if sent:
                await store(parts.database, *sent)
            for root in logs:
                await store_log(parts.database, root, time_ns=root.start_ns + number)  # the same again is no arrival
            oracle.spans += sent
            await until_over(parts)
            await oracle.look(parts.database, touched, wanted="wanted")
    found = [(each.target, each.watermark_ms, each.outcome) for each in await parts.results()]
    assert sorted(found, key=str) == sorted(oracle.scored, key=str)
    for session in sessions:
        newest = [each for each in oracle.scored if each[0] == session][-1:]
        counts = [(each.target, each.watermark_ms, each.outcome) for each in await current(parts, session)]
        assert counts == newest
