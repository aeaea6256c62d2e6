"""One request from bytes to committed rows: what both fronts call."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from enum import StrEnum

from exporter.commit import Committer
from exporter.counting import Counts
from exporter.digests import request_digest_of
from exporter.disk import DiskGuard
from storage.otlp.encode import Encoder
from storage.otlp.jsonwire import logs_body, traces_body
from storage.otlp.reference import Translated

log = logging.getLogger(__name__)

THREAD_FROM_BYTES = 256 << 10
"""Bodies from this size are translated in a thread, one at a time, so that the others are still answered meanwhile."""


class Signal(StrEnum):
    """What a request carries; also the last part of its HTTP path."""

    TRACES = "traces"
    LOGS = "logs"


FROM_JSON: Mapping[Signal, Callable[[bytes], bytes]] = {Signal.TRACES: traces_body, Signal.LOGS: logs_body}


class Intake:
    """Checks for room, translates, commits."""

    def __init__(
        self,
        guard: DiskGuard,
        committers: Mapping[Signal, Committer],
        *,
        redact: Callable[[Signal, bytes], bytes] | None = None,
        counts: Counts | None = None,
    ) -> None:
        self.counts = counts or Counts()
        self._guard = guard
        self._committers = committers
        self._redact = redact
        self._one_large = asyncio.Semaphore(1)
        self._translating_bytes = 0
        encoder = Encoder()
        self._encode = {Signal.TRACES: encoder.encode_traces, Signal.LOGS: encoder.encode_logs}

    def check_room(self) -> None:
        """Raise `DiskLow` where nothing is accepted at present."""
        self._guard.check()

    async def export(self, signal: Signal, body: bytes, *, json: bool = False) -> Translated:
        """Return when the rows of one request (protobuf, or OTLP/JSON) are in ClickHouse.

        Raises:
            Malformed, TooLarge: The body cannot be translated; nothing was stored.
            DiskLow, Overloaded, Unavailable: Send it again later.
            Rejected: ClickHouse refuses it for its content.
        """
        self.check_room()
        committer, size = self._committers[signal], len(body)
        committer.check_room(self._translating_bytes + len(body))  # before the work of translating it
        self._translating_bytes += len(body)
        try:
            translated = await self._translate(signal, body, json=json)
        finally:
            self._translating_bytes -= len(body)
        del body  # what waits to be committed are its rows; keeping both would double the memory of a burst
        digest = request_digest_of(translated)
        await committer.commit(translated.block, digest=digest, rows=translated.rows)
        self._count(signal, translated, size)
        if translated.rejected:
            log.warning(
                "partly_rejected",
                extra={"signal": str(signal), "rejected": translated.rejected, "reason": translated.reason},
            )
        return translated

    def _count(self, signal: Signal, translated: Translated, size: int) -> None:
        counts = self.counts
        counts.requests[signal] += 1
        counts.items[signal] += translated.rows
        counts.body_bytes[signal] += size
        counts.rejected[signal] += translated.rejected

    async def _translate(self, signal: Signal, body: bytes, *, json: bool) -> Translated:
        def translate(body: bytes) -> Translated:
            request = FROM_JSON[signal](body) if json else body
            return self._encode[signal](request if self._redact is None else self._redact(signal, request))

        if len(body) < THREAD_FROM_BYTES:
            return translate(body)
        async with self._one_large:
            return await asyncio.to_thread(translate, body)
