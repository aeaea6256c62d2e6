"""What a rule selects, what counts as decided, who owns the work, and how far it is safe to look."""

from __future__ import annotations

import asyncio
import hashlib
import time
import uuid
from collections.abc import Mapping
from typing import Any

import pytest
from storing import SentSpan, a_chat, located, store, until

from evaluator.online.rules.filters import compile_filter
from storage.clickhouse.client import Database
from storage.clickhouse.queue import ClickHouseLeases, ClickHouseQueue
from storage.model import Level, TargetRef
from storage.queue import Candidates, Completion, Decision, Look, Ready, Stream
from storage.telemetry import TargetRecord

TRACES = Stream(level=Level.TRACE)
QUICK = Completion(grace_one_ms=1, grace_many_ms=1, idle_ms=1)
ALL = Candidates(level=Level.SPAN, sample_ppm=1_000_000, filter_sql="1", filter_parameters={})


@pytest.fixture
def queue(database: Database) -> ClickHouseQueue:
    """The module's."""
    return ClickHouseQueue(database)


@pytest.fixture
def leases(fresh_database: Database) -> ClickHouseLeases:
    """Of a database of its own: leases are few."""
    return ClickHouseLeases(fresh_database)


def sampled(level: Level, rate: float) -> Candidates:
    """A rule without filter."""
    return Candidates(level=level, sample_ppm=round(rate * 1_000_000), filter_sql="1", filter_parameters={})


def filtered(text: str, level: Level = Level.SPAN) -> Candidates:
    """A rule with a filter, compiled as rules are."""
    compiled = compile_filter(text, level)
    return Candidates(level=level, sample_ppm=1_000_000, filter_sql=compiled.sql, filter_parameters=compiled.parameters)


async def ready(database: Database, *spans: SentSpan) -> list[Ready]:
    """Store spans and have them as a page of complete traces."""
    at = time.time_ns() // 1_000_000 - 60_000
    await store(database, *spans, ingested_ms=at)
    page = await ClickHouseQueue(database).ready(
        TRACES, QUICK, Look(since_ms=at - 1, until_ms=at + 1, after_id="", shards=range(16), limit=100_000)
    )
    wanted = {span.trace_id for span in spans}
    return [trace for trace in page if trace.record.ref.trace_id in wanted]


async def chosen(queue: ClickHouseQueue, page: list[Ready], wanted: Candidates) -> list[TargetRecord]:
    """What one rule selects of a page."""
    return [each.record for each in await queue.candidates(page, [wanted])]


async def buckets(database: Database, trace_ids: list[str]) -> dict[str, int]:
    """Where hashes fall, by the expression of the queries."""
    rows = await database.query(
        "SELECT id, cityHash64(id, 'assay') % 1000000 AS bucket FROM (SELECT arrayJoin({ids:Array(String)}) AS id)",
        {"ids": trace_ids},
    )
    return {row["id"]: row["bucket"] for row in rows}


async def test_a_smaller_sample_lies_inside_a_larger_one(database: Database, queue: ClickHouseQueue) -> None:
    """One hash for every rule and level: a trace that a 10 % rule scores is scored by every 50 % rule too."""
    spans = [SentSpan(trace_id=hashlib.md5(str(n).encode()).hexdigest()) for n in range(400)]
    page = await ready(database, *spans)
    assert len(page) == 400
    expected = await buckets(database, [span.trace_id for span in spans])
    for level in (Level.SPAN, Level.TRACE):
        chosen: dict[float, set[str]] = {}
        for rate in (0.0, 0.1, 0.5, 1.0):
            found = await queue.candidates(page, [sampled(level, rate)])
            chosen[rate] = {each.record.ref.trace_id for each in found}
            assert chosen[rate] == {each for each, bucket in expected.items() if bucket < rate * 1_000_000}
        assert chosen[0.0] < chosen[0.1] < chosen[0.5] < chosen[1.0]


