"""Results that somebody else sends, a person or a program: whoever needs one waits here, for all one query a second."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection
from datetime import UTC, datetime

from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.material import ResultKey
from evaluator.scoring.stored import ReadsResults, Stored, read_stored
from storage.errors import StorageError
from storage.model import Evaluation
from storage.telemetry import TargetRecord

log = logging.getLogger(__name__)

POLL_SECONDS = 1.0


class Others:
    """Waits for results that this process does not compute.  `run` must be running."""

    def __init__(self, results: ReadsResults, *, poll_seconds: float = POLL_SECONDS) -> None:
        self._results = results
        self._poll_seconds = poll_seconds
        self._waiting: dict[asyncio.Future[Stored], tuple[Collection[str], Collection[TargetRecord]]] = {}
        self._somebody = asyncio.Event()

    async def wait(
        self, wanted: Collection[tuple[MetricDefinition, TargetRecord]], *, until: datetime
    ) -> dict[ResultKey, Evaluation]:
        """What came of the wanted results: all of them, or those that were there by `until`."""
        found: dict[ResultKey, Evaluation] = {}
        names, records = {metric.name for metric, _ in wanted}, [record for _, record in wanted]
        while len(found) < len(wanted):
            looked: asyncio.Future[Stored] = asyncio.get_running_loop().create_future()
            self._waiting[looked] = names, records
            self._somebody.set()
            try:
                async with asyncio.timeout(max(0.0, (until - datetime.now(UTC)).total_seconds())):
                    stored = await looked
            except TimeoutError:
                break
            finally:
                self._waiting.pop(looked, None)
            for metric, record in wanted:
                if (result := stored.of_others(metric, record.ref)) is not None:
                    found[record.ref, metric.name] = result
        return found

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await self._somebody.wait()
            await asyncio.sleep(self._poll_seconds)
            self._somebody.clear()
            waiting = dict(self._waiting)
            if not waiting:
                continue
            try:
                stored = await read_stored(
                    self._results,
                    ids=(),
                    metrics={name for names, _ in waiting.values() for name in names},
                    records=[record for _, records in waiting.values() for record in records],
                )
            except Exception as error:  # they have time; and a bug here must not end the engine
                bug = None if isinstance(error, StorageError) else error
                log.warning("waiting_goes_on", extra={"reason": str(error)}, exc_info=bug)
                self._somebody.set()
                continue
            for looked in waiting:
                if not looked.done():
                    looked.set_result(stored)
