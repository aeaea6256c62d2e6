"""OTLP/HTTP: protobuf or JSON in, the same out.  Bodies are decompressed here, under a limit, not by aiohttp."""

from __future__ import annotations

import logging
import math
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

from aiohttp import web
from aiohttp.http import HttpProcessingError
from google.protobuf import json_format
from google.protobuf.message import Message
from google.rpc.status_pb2 import Status

from exporter.errors import BodyBroken, BodyTooSlow, PortInUse, UnsupportedMedia
from exporter.intake import Intake, Signal
from exporter.receiver.admission import Admission, Held
from exporter.receiver.cors import Cors
from exporter.receiver.inflate import read_body
from exporter.receiver.listen import Listen
from exporter.receiver.status import METRICS_REFUSED, REFUSALS, answer_to, response_to, status_of
from storage.errors import Unavailable

log = logging.getLogger(__name__)

PROTOBUF = "application/x-protobuf"
JSON = "application/json"
NOT_FOUND = 5
"""google.rpc.Code"""
EXPECTED_BYTES = 1 << 20
"""Held from the start for a body at most, even if it says that it is longer; it may grow."""
UNREAD_BYTES = 64 << 10
"""From here on a connection whose body is not read is not listened to."""
LINGER_SECONDS = 2.0
"""How long the rest of a body that was refused is read, so that its sender sees the answer and no reset connection."""


class HttpFront:
    """The server on one address.

    Args:
        listen: Where, and how connections are treated.
        max_body_bytes: Larger bodies, as sent or decompressed, are refused for good.
        cors: Which web pages may send.

    Raises:
        PortInUse: At `start`.
    """

    def __init__(
        self, intake: Intake, admission: Admission, *, listen: Listen, max_body_bytes: int, cors: Cors
    ) -> None:
        self._intake = intake
        self._admission = admission
        self._listen = listen
        self._max_body_bytes = max_body_bytes
        self._cors = cors
        self._runner: web.AppRunner | None = None

    async def start(self, *, grace_seconds: float) -> int:
        """Listen; returns the port.  `grace_seconds` is what `stop` gives to calls under way."""
        app = web.Application()
        for path, handler in self._handlers().items():
            app.router.add_post(path, handler)
            if self._cors:
                app.router.add_route("OPTIONS", path, self._preflight)
        app.router.add_get("/healthz", self._health)
        if self._cors:
            app.on_response_prepare.append(self._grant)
        log.addFilter(_without_content)
        self._runner = web.AppRunner(
            app,
            logger=log,
            auto_decompress=False,
            access_log=None,
            shutdown_timeout=grace_seconds,
            keepalive_timeout=self._listen.idle_seconds,  # also until the first request is complete up to its body
            lingering_time=LINGER_SECONDS,
            read_bufsize=UNREAD_BYTES,
        )
        await self._runner.setup()
        try:
            await web.TCPSite(
                self._runner,
                self._listen.host,
                self._listen.port,
                backlog=socket.SOMAXCONN,
                reuse_port=self._listen.shared or None,
            ).start()
        except OSError as error:
            await self._runner.cleanup()
            raise PortInUse(
                f"cannot listen for OTLP/HTTP on {self._listen.address} ({error.strerror}): the port is in use or not "
                "ours. Stop what listens there, or set ASSAY_OTLP_HTTP to another address (port 0 = any free one)"
            ) from error
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Refuse new calls and let those under way end."""
        if self._runner is not None:
            await self._runner.cleanup()

    def _handlers(self) -> dict[str, Callable[[web.Request], Awaitable[web.Response]]]:
        return {f"/v1/{signal}": self._export(signal) for signal in Signal} | {"/v1/metrics": _refuse_metrics}

    def _export(self, signal: Signal) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def export(request: web.Request) -> web.Response:
            try:
                media = _media(request)
                self._intake.check_room()
                async with self._admission.admitted(_expected_bytes(request)) as held:
                    # The body has no name here: it must not live longer than `export` needs it.
                    translated = await self._intake.export(signal, await self._body(request, held), json=media == JSON)
            except REFUSALS as error:
                self._intake.counts.refuse(signal, error)
                return _refusal(request, error)
            return _rendered(response_to(signal, translated), media)

        return export

    async def _body(self, request: web.Request, held: Held) -> bytes:
        encoding = request.headers.get("Content-Encoding", "")
        async with held.arriving():
            chunks = _chunks(request)
            return await read_body(chunks, encoding, max_bytes=self._max_body_bytes, held=held)

    async def _health(self, request: web.Request) -> web.Response:
        try:
            self._intake.check_room()
        except Unavailable as error:
            return web.Response(status=503, text=f"{error}\n")
        return web.Response(text="ok\n")

    async def _preflight(self, request: web.Request) -> web.Response:
        return self._cors.preflight(request)

    async def _grant(self, request: web.Request, response: web.StreamResponse) -> None:
        for name, value in self._cors.granted(request).items():
            response.headers.setdefault(name, value)


def _without_content(record: logging.LogRecord) -> bool:
    """aiohttp logs what is not HTTP with its bytes and a traceback: anybody could fill the log, or read keys there."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, HttpProcessingError):
        record.msg, record.args, record.exc_info = "not_http", (), None
        record.levelno, record.levelname = logging.WARNING, logging.getLevelName(logging.WARNING)
        record.__dict__["reason"] = type(error).__name__
    return True


async def _chunks(request: web.Request) -> AsyncIterator[bytes]:
    try:
        async for chunk in request.content.iter_any():
            yield chunk
    except (ConnectionError, web.RequestPayloadError) as error:
        raise BodyBroken(f"the body is broken: {error}") from error


def _expected_bytes(request: web.Request) -> int:
    return max(1, min(request.content_length or EXPECTED_BYTES, EXPECTED_BYTES))


def _media(request: web.Request) -> str:
    if request.content_type not in (PROTOBUF, JSON):
        raise UnsupportedMedia(f"content type {request.content_type[:80]!r} is not OTLP: use {PROTOBUF} or {JSON}")
    return request.content_type


def _refusal(request: web.Request, error: Exception) -> web.Response:
    response = _rendered(status_of(error), request.content_type, status=answer_to(error).http)
    if isinstance(error, Unavailable):
        response.headers["Retry-After"] = str(math.ceil(error.retry_seconds))
    if isinstance(error, BodyTooSlow):  # nothing more is read of it
        response.force_close()
    return response


def _rendered(message: Message, media: str, *, status: int = 200) -> web.Response:
    if media == JSON:
        return web.Response(status=status, content_type=JSON, text=json_format.MessageToJson(message, indent=None))
    if media == PROTOBUF:
        return web.Response(status=status, content_type=PROTOBUF, body=message.SerializeToString())
    return web.Response(status=status, text=f"{getattr(message, 'message', '')}\n")


async def _refuse_metrics(request: web.Request) -> web.Response:
    return _rendered(Status(code=NOT_FOUND, message=METRICS_REFUSED), request.content_type, status=404)