async def test_the_share_of_a_sample_is_the_rate(database: Database) -> None:
    """100,000 ids at 10 %: within four standard deviations (95) of 10,000; the sixteenths of the hash are even too."""
    rows = await database.query(
        "SELECT countIf(cityHash64(lower(hex(MD5(toString(number)))), 'assay') % 1000000 < 100000) AS chosen, "
        "countIf(cityHash64(lower(hex(MD5(toString(number)))), 'assay') % 1000000 < 10000) AS few FROM numbers(100000)"
    )
    assert abs(rows[0]["chosen"] - 10_000) < 4 * 95
    assert abs(rows[0]["few"] - 1_000) < 4 * 32


async def test_a_page_of_traces_gives_every_span_once(database: Database, queue: ClickHouseQueue) -> None:
    """Whole records: place, watermark, kind, window of the trace; a copy of a span is not a second target."""
    root = SentSpan()
    chat = a_chat(trace_id=root.trace_id, parent=root.span_id)
    page = await ready(database, root, chat, chat)
    records = await chosen(queue, page, ALL)
    assert {record.ref: record for record in records} == {
        span.ref: await located(database, span.ref) for span in (root, chat)
    }
    assert len(records) == 2
    traces = await chosen(queue, page, sampled(Level.TRACE, 1.0))
    assert traces == [await located(database, root.trace)]
    assert await chosen(queue, [], ALL) == []
    assert await queue.candidates(page, []) == []


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("SpanName = 'it''s'", ["it's"]),
        ("ServiceName = 'back' AND Duration > 0", ["b"]),
        ("SpanAttributes['tier'] = 'gold'", ["a", "it's"]),
        ("SpanAttributes['tier'] != 'gold'", ["b"]),
        ("StatusCode = 'Error' OR SpanName LIKE 'a%'", ["a", "b"]),
    ],
)
async def test_a_filter_decides_about_spans(
    database: Database, queue: ClickHouseQueue, text: str, names: list[str]
) -> None:
    """As it is written, over what is stored."""
    gold = {"tier": "gold"}
    spans = [
        SentSpan(name="a", attributes=gold),
        SentSpan(name="it's", attributes=gold),
        SentSpan(name="b", service="back", status="Error"),
    ]
    page = await ready(database, *spans)
    wanted = filtered(text)
    assert sorted(record.anchor.span_name for record in await chosen(queue, page, wanted)) == names
    for span in spans:
        assert await queue.matches(await located(database, span.ref), wanted) == (span.name in names)


async def test_a_filter_of_a_trace_rule_sees_the_trace_and_its_root(database: Database, queue: ClickHouseQueue) -> None:
    """Counts of the rollup, attributes of the root span, never those of a child."""
    root = SentSpan(attributes={"tier": "gold"})
    child = a_chat(trace_id=root.trace_id, parent=root.span_id, attributes={"tier": "lead"})
    alone = SentSpan(attributes={"tier": "lead"})
    page = await ready(database, root, child, alone)

    async def found(text: str) -> set[TargetRef]:
        return {record.ref for record in await chosen(queue, page, filtered(text, Level.TRACE))}

    assert await found("SpanAttributes['tier'] = 'gold'") == {root.trace}
    assert await found("SpanAttributes['tier'] = 'lead'") == {alone.trace}
    assert await found("Spans > 1") == {root.trace}
    assert await found("LlmSpansReported = 0") == {alone.trace}


async def settled(queue: ClickHouseQueue, rule: str, targets: list[TargetRecord]) -> set[tuple[str, str, int]]:
    """(metric, target key, watermark) that one rule has decided."""
    found = await queue.decided([rule], targets)
    return {(metric, key, at) for (_, metric, key), watermarks in found.items() for at in watermarks}


def decision(record: TargetRecord, what: str, **other: Any) -> Decision:
    """A row of the ledger."""
    fields: dict[str, Any] = {"rule_version": 1, "metric": "m", "watermark_ms": record.watermark_ms, "worker": ""}
    return Decision(target=record.ref, decision=what, **fields | other)


