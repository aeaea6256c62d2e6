"""OTLP/gRPC over a socket."""

from __future__ import annotations

import asyncio
from collections import deque
from types import NoneType

import grpc
import pytest
from exporter_requests import logs, new_trace_id, traces, with_one_bad_span
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from running_receiver import GrpcAnswer, receiving
from sinks import MemorySink

from exporter.commit import CommitLimits, Committer
from exporter.errors import PortInUse
from exporter.server import ExporterSettings, serve
from storage.clickhouse.client import Database
from storage.clickhouse.telemetry import ClickHouseSink
from storage.errors import Rejected, Unavailable
from storage.otlp.reference import translate_traces

OK = GrpcAnswer(grpc.StatusCode.OK, "", b"", None)
PLENTY = CommitLimits(retry_for_seconds=0.0)


@pytest.mark.parametrize("gzip", [False, True])
async def test_an_acknowledged_request_is_in_clickhouse(database: Database, gzip: bool) -> None:
    """Traces and logs, as they are and compressed."""
    trace_id = new_trace_id()
    async with receiving(ClickHouseSink(database)) as receiver:
        answers = [
            await receiver.call("traces", traces(trace_id, spans=3), gzip=gzip),
            await receiver.call("logs", logs(trace_id, records=2), gzip=gzip),
        ]
        found = await database.query(
            "SELECT (SELECT count() FROM otel_traces WHERE TraceId = {id:String}) AS spans, "
            "(SELECT count() FROM otel_logs WHERE TraceId = {id:String}) AS logs",
            {"id": trace_id.hex()},
        )
    assert (answers, found) == ([OK, OK], [{"spans": 3, "logs": 2}])


async def test_a_request_without_spans_is_fine() -> None:
    """Nothing is stored, and the sender is told that all is well."""
    sink = MemorySink()
    async with receiving(sink) as receiver:
        assert [await receiver.call("traces", b""), await receiver.call("logs", b"")] == [OK, OK]
    assert sink.attempts == []


async def test_refused_spans_are_counted_and_the_others_stored(database: Database) -> None:
    """Partial success: the reason of the first, and no retry."""
    trace_id = new_trace_id()
    async with receiving(ClickHouseSink(database)) as receiver:
        answer = await receiver.call("traces", with_one_bad_span(trace_id))
    expected = ExportTraceServiceResponse()
    expected.partial_success.rejected_spans = 1
    expected.partial_success.error_message = "trace_id has 1 bytes instead of 16"
    found = await database.query(
        "SELECT count() AS n FROM otel_traces WHERE TraceId = {id:String}", {"id": trace_id.hex()}
    )
    assert (ExportTraceServiceResponse.FromString(answer.body), found) == (expected, [{"n": 2}])


async def test_refused_log_records_are_counted_too() -> None:
    """The response of logs has a field of its own."""
    async with receiving(MemorySink()) as receiver:
        answer = await receiver.call("logs", logs(b"\x01"))
    assert ExportLogsServiceResponse.FromString(answer.body).partial_success.rejected_log_records == 1


@pytest.mark.parametrize("body", [b"\xff\xff", traces(new_trace_id())[:-2]], ids=["foreign", "truncated"])
async def test_what_is_not_otlp_is_refused_for_good(body: bytes) -> None:
    """INVALID_ARGUMENT with a status that invites no retry."""
    async with receiving(MemorySink()) as receiver:
        answer = await receiver.call("traces", body)
    assert (answer.code, answer.retryable) == (grpc.StatusCode.INVALID_ARGUMENT, False)
    assert answer.message.startswith("not a protobuf ExportTraceServiceRequest")


@pytest.mark.parametrize("gzip", [False, True])
async def test_a_message_over_the_limit_is_refused_for_good(gzip: bool) -> None:
    """64 MiB is the limit, also for what 64 KB of gzip unfold to; the server goes on."""
    async with receiving(MemorySink()) as receiver:
        answer = await receiver.call("traces", bytes((64 << 20) + 1), gzip=gzip)
        assert (answer.code, answer.retryable) == (grpc.StatusCode.RESOURCE_EXHAUSTED, False)
        assert await receiver.call("traces", traces(new_trace_id())) == OK


async def test_a_body_just_below_the_limit_is_stored() -> None:
    """One span with almost 64 MiB of text."""
    body = traces(new_trace_id(), text="x" * ((64 << 20) - 200))
    sink = MemorySink()
    async with receiving(sink) as receiver:
        assert await receiver.call("traces", body) == OK
    assert len(sink.stored[0][1]) > 63 << 20


async def test_metrics_are_refused_with_where_to_send_them_and_unknown_services_plainly() -> None:
    """A Collector's log shows this sentence to its operator."""
    async with receiving(MemorySink()) as receiver:
        metrics, unknown = await receiver.call("metrics", b""), await receiver.call("unknown", b"")
    assert (metrics.code, unknown.code) == (grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.UNIMPLEMENTED)
    assert "Send metrics to your metrics backend" in metrics.message


