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
import secrets
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Protocol

from evaluator.errors import EvaluatorError
from evaluator.metrics.definition import MetricDefinition
from evaluator.online.leases import LeaseKeeper
from evaluator.online.rules import RuleDefinition
from evaluator.scoring.plan import KnowsMetrics
from evaluator.scoring.request import EvaluationRequest, MetricRef
from storage.errors import Rejected, StorageError, Unavailable
from storage.model import Abstention, Evaluation, Failure, Level, Purpose, Score
from storage.ports import Candidates, Completion, Decision, Queue, ReadyTrace, TargetRecord, Telemetry

log = logging.getLogger(__name__)

LOOKBACK = timedelta(hours=1)
"""How far behind its enabling a rule looks for complete traces."""
TAKE_OVER_SECONDS = 30.0
"""How often it is looked for work that a dead worker left behind; and at once when leases were taken."""
MAX_ATTEMPTS = 3
"""Work that killed its worker this often is set aside."""


class ListsRules(Protocol):
    """The rules that score (`evaluator.online.catalogue.Rules`)."""

    async def enabled(self) -> list[RuleDefinition]:
        """Every enabled rule."""


class ScoresRecords(Protocol):
    """The entrance of rules to the scoring path (`evaluator.scoring.engine.Engine`)."""

    async def score(
        self, records: Sequence[TargetRecord], request: EvaluationRequest
    ) -> list[Evaluation | StorageError]:
        """One conclusion per (record, metric), records first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How the worker goes about it."""

    poll_seconds: float = 1.0
    page_traces: int = 500
    lanes: int = 16
    chunk_targets: int = 16
    cursor_seconds: float = 5.0
    drain_seconds: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chunk:
    """Targets of one rule that are due for the same metrics."""

    rule: RuleDefinition
    metrics: tuple[str, ...]
    records: tuple[TargetRecord, ...]
    attempt: int = 1


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
        self._scoring = scoring
        self._leases = leases
        self._completion = completion
        self._pace = pace or Pace()
        self._places: dict[str, _Place] = {}
        self._enabled: frozenset[str] = frozenset()
        self._enabled_at = 0.0
        self._shards = 0
        self._took_over_at = 0.0
        self._stop = asyncio.Event()
        self._due: asyncio.Queue[_Chunk] = asyncio.Queue(maxsize=self._pace.lanes * 4)

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
                lanes = [group.create_task(self._lane()) for _ in range(self._pace.lanes)]
                polling = group.create_task(self._poll_forever())
                await stop.wait()
                deadline.reschedule(loop.time() + self._pace.drain_seconds)
                await polling  # ends by itself: cancelled between `started` and the lanes, it would leave work behind
                await self._due.join()
                for lane in lanes:
                    lane.cancel()
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
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._pace.poll_seconds):
                    await self._stop.wait()

    async def poll(self) -> None:
        """One round over all rules."""
        shards = self._leases.owned("score")
        if not shards:  # standing by, or the store was away for long: what waits in the lanes is still ours to finish
            return
        rules = {rule.name: rule for rule in await self._rules.enabled()}
        self._enabled, self._enabled_at = frozenset(rules), time.monotonic()
        self._places = {name: place for name, place in self._places.items() if name in rules}
        if not rules:
            return
        due = len(shards) > self._shards or time.monotonic() - self._took_over_at > TAKE_OVER_SECONDS
        if due and await self._take_over(rules):
            self._took_over_at = time.monotonic()
        self._shards = len(shards)
        until_ms = await self._queue.safe_until_ms()
        for rule in rules.values():
            await self._place(rule, until_ms)
        # Rules that stand at the same place share one look at what became complete; a new rule catches up by itself.
        for cursor_ms in sorted({place.cursor_ms for place in self._places.values()}):
            group = [rule for rule in rules.values() if self._places[rule.name].cursor_ms == cursor_ms]
            await self._advance(group, cursor_ms, until_ms, shards)

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
                    if page and rule.name not in failed and not await self._select(rule, page):
                        failed.add(rule.name)
                except (EvaluatorError, Rejected) as error:  # this rule stays where it is; the others go on
                    log.error("rule_failed", extra={"rule": rule.name, "reason": str(error)})
                    failed.add(rule.name)
            found = found or bool(page)
            if len(page) < self._pace.page_traces:
                break
            since_ms, after_id = page[-1].ready_ms, page[-1].record.ref.trace_id
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

    async def _still_enabled(self, name: str) -> bool:
        """Asked before every chunk: a poll may wait long for free lanes, and disabling stops at once."""
        if time.monotonic() - self._enabled_at >= self._pace.poll_seconds:
            self._enabled_at = time.monotonic()
            self._enabled = frozenset(rule.name for rule in await self._rules.enabled())
        return name in self._enabled

    async def _select(self, rule: RuleDefinition, page: Sequence[ReadyTrace]) -> bool:
        """Write `started` for what is due of a page, and hand it to the lanes; False = disabled meanwhile."""
        records = await self._queue.candidates(page, wanted(rule))
        decided = await self._queue.decided(rule.name, records)
        metrics = [await self._metrics.get(name) for name in rule.metrics]
        chunks: dict[tuple[str, ...], list[TargetRecord]] = {}
        for record in records:
            due = tuple(
                metric.name
                for metric in metrics
                if is_due(metric, record) and (metric.name, record.ref.key, record.watermark_ms) not in decided
            )
            if due:
                chunks.setdefault(due, []).append(record)
        for names, due_records in chunks.items():
            for start in range(0, len(due_records), self._pace.chunk_targets):
                part = tuple(due_records[start : start + self._pace.chunk_targets])
                if not await self._still_enabled(rule.name):
                    return False
                await self._start(_Chunk(rule=rule, metrics=names, records=part))
        return True

    async def _start(self, chunk: _Chunk) -> None:
        while True:
            if self._stop.is_set():
                raise _Stopping
            try:
                await self._queue.record(self._all(chunk, "started"))
                break
            except Unavailable as error:  # perhaps it was stored all the same, and would then hold this work for ever
                log.warning("start_postponed", extra={"rule": chunk.rule.name, "reason": str(error)})
                await asyncio.sleep(self._pace.poll_seconds)
        await self._due.put(chunk)  # waits while the lanes are busy: the poll takes no more than can be done

    async def _take_over(self, rules: dict[str, RuleDefinition]) -> bool:
        """Work that a dead worker started: again, unless its rule is gone or it killed workers too often.

        Returns whether that was all of it.
        """
        abandoned = await self._queue.abandoned(limit=self._pace.page_traces)
        for left in abandoned:
            rule = rules.get(left.rule)
            located = await self._telemetry.locate([left.target])
            record = located.get(left.target)
            if rule is None or record is None or left.attempt >= MAX_ATTEMPTS:
                why = (
                    ("cancelled", "the rule is not enabled any more")
                    if rule is None
                    else ("cancelled", "the target is not stored any more")
                    if record is None
                    else ("poisoned", f"{left.attempt} workers died at it")
                )
                await self._queue.record([_closed(left, *why)])
                continue
            if record.watermark_ms != left.watermark_ms:  # the poll finds the newer revision by itself
                await self._queue.record([_closed(left, "cancelled", "a newer revision of the target is scored")])
                continue
            await self._start(_Chunk(rule=rule, metrics=(left.metric,), records=(record,), attempt=left.attempt + 1))
        return len(abandoned) < self._pace.page_traces

    async def _lane(self) -> None:
        while True:
            chunk = await self._due.get()
            try:
                await self._score(chunk)
            finally:
                self._due.task_done()

    async def _score(self, chunk: _Chunk) -> None:
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

    async def _concluded(self, chunk: _Chunk, request: EvaluationRequest) -> list[Decision]:
        """What came of a chunk.

        Raises:
            Unavailable: The store is away; what is done of the chunk is stored.
        """
        if not await self._still_enabled(chunk.rule.name):  # disabled while the chunk waited
            return self._all(chunk, "cancelled", "the rule was disabled")
        try:
            conclusions = await self._scoring.score(chunk.records, request)
        except Unavailable:
            raise
        except Exception as error:  # a target is gone, or is a bug's: it must not take the others with it
            if len(chunk.records) > 1:
                parts = [replace(chunk, records=(record,)) for record in chunk.records]
                return [decision for part in parts for decision in await self._concluded(part, request)]
            if isinstance(error, EvaluatorError):  # or a metric was deleted
                return self._all(chunk, "cancelled", str(error))
            incident = secrets.token_hex(6)
            log.exception("target_crashed", extra={"incident": incident, "target": chunk.records[0].ref.key})
            return self._all(chunk, "failed", f"INTERNAL: a bug in Assay; incident {incident} in the log")
        for conclusion in conclusions:
            if isinstance(conclusion, Unavailable):
                raise conclusion
        pairs = [(record, metric) for record in chunk.records for metric in chunk.metrics]
        return [
            self._decision(chunk, record, metric, *_ledger(conclusion))
            for (record, metric), conclusion in zip(pairs, conclusions, strict=True)
        ]

    def _all(self, chunk: _Chunk, decision: str, reason: str = "") -> list[Decision]:
        return [self._decision(chunk, r, metric, decision, reason) for r in chunk.records for metric in chunk.metrics]

    def _decision(self, chunk: _Chunk, record: TargetRecord, metric: str, decision: str, reason: str = "") -> Decision:
        return Decision(
            rule=chunk.rule.name,
            rule_version=chunk.rule.version,
            metric=metric,
            target=record.ref,
            watermark_ms=record.watermark_ms,
            decision=decision,
            reason=reason,
            attempt=chunk.attempt,
            worker=self._leases.owner,
        )


