"""OTLP/gRPC: raw request bytes in, status out.

A unary call is served as a stream of one message, which is the same on the wire: so a message is read when there is
room for it, and waits with its sender until then.  Messages are decompressed here, as the bodies of HTTP are: gRPC
would inflate them whole, whatever else is under way.  (gRPC itself refuses zstd.)
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, NoReturn

import grpc
import grpc.aio

from exporter.errors import PortInUse
from exporter.intake import Intake, Signal
from exporter.receiver.admission import Admission, Held
from exporter.receiver.inflate import read_body
from exporter.receiver.listen import Listen
from exporter.receiver.status import METRICS_REFUSED, REFUSALS, answer_to, response_to, status_of
from storage.otlp.errors import Malformed

PACKAGE = "opentelemetry.proto.collector"
SERVICES: Mapping[str, Signal] = {
    f"{PACKAGE}.trace.v1.TraceService": Signal.TRACES,
    f"{PACKAGE}.logs.v1.LogsService": Signal.LOGS,
}
METRICS_SERVICE = f"{PACKAGE}.metrics.v1.MetricsService"
DETAILS = "grpc-status-details-bin"
EXPECTED_BYTES = 4 << 20
"""Held for a message before its size is known, which is when all of it is there: gRPC's own limit, unless raised."""
MAX_PENDING = 1 << 20
"""Calls that may wait to be looked at: from 1,000 on gRPC would cancel some at random.  (`grpc.max_concurrent_streams`
is no way to slow a client: it resets what a burst begins before the client has read the limit.)"""
REBALANCE_SECONDS = 300
"""Where processes share the port, a connection is renewed so often: else a process that started late gets none."""
READ_BUFFER_BYTES = 64 << 10
"""Per connection.  gRPC makes it as large as what came at once before, and keeps it for what may come: each connection
that sent a message of a megabyte would cost one from then on (130 of 330 MB, with 192 of them and a frozen store)."""
PING_SECONDS = 60
"""A peer that is gone without a word is noticed by then."""

Handler = Callable[[Any, Any], Awaitable[bytes]]


class GrpcFront:
    """The server on one address.

    Args:
        listen: Where, and how connections are treated.
        max_body_bytes: Larger messages, as sent or decompressed, are refused for good (no RetryInfo).

    Raises:
        PortInUse: At `start`.
    """

    def __init__(self, intake: Intake, admission: Admission, *, listen: Listen, max_body_bytes: int) -> None:
        self._intake = intake
        self._admission = admission
        self._listen = listen
        self._max_body_bytes = max_body_bytes
        self._server = grpc.aio.server(options=_options(listen, max_body_bytes))
        self._server.add_generic_rpc_handlers(
            (
                *(_service(name, self._export(signal)) for name, signal in SERVICES.items()),
                _service(METRICS_SERVICE, _refuse_metrics),
            )
        )

    async def start(self) -> int:
        """Listen; returns the port."""
        try:
            port = self._server.add_insecure_port(self._listen.address)
        except RuntimeError as error:
            raise PortInUse(
                f"cannot listen for OTLP/gRPC on {self._listen.address}: the port is in use or not ours. Stop what "
                "listens there, or set ASSAY_OTLP_GRPC to another address (port 0 = any free one)"
            ) from error
        await self._server.start()
        return int(port)

    async def stop(self, *, grace_seconds: float) -> None:
        """Refuse new calls and let those under way end for at most `grace_seconds`."""
        await self._server.stop(grace_seconds)

    def _export(self, signal: Signal) -> Handler:
        async def export(_: Any, context: Any) -> bytes:
            try:
                self._intake.check_room()
                async with self._admission.admitted(EXPECTED_BYTES) as held:
                    # The body has no name here: it must not live longer than `export` needs it.
                    translated = await self._intake.export(signal, await self._body(context, held))
            except REFUSALS as error:
                self._intake.counts.refuse(signal, error)
                await _abort(context, error)
            return response_to(signal, translated).SerializeToString()

        return export

    async def _body(self, context: Any, held: Held) -> bytes:
        async with held.arriving():
            message = await context.read()
            if not isinstance(message, bytes):
                raise Malformed("the call has no message")
            return await read_body(_one(message), _encoding(message), max_bytes=self._max_body_bytes, held=held)


def _options(listen: Listen, max_body_bytes: int) -> list[tuple[str, int]]:
    options = [
        ("grpc.max_receive_message_length", max_body_bytes),
        ("grpc.per_message_decompression", 0),
        ("grpc.so_reuseport", int(listen.shared)),  # else two receivers on one port would be a mistake nobody sees
        ("grpc.http2.bdp_probe", 0),  # it would let a stream that is not read buffer megabytes
        ("grpc.experimental.tcp_max_read_buffer_size", READ_BUFFER_BYTES),
        ("grpc.server.max_pending_requests", MAX_PENDING),
        ("grpc.server.max_pending_requests_hard_limit", MAX_PENDING),
        ("grpc.max_connection_idle_ms", int(listen.idle_seconds * 1000)),
        ("grpc.server_handshake_timeout_ms", int(listen.idle_seconds * 1000)),
        ("grpc.keepalive_time_ms", PING_SECONDS * 1000),
        # A client that pings more often than gRPC likes is no reason to cut it off.
        ("grpc.http2.min_ping_interval_without_data_ms", 1000),
        ("grpc.keepalive_permit_without_calls", 1),
    ]
    if listen.shared:
        options.append(("grpc.max_connection_age_ms", REBALANCE_SECONDS * 1000))
    return options


def _service(name: str, handler: Handler) -> grpc.GenericRpcHandler[bytes, bytes]:
    # Without (de)serializers gRPC hands over and takes bytes.
    method: Any = grpc.stream_unary_rpc_method_handler(handler)
    return grpc.method_handlers_generic_handler(name, {"Export": method})


async def _one(message: bytes) -> AsyncIterator[bytes]:
    yield message


def _encoding(message: bytes) -> str:
    """gRPC keeps `grpc-encoding` to itself; no request begins like these (wire type 7; a field 15 of that value)."""
    if message.startswith(b"\x1f\x8b\x08"):
        return "gzip"
    if message.startswith(b"\x78") and int.from_bytes(message[:2], "big") % 31 == 0:  # RFC 1950
        return "deflate"
    return ""


async def _abort(context: Any, error: Exception) -> NoReturn:
    details = status_of(error).SerializeToString()
    await context.abort(answer_to(error).grpc, str(error), trailing_metadata=((DETAILS, details),))
    raise AssertionError("abort raises")


async def _refuse_metrics(_: Any, context: Any) -> bytes:
    await context.abort(grpc.StatusCode.UNIMPLEMENTED, METRICS_REFUSED)
    raise AssertionError("abort raises")
