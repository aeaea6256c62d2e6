"""Redaction at the door, and the log's word on what it did."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections import Counter
from typing import TYPE_CHECKING

from exporter.intake import Signal

if TYPE_CHECKING:  # where redaction is off, nothing of it is loaded
    from storage.redaction.requests import Redactor

log = logging.getLogger(__name__)

REPORT_SECONDS = 300.0


class Redaction:
    """Applies the rules to requests, and counts.

    Attributes:
        values: Rule -> values that it changed since the process began.
    """

    def __init__(self, redactor: Redactor) -> None:
        self._apply = {Signal.TRACES: redactor.traces, Signal.LOGS: redactor.logs}
        self._counting = threading.Lock()  # large requests are translated in a thread
        self.values: Counter[str] = Counter()

    def __call__(self, signal: Signal, body: bytes) -> bytes:
        """A request (protobuf) as it may be stored.

        Raises:
            Malformed, TooLarge: The body cannot be read, so nothing of it may be stored.
        """
        redacted = self._apply[signal](body)
        if redacted.counts:
            with self._counting:
                self.values.update(redacted.counts)
        return redacted.body

    async def report(self, stop: asyncio.Event, *, every_seconds: float = REPORT_SECONDS) -> None:
        """Log the counts now and then while they grow, and once more after `stop`."""
        said = 0
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(every_seconds):
                    await stop.wait()
            if self.values.total() > said:
                said = self.values.total()
                log.info("redacted", extra={"values_by_rule": dict(sorted(self.values.items()))})
            if stop.is_set():
                return
