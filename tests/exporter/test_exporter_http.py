"""OTLP/HTTP over a socket."""

from __future__ import annotations

import asyncio
import gzip
import json
import random
import sys
import zlib
from collections import deque

import pytest
from exporter_requests import START_NS, logs, new_trace_id, traces, with_one_bad_span
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from running_receiver import JSON, PROTOBUF, HttpAnswer, receiving
from sinks import MemorySink

from exporter.commit import CommitLimits
from exporter.server import ExporterSettings
from storage.clickhouse.client import Database
from storage.clickhouse.telemetry import ClickHouseSink
from storage.errors import Unavailable

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

LIMIT = 64 << 20
ENCODERS = {"": bytes, "identity": bytes, "gzip": gzip.compress, "deflate": zlib.compress, "zstd": zstd.compress}
WIDE = {zstd.CompressionParameter.window_log: 24}
"""A window of 16 MB."""


def brief(answer: HttpAnswer) -> tuple[int, str, bytes]:
    """Without headers."""
    return answer.status, answer.media, answer.body


def json_span(trace_id: bytes) -> bytes:
    """A JSON request with one span."""
    span = {"traceId": trace_id.hex(), "spanId": "01" * 8, "name": "n", "startTimeUnixNano": str(START_NS)}
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).encode()


async def count(database: Database, table: str, trace_id: bytes) -> int:
    """Rows of one trace."""
    found = await database.query(
        f"SELECT count() AS n FROM {table} WHERE TraceId = {{id:String}}", {"id": trace_id.hex()}
    )
    return int(found[0]["n"])


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("encoding", ENCODERS)
async def test_protobuf_and_json_are_stored_in_every_encoding(database: Database, encoding: str, chunked: bool) -> None:
    """The answer comes in the form of the request: empty protobuf, or `{}`."""
    encode, trace_id = ENCODERS[encoding], new_trace_id()
    async with receiving(ClickHouseSink(database)) as receiver:
        answers = [
            await receiver.post(path, encode(body), media=media, encoding=encoding, chunked=chunked)
            for path, body, media in (
                ("/v1/traces", traces(trace_id, spans=2), PROTOBUF),
                ("/v1/traces", json_span(trace_id), JSON),
                ("/v1/logs", logs(trace_id), PROTOBUF),
            )
        ]
    stored = (await count(database, "otel_traces", trace_id), await count(database, "otel_logs", trace_id))
    assert [brief(answer) for answer in answers] == [(200, PROTOBUF, b""), (200, JSON, b"{}"), (200, PROTOBUF, b"")]
    assert stored == (3, 1)


async def test_partial_success_comes_in_the_form_of_the_request() -> None:
    """Counts are strings in JSON, as protobuf's JSON has 64-bit integers."""
    body = {"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "01"}]}]}]}
    async with receiving(MemorySink()) as receiver:
        binary = await receiver.post("/v1/traces", with_one_bad_span(new_trace_id()))
        text = await receiver.post("/v1/traces", json.dumps(body).encode(), media=JSON)
    reason = "trace_id has 1 bytes instead of 16"
    assert ExportTraceServiceResponse.FromString(binary.body).partial_success.error_message == reason
    assert json.loads(text.body) == {"partialSuccess": {"rejectedSpans": "1", "errorMessage": reason}}


@pytest.mark.parametrize(
    ("body", "encoding", "status", "message"),
    [
        (b"\xff", "", 400, "not a protobuf ExportTraceServiceRequest"),
        (b"not gzip", "gzip", 400, "the body is not gzip"),
        (gzip.compress(b"\x0a\x00")[:-4], "gzip", 400, "the body ends in the middle of its gzip stream"),
        (b"", "gzip", 400, "the body ends in the middle of its gzip stream"),
        (b"", "br", 415, "content encoding 'br' is not supported"),
        (bytes(LIMIT + 1), "", 413, "the body is larger than 67108864 bytes"),
        (gzip.compress(bytes(LIMIT + 1)), "gzip", 413, "the body is larger than 67108864 bytes"),
        (zlib.compress(bytes(LIMIT + 1)), "deflate", 413, "the body is larger than 67108864 bytes"),
        (b"no zstd", "zstd", 400, "the body is not zstd"),
        (zstd.compress(b"\x0a\x00")[:-1], "zstd", 400, "the body ends in the middle of its zstd stream"),
        (zstd.compress(bytes(LIMIT + 1)), "zstd", 413, "the body is larger than 67108864 bytes"),
        (zstd.compress(bytes(LIMIT), options=WIDE), "zstd", 400, "the body is not zstd"),
    ],
    ids=[
        *("foreign", "no gzip", "cut gzip", "empty gzip", "brotli", "large", "gzip bomb", "deflate bomb"),
        *("no zstd", "cut zstd", "zstd bomb", "zstd window"),
    ],
)
async def test_a_bad_body_has_a_status_in_the_form_of_the_request(
    body: bytes, encoding: str, status: int, message: str
) -> None:
    """google.rpc.Status as protobuf; the receiver goes on, over the same keep-alive connections."""
    sink = MemorySink()
    async with receiving(sink) as receiver:
        answer = await receiver.post("/v1/traces", body, encoding=encoding)
        after = await receiver.post("/v1/traces", traces(new_trace_id()))
    assert (answer.status, answer.media, after.status, len(sink.stored)) == (status, PROTOBUF, 200, 1)
    assert Status.FromString(answer.body).message.startswith(message)
    assert "Retry-After" not in answer.headers


async def test_bad_json_has_a_status_in_json() -> None:
    """The field at fault is in it."""
    body = b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"spanId": "xyz"}]}]}]}'
    async with receiving(MemorySink()) as receiver:
        answer = await receiver.post("/v1/traces", body, media="application/json; charset=utf-8")
    message = "resourceSpans[0].scopeSpans[0].spans[0].spanId must be hex digits"
    assert (answer.status, json.loads(answer.body)) == (400, {"code": 3, "message": message})


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
async def test_several_members_are_one_body(encoding: str) -> None:
    """RFC 1952 and RFC 8878 allow it and some proxies do it."""
    body, encode = traces(new_trace_id()), ENCODERS[encoding]
    sink = MemorySink()
    async with receiving(sink) as receiver:
        halves = encode(body[:20]) + encode(body[20:])
        assert (await receiver.post("/v1/traces", halves, encoding=encoding)).status == 200
    assert len(sink.stored) == 1


