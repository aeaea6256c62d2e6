"""Log records to an OTLP endpoint: one request, one answer, and whether it is worth another try.

Source: OpenTelemetry protocol specification 1.x, sections "OTLP/gRPC" and "OTLP/HTTP".
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Protocol
from urllib.parse import urlsplit

import aiohttp
import grpc
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse

from evaluator.online.emitting.out_address import OutAddress

TIMEOUT_SECONDS = 10.0
METHOD = "/opentelemetry.proto.collector.logs.v1.LogsService/Export"
PATH = "/v1/logs"
MAX_ANSWER_BYTES = 1 << 20


class NotTaken(Exception):
    """A request was not taken, or nobody knows.

    Attributes:
        final: The same request will never be taken; else time, or an operator, may help.
        retry_seconds: The receiver asks not to be asked again before.
    """

    def __init__(self, reason: str, *, final: bool = False, retry_seconds: float = 0.0) -> None:
        super().__init__(reason)
        self.final = final
        self.retry_seconds = retry_seconds


class Delivers(Protocol):
    """An OTLP endpoint for logs."""

    async def deliver(self, request: ExportLogsServiceRequest) -> int:
        """Hand over one request; returns how many of its records were refused for ever.

        Raises:
            NotTaken: Nothing of it was taken, or nobody knows.
        """


@asynccontextmanager
async def delivering(address: OutAddress) -> AsyncIterator[Delivers]:
    """A connection for the length of a block."""
    parts = urlsplit(address.url)
    if parts.scheme in ("http", "https"):
        url = address.url.rstrip("/")
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout, headers=dict(address.pairs)) as session:
            yield _Http(session, url if url.endswith(PATH) else url + PATH)
        return
    where = f"{parts.hostname}:{parts.port or 4317}" if ":" not in str(parts.hostname) else parts.netloc
    channel = (
        grpc.aio.secure_channel(where, grpc.ssl_channel_credentials())
        if parts.scheme == "grpcs"
        else grpc.aio.insecure_channel(where)
    )
    async with channel:
        yield _Grpc(channel, tuple(address.pairs.items()))


class _Http:
    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    async def deliver(self, request: ExportLogsServiceRequest) -> int:
        headers = {"Content-Type": "application/x-protobuf"}
        try:
            async with self._session.post(
                self._url, data=request.SerializeToString(), headers=headers, allow_redirects=False
            ) as answer:
                body = await answer.content.read(MAX_ANSWER_BYTES)
                if answer.status == 200:
                    return _rejected(body)
                wait = answer.headers.get("Retry-After", "")
                raise NotTaken(
                    f"HTTP {answer.status} {answer.reason}",
                    final=answer.status in (400, 413, 422),
                    retry_seconds=float(wait) if wait.isdecimal() and len(wait) < 6 else 0.0,
                )
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise NotTaken(f"{type(error).__name__}: {error}") from error


class _Grpc:
    def __init__(self, channel: grpc.aio.Channel, metadata: Sequence[tuple[str, str]]) -> None:
        self._call = channel.unary_unary(METHOD, None, None)
        self._metadata = metadata

    async def deliver(self, request: ExportLogsServiceRequest) -> int:
        try:
            return _rejected(
                await self._call(request.SerializeToString(), timeout=TIMEOUT_SECONDS, metadata=self._metadata)
            )
        except grpc.aio.AioRpcError as error:
            code = error.code()
            raise NotTaken(f"{code.name} {error.details()}", final=code is grpc.StatusCode.INVALID_ARGUMENT) from error


def _rejected(body: bytes) -> int:
    try:
        return int(ExportLogsServiceResponse.FromString(body).partial_success.rejected_log_records)
    except DecodeError:  # the status said that it was taken
        return 0