async def test_a_clickhouse_that_is_away_is_retryable_and_one_that_refuses_is_not() -> None:
    """The two answers that decide about somebody's data."""
    sink = MemorySink(errors=deque([Unavailable("connection refused", retry_seconds=3), Rejected("code 33")]))
    async with receiving(sink, ExporterSettings(commit=PLENTY)) as receiver:
        away = await receiver.call("traces", traces(new_trace_id()))
        refused = await receiver.call("traces", traces(new_trace_id()))
    assert (away.code, away.retryable, away.message) == (grpc.StatusCode.UNAVAILABLE, True, "connection refused")
    assert (refused.code, refused.retryable, refused.message) == (grpc.StatusCode.INVALID_ARGUMENT, False, "code 33")


async def test_a_full_queue_is_resource_exhausted_with_a_delay() -> None:
    """Without RetryInfo a client would drop its data."""
    sink = MemorySink()
    sink.open.clear()
    async with (
        receiving(sink, ExporterSettings(commit=CommitLimits(queue_bytes=1))) as receiver,
        asyncio.TaskGroup() as t,
    ):
        first = t.create_task(receiver.call("traces", traces(new_trace_id())))
        await sink.wait_for_attempts(1)
        second = await receiver.call("traces", traces(new_trace_id()))
        sink.open.set()
        assert (await first, second.code, second.retryable) == (OK, grpc.StatusCode.RESOURCE_EXHAUSTED, True)


async def test_a_real_clickhouse_that_cannot_be_reached_is_unavailable(database: Database) -> None:
    """The driver's own errors, not ours."""
    async with receiving(ClickHouseSink(database), ExporterSettings(commit=PLENTY)) as receiver:
        await database.close()
        answer = await receiver.call("traces", traces(new_trace_id()))
        await database.connect()
        assert (answer.code, answer.retryable) == (grpc.StatusCode.UNAVAILABLE, True)
        assert await receiver.call("traces", traces(new_trace_id())) == OK


async def test_a_stop_answers_what_is_under_way_and_then_ends() -> None:
    """Acknowledged or not, no caller is left without an answer."""
    sink = MemorySink()
    sink.open.clear()
    async with receiving(sink) as receiver, asyncio.TaskGroup() as tasks:
        calls = [tasks.create_task(receiver.call("traces", traces(new_trace_id()))) for _ in range(3)]
        posted = tasks.create_task(receiver.post("/v1/logs", logs(new_trace_id())))
        await sink.wait_for_attempts(2)
        receiver.stop()
        sink.open.set()
        await receiver.ended
        assert [await call for call in calls] == [OK] * 3
        assert (await posted).status == 200


@pytest.mark.parametrize("front", ["grpc", "http"])
async def test_a_port_in_use_is_an_error_that_names_it_and_what_to_do(front: str) -> None:
    """And the other front is not left listening."""
    async with receiving(MemorySink()) as receiver:
        ports = {"grpc": receiver.endpoints.grpc_port, "http": receiver.endpoints.http_port}
        taken = f"127.0.0.1:{ports[front]}"
        free = ExporterSettings(grpc="127.0.0.1:0", http="127.0.0.1:0")
        settings = ExporterSettings(**{"grpc": free.grpc, "http": free.http, front: taken})
        with pytest.raises(PortInUse, match=rf"{taken}.*set ASSAY_OTLP_{front.upper()} to another address"):
            await serve(MemorySink(), settings, stop=asyncio.Event(), on_ready=lambda endpoints: None)


async def test_a_poison_request_beside_good_ones_fails_alone(database: Database) -> None:
    """Real ClickHouse, one group: a block that it refuses among blocks that it takes."""
    good = [new_trace_id() for _ in range(3)]
    committer, stop = Committer(ClickHouseSink(database), "otel_traces", CommitLimits()), asyncio.Event()
    blocks = [translated(trace_id) for trace_id in good]
    blocks.insert(1, blocks[0][: len(blocks[0]) // 2])
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(committer.run(stop, drain_seconds=5))
        commits = [tasks.create_task(refusal_of(committer, block)) for block in blocks]
        answers = [await commit for commit in commits]
        stop.set()
    found = await database.query(
        "SELECT count() AS n FROM otel_traces WHERE TraceId IN {ids:Array(String)}", {"ids": [t.hex() for t in good]}
    )
    assert ([type(answer) for answer in answers], found) == ([NoneType, Rejected, NoneType, NoneType], [{"n": 3}])


async def refusal_of(committer: Committer, block: bytes) -> Rejected | None:
    """Commit; the refusal, if there is one."""
    try:
        await committer.commit(block)
    except Rejected as refusal:
        return refusal
    return None


def translated(trace_id: bytes) -> bytes:
    """The block of a good request."""
    return translate_traces(traces(trace_id)).block