@pytest.mark.parametrize("media", ["text/plain", "application/octet-stream", "application/xml"])
async def test_a_content_type_that_is_not_otlp_is_415_with_what_to_use(media: str) -> None:
    """In plain text, since the sender's form is unknown."""
    async with receiving(MemorySink()) as receiver:
        answer = await receiver.post("/v1/traces", b"{}", media=media)
    expected = f"content type '{media}' is not OTLP: use application/x-protobuf or application/json\n"
    assert brief(answer) == (415, "text/plain", expected.encode())


async def test_metrics_are_404_with_where_to_send_them() -> None:
    """As over gRPC."""
    async with receiving(MemorySink()) as receiver:
        answer = await receiver.post("/v1/metrics", b"{}", media=JSON)
    assert (answer.status, json.loads(answer.body)["code"]) == (404, 5)
    assert "Send metrics to your metrics backend" in json.loads(answer.body)["message"]


async def test_other_paths_and_methods_are_404_and_405_and_health_is_200() -> None:
    """Nothing else is served here."""
    async with receiving(MemorySink()) as receiver:
        answers = [(await receiver.get(path)).status for path in ("/", "/v1/traces", "/healthz")]
    assert answers == [404, 405, 200]


async def test_storage_trouble_is_503_and_a_full_queue_429_both_with_a_delay() -> None:
    """Never 500: clients do not retry that."""
    sink = MemorySink(errors=deque([Unavailable("away", retry_seconds=2.5)]))
    limits = CommitLimits(queue_bytes=1, retry_for_seconds=0.0)
    async with receiving(sink, ExporterSettings(commit=limits)) as receiver, asyncio.TaskGroup() as tasks:
        away = await receiver.post("/v1/traces", traces(new_trace_id()))
        sink.open.clear()
        first = tasks.create_task(receiver.post("/v1/traces", traces(new_trace_id())))
        await sink.wait_for_attempts(2)
        full = await receiver.post("/v1/traces", traces(new_trace_id()))
        sink.open.set()
        assert (await first).status == 200
    assert [(a.status, a.headers["Retry-After"]) for a in (away, full)] == [(503, "3"), (429, "1")]


async def test_random_and_mutilated_bodies_never_stop_the_receiver() -> None:
    """Random bytes, cut and flipped requests, both forms, a fixed seed: each has an answer that is not a 5xx."""
    dice = random.Random(20261121)
    good = {PROTOBUF: traces(b"\x01" * 16, spans=3, text="some text"), JSON: json_span(b"\x01" * 16)}
    statuses = set()
    async with receiving(MemorySink()) as receiver:
        for _ in range(400):
            media = dice.choice((PROTOBUF, JSON))
            body = bytearray(good[media][: dice.randrange(len(good[media]) + 1)])
            for _ in range(dice.randrange(4)):
                if body:
                    body[dice.randrange(len(body))] = dice.randrange(256)
            path = dice.choice(("/v1/traces", "/v1/logs"))
            raw = dice.randbytes(dice.randrange(64)) if dice.random() < 0.2 else bytes(body)
            statuses.add((await receiver.post(path, raw, media=media)).status)
        assert (await receiver.post("/v1/traces", good[PROTOBUF])).status == 200
    assert statuses == {200, 400}
