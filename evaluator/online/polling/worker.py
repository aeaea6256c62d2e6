"""Rules at work: ready targets → decisions → scoring.

The queue is a query.  Each round asks which traces became complete since a rule's cursor, takes the rule's sample and
filter of them in SQL, subtracts what is decided, writes `started`, and hands the rest to lanes that score.  The cursor
moves after the `started` rows are in: whatever dies in between is found again, by the cursor or as work that a dead
worker left behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from evaluator.errors import EvaluatorError
from evaluator.online.leases import LeaseKeeper
from evaluator.online.polling.lanes import Enabled, Lanes
from evaluator.online.polling.waking import Waking
from evaluator.online.polling.work import Chunk, ListsRules, Pace, ScoresRecords, entries, is_due, wanted
from evaluator.online.rules.definition import RuleDefinition
from evaluator.scoring.plan import KnowsMetrics
from storage.errors import StorageError, Unavailable
from storage.queue import Completion, Decision, LedgerDecision, Queue, ReadyTrace
from storage.telemetry import TargetRecord, Telemetry

log = logging.getLogger(__name__)

LOOKBACK = timedelta(hours=1)
"""How far behind its enabling a rule looks for complete traces."""
TAKE_OVER_SECONDS = 30.0
"""How often it is looked for work that a dead worker left behind; and at once when leases were taken."""
MAX_ATTEMPTS = 5
"""Work that killed its worker this often is set aside."""


@dataclass(slots=True)
class _Place:
    """How far a rule has looked, and what of that is saved."""

    cursor_ms: int
    enabled_ms: int
    looked: bool = False
    moved: bool = False
    saved_at: float = field(default_factory=time.monotonic)


class _Stopping(Exception):
    """Nothing more is started; the cursors stay where they are."""


class OnlineWorker:
    """Scores what rules select, until it is told to stop."""

    def __init__(
        self,
        *,
        rules: ListsRules,
        metrics: KnowsMetrics,
        queue: Queue,
        telemetry: Telemetry,
        scoring: ScoresRecords,
        leases: LeaseKeeper,
        completion: Completion,
        pace: Pace | None = None,
    ) -> None:
        self._rules = rules
        self._metrics = metrics
        self._queue = queue
        self._telemetry = telemetry
        self._leases = leases
        self._completion = completion
        self._pace = pace or Pace()
        self._places: dict[str, _Place] = {}
        self._enabled = Enabled(rules, seconds=self._pace.poll_seconds)
        self._lanes = Lanes(scoring=scoring, queue=queue, enabled=self._enabled, owner=leases.owner, pace=self._pace)
        self._waking = Waking(metrics=metrics, queue=queue, waiting_seconds=self._pace.waiting_seconds)
        self._behind = False
        self._shards = 0
        self._took_over_at = 0.0
        self._stop = asyncio.Event()

    def looked_until_ms(self, rule: str) -> int:
        """Everything that was complete before this (server clock) is decided or in the lanes; 0 = not looked yet."""
        place = self._places.get(rule)
        return place.cursor_ms if place and place.looked else 0

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`; then finish what was started, for at most `drain_seconds`."""
        loop = asyncio.get_running_loop()
        self._stop = stop
        try:
            async with asyncio.timeout(None) as deadline, asyncio.TaskGroup() as group:
                lanes = group.create_task(self._lanes.run())
                polling = group.create_task(self._poll_forever())
                await stop.wait()
                deadline.reschedule(loop.time() + self._pace.drain_seconds)
                await polling  # ends by itself: cancelled between `started` and the lanes, it would leave work behind
                await self._lanes.join()
                lanes.cancel()
        except TimeoutError:
            log.warning("drain_timed_out", extra={"drain_seconds": self._pace.drain_seconds})

    async def _poll_forever(self) -> None:
        while not self._stop.is_set():
            try:
                await self.poll()
            except _Stopping:
                return
            except Unavailable as error:
                log.warning("poll_postponed", extra={"reason": str(error)})
            except StorageError as error:
                log.error("poll_failed", extra={"reason": str(error)})
            except Exception:
                log.exception("poll_crashed")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._pace.poll_seconds):
                    await (self._lanes.room if self._behind else self._stop).wait()

    async def poll(self) -> None:
        """One round over all rules."""
        shards = self._leases.owned("score")
        if not shards:  # standing by, or the store was away for long: what waits in the lanes is still ours to finish
            return
        rules = {rule.name: rule for rule in await self._rules.enabled()}
        self._enabled.know(frozenset(rules))
        self._places = {name: place for name, place in self._places.items() if name in rules}
        if not rules:
            return
        due = len(shards) > self._shards or time.monotonic() - self._took_over_at > TAKE_OVER_SECONDS
        if due and await self._take_over(rules):
            self._took_over_at = time.monotonic()
        self._shards = len(shards)
        self._behind = False
        self._lanes.room.clear()
        await self._wake(rules)
        until_ms = await self._queue.safe_until_ms()
        for rule in rules.values():
            await self._place(rule, until_ms)
        # Rules that stand at the same place share one look at what became complete; a new rule catches up by itself.
        for cursor_ms in sorted({place.cursor_ms for place in self._places.values()}):
            group = [rule for rule in rules.values() if self._places[rule.name].cursor_ms == cursor_ms]
            if ready := [rule for rule in group if self._has_room(rule.name)]:
                await self._advance(ready, cursor_ms, until_ms, shards)

    def _has_room(self, rule: str) -> bool:
        """Whether a rule may take more: one that is slow stays where it is, and the others go on."""
        if not self._lanes.has_room(rule):
            self._behind = True
            return False
        return True

    async def _place(self, rule: RuleDefinition, until_ms: int) -> None:
        enabled_ms = int(rule.enable_time.timestamp() * 1000) if rule.enable_time else until_ms
        known = self._places.get(rule.name)
        if known is not None and known.enabled_ms == enabled_ms:
            return
        saved_ms = await self._queue.cursor_ms(rule.name) or 0
        start_ms = max(saved_ms, enabled_ms - int(LOOKBACK.total_seconds() * 1000))
        self._places[rule.name] = _Place(cursor_ms=min(start_ms, until_ms), enabled_ms=enabled_ms)

    async def _advance(
        self, rules: Sequence[RuleDefinition], since_ms: int, until_ms: int, shards: Iterable[int]
    ) -> None:
        after_id, found, failed = "", False, set[str]()
        while True:
            page = await self._queue.ready_traces(
                self._completion,
                since_ms=since_ms,
                until_ms=until_ms,
                after_id=after_id,
                shards=list(shards),
                limit=self._pace.page_traces,
            )
            for rule in rules:
                try:
                    if not page or rule.name in failed:
                        continue
                    if not self._has_room(rule.name) or not await self._select(rule, page):
                        failed.add(rule.name)
                except (EvaluatorError, StorageError) as error:  # this rule stays where it is; the others go on
                    log.error("rule_failed", extra={"rule": rule.name, "reason": str(error)})
                    failed.add(rule.name)
            found = found or bool(page)
            if len(page) < self._pace.page_traces:
                break
            since_ms, after_id = page[-1].ready_ms, page[-1].record.ref.trace_id
            for place in [self._places[rule.name] for rule in rules if rule.name not in failed]:
                place.cursor_ms = max(place.cursor_ms, since_ms - 1)  # others of this millisecond are still to come
        for place in [self._places[rule.name] for rule in rules if rule.name not in failed]:
            place.cursor_ms, place.looked = until_ms, True
            place.moved = place.moved or found
        for name in [rule.name for rule in rules if rule.name not in failed]:
            await self._save(name)

    async def _save(self, name: str) -> None:
        """Save a rule's cursor now and then.  A lost one costs no double work (what is decided is subtracted), but a
        rule that was edited since would look again at what its former version left out."""
        place = self._places[name]
        if place.moved and time.monotonic() - place.saved_at >= self._pace.cursor_seconds:
            await self._queue.move_cursor(name, place.cursor_ms)
            place.saved_at, place.moved = time.monotonic(), False

    async def _select(self, rule: RuleDefinition, page: Sequence[ReadyTrace]) -> bool:
        """Write `started` for what is due of a page, and hand it to the lanes; False = disabled meanwhile."""
        records = await self._queue.candidates(page, wanted(rule))
        decided = await self._queue.decided(rule.name, records)
        metrics = [(name, await self._metrics.get(name)) for name in rule.metrics]
        chunks: dict[tuple[str, ...], list[TargetRecord]] = {}
        for record in records:
            due = tuple(
                name
                for name, metric in metrics
                if is_due(metric, record) and (name, record.ref.key, record.watermark_ms) not in decided
            )
            if due:
                chunks.setdefault(due, []).append(record)
        for names, due_records in chunks.items():
            for part in self._parts(due_records):
                if not await self._enabled.now(rule.name):
                    return False
                await self._start(Chunk(rule=rule, metrics=names, records=part))
        return True

    async def _start(self, chunk: Chunk) -> None:
        while True:
            if self._stop.is_set():
                raise _Stopping
            try:
                await self._queue.record(entries(chunk, "started", worker=self._leases.owner))
                break
            except Unavailable as error:  # perhaps it was stored all the same, and would then hold this work for ever
                log.warning("start_postponed", extra={"rule": chunk.rule.name, "reason": str(error)})
                await asyncio.sleep(self._pace.poll_seconds)
        self._lanes.put(chunk)

    async def _wake(self, rules: Mapping[str, RuleDefinition]) -> None:
        """Composites whose required results came, or are late."""
        woken = await self._waking.woken(rules, limit=self._pace.page_traces)
        located = await self._telemetry.locate([each.target for each in woken]) if woken else {}
        due: dict[tuple[str, str, int], list[TargetRecord]] = {}
        for each in woken:
            record = located.get(each.target)
            if (
                record is not None and record.watermark_ms == each.watermark_ms
            ):  # the poll finds a newer revision itself
                due.setdefault((each.rule, each.metric, each.attempt), []).append(record)
        for (name, metric, attempt), records in due.items():
            for part in self._parts(records):
                await self._start(Chunk(rule=rules[name], metrics=(metric,), records=part, attempt=attempt))
        self._waking.settle()

    async def _take_over(self, rules: Mapping[str, RuleDefinition]) -> bool:
        """Work that a dead worker started: again, unless its rule is gone or it killed workers too often.

        Returns whether that was all of it.
        """
        abandoned = await self._queue.abandoned(limit=self._pace.page_traces)
        located = await self._telemetry.locate([left.target for left in abandoned]) if abandoned else {}
        closed: list[Decision] = []
        again: dict[tuple[str, str, int], list[TargetRecord]] = {}
        for left in abandoned:
            record = located.get(left.target)
            if (why := _why_not_again(left, rules, record)) is not None:
                closed.append(replace(left, decision=why[0], reason=why[1]))
            elif record is not None:
                again.setdefault((left.rule, left.metric, left.attempt + 1), []).append(record)
        await self._queue.record(closed)
        for (name, metric, attempt), records in again.items():
            for part in self._parts(records):
                await self._start(Chunk(rule=rules[name], metrics=(metric,), records=part, attempt=attempt))
        return len(abandoned) < self._pace.page_traces

    def _parts(self, records: Sequence[TargetRecord]) -> Iterator[tuple[TargetRecord, ...]]:
        for start in range(0, len(records), self._pace.chunk_targets):
            yield tuple(records[start : start + self._pace.chunk_targets])


def _why_not_again(
    left: Decision, rules: Mapping[str, RuleDefinition], record: TargetRecord | None
) -> tuple[LedgerDecision, str] | None:
    """What becomes of abandoned work that is not taken up; None = it is."""
    if left.rule not in rules:
        return "cancelled", "the rule is not enabled any more"
    if record is None:
        return "cancelled", "the target is not stored any more"
    if left.attempt >= MAX_ATTEMPTS:
        return "poisoned", f"{left.attempt} workers died at it"
    if record.watermark_ms != left.watermark_ms:  # the poll finds the newer revision by itself
        return "cancelled", "a newer revision of the target is scored"
    return None
