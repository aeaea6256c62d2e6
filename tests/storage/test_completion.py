"""When a trace is complete, and what moves that: arrivals of spans and of logs, in any order and number."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest
from storing import SECOND_NS, SentSpan, located, store, store_log

from storage.clickhouse.client import Database
from storage.clickhouse.queue import ClickHouseQueue
from storage.clickhouse.telemetry import ClickHouseTelemetry
from storage.model import Level
from storage.queue import Completion, Look, Ready, Stream

TRACES = Stream(level=Level.TRACE)
COMPLETION = Completion(grace_one_ms=1_000, grace_many_ms=6_000, idle_ms=30_000)
SHARDS = range(16)
HOUR_MS = 3_600_000


@pytest.fixture
def queue(database: Database) -> ClickHouseQueue:
    """The module's."""
    return ClickHouseQueue(database)


def now_ms() -> int:
    """Server and tests run on one machine."""
    return time.time_ns() // 1_000_000


async def ready_at(queue: ClickHouseQueue, trace_id: str, until_ms: int) -> Ready | None:
    """The trace, if a poll that looks up to then finds it."""
    page = await queue.ready(
        TRACES,
        COMPLETION,
        Look(since_ms=now_ms() - HOUR_MS, until_ms=until_ms, after_id="", shards=SHARDS, limit=10_000),
    )
    found = [trace for trace in page if trace.record.ref.trace_id == trace_id]
    assert len(found) <= 1
    return found[0] if found else None


async def ready_after(queue: ClickHouseQueue, trace_id: str, last_ms: int) -> int | None:
    """Milliseconds of quiet after which the trace is complete, tried to the millisecond; agrees with `progress`."""
    for grace in (COMPLETION.grace_one_ms, COMPLETION.grace_many_ms, COMPLETION.idle_ms):
        if await ready_at(queue, trace_id, last_ms + grace):
            assert await ready_at(queue, trace_id, last_ms + grace - 1) is None
            progress = await queue.progress(trace_id, COMPLETION)
            assert progress is not None
            assert (progress.watermark_ms, progress.ready_ms) == (last_ms, last_ms + grace)
            return grace
    return None


async def test_a_trace_is_complete_a_second_after_its_root(database: Database, queue: ClickHouseQueue) -> None:
    """Children first, root in a later INSERT: quiet counts from the last arrival."""
    at = now_ms() - 60_000
    root = SentSpan()
    children = [SentSpan(trace_id=root.trace_id, parent=root.span_id) for _ in range(3)]
    await store(database, *children[:2], ingested_ms=at)
    await store(database, children[2], ingested_ms=at + 500)
    await store(database, root, ingested_ms=at + 700)
    assert await ready_after(queue, root.trace_id, at + 700) == COMPLETION.grace_one_ms


async def test_a_trace_whose_root_never_comes_is_complete_when_idle(database: Database, queue: ClickHouseQueue) -> None:
    """Its anchor is the earliest span."""
    at = now_ms() - 60_000
    later = SentSpan(parent="e" * 16)
    earlier = SentSpan(trace_id=later.trace_id, parent="e" * 16, start_ns=later.start_ns - SECOND_NS)
    await store(database, later, earlier, ingested_ms=at)
    assert await ready_after(queue, later.trace_id, at) == COMPLETION.idle_ms
    found = await ready_at(queue, later.trace_id, at + COMPLETION.idle_ms)
    assert found is not None
    assert found.record == await located(database, later.trace)
    assert found.record.anchor == earlier.anchor
    progress = await queue.progress(later.trace_id, COMPLETION)
    assert progress is not None
    assert not progress.rooted


async def test_several_services_get_a_longer_grace(database: Database, queue: ClickHouseQueue) -> None:
    """The batches of other processes are still on their way."""
    at = now_ms() - 60_000
    root = SentSpan(service="front")
    await store(database, root, ingested_ms=at)
    assert await ready_after(queue, root.trace_id, at) == COMPLETION.grace_one_ms
    await store(database, SentSpan(trace_id=root.trace_id, parent=root.span_id, service="back"), ingested_ms=at + 10)
    assert await ready_after(queue, root.trace_id, at + 10) == COMPLETION.grace_many_ms