async def a_record(database: Database) -> TargetRecord:
    """Of a fresh span."""
    span = SentSpan()
    await store(database, span)
    return await located(database, span.ref)


async def test_what_is_decided_is_known_by_rule_metric_target_and_watermark(
    database: Database, queue: ClickHouseQueue
) -> None:
    """Another rule, a later watermark or another target has not decided anything."""
    record, other = await a_record(database), await a_record(database)
    rule = uuid.uuid4().hex
    await queue.record(
        [
            decision(record, "scored", rule=rule),
            decision(record, "failed", rule=rule, metric="n"),
            decision(record, "scored", rule=rule, metric="later", watermark_ms=record.watermark_ms + 1),
            decision(other, "scored", rule="another"),
        ]
    )
    key, at = record.ref.key, record.watermark_ms
    found = await settled(queue, rule, [record, other])
    assert found - {("later", key, at + 1)} == {("m", key, at), ("n", key, at)}
    assert await settled(queue, rule, []) == set()


async def test_thousands_of_targets_are_asked_about(database: Database, queue: ClickHouseQueue) -> None:
    """One parameter may hold 128 KiB, and a page of 500 traces has more spans than fit there."""
    record, last = await a_record(database), await a_record(database)
    rule = uuid.uuid4().hex
    await queue.record([decision(record, "scored", rule=rule), decision(last, "scored", rule=rule)])
    crowd = [_nobody() for _ in range(3000)]
    found = await settled(queue, rule, [record, *crowd, last])
    assert found == {("m", each.ref.key, each.watermark_ms) for each in (record, last)}


def _nobody() -> TargetRecord:
    span = SentSpan()
    return TargetRecord(
        ref=span.ref,
        target_time_ns=1,
        start_ns=1,
        watermark_ms=1,
        anchor=span.anchor,
        trace_ids=(span.trace_id,),
        first_ns=1,
        last_ns=1,
    )


async def test_started_counts_while_its_worker_lives(fresh_database: Database, leases: ClickHouseLeases) -> None:
    """A dead worker's work is undecided again, and listed as abandoned; what it settled stays settled."""
    queue = ClickHouseQueue(fresh_database)
    begun, done = await a_record(fresh_database), await a_record(fresh_database)
    await leases.take("score", "alive", ttl_seconds=60)
    started = [decision(each, "started", rule="r", worker="alive") for each in (begun, done)]
    await queue.record(started)
    await queue.record([decision(done, "scored", rule="r", worker="alive")])
    both = {("m", each.ref.key, each.watermark_ms) for each in (begun, done)}
    assert await settled(queue, "r", [begun, done]) == both
    assert await queue.abandoned(limit=10) == []
    assert [(each.decision, alive) for each, alive in await queue.decisions_of("r", begun.ref)] == [("started", True)]
    await leases.release("alive")
    assert await settled(queue, "r", [begun, done]) == {("m", done.ref.key, done.watermark_ms)}
    assert await queue.abandoned(limit=10) == [decision(begun, "started", rule="r")]
    assert [(each.decision, alive) for each, alive in await queue.decisions_of("r", begun.ref)] == [("started", False)]
    assert [each.decision for each, _ in await queue.decisions_of("r", done.ref)] == ["scored"]


async def test_abandoned_work_of_every_level_comes_back_as_it_was(fresh_database: Database) -> None:
    """Targets are rebuilt from their keys; the limit cuts the list, the oldest first."""
    queue = ClickHouseQueue(fresh_database)
    now = time.time_ns() // 1_000_000
    targets = [SentSpan().ref, SentSpan().trace, TargetRef(level=Level.SESSION, session_id='s: it\'s "one"')]
    left = [
        Decision(
            rule="r", rule_version=2, metric="m", target=target, watermark_ms=now, decision="started", attempt=attempt
        )
        for attempt, target in enumerate(targets, start=1)
    ]
    for each in left:
        await queue.record([each])
    assert await queue.abandoned(limit=10) == left
    assert await queue.abandoned(limit=2) == left[:2]


