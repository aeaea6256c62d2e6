"""`EvaluateStream`: requests are read as slots are free, and answered as they finish."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.message import DecodeError

from evaluator.scoring.request import EvaluationRequest, InlineTarget, Scoring
from evaluator.server import convert, convert_targets
from evaluator.server.errors import InvalidRequest, ServerStopping, to_status
from evaluator.v1 import evaluator_pb2 as pb

MAX_IN_FLIGHT = 256
"""Requests of one stream that are read and not answered: also what a caller who does not read can make us hold."""
MAX_METRICS = 100
MAX_CLIENT_ID = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateStream:
    """One call.  `serve` returns when the caller has sent everything and has every answer."""

    scoring: Scoring
    stopping: asyncio.Event
    context: Any
    _slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MAX_IN_FLIGHT))
    _writing: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def serve(self, requests: AsyncIterator[pb.EvaluateStreamRequest]) -> None:
        """Answer every request.

        Raises:
            ServerStopping: No further request is read; what was read is answered.
            InvalidRequest: What came is no request: as above.
        """
        async with asyncio.TaskGroup() as group:
            reading = group.create_task(self._read(requests, group))
            watching = group.create_task(self._end(reading))
            await asyncio.wait([reading])
            watching.cancel()
        if not reading.cancelled() and (refused := reading.result()) is not None:
            raise refused
        if self.stopping.is_set():
            raise ServerStopping("the server is stopping: send again what was not answered")

    async def _end(self, reading: asyncio.Task[InvalidRequest | None]) -> None:
        await self.stopping.wait()
        reading.cancel()

    async def _read(
        self, requests: AsyncIterator[pb.EvaluateStreamRequest], group: asyncio.TaskGroup
    ) -> InvalidRequest | None:
        while True:
            await self._slots.acquire()  # before the next request is read: this is what holds a fast sender back
            try:
                request = await anext(requests)
            except StopAsyncIteration:
                return None
            except DecodeError as error:  # the stream has no next message then
                return InvalidRequest("request", f"is no EvaluateStreamRequest: {error}")
            group.create_task(self._handle(request))

    async def _handle(self, request: pb.EvaluateStreamRequest) -> None:
        response = pb.EvaluateStreamResponse(client_id=request.client_id[:MAX_CLIENT_ID])
        try:
            asked = _request(request)
            try:
                answers = await self.scoring.evaluate(asked)
            except ValueError as error:
                if not isinstance(asked.targets[0], InlineTarget):
                    raise
                raise InvalidRequest("target", str(error)) from error
            response.results.extend(convert.results_to_proto(asked, answers))
        except Exception as error:  # one request's; the table knows what it is, and logs what is a bug
            response.error.CopyFrom(to_status(error))
        async with self._writing:
            await self.context.write(response)  # waits while the caller does not read
        self._slots.release()


def _request(message: pb.EvaluateStreamRequest) -> EvaluationRequest:
    if len(message.client_id.encode()) > MAX_CLIENT_ID:
        raise InvalidRequest("client_id", f"may have {MAX_CLIENT_ID} bytes")
    if not 1 <= len(message.metrics) <= MAX_METRICS:
        raise InvalidRequest("metrics", f"name 1 to {MAX_METRICS}, got {len(message.metrics)}")
    return EvaluationRequest(
        targets=(convert_targets.target(message.target, "target"),),
        metrics=convert.metric_refs(message.metrics),
        origin=convert.request_id(message.request_id) or str(uuid.uuid4()),
        wait_seconds=convert.MAX_WAIT_SECONDS,
        reuse=message.reuse,
        deduplicate=bool(message.request_id),
        time_hint_ns=convert.time_hint_ns([message.target], "target"),
    )