async def test_a_log_is_an_arrival_and_gives_a_longer_grace(database: Database, queue: ClickHouseQueue) -> None:
    """Content may come as log records, in batches of their own."""
    root = SentSpan()
    await store(database, root, ingested_ms=now_ms() - 60_000)
    before = await located(database, root.trace)
    await store_log(database, root, event="gen_ai.client.inference.operation.details")
    after = await located(database, root.trace)
    assert after.watermark_ms > before.watermark_ms
    assert (await located(database, root.ref)).watermark_ms == after.watermark_ms
    assert await ready_after(queue, root.trace_id, after.watermark_ms) == COMPLETION.grace_many_ms
    found = await ready_at(queue, root.trace_id, after.watermark_ms + COMPLETION.grace_many_ms)
    assert found is not None
    assert (found.has_logs, found.record) == (True, after)


async def test_our_own_result_events_are_no_arrivals(database: Database, queue: ClickHouseQueue) -> None:
    """A result that makes its target new would be scored for ever."""
    root = SentSpan()
    await store(database, root, ingested_ms=now_ms() - 60_000)
    before = await located(database, root.trace)
    await store_log(database, root, event="gen_ai.evaluation.result")
    assert await located(database, root.trace) == before
    assert await located(database, root.ref) == await located(database, root.ref)
    assert (await located(database, root.ref)).watermark_ms == before.watermark_ms
    assert await ready_after(queue, root.trace_id, before.watermark_ms) == COMPLETION.grace_one_ms


async def test_a_log_without_its_spans_is_no_trace_yet(database: Database, queue: ClickHouseQueue) -> None:
    """It becomes part of the trace when the spans come."""
    root = SentSpan()
    await store_log(database, root)
    assert await queue.progress(root.trace_id, COMPLETION) is None
    assert await ClickHouseTelemetry(database).locate([root.trace, root.ref]) == {}
    assert await ready_at(queue, root.trace_id, now_ms() + HOUR_MS) is None
    await store(database, root)
    assert (await located(database, root.trace)).anchor == root.anchor


async def test_a_late_span_makes_a_new_revision(database: Database, queue: ClickHouseQueue) -> None:
    """The trace is ready again, with a later watermark; what cannot move has not moved."""
    at = now_ms() - 60_000
    root = SentSpan()
    await store(database, root, ingested_ms=at)
    first = await ready_at(queue, root.trace_id, at + 5_000)
    late = SentSpan(trace_id=root.trace_id, parent=root.span_id, start_ns=root.start_ns - SECOND_NS)
    await store(database, late, ingested_ms=at + 10_000)
    assert first is not None
    assert await ready_at(queue, root.trace_id, at + 10_999) is None, "it is not complete at the moment"
    second = await ready_at(queue, root.trace_id, at + 11_000)
    assert second is not None
    assert (first.record.watermark_ms, second.record.watermark_ms) == (at, at + 10_000)
    assert (first.record.target_time_ns, first.record.anchor) == (second.record.target_time_ns, second.record.anchor)
    assert (second.record.start_ns, second.record.last_ns) == (late.start_ns, root.start_ns)


async def test_a_span_is_located_by_its_own_arrival(database: Database) -> None:
    """A span's watermark is not its trace's: a neighbour that comes late does not make it new."""
    at = now_ms() - 60_000
    root = SentSpan(attributes={"gen_ai.operation.name": "chat"})
    await store(database, root, ingested_ms=at)
    await store(database, SentSpan(trace_id=root.trace_id, parent=root.span_id), ingested_ms=at + 900)
    found = await located(database, root.ref)
    assert (found.watermark_ms, found.target_time_ns, found.observation_kind) == (at, root.start_ns, "llm")
    assert (found.anchor, found.trace_ids) == (root.anchor, (root.trace_id,))
    assert (await located(database, root.trace)).watermark_ms == at + 900


async def test_a_span_id_in_two_traces_is_two_spans(database: Database) -> None:
    """Ids are matched in pairs."""
    one, two = SentSpan(), SentSpan()
    twin = SentSpan(span_id=one.span_id, name="twin")
    await store(database, one, two, twin)
    crossed = SentSpan(trace_id=two.trace_id, span_id=one.span_id)
    found = await ClickHouseTelemetry(database).locate([one.ref, two.ref, twin.ref, crossed.ref])
    assert {ref: record.anchor for ref, record in found.items()} == {
        one.ref: one.anchor,
        two.ref: two.anchor,
        twin.ref: twin.anchor,
    }


async def test_unknown_targets_are_missing_and_not_an_error(database: Database) -> None:
    """Sessions are not located yet; nothing asked, nothing found."""
    telemetry = ClickHouseTelemetry(database)
    assert await telemetry.locate([]) == {}
    assert await telemetry.locate([SentSpan().ref, SentSpan().trace]) == {}