def wanted(rule: RuleDefinition) -> Candidates:
    """A rule's sample and filter, as the queue takes them."""
    from evaluator.online.filters import compile_filter  # brings sqlglot, half a second that a start need not wait for

    compiled = compile_filter(rule.filter, rule.level)
    return Candidates(
        level=rule.level,
        sample_ppm=rule.sample_ppm,
        filter_sql=compiled.sql,
        filter_parameters=compiled.parameters,
    )


def is_due(metric: MetricDefinition, record: TargetRecord) -> bool:
    """Whether a metric can apply, as far as SQL knows the kind of a span ('' = only reading it will tell)."""
    if record.ref.level not in metric.levels:
        return False
    if record.ref.level is not Level.SPAN or not metric.span_kinds or not record.observation_kind:
        return True
    return record.observation_kind in metric.span_kinds


def _ledger(conclusion: Evaluation | StorageError) -> tuple[str, str]:
    if isinstance(conclusion, StorageError):  # a retry cannot help: `Unavailable` was waited out
        return "failed", f"NOT_STORED: {conclusion}"
    match conclusion.outcome:
        case Score():
            return "scored", ""
        case Abstention(reason=reason, status=status):
            return str(status), reason
        case Failure(code=code, message=message):
            return "failed", f"{code}: {message}"


def _closed(left: Decision, decision: str, reason: str) -> Decision:
    return Decision(
        rule=left.rule,
        rule_version=left.rule_version,
        metric=left.metric,
        target=left.target,
        watermark_ms=left.watermark_ms,
        decision=decision,
        reason=reason,
        attempt=left.attempt,
    )
