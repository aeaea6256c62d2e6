"""A request that comes again, byte for byte: acknowledged, and not stored again."""

from __future__ import annotations

import asyncio
from collections import deque

import pytest
from exporter_requests import logs, new_trace_id, traces, with_one_bad_span
from running_receiver import receiving
from sinks import NOW_US, MemorySink
from test_exporter_commit import committing, outcomes, token, until

from exporter.commit import CommitLimits
from exporter.digests import MemoryLimits
from exporter.errors import Overloaded
from exporter.server import ExporterSettings
from storage.clickhouse.client import Database
from storage.clickhouse.telemetry import ClickHouseSink
from storage.errors import Rejected, Unavailable
from storage.otlp.messages import TracesResponse
from storage.otlp.reference import request_digest

QUICK = MemoryLimits(fresh_seconds=0.0, stray_seconds=0.0)
IMPATIENT = CommitLimits(retry_for_seconds=0.0, memory=QUICK)
COPIES = "SELECT count() AS rows, uniqExact(SpanId) AS spans FROM {table:Identifier} WHERE TraceId = {trace:String}"


async def test_a_request_that_was_acknowledged_is_acknowledged_again_without_an_insert() -> None:
    """The answer had got lost on its way."""
    sink = MemorySink()
    async with committing(sink) as committer:
        assert [*await outcomes(committer, [b"a"]), *await outcomes(committer, [b"a", b"b"])] == ["ok"] * 3
        assert committer.recognised == 1
    assert [body for _, body, _ in sink.stored] == [b"a", b"b"]


async def test_a_request_that_is_under_way_waits_for_the_result_of_the_first() -> None:
    """Its client had lost patience; it is stored once, and nobody is answered before that."""
    sink = MemorySink()
    sink.open.clear()
    async with committing(sink) as committer, asyncio.TaskGroup() as tasks:
        first = tasks.create_task(committer.commit(b"a"))
        await sink.wait_for_attempts(1)
        again = tasks.create_task(committer.commit(b"a"))
        await until(lambda: committer.held_bytes == 2)
        assert not again.done()
        sink.open.set()
        await again
        await first
        assert (committer.held_bytes, committer.recognised) == (0, 1)
    assert [body for _, body, _ in sink.stored] == [b"a"]


async def test_a_request_whose_first_caller_went_away_is_answered_to_the_second() -> None:
    """gRPC cancels a call at its deadline; the retry must not be cancelled with it."""
    sink = MemorySink()
    sink.open.clear()
    async with committing(sink) as committer, asyncio.TaskGroup() as tasks:
        first = tasks.create_task(committer.commit(b"a"))
        await sink.wait_for_attempts(1)
        again = tasks.create_task(committer.commit(b"a"))
        await until(lambda: committer.held_bytes == 2)
        first.cancel()
        sink.open.set()
        await again
    assert [body for _, body, _ in sink.stored] == [b"a"]


async def test_a_request_that_is_under_way_fails_with_the_first() -> None:
    """Both clients come again; the digest of what was not stored is not remembered."""
    sink = MemorySink(errors=deque([Unavailable("away")]))
    async with committing(sink, IMPATIENT) as committer:
        assert await outcomes(committer, [b"a", b"a"]) == ["Unavailable", "Unavailable"]
        assert await outcomes(committer, [b"a", b"a"]) == ["ok", "ok"]
    assert [body for _, body, _ in sink.stored] == [b"a"]


async def test_a_poison_request_is_not_remembered() -> None:
    """Neither as stored nor as refused: a repaired server may take it; its neighbours are remembered."""
    sink = MemorySink(refused=b"poison", refusal=Rejected("no"))
    async with committing(sink) as committer:
        assert await outcomes(committer, [b"good 1", b"poison", b"good 2"]) == ["ok", "Rejected", "ok"]
        assert await outcomes(committer, [b"poison", b"good 1", b"good 2"]) == ["Rejected", "ok", "ok"]
        assert committer.recognised == 2
        sink.refusal = None
        assert await outcomes(committer, [b"poison"]) == ["ok"]
    assert [body for _, body, _ in sink.stored] == [b"good 1", b"good 2", b"poison"]


async def test_what_a_refused_group_left_behind_is_not_stored_again() -> None:
    """Rows can be there although a view refused them."""
    sink = MemorySink(refused=b"poison", refusal=Rejected("no"))
    async with committing(sink) as committer:
        await committer.commit(b"first")
        sink.known[request_digest(b"good")] = NOW_US + 1
        assert await outcomes(committer, [b"good", b"poison"]) == ["ok", "Rejected"]
    assert [body for _, body, _ in sink.attempts] == [b"first", b"goodpoison", b"poison"]


async def test_what_another_process_stored_is_recognised() -> None:
    """Several share the port: a retry arrives anywhere."""
    sink = MemorySink()
    async with committing(sink, CommitLimits(memory=QUICK)) as committer:
        await committer.commit(b"mine")
        sink.known[request_digest(b"theirs")] = NOW_US + 1
        assert await outcomes(committer, [b"theirs", b"new"]) == ["ok", "ok"]
        assert committer.recognised == 1
    assert sink.stored[1:] == [("otel_traces", b"new", token(b"new"))]


async def test_an_insert_of_unknown_outcome_is_looked_up_before_its_requests_are_stored_again() -> None:
    """ClickHouse had stored one of the two when the connection broke."""
    sink = MemorySink(errors=deque([Unavailable("connection reset")]))
    async with committing(sink, IMPATIENT) as committer:
        assert await outcomes(committer, [b"a", b"b"]) == ["Unavailable", "Unavailable"]
        sink.known[request_digest(b"a")] = NOW_US + 1
        assert await outcomes(committer, [b"b", b"a"]) == ["ok", "ok"]
    assert [body for _, body, _ in sink.stored] == [b"b"]


