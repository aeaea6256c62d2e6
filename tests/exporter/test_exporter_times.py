"""Times that no clock should show, through to a real ClickHouse."""

from __future__ import annotations

import asyncio

import grpc
import pytest
from exporter_requests import START_NS, new_trace_id, traces
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from running_receiver import receiving

from storage.clickhouse.client import Database
from storage.clickhouse.telemetry import ClickHouseSink

PATIENCE_SECONDS = 240.0
DAY_NS = 86_400_000_000_000
COUNTS = "SELECT count() AS spans, uniqExact(toDate(Timestamp)) AS days FROM otel_traces WHERE TraceId = {id:String}"


def spread(trace_id: bytes, *starts_ns: int) -> bytes:
    """A request with a span at each of these times."""
    request = ExportTraceServiceRequest.FromString(traces(trace_id, spans=len(starts_ns)))
    for span, start_ns in zip(request.resource_spans[0].scope_spans[0].spans, starts_ns, strict=True):
        span.start_time_unix_nano = start_ns
        span.end_time_unix_nano = start_ns
    return request.SerializeToString()


@pytest.mark.parametrize("days", [120, pytest.param(400, marks=pytest.mark.soak)])
async def test_a_request_that_spans_many_days_is_stored_whole(fresh_database: Database, days: int) -> None:
    """ClickHouse would refuse more than 100 partitions in an INSERT, with a code that elsewhere means: try again.

    Every day is a part, 14 ms of CPU: where 400 of them take longer than an INSERT may, the client comes again.
    """
    trace_id = new_trace_id()
    body = spread(trace_id, *(START_NS - day * DAY_NS for day in range(days)))
    async with receiving(ClickHouseSink(fresh_database)) as receiver, asyncio.timeout(PATIENCE_SECONDS):
        while (answer := await receiver.call("traces", body)).retryable:
            pass
    assert (answer.code, answer.body) == (grpc.StatusCode.OK, b"")
    assert await fresh_database.query(COUNTS, {"id": trace_id.hex()}) == [{"spans": days, "days": days}]


@pytest.mark.parametrize(
    ("start_ns", "reason"),
    [(0, ""), (2**32 * 10**9, "start_time_unix_nano"), (2**64 - 1, "start_time_unix_nano")],
    ids=["zero", "the year 2106", "the greatest"],
)
async def test_an_impossible_time_fails_alone_and_its_neighbours_are_stored(
    database: Database, start_ns: int, reason: str
) -> None:
    """What ClickHouse cannot hold is counted and named; what it can is stored as it was sent."""
    trace_id = new_trace_id()
    async with receiving(ClickHouseSink(database)) as receiver:
        answer = await receiver.call("traces", spread(trace_id, START_NS, start_ns, START_NS + 1))
    rejected = ExportTraceServiceResponse.FromString(answer.body).partial_success
    found = await database.query(
        "SELECT toUnixTimestamp64Nano(Timestamp) AS ns FROM otel_traces WHERE TraceId = {id:String} ORDER BY ns",
        {"id": trace_id.hex()},
    )
    kept = [START_NS, START_NS + 1] + ([] if reason else [start_ns])
    assert (answer.code, rejected.rejected_spans, reason in rejected.error_message) == (
        grpc.StatusCode.OK, 1 if reason else 0, True,
    )  # fmt: skip
    assert [row["ns"] for row in found] == sorted(kept)
