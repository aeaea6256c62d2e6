"""Lanes: what was taken is scored to the end, and the ledger told."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import Counter, deque
from collections.abc import Collection, Sequence
from dataclasses import replace

from evaluator.errors import EvaluatorError
from evaluator.online.budgets.purses import Purses
from evaluator.online.leases import LeaseKeeper
from evaluator.online.polling.work import (
    Chunk,
    ListsRules,
    Pace,
    ScoresRecords,
    concluded,
    entries,
    failed,
)
from evaluator.scoring.recorder import Recorder
from evaluator.scoring.request import EvaluationRequest, MetricRef
from storage.errors import Unavailable
from storage.model import Purpose
from storage.queue import Decision, Queue
from storage.telemetry import TargetRecord

log = logging.getLogger(__name__)

TRIES_AMONG_OTHERS = 2
"""What workers died at so often is scored alone."""
WAITING_PER_LANE = 4
"""Chunks of a rule that wait, for each lane, before it takes no further page of targets."""
LONGEST_PAUSE_SECONDS = 10.0


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
    """Scores chunks, several at a time: every rule in lanes of its own, so that one which hangs delays no other.

    A rule that is alone has all lanes of the pace; of several, each has its share, whatever the others hold.  What two
    workers died at is scored when nothing else is: then it is known what the third dies at.  `run` must be running;
    the owner of `leases` signs the ledger; `purses` pay for calls to judges, None = nobody counts.

    Attributes:
        room: Set when a rule that had no room has some again; whoever waits for it clears it.
    """

    def __init__(
        self,
        *,
        scoring: ScoresRecords,
        queue: Queue,
        enabled: Enabled,
        leases: LeaseKeeper,
        pace: Pace,
        purses: Purses | None = None,
    ) -> None:
        self.room = asyncio.Event()
        self._scoring = scoring
        self._queue = queue
        self._enabled = enabled
        self._leases = leases
        self._owner = leases.owner
        self._purses = purses
        self._lanes = pace.lanes
        self._due: dict[str, deque[Chunk]] = {}
        self._suspects: deque[Chunk] = deque()
        self._cut_off: list[Chunk] = []
        self._ledger: Recorder[Sequence[Decision]] = Recorder(self._record)
        self._busy: Counter[str] = Counter()
        self._alone = False
        self._changed = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def has_room(self, rule: str) -> bool:
        """Whether a rule may hand over more; one that is slow finds its targets again later."""
        return len(self._due.get(rule, ())) < self._lanes * WAITING_PER_LANE

    def put(self, chunk: Chunk) -> None:
        """Hand over a chunk that is `started`."""
        if chunk.died and chunk.tries >= TRIES_AMONG_OTHERS:
            self._suspects.append(chunk)
        else:
            self._due.setdefault(chunk.rule.name, deque()).append(chunk)
        self._idle.clear()
        self._changed.set()

    def busy(self) -> bool:
        """Whether anything was handed over that is not done."""
        return not self._idle.is_set()

    def load(self) -> tuple[int, int]:
        """Chunks that are being scored, and chunks that wait."""
        waiting = sum(len(due) for due in list(self._due.values()))
        return sum(list(self._busy.values())), waiting + len(self._suspects)

    async def join(self) -> None:
        """Wait until everything that was handed over is done."""
        await self._idle.wait()

    async def give_back(self) -> None:
        """After `run` was cancelled: what was not finished killed nobody, and does not count as tried.

        Raises:
            StorageError: It will count.
        """
        waiting = [chunk for due in self._due.values() for chunk in due]
        left = [replace(chunk, tries=chunk.tries if chunk.died else 0) for chunk in (*self._cut_off, *waiting)]
        await self._queue.record([each for chunk in left for each in entries(chunk, "started", worker=self._owner)])

    async def run(self) -> None:
        """Score until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._ledger.run())
            while True:
                await self._changed.wait()
                self._changed.clear()
                if self._suspects:
                    if not self._busy:
                        suspect = self._suspects.popleft()
                        self._busy[suspect.rule.name] += 1
                        self._alone = True
                        group.create_task(self._lane(suspect))
                    continue
                for rule, due in [] if self._alone else list(self._due.items()):
                    while due and self._busy[rule] < self._share():
                        self._busy[rule] += 1
                        group.create_task(self._lane(due.popleft()))
                    if not due:
                        del self._due[rule]

    async def _record(self, groups: Sequence[Sequence[Decision]]) -> None:
        await self._queue.record([decision for group in groups for decision in group])

    def _share(self) -> int:
        active = len(self._due.keys() | {rule for rule, lanes in self._busy.items() if lanes})
        return max(1, self._lanes // active)

    async def _lane(self, chunk: Chunk) -> None:
        rule = chunk.rule.name
        try:
            for part in await self._still_ours(chunk):
                await self._score(part)
        except asyncio.CancelledError:
            self._cut_off.append(chunk)
            raise
        except Exception:  # it stays `started`: whoever works after this process takes it up; other rules go on now
            log.exception("chunk_lost", extra={"rule": rule})
        finally:
            self._alone = False  # while one is, nobody else ends
            self._busy[rule] -= 1
            if not self._busy[rule]:
                del self._busy[rule]
            self._changed.set()
            if self.has_room(rule):
                self.room.set()
            if not self._due and not self._busy and not self._suspects:
                self._idle.set()

    async def _still_ours(self, chunk: Chunk) -> list[Chunk]:
        """What of a chunk nobody else has begun: since our lease ran out once, another worker may be at it."""
        while True:
            if chunk.term == self._leases.term and self._leases.owned("score"):
                return [chunk]
            try:
                ours = await self._queue.begun_by(self._owner, chunk.rule.name, chunk.records)
            except Unavailable as error:
                log.warning("scoring_postponed", extra={"rule": chunk.rule.name, "reason": str(error)})
                await asyncio.sleep(LONGEST_PAUSE_SECONDS / 10)
            else:
                return _parts(chunk, ours)

    async def _score(self, chunk: Chunk) -> None:
        """Score a chunk to the end: trouble of the store is waited out, since nobody else will do this work."""
        pause = 0.5
        request = EvaluationRequest(
            targets=(),
            metrics=tuple(MetricRef(name=name) for name in chunk.metrics),
            purpose=Purpose.ONLINE,
            origin=chunk.rule.name,
            deduplicate=chunk.died or chunk.attempt > 1,
            attempt=chunk.attempt,
            rule=chunk.rule.name,
            rule_version=chunk.rule.version,
            meter=self._purses.of(chunk.rule) if self._purses else None,
        )
        if chunk.died:
            chunk = replace(chunk, tries=chunk.tries + 1)
        begun = not chunk.died
        while True:
            try:
                if not begun:
                    await self._ledger.record(entries(chunk, "started", worker=self._owner))
                    begun = True
                await self._ledger.record(await self._concluded(chunk, request))
                return
            except Unavailable as error:
                log.warning("scoring_postponed", extra={"rule": chunk.rule.name, "reason": str(error)})
            request = replace(request, deduplicate=True)  # what is stored already is not computed again
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def _concluded(self, chunk: Chunk, request: EvaluationRequest) -> list[Decision]:
        """What came of a chunk.

        Raises:
            Unavailable: The store is away; what is done of the chunk is stored.
        """
        if not await self._enabled.now(chunk.rule.name):  # disabled while the chunk waited
            if chunk.attempt > 1:
                reason = f"attempt {chunk.attempt - 1} failed; the rule was disabled before attempt {chunk.attempt}"
                return entries(chunk, "failed", reason, worker=self._owner)
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
            reason = f"INTERNAL: a bug in Assay; incident {incident} in the log"
            return [
                failed(chunk, record, metric, reason, worker=self._owner)
                for record in chunk.records
                for metric in chunk.metrics
            ]
        for conclusion in conclusions:
            if isinstance(conclusion, Unavailable):
                raise conclusion
        pairs = [(record, metric) for record in chunk.records for metric in chunk.metrics]
        return [
            concluded(chunk, record, metric, conclusion, worker=self._owner)
            for (record, metric), conclusion in zip(pairs, conclusions, strict=True)
        ]


def _parts(chunk: Chunk, pairs: Collection[tuple[str, str]]) -> list[Chunk]:
    """A chunk without what is not among these pairs of metric and target."""
    records_of: dict[tuple[str, ...], list[TargetRecord]] = {}
    for record in chunk.records:
        if metrics := tuple(metric for metric in chunk.metrics if (metric, record.ref.key) in pairs):
            records_of.setdefault(metrics, []).append(record)
    if (kept := sum(map(len, records_of.values()))) < len(chunk.records):
        log.info("taken_over_by_others", extra={"rule": chunk.rule.name, "targets": len(chunk.records) - kept})
    return [replace(chunk, metrics=metrics, records=tuple(records)) for metrics, records in records_of.items()]
