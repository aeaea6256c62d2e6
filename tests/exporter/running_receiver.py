"""A receiver on free ports for the length of a `with` block, and plain clients for it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace

import aiohttp
import grpc
import grpc.aio
from google.rpc.status_pb2 import Status

from exporter.server import Endpoints, ExporterSettings, serve
from storage.telemetry import TelemetrySink

PACKAGE = "opentelemetry.proto.collector"
METHODS = {
    "traces": f"/{PACKAGE}.trace.v1.TraceService/Export",
    "logs": f"/{PACKAGE}.logs.v1.LogsService/Export",
    "metrics": f"/{PACKAGE}.metrics.v1.MetricsService/Export",
    "unknown": f"/{PACKAGE}.profiles.v1.ProfilesService/Export",
}
PROTOBUF = "application/x-protobuf"
JSON = "application/json"


@dataclass(frozen=True, slots=True)
class GrpcAnswer:
    """What a gRPC client sees; `details` is google.rpc.Status of the trailing metadata, if any."""

    code: grpc.StatusCode
    message: str
    body: bytes
    details: Status | None

    @property
    def retryable(self) -> bool:
        """By the OTLP specification."""
        if self.code is grpc.StatusCode.RESOURCE_EXHAUSTED:
            return self.details is not None and any(d.type_url.endswith("RetryInfo") for d in self.details.details)
        return self.code is grpc.StatusCode.UNAVAILABLE


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What an HTTP client sees."""

    status: int
    media: str
    body: bytes
    headers: Mapping[str, str]


@dataclass(slots=True)
class Receiver:
    """A running receiver; `stop()` begins its graceful end, `ended` is the task that serves."""

    endpoints: Endpoints
    stopping: asyncio.Event
    ended: asyncio.Task[None]
    channel: grpc.aio.Channel
    session: aiohttp.ClientSession

    def stop(self) -> None:
        """Begin to stop."""
        self.stopping.set()

    async def call(self, method: str, body: bytes, *, gzip: bool = False) -> GrpcAnswer:
        """One gRPC call with raw bytes."""
        compression = grpc.Compression.Gzip if gzip else grpc.Compression.NoCompression
        try:
            reply = await self.channel.unary_unary(METHODS[method])(body, compression=compression)
        except grpc.aio.AioRpcError as error:
            found = [value for key, value in error.trailing_metadata() if key == "grpc-status-details-bin"]
            details = Status.FromString(found[0]) if found else None
            return GrpcAnswer(error.code(), error.details() or "", b"", details)
        return GrpcAnswer(grpc.StatusCode.OK, "", reply, None)

    async def post(
        self, path: str, body: bytes, *, media: str = PROTOBUF, encoding: str = "", chunked: bool = False
    ) -> HttpAnswer:
        """One HTTP request."""
        headers = {"Content-Type": media} | ({"Content-Encoding": encoding} if encoding else {})
        async with self.session.post(path, data=_parts(body) if chunked else body, headers=headers) as answer:
            return HttpAnswer(answer.status, answer.content_type, await answer.read(), dict(answer.headers))

    async def get(self, path: str) -> HttpAnswer:
        """One HTTP request without a body."""
        async with self.session.get(path) as answer:
            return HttpAnswer(answer.status, answer.content_type, await answer.read(), dict(answer.headers))


async def _parts(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 1000):
        yield body[start : start + 1000]


@contextlib.asynccontextmanager
async def receiving(
    sink: TelemetrySink, settings: ExporterSettings | None = None, *, at: Endpoints | None = None
) -> AsyncIterator[Receiver]:
    """Serve `sink` on free ports, or at those that an earlier one had; stops gracefully at the end."""
    at = at or Endpoints(grpc_port=0, http_port=0)
    settings = replace(
        settings or ExporterSettings(), grpc=f"127.0.0.1:{at.grpc_port}", http=f"127.0.0.1:{at.http_port}"
    )
    stopping = asyncio.Event()
    ready: asyncio.Future[Endpoints] = asyncio.get_running_loop().create_future()
    async with asyncio.TaskGroup() as tasks:
        ended = tasks.create_task(serve(sink, settings, stop=stopping, on_ready=ready.set_result))
        endpoints = await ready
        async with (
            grpc.aio.insecure_channel(f"127.0.0.1:{endpoints.grpc_port}") as channel,
            aiohttp.ClientSession(
                f"http://127.0.0.1:{endpoints.http_port}",
                connector=aiohttp.TCPConnector(force_close=True),  # a kept one may be ending just when it is used again
            ) as session,
        ):
            try:
                yield Receiver(endpoints, stopping, ended, channel, session)
            finally:
                stopping.set()
                await ended
