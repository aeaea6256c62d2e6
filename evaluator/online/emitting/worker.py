"""Our results go out as OTLP events: in order of arrival, at least once, from a cursor that is saved.

Nothing is held but one page; while the endpoint is away, the cursor stands still.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from evaluator.online import event_names as names
from evaluator.online.emitting.arrivals import Arrivals
from evaluator.online.emitting.otlp_out import Delivers, NotTaken, delivering
from evaluator.online.emitting.out_address import OutAddress
from evaluator.online.emitting.result_event import request_of, requests_of
from evaluator.online.leases import LeaseKeeper
from storage.errors import StorageError
from storage.model import MetricKind, Status
from storage.queue import Queue
from storage.results import ResultFilter, Results

log = logging.getLogger(__name__)

CURSOR = "otlp_out"
PAUSE_SECONDS = 2.0
MAX_PAUSE_SECONDS = 60.0
PAGE = 200
OURS = ResultFilter(
    statuses=(Status.SUCCESS, Status.FAILED),
    kinds=(MetricKind.JUDGE, MetricKind.CODE, MetricKind.COMPOSITE, MetricKind.SQL),
    include_superseded=True,
)
"""Scores and failures that we concluded ourselves, on what applications sent: no experiments, no alignments."""


class EmittingWorker:
    """Emits until cancelled, while this process holds the lease `maintenance`.

    Args:
        newest_ms: Server time of the newest result: a cheap question that says whether there is anything to look for.
    """

    def __init__(
        self,
        *,
        address: OutAddress,
        version: str,
        results: Results,
        newest_ms: Callable[[], Awaitable[int]],
        queue: Queue,
        leases: LeaseKeeper,
        pause_seconds: float = PAUSE_SECONDS,
        page: int = PAGE,
    ) -> None:
        self._address = address
        self._version = version
        self._arrivals = Arrivals(CURSOR, results=results, newest_ms=newest_ms, queue=queue, page=page)
        self._leases = leases
        self._pause_seconds = pause_seconds

    async def run(self) -> None:
        """Emit what comes; what goes wrong is tried again, after pauses that double up to a minute."""
        pause = self._pause_seconds
        async with delivering(self._address) as endpoint:
            while True:
                try:
                    behind = False
                    if self._leases.owned("maintenance"):
                        behind = await self.step(endpoint)
                    else:
                        self._arrivals.forget()
                    pause = 0.0 if behind else self._pause_seconds
                except (StorageError, NotTaken) as error:
                    pause = min(max(pause * 2, self._pause_seconds), MAX_PAUSE_SECONDS)
                    if isinstance(error, NotTaken):
                        pause = max(pause, min(error.retry_seconds, MAX_PAUSE_SECONDS))
                    log.warning("results_not_emitted", extra={"reason": str(error), "retry_seconds": pause})
                await asyncio.sleep(pause)

    async def step(self, endpoint: Delivers) -> bool:
        """Emit a page; returns whether more is waiting.

        Raises:
            NotTaken: The endpoint is away; the same page comes again.
            StorageError: The store is.
        """
        news = await self._arrivals.news()
        if news is None:
            return False
        page = await self._arrivals.page(OURS, news)
        for records in requests_of(page.results):
            await self._deliver(endpoint, records)
        await self._arrivals.done(page)
        return page.behind

    async def _deliver(self, endpoint: Delivers, records: Sequence[LogRecord]) -> None:
        """A request that will never be taken is halved, until it is known which results the endpoint does not want."""
        try:
            refused = await endpoint.deliver(request_of(records, version=self._version))
        except NotTaken as error:
            if not error.final:
                raise
            await _must_take_nothing(endpoint, self._version)
            if len(records) == 1:
                log.error("result_refused", extra={"result": _id(records[0]), "reason": str(error)})
                return
            middle = len(records) // 2
            await self._deliver(endpoint, records[:middle])
            await self._deliver(endpoint, records[middle:])
            return
        if refused:
            log.warning("results_refused", extra={"results": refused, "of": len(records)})


async def _must_take_nothing(endpoint: Delivers, version: str) -> None:
    """An endpoint that refuses even a request without records is set up wrongly: nothing is passed over for that."""
    try:
        await endpoint.deliver(request_of([], version=version))
    except NotTaken as error:
        raise NotTaken(f"it refuses every request: {error}", retry_seconds=error.retry_seconds) from error


def _id(record: LogRecord) -> str:
    return next((item.value.string_value for item in record.attributes if item.key == names.RESULT_ID), "")
