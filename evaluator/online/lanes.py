"""Lanes: what was taken is scored to the end, and the ledger told."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from dataclasses import replace

from evaluator.errors import EvaluatorError
from evaluator.online.work import (
    Chunk,
    ListsRules,
    Pace,
    ScoresRecords,
    decision_and_reason,
    entries,
    entry,
)
from evaluator.scoring.request import EvaluationRequest, MetricRef
from storage.errors import Unavailable
from storage.model import Purpose
from storage.ports import Decision, Queue

log = logging.getLogger(__name__)


class Enabled:
    """Which rules are enabled, as of at most `seconds` ago: disabling a rule stops it at once."""

    def __init__(self, rules: ListsRules, *, seconds: float) -> None:
        self._rules = rules
        self._seconds = seconds
        self._names: frozenset[str] = frozenset()
        self._asked_at = 0.0

    def know(self, names: frozenset[str]) -> None:
        """Somebody has just asked."""
        self._names, self._asked_at = names, time.monotonic()

    async def now(self, name: str) -> bool:
        """Whether a rule is enabled."""
        if time.monotonic() - self._asked_at >= self._seconds:
            self._asked_at = time.monotonic()
            self._names = frozenset(rule.name for rule in await self._rules.enabled())
        return name in self._names


class Lanes:
    """Scores chunks, several at a time.  `owner` signs the ledger."""

    def __init__(self, *, scoring: ScoresRecords, queue: Queue, enabled: Enabled, owner: str, pace: Pace) -> None:
        self._scoring = scoring
        self._queue = queue
        self._enabled = enabled
        self._owner = owner
        self._due: asyncio.Queue[Chunk] = asyncio.Queue(maxsize=pace.lanes * 4)

    async def put(self, chunk: Chunk) -> None:
        """Hand over a chunk that is `started`; waits while the lanes are busy."""
        await self._due.put(chunk)

    async def join(self) -> None:
        """Wait until everything that was handed over is done."""
        await self._due.join()

    async def run(self) -> None:
        """One lane, until cancelled."""
        while True:
            chunk = await self._due.get()
            try:
                await self._score(chunk)
            finally:
                self._due.task_done()

    async def _score(self, chunk: Chunk) -> None:
        """Score a chunk to the end: trouble of the store is waited out, since nobody else will do this work."""
        pause = 0.5
        request = EvaluationRequest(
            targets=(),
            metrics=tuple(MetricRef(name=name) for name in chunk.metrics),
            purpose=Purpose.ONLINE,
            origin=chunk.rule.name,
            deduplicate=chunk.attempt > 1,
            rule=chunk.rule.name,
            rule_version=chunk.rule.version,
        )
        while True:
            try:
                await self._queue.record(await self._concluded(chunk, request))
                return
            except Unavailable as error:
                log.warning("scoring_postponed", extra={"rule": chunk.rule.name, "reason": str(error)})
            request = replace(request, deduplicate=True)  # what is stored already is not computed again
            await asyncio.sleep(pause)
            pause = min(pause * 2, 10.0)

    async def _concluded(self, chunk: Chunk, request: EvaluationRequest) -> list[Decision]:
        """What came of a chunk.

        Raises:
            Unavailable: The store is away; what is done of the chunk is stored.
        """
        if not await self._enabled.now(chunk.rule.name):  # disabled while the chunk waited
            return entries(chunk, "cancelled", "the rule was disabled", worker=self._owner)
        try:
            conclusions = await self._scoring.score(chunk.records, request)
        except Unavailable:
            raise
        except Exception as error:  # a target is gone, or is a bug's: it must not take the others with it
            if len(chunk.records) > 1:
                parts = [replace(chunk, records=(record,)) for record in chunk.records]
                return [decision for part in parts for decision in await self._concluded(part, request)]
            if isinstance(error, EvaluatorError):  # or a metric was deleted
                return entries(chunk, "cancelled", str(error), worker=self._owner)
            incident = secrets.token_hex(6)
            log.exception("target_crashed", extra={"incident": incident, "target": chunk.records[0].ref.key})
            return entries(
                chunk, "failed", f"INTERNAL: a bug in Assay; incident {incident} in the log", worker=self._owner
            )
        for conclusion in conclusions:
            if isinstance(conclusion, Unavailable):
                raise conclusion
        pairs = [(record, metric) for record in chunk.records for metric in chunk.metrics]
        return [
            entry(chunk, record, metric, *decision_and_reason(conclusion), worker=self._owner)
            for (record, metric), conclusion in zip(pairs, conclusions, strict=True)
        ]
