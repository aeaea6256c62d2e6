"""Connections as the internet has them: slow, broken, many, and not of this protocol at all."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncIterator

import grpc
import grpc.aio
import pytest
from exporter_requests import logs, new_trace_id, traces
from hostile import CLIENT_HELLO, HTTP2_PREFACE, Connection, connected, post
from running_receiver import METHODS, GrpcAnswer, Receiver, receiving
from sinks import MemorySink

from exporter.receiver.admission import AdmissionLimits
from exporter.server import ExporterSettings

OK = GrpcAnswer(grpc.StatusCode.OK, "", b"", None)
SHORT = ExporterSettings(
    idle_seconds=1.0, admission=AdmissionLimits(wait_seconds=5.0, read_seconds=1.0, slow_seconds=0.05)
)
"""Patience of a second, so that a test sees the end of it."""


async def serves(receiver: Receiver) -> bool:
    """Whether somebody else is served over both fronts."""
    answer = await receiver.call("traces", traces(new_trace_id()))
    posted = await receiver.post("/v1/traces", traces(new_trace_id()))
    return (answer, posted.status) == (OK, 200)


async def test_one_connection_carries_many_requests_and_one_that_is_refused() -> None:
    """HTTP/1.1 keep-alive, also when they are sent without waiting for the answers."""
    async with receiving(MemorySink()) as receiver, connected(receiver.endpoints.http_port) as line:
        statuses = []
        for body in (traces(new_trace_id()), b"\xff", traces(new_trace_id())):
            await line.send(post(body))
            statuses.append((await line.answer())[0])
        await line.send(b"".join(post(traces(new_trace_id())) for _ in range(3)))
        statuses += [(await line.answer())[0] for _ in range(3)]
    assert statuses == [200, 400, 200, 200, 200, 200]


async def test_a_client_may_ask_first_and_may_send_in_chunks() -> None:
    """`Expect: 100-continue` and chunked bodies, as curl and proxies do."""
    body = traces(new_trace_id())
    sink = MemorySink()
    async with receiving(sink) as receiver, connected(receiver.endpoints.http_port) as line:
        await line.send(post(b"", "Expect: 100-continue", length=len(body)))
        assert (await line.answer())[0] == 100
        await line.send(body)
        assert (await line.answer())[0] == 200
        await line.send(post(b"", "Transfer-Encoding: chunked"))
        await line.send(
            b"".join(b"1\r\n" + bytes([octet]) + b"\r\n" for octet in traces(new_trace_id())) + b"0\r\n\r\n"
        )
        assert (await line.answer())[0] == 200
    assert len(sink.stored) == 2


@pytest.mark.parametrize(
    "beginning",
    [b"", b"POST /v1/tra", b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nX-Slow: "],
    ids=["nothing", "half a line", "half a header"],
)
async def test_headers_that_do_not_come_are_cut_after_the_idle_time(beginning: bytes) -> None:
    """Slow-loris: dribbling does not prolong it, and others are served meanwhile."""

    async def dribble(line: Connection) -> None:
        with contextlib.suppress(ConnectionError):
            while beginning:
                await line.send(b"a")
                await asyncio.sleep(0.05)

    async with receiving(MemorySink(), SHORT) as receiver, connected(receiver.endpoints.http_port) as line:
        await line.send(beginning)
        dribbling = asyncio.ensure_future(dribble(line))
        assert await serves(receiver)
        assert await line.until_closed() == b""
        dribbling.cancel()


async def test_bodies_that_dribble_are_cut_with_a_retryable_answer_and_block_nobody() -> None:
    """More of them than the room for bodies holds: what counts is what arrived."""
    settings = ExporterSettings(
        admission=AdmissionLimits(held_bytes=8 << 20, wait_seconds=20.0, read_seconds=2.0, slow_seconds=0.05)
    )
    async with receiving(MemorySink(), settings) as receiver, contextlib.AsyncExitStack() as lines:
        slow = [await lines.enter_async_context(connected(receiver.endpoints.http_port)) for _ in range(20)]
        for line in slow:
            await line.send(post(b"\x0a", length=1 << 20))
        assert await serves(receiver)
        answers = [await line.answer() for line in slow]
        ends = [await line.until_closed() for line in slow]
        assert {(status, headers["retry-after"]) for status, headers, _ in answers} == {(503, "1")}
        assert {b"only 1 bytes of the body arrived within 2 s" in body for _, _, body in answers} == {True}
        assert set(ends) == {b""}
        assert await serves(receiver)


async def test_a_message_that_does_not_come_is_cut_with_a_retryable_status_and_blocks_nobody() -> None:
    """The same over gRPC: calls that are begun and never say anything."""

    async def silent() -> AsyncIterator[bytes]:
        await asyncio.Event().wait()
        yield b""

    settings = ExporterSettings(
        admission=AdmissionLimits(held_bytes=8 << 20, wait_seconds=20.0, read_seconds=2.0, slow_seconds=0.05)
    )
    async with receiving(MemorySink(), settings) as receiver:
        begun = [receiver.channel.stream_unary(METHODS["traces"])(silent()) for _ in range(10)]
        assert await serves(receiver)
        codes = [await call.code() for call in begun]
        assert set(codes) == {grpc.StatusCode.UNAVAILABLE}
        assert await serves(receiver)


async def test_a_call_without_a_message_is_refused_for_good() -> None:
    """Not what a client stub can send."""

    async def none() -> AsyncIterator[bytes]:
        for _ in ():
            yield b""

    async with receiving(MemorySink()) as receiver:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await receiver.channel.stream_unary(METHODS["traces"])(none())
    assert (refused.value.code(), refused.value.details()) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "the call has no message",
    )


@pytest.mark.parametrize("sent", ["half a body", "half a chunk"])
async def test_a_body_that_ends_too_early_stores_nothing(sent: str) -> None:
    """The client closed its connection in the middle, or only its half of it."""
    body = traces(new_trace_id(), text="x" * 1000)
    raw = (
        post(body[:500], length=len(body))
        if sent == "half a body"
        else post(b"", "Transfer-Encoding: chunked") + b"400\r\n" + body[:500]
    )
    sink = MemorySink()
    async with receiving(sink, SHORT) as receiver:
        async with connected(receiver.endpoints.http_port) as line:
            await line.send(raw)
        async with connected(receiver.endpoints.http_port) as line:
            await line.send(raw)
            line.writer.write_eof()
            await line.until_closed()
        assert await serves(receiver)
    assert len(sink.stored) == 2


async def test_a_client_that_closed_its_sending_half_counts_as_gone_but_what_it_sent_is_stored() -> None:
    """No HTTP client does it; its retry would be recognised."""
    sink = MemorySink()
    async with receiving(sink) as receiver, connected(receiver.endpoints.http_port) as line:
        await line.send(post(traces(new_trace_id())))
        line.writer.write_eof()
        assert await line.until_closed() == b""  # no answer
        await sink.wait_for_attempts(1)
    assert len(sink.stored) == 1


@pytest.mark.parametrize(
    "raw",
    [
        b"\x00\xff" * 500 + b"\r\n\r\n",
        CLIENT_HELLO,
        HTTP2_PREFACE,
        post(b"", f"X-Long: {'x' * 100_000}"),
        post(b"", *(f"X-{number}: y" for number in range(1000))),
        post(b"abc", "Content-Length: 2"),
        post(b"", length=-1),
        post(b"", "Transfer-Encoding: chunked") + b"zz\r\n\r\n",
        b"POST " + b"/" * 100_000 + b" HTTP/1.1\r\n\r\n",
    ],
    ids=[
        *("garbage", "TLS", "HTTP/2", "long header", "many headers", "two lengths", "negative length", "bad chunk"),
        "long path",
    ],
)
async def test_what_is_not_http_1_is_refused_or_closed_and_others_are_served(
    raw: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """On the HTTP port: a 400, or nothing.  The log has a line at most, and none of the bytes."""
    sink = MemorySink()
    async with receiving(sink, SHORT) as receiver, connected(receiver.endpoints.http_port) as line:
        with contextlib.suppress(ConnectionError):
            await line.send(raw)
        said = await line.until_closed()
        assert said.startswith((b"HTTP/1.1 400 ", b"HTTP/1.0 400 ")) or said == b""
        assert await serves(receiver)
    assert len(sink.stored) == 2
    troubles = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert [(record.getMessage(), record.exc_info) for record in troubles] in ([], [("not_http", None)])


@pytest.mark.parametrize(
    "raw",
    [random.Random(7).randbytes(4096), CLIENT_HELLO, post(b"abc"), HTTP2_PREFACE + bytes(4096)],
    ids=["garbage", "TLS", "HTTP/1", "HTTP/2 and then zeros"],
)
async def test_what_is_not_grpc_is_closed_and_others_are_served(raw: bytes) -> None:
    """On the gRPC port."""
    async with receiving(MemorySink(), SHORT) as receiver, connected(receiver.endpoints.grpc_port) as line:
        with contextlib.suppress(ConnectionError):
            await line.send(raw)
        await line.until_closed()
        assert await serves(receiver)


@pytest.mark.parametrize("front", ["grpc", "http"])
async def test_many_idle_connections_do_not_keep_others_out_and_end(front: str) -> None:
    """Two thousand that say nothing: cut after the idle time, which is long enough to open them all."""
    settings = ExporterSettings(idle_seconds=5.0)
    async with receiving(MemorySink(), settings) as receiver, contextlib.AsyncExitStack() as lines:
        port = receiver.endpoints.grpc_port if front == "grpc" else receiver.endpoints.http_port
        idle = [await lines.enter_async_context(connected(port)) for _ in range(2000)]
        assert await serves(receiver)
        for line in idle:
            await line.until_closed()
        assert await serves(receiver)


async def test_an_idle_grpc_connection_is_ended_politely_and_the_client_goes_on() -> None:
    """GOAWAY, then a new connection at the next call: the caller notices nothing."""
    async with receiving(MemorySink(), SHORT) as receiver:
        assert await receiver.call("traces", traces(new_trace_id())) == OK
        state = receiver.channel.get_state()
        while state is grpc.ChannelConnectivity.READY:
            await receiver.channel.wait_for_state_change(state)
            state = receiver.channel.get_state()
        assert await receiver.call("traces", traces(new_trace_id())) == OK


@pytest.mark.parametrize("front", ["grpc", "http"])
async def test_a_client_that_goes_away_in_the_middle_leaves_nothing_behind(front: str) -> None:
    """Its rows are stored all the same, or they are not; the room that it had is free again."""
    sink = MemorySink()
    sink.open.clear()
    one = ExporterSettings(admission=AdmissionLimits(held_bytes=1))  # a single body that stays would block the rest
    async with receiving(sink, one) as receiver:
        body = traces(new_trace_id())
        call = asyncio.ensure_future(
            receiver.call("traces", body) if front == "grpc" else receiver.post("/v1/traces", body)
        )
        await sink.wait_for_attempts(1)
        call.cancel()
        await asyncio.wait([call])
        sink.open.set()
        assert await serves(receiver)


@pytest.mark.parametrize("count", [2000, pytest.param(10_000, marks=pytest.mark.soak)])
@pytest.mark.parametrize("front", ["grpc", "http"])
async def test_a_burst_of_small_requests_is_stored_without_a_refusal(front: str, count: int) -> None:
    """All at once, over one connection (gRPC) or a hundred (HTTP)."""
    sink = MemorySink()
    async with receiving(sink) as receiver, asyncio.TaskGroup() as tasks:
        bodies = [logs(new_trace_id()) for _ in range(count)]
        if front == "grpc":
            calls = [tasks.create_task(receiver.call("logs", body)) for body in bodies]
            codes = {(await call).code for call in calls}
            # Where all of them together need more than 30 s, gRPC cancels the last ones, which clients send again.
            assert codes - ({grpc.StatusCode.CANCELLED} if count > 2000 else set()) == {grpc.StatusCode.OK}
        else:
            posts = [tasks.create_task(receiver.post("/v1/logs", body)) for body in bodies]
            assert {(await posted).status for posted in posts} == {200}