async def test_one_of_two_owners_has_everything_until_it_lets_go(leases: ClickHouseLeases) -> None:
    """The other stands by, takes over after a release, and renewing keeps what is owned."""
    assert await leases.take("score", "one", ttl_seconds=60) == list(range(16))
    assert await leases.take("score", "two", ttl_seconds=60) == []
    assert await leases.take("writeback", "two", ttl_seconds=60) == [0]
    assert await leases.take("score", "one", ttl_seconds=60) == list(range(16))
    await leases.release("one")
    assert await leases.take("score", "two", ttl_seconds=60) == list(range(16))
    assert await leases.take("score", "one", ttl_seconds=60) == []
    assert await leases.take("writeback", "one", ttl_seconds=60) == []


async def test_an_expired_lease_is_taken_over(leases: ClickHouseLeases) -> None:
    """The server's clock decides, whatever the dead owner believed."""
    assert await leases.take("score", "dead", ttl_seconds=0.2) == list(range(16))

    async def taken() -> Mapping[str, object] | bool:
        return await leases.take("score", "heir", ttl_seconds=60) == list(range(16))

    await until(taken)
    assert await leases.take("score", "dead", ttl_seconds=60) == []


async def test_eight_owners_at_once_share_out_each_shard_once(fresh_database_url: str) -> None:
    """One conditional UPDATE each: the server serialises them."""

    async def take(owner: str) -> list[int]:
        async with Database(fresh_database_url) as database:
            return await ClickHouseLeases(database).take("score", owner, ttl_seconds=60)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(take(f"owner-{number}")) for number in range(8)]
    assert sorted(shard for task in tasks for shard in task.result()) == list(range(16))


async def test_a_cursor_is_remembered(queue: ClickHouseQueue) -> None:
    """The last word counts; there is none before the first."""
    name = uuid.uuid4().hex
    assert await queue.cursor_ms(name) is None
    for to_ms in (1_790_000_000_001, 1_790_000_000_500, 1_790_000_000_250):
        await queue.move_cursor(name, to_ms)
        assert await queue.cursor_ms(name) == to_ms


async def test_a_poll_does_not_look_past_an_insert_that_still_runs(
    fresh_database: Database, fresh_database_url: str
) -> None:
    """Its rows will carry the time of its start: a cursor at now() would step over them."""
    queue = ClickHouseQueue(fresh_database)
    start = await queue.safe_until_ms()
    insert = (
        "INSERT INTO otel_traces (Timestamp, TraceId, SpanId, ServiceName, Duration) SELECT now64(9), "
        "leftPad(toString(number + 1), 32, 'a'), 'aaaaaaaaaaaaaaaa', 'slow', sleepEachRow(0.1) FROM numbers(12) "
        "SETTINGS max_block_size = 1"
    )
    slow = asyncio.create_task(fresh_database.execute(insert))

    async def runs() -> bool:
        rows = await fresh_database.query(
            "SELECT count() AS n FROM system.processes WHERE query_kind = 'Insert' AND elapsed > 0.05 "
            "AND query LIKE '%sleepEachRow%'"
        )
        return bool(rows[0]["n"])

    await until(runs)
    quick = SentSpan()
    await store(fresh_database, quick)
    held = await queue.safe_until_ms()
    assert not slow.done()
    arrived = (await located(fresh_database, quick.trace)).watermark_ms
    assert held < arrived
    since, found = start, list[str]()

    async def everything() -> bool:
        nonlocal since
        limit = await queue.safe_until_ms()
        page = await queue.ready(
            TRACES, QUICK, Look(since_ms=since, until_ms=limit, after_id="", shards=range(16), limit=1000)
        )
        found.extend(trace.record.ref.trace_id for trace in page)
        since = limit
        return slow.done() and len(set(found)) >= 13

    await until(everything)
    assert sorted(found) == sorted([quick.trace_id, *(str(n + 1).rjust(32, "a") for n in range(12))])
