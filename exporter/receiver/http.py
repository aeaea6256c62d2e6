"""OTLP/HTTP: protobuf or JSON in, the same out.  Bodies are decompressed here, under a limit, not by aiohttp."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Awaitable, Callable

from aiohttp import web
from google.protobuf import json_format
from google.protobuf.message import Message
from google.rpc.status_pb2 import Status

from exporter.errors import PortInUse, UnsupportedMedia
from exporter.intake import Intake, Signal
from exporter.receiver.inflate import read_body
from exporter.receiver.status import METRICS_REFUSED, REFUSALS, answer_to, response_to, status_of
from storage.errors import Unavailable

PROTOBUF = "application/x-protobuf"
JSON = "application/json"
NOT_FOUND = 5
"""google.rpc.Code"""


class HttpFront:
    """The server on one address.  Arguments and errors as `GrpcFront`."""

    def __init__(self, intake: Intake, *, address: str, max_body_bytes: int) -> None:
        self._intake = intake
        self._address = address
        self._max_body_bytes = max_body_bytes
        self._runner: web.AppRunner | None = None

    async def start(self, *, grace_seconds: float) -> int:
        """Listen; returns the port.  `grace_seconds` is what `stop` gives to calls under way."""
        app = web.Application()
        for signal in Signal:
            app.router.add_post(f"/v1/{signal}", self._handler(signal))
        app.router.add_post("/v1/metrics", _refuse_metrics)
        app.router.add_get("/healthz", self._health)
        host, _, port = self._address.rpartition(":")
        self._runner = web.AppRunner(app, auto_decompress=False, access_log=None, shutdown_timeout=grace_seconds)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host.strip("[]"), int(port)).start()
        except OSError as error:
            await self._runner.cleanup()
            raise PortInUse(
                f"cannot listen for OTLP/HTTP on {self._address} ({error.strerror}): the port is in use or not ours. "
                "Stop what listens there, or set ASSAY_OTLP_HTTP to another address (port 0 = any free one)"
            ) from error
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Refuse new calls and let those under way end."""
        if self._runner is not None:
            await self._runner.cleanup()

    def _handler(self, signal: Signal) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def export(request: web.Request) -> web.Response:
            try:
                media = _media(request)
                self._intake.check_room()
                encoding = request.headers.get("Content-Encoding", "")
                body = await read_body(_chunks(request), encoding, max_bytes=self._max_body_bytes)
                translated = await self._intake.export(signal, body, json=media == JSON)
            except REFUSALS as error:
                return _refusal(request, error)
            return _rendered(response_to(signal, translated), media)

        return export

    async def _health(self, request: web.Request) -> web.Response:
        try:
            self._intake.check_room()
        except Unavailable as error:
            return web.Response(status=503, text=f"{error}\n")
        return web.Response(text="ok\n")


async def _chunks(request: web.Request) -> AsyncIterator[bytes]:
    async for chunk in request.content.iter_any():
        yield chunk


def _media(request: web.Request) -> str:
    if request.content_type not in (PROTOBUF, JSON):
        raise UnsupportedMedia(f"content type {request.content_type[:80]!r} is not OTLP: use {PROTOBUF} or {JSON}")
    return request.content_type


def _refusal(request: web.Request, error: Exception) -> web.Response:
    response = _rendered(status_of(error), request.content_type, status=answer_to(error).http)
    if isinstance(error, Unavailable):
        response.headers["Retry-After"] = str(math.ceil(error.retry_seconds))
    return response


def _rendered(message: Message, media: str, *, status: int = 200) -> web.Response:
    if media == JSON:
        return web.Response(status=status, content_type=JSON, text=json_format.MessageToJson(message, indent=None))
    if media == PROTOBUF:
        return web.Response(status=status, content_type=PROTOBUF, body=message.SerializeToString())
    return web.Response(status=status, text=f"{getattr(message, 'message', '')}\n")


async def _refuse_metrics(request: web.Request) -> web.Response:
    return _rendered(Status(code=NOT_FOUND, message=METRICS_REFUSED), request.content_type, status=404)