async def test_a_poll_takes_the_shards_it_is_given(database: Database, queue: ClickHouseQueue) -> None:
    """Sixteen shards together are everything, and no trace is in two."""
    at = now_ms() - 60_000
    spans = [SentSpan() for _ in range(64)]
    await store(database, *spans, ingested_ms=at)

    async def page(shards: Sequence[int]) -> list[str]:
        found = await queue.ready(
            TRACES, COMPLETION, Look(since_ms=at, until_ms=at + 1_000, after_id="", shards=shards, limit=1000)
        )
        wanted = {span.trace_id for span in spans}
        return [trace.record.ref.trace_id for trace in found if trace.record.ref.trace_id in wanted]

    shares = [await page([shard]) for shard in SHARDS]
    assert sorted(trace_id for share in shares for trace_id in share) == sorted(span.trace_id for span in spans)
    assert sum(map(bool, shares)) > 8
    assert await page([]) == []


async def test_traces_of_one_millisecond_page_without_gap_and_double(
    database: Database, queue: ClickHouseQueue
) -> None:
    """Hundreds of them, eight at a time, and strangers' ids among them that are none."""
    at = now_ms() - 120_000
    spans = [SentSpan() for _ in range(300)]
    odd = [SentSpan(trace_id=text) for text in ("x" * 32, "A" * 32, "0" * 32, "12", "f" * 33, "1" * 31 + "é")]
    await store(database, *spans, *odd, ingested_ms=at)
    since, after, paged, sizes = at, "", list[str](), list[int]()
    while True:
        page = await queue.ready(
            TRACES, COMPLETION, Look(since_ms=since, until_ms=at + 1_000, after_id=after, shards=SHARDS, limit=8)
        )
        paged += [trace.record.ref.trace_id for trace in page]
        sizes.append(len(page))
        if len(page) < 8:
            break
        since, after = page[-1].ready_ms, page[-1].record.ref.trace_id
    assert paged == sorted(span.trace_id for span in spans)
    assert sizes == [8] * 37 + [4], "a page that lacks a row looks like the last one"


async def test_a_window_is_open_at_its_start_and_closed_at_its_end(database: Database, queue: ClickHouseQueue) -> None:
    """Windows that follow each other find a trace once."""
    at = now_ms() - 180_000
    span = SentSpan()
    await store(database, span, ingested_ms=at)
    ready = at + COMPLETION.grace_one_ms

    async def seen(since_ms: int, until_ms: int) -> int:
        page = await queue.ready(
            TRACES, COMPLETION, Look(since_ms=since_ms, until_ms=until_ms, after_id="", shards=SHARDS, limit=1000)
        )
        return [trace.record.ref for trace in page].count(span.trace)

    windows = [(ready - 2, ready - 1), (ready - 1, ready), (ready, ready + 1), (ready - 1, ready + 1)]
    assert [await seen(*window) for window in windows] == [0, 1, 0, 1]


async def test_an_end_before_the_start_does_not_move_the_end_of_a_trace(database: Database) -> None:
    """Clocks go back: the wrapped duration is stored as it is, and counted as nothing."""
    span = SentSpan(duration_ns=2**64 - 1)
    await store(database, span)
    rows = await database.query(
        "SELECT DurationMs AS ms, Spans FROM traces WHERE TraceId = {id:String}", {"id": span.trace_id}
    )
    assert rows == [{"ms": 0, "Spans": 1}]


async def test_rollups_count_what_came_in_several_inserts(database: Database) -> None:
    """Errors, model calls, tokens and services of a trace, whatever block they came in."""
    root = SentSpan(service="a", status="Error")
    call = {"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": "10", "gen_ai.usage.output_tokens": "3"}
    chats = [
        SentSpan(trace_id=root.trace_id, parent=root.span_id, service="b", attributes={**call, "session.id": "s1"})
        for _ in range(2)
    ]
    for span in (*chats, root):
        await store(database, span)
    rows = await database.query(
        "SELECT Spans, Roots, Services, ErrorSpans, LlmSpansReported, InputTokensReported, OutputTokensReported, "
        "SessionId, RootSpanId, RootService, HasLogs FROM traces WHERE TraceId = {id:String}",
        {"id": root.trace_id},
    )
    assert rows == [
        {
            "Spans": 3,
            "Roots": 1,
            "Services": 2,
            "ErrorSpans": 1,
            "LlmSpansReported": 2,
            "InputTokensReported": 20,
            "OutputTokensReported": 6,
            "SessionId": "s1",
            "RootSpanId": root.span_id,
            "RootService": "a",
            "HasLogs": 0,
        }
    ]