async def test_nothing_is_stored_while_an_insert_of_unknown_outcome_still_runs() -> None:
    """It may be about to bring the very same rows."""
    sink = MemorySink(errors=deque([Unavailable("timeout")]))
    async with committing(sink, IMPATIENT) as committer:
        assert await outcomes(committer, [b"a"]) == ["Unavailable"]
        sink.running_since_us = NOW_US - 1
        assert await outcomes(committer, [b"a", b"b"]) == ["Unavailable", "Unavailable"]
        assert len(sink.attempts) == 1
        sink.running_since_us, sink.known[request_digest(b"a")] = None, NOW_US + 1
        assert await outcomes(committer, [b"a", b"b"]) == ["ok", "ok"]
    assert [body for _, body, _ in sink.stored] == [b"b"]


async def test_a_group_waits_for_what_is_stored_to_be_known() -> None:
    """Without that it could store a retry again; the same patience as for an INSERT."""
    sink = MemorySink(look_errors=deque([Unavailable("starting")] * 2))
    async with committing(sink) as committer:
        assert await outcomes(committer, [b"a"]) == ["ok"]
    sink = MemorySink(look_errors=deque([Unavailable("away")]))
    async with committing(sink, IMPATIENT) as committer:
        assert [*await outcomes(committer, [b"a"]), *await outcomes(committer, [b"a"])] == ["Unavailable", "ok"]
    assert len(sink.attempts) == 1


async def test_a_look_that_is_refused_is_nobodys_bad_request() -> None:
    """A missing right, for example: the client must keep its data until an operator has repaired it."""
    sink = MemorySink(look_errors=deque([Rejected("no such column")]))
    async with committing(sink, IMPATIENT) as committer:
        assert await outcomes(committer, [b"a", b"b"]) == ["Unavailable", "Unavailable"]
        assert await outcomes(committer, [b"a", b"b"]) == ["ok", "ok"]
    assert [body for _, body, _ in sink.stored] == [b"ab"]


async def test_copies_of_a_request_under_way_count_in_the_queue() -> None:
    """Each of them is in memory: a thousand callers with one large request must not pass the bound."""
    sink = MemorySink()
    sink.open.clear()
    async with committing(sink, CommitLimits(queue_bytes=10)) as committer, asyncio.TaskGroup() as tasks:
        tasks.create_task(committer.commit(b"aaaa"))
        tasks.create_task(committer.commit(b"aaaa"))
        await until(lambda: committer.held_bytes == 8)
        with pytest.raises(Overloaded, match="8 bytes are waiting"):
            await committer.commit(b"aaaa")
        sink.open.set()
    assert [body for _, body, _ in sink.stored] == [b"aaaa"]


async def test_a_known_request_is_acknowledged_also_when_the_queue_is_full() -> None:
    """It needs no room."""
    sink = MemorySink()
    async with committing(sink, CommitLimits(queue_bytes=4)) as committer, asyncio.TaskGroup() as tasks:
        await committer.commit(b"old")
        sink.open.clear()
        tasks.create_task(committer.commit(b"fill"))
        await sink.wait_for_attempts(2)
        await committer.commit(b"old")
        assert [body for _, body, _ in sink.stored] == [b"old"]  # acknowledged while nothing could be stored
        sink.open.set()
    assert ([body for _, body, _ in sink.stored], committer.recognised) == ([b"old", b"fill"], 1)


async def test_a_retry_over_any_front_and_encoding_is_the_same_request(database: Database) -> None:
    """The bytes of the message count, not how they were compressed or carried; the answer is the same, too."""
    trace_id = new_trace_id()
    body, records = with_one_bad_span(trace_id), logs(trace_id, records=2)
    async with receiving(ClickHouseSink(database)) as receiver:
        answers = [await receiver.call("traces", body), await receiver.call("traces", body, gzip=True)]
        over_http = await receiver.post("/v1/traces", body)
        for _ in range(2):
            assert (await receiver.post("/v1/logs", records)).status == 200
    partial = [TracesResponse.FromString(each).partial_success for each in (*(a.body for a in answers), over_http.body)]
    assert [each.rejected_spans for each in partial] == [1, 1, 1]
    assert await copies(database, "otel_traces", trace_id) == {"rows": 2, "spans": 2}
    assert (await copies(database, "otel_logs", trace_id))["rows"] == 2


async def test_a_retry_to_another_process_or_a_later_one_is_recognised(database: Database) -> None:
    """All they share is ClickHouse."""
    trace_id, sink = new_trace_id(), ClickHouseSink(database)
    body, records = traces(trace_id, spans=3), logs(trace_id)
    attentive = ExporterSettings(commit=CommitLimits(memory=MemoryLimits(fresh_seconds=0.0)))
    async with receiving(sink, attentive) as other:
        assert (await other.post("/v1/traces", traces(new_trace_id()))).status == 200  # it has looked once
        async with receiving(sink) as receiver:
            assert (await receiver.post("/v1/traces", body)).status == 200
            assert (await receiver.post("/v1/logs", records)).status == 200
        assert (await other.post("/v1/traces", body)).status == 200
        assert (await other.post("/v1/logs", records)).status == 200
    async with receiving(sink) as later:
        assert (await later.post("/v1/traces", body)).status == 200
        assert (await later.post("/v1/logs", records)).status == 200
    assert await copies(database, "otel_traces", trace_id) == {"rows": 3, "spans": 3}
    assert (await copies(database, "otel_logs", trace_id))["rows"] == 1


async def copies(database: Database, table: str, trace_id: bytes) -> dict[str, int]:
    """Rows and different spans of a trace."""
    [row] = await database.query(COPIES, {"table": table, "trace": trace_id.hex()})
    return row
