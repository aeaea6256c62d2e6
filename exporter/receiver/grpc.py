"""OTLP/gRPC: raw request bytes in, status out.  Decompression (gzip, deflate) and the size limit are gRPC's own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NoReturn

import grpc
import grpc.aio

from exporter.errors import PortInUse
from exporter.intake import Intake, Signal
from exporter.receiver.status import METRICS_REFUSED, REFUSALS, answer_to, response_to, status_of

PACKAGE = "opentelemetry.proto.collector"
SERVICES: Mapping[str, Signal] = {
    f"{PACKAGE}.trace.v1.TraceService": Signal.TRACES,
    f"{PACKAGE}.logs.v1.LogsService": Signal.LOGS,
}
METRICS_SERVICE = f"{PACKAGE}.metrics.v1.MetricsService"
DETAILS = "grpc-status-details-bin"

Handler = Callable[[bytes, Any], Awaitable[bytes]]


class GrpcFront:
    """The server on one address.

    Args:
        address: `host:port`; port 0 = any free one.
        max_body_bytes: Larger messages, as sent or decompressed, are refused for good (no RetryInfo).

    Raises:
        PortInUse: At `start`.
    """

    def __init__(self, intake: Intake, *, address: str, max_body_bytes: int) -> None:
        self._address = address
        self._server = grpc.aio.server(
            options=[
                ("grpc.max_receive_message_length", max_body_bytes),
                ("grpc.so_reuseport", 0),  # two receivers on one port would be a mistake that nobody sees
            ]
        )
        self._server.add_generic_rpc_handlers(
            (
                *(_service(name, _export(intake, signal)) for name, signal in SERVICES.items()),
                _service(METRICS_SERVICE, _refuse_metrics),
            )
        )

    async def start(self) -> int:
        """Listen; returns the port."""
        try:
            port = self._server.add_insecure_port(self._address)
        except RuntimeError as error:
            raise PortInUse(
                f"cannot listen for OTLP/gRPC on {self._address}: the port is in use or not ours. Stop what listens "
                "there, or set ASSAY_OTLP_GRPC to another address (port 0 = any free one)"
            ) from error
        await self._server.start()
        return int(port)

    async def stop(self, *, grace_seconds: float) -> None:
        """Refuse new calls and let those under way end for at most `grace_seconds`."""
        await self._server.stop(grace_seconds)


def _service(name: str, handler: Handler) -> grpc.GenericRpcHandler[bytes, bytes]:
    # Without (de)serializers gRPC hands over and takes bytes.
    method: Any = grpc.unary_unary_rpc_method_handler(handler)
    return grpc.method_handlers_generic_handler(name, {"Export": method})


def _export(intake: Intake, signal: Signal) -> Handler:
    async def export(request: bytes, context: Any) -> bytes:
        try:
            translated = await intake.export(signal, request)
        except REFUSALS as error:
            await _abort(context, error)
        return response_to(signal, translated).SerializeToString()

    return export


async def _abort(context: Any, error: Exception) -> NoReturn:
    details = status_of(error).SerializeToString()
    await context.abort(answer_to(error).grpc, str(error), trailing_metadata=((DETAILS, details),))
    raise AssertionError("abort raises")


async def _refuse_metrics(request: bytes, context: Any) -> bytes:
    await context.abort(grpc.StatusCode.UNIMPLEMENTED, METRICS_REFUSED)
    raise AssertionError("abort raises")
