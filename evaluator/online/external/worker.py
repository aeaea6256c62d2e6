"""Results of others come in: statements in the telemetry that arrived become results about what they were sent with.

Arrivals are looked at once, never past an INSERT that still runs.  A statement whose target is not there waits
(`evaluator.online.external.waiting`).  What is found twice is the same result.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from evaluator.metrics.composite.requirements import BY_OTHERS
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.directory import Directory
from evaluator.online.external.events import MAX_CHARACTERS, Statement, is_ours, statements
from evaluator.online.external.outcome import outcome_of
from evaluator.online.external.targets import Targets
from evaluator.online.external.waiting import MEMORY_SECONDS, SWEEP_SECONDS, WAIT_SECONDS, Waiting
from evaluator.online.external.waiting import refused as refusal
from evaluator.online.leases import LeaseKeeper
from storage.errors import StorageError
from storage.external import ResultEvents, WaitingResults
from storage.model import RESULT_NAMESPACE, Evaluation, MetricKind, Purpose, TargetRef
from storage.queue import Queue
from storage.results import ResultFilter, Results
from storage.telemetry import TargetRecord

log = logging.getLogger(__name__)

CURSOR = "external"
PAUSE_SECONDS = 1.0
IDLE_SECONDS = 8.0
"""Between looks while nothing comes."""
PAGE = 500
LOOKBACK_MS = 86_400_000
"""Where an installation begins that never looked."""
SAME_SECONDS = 1.0
"""Equal statements so near to each other are one that was sent twice: as span event and as log, for example."""
MAX_HISTORY = 1000
MAX_ID_BYTES = 50_000
"""Of session and completion ids in one query: ClickHouse refuses form values over 128 KiB, and they are escaped."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LATE = "its target did not come"
NO_VERSION = 0
"""Version of results whose name is no definition's: never that of a metric, and below all of them."""


class KnowsAllMetrics(Protocol):
    """The metrics of one moment."""

    async def directory(self) -> Directory:
        """As of about now."""


class HearsPeople(Protocol):
    """Takes what people said about our own metrics: feedback, which is settled before it is a result."""

    async def hear(self, said: Sequence[tuple[Statement, TargetRef, MetricDefinition]]) -> list[str]:
        """Take it in; of each why it cannot be taken, '' = it was.  The same again adds nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What one look came to.

    Attributes:
        waiting: How many wait in memory.
        refused: How many, by reason.
    """

    stored: int = 0
    waiting: int = 0
    behind: bool = False
    refused: Mapping[str, int] | None = None


@dataclass(frozen=True, slots=True)
class _Refused:
    statement: Statement
    reason: str


class ExternalWorker:
    """Looks until cancelled, while this process holds the lease `maintenance`."""

    def __init__(
        self,
        *,
        events: ResultEvents,
        waiting: WaitingResults,
        targets: Targets,
        metrics: KnowsAllMetrics,
        results: Results,
        queue: Queue,
        leases: LeaseKeeper,
        people: HearsPeople | None = None,
        pause_seconds: float = PAUSE_SECONDS,
        wait_seconds: float = WAIT_SECONDS,
        memory_seconds: float = MEMORY_SECONDS,
        sweep_seconds: float = SWEEP_SECONDS,
        page: int = PAGE,
    ) -> None:
        self._events = events
        self._targets = targets
        self._metrics = metrics
        self._results = results
        self._queue = queue
        self._leases = leases
        self._people = people
        self._pause_seconds = pause_seconds
        self._page = page
        self._cursor_ms: int | None = None
        self._saved_ms = 0
        self._kept = waiting
        self._waiting = Waiting(
            waiting,
            wait_seconds=wait_seconds,
            memory_seconds=memory_seconds,
            sweep_seconds=sweep_seconds,
            pause_seconds=pause_seconds,
            page=page,
        )

    async def run(self) -> None:
        """A round every second while something comes; what goes wrong is tried again."""
        pause = self._pause_seconds
        while True:
            try:
                if self._leases.owned("maintenance"):
                    done = await self.round()
                    busy = done.stored or done.waiting or done.behind
                    pause = self._pause_seconds if busy else min(pause * 2, IDLE_SECONDS)
                else:
                    self._forget()
            except StorageError as error:
                log.warning("external_results_postponed", extra={"reason": str(error)})
            await asyncio.sleep(pause)

    def _forget(self) -> None:
        """Another process looks now; should this one's turn come again, the saved cursor says from where."""
        self._cursor_ms = None
        self._waiting.forget()

    async def round(self) -> Round:
        """Look at a page of what arrived since the last round, and at what waits."""
        until_ms = await self._queue.safe_until_ms()
        if self._cursor_ms is None:
            saved_ms = await self._queue.cursor_ms(CURSOR)
            self._cursor_ms = self._saved_ms = until_ms - LOOKBACK_MS if saved_ms is None else saved_ms
        events = await self._events.arrived(
            since_ms=self._cursor_ms, until_ms=until_ms, limit=self._page, max_characters=MAX_CHARACTERS
        )
        behind = len(events) >= self._page
        end_ms = max((event.ingested_ms for event in events), default=until_ms) if behind else until_ms
        came = [said for event in events if not is_ours(event) for said in statements(event)]
        refused = [_Refused(said, "no name of which a metric's can be made") for said in came if not said.slug]
        looked = [*self._waiting.due(), *(said for said in came if said.slug)]
        stored, missing = await self._take(looked, refused)
        late = await self._waiting.hold(looked, missing, until_ms)
        refused += [_Refused(said, LATE) for said in late]
        await self._remember(refused)
        stored += await self._take_waiting(self._cursor_ms, end_ms, refused)
        async for over in self._waiting.over(until_ms=until_ms):
            lapsed = [_Refused(said, LATE) for said in over]
            await self._remember(lapsed)
            await self._waiting.settle(over)
            refused += lapsed
        self._cursor_ms = end_ms
        await self._save(urgent=bool(events))
        reasons = dict(Counter(each.reason for each in refused))
        if reasons:
            log.warning("external_results_refused", extra={"reasons": reasons})
        if stored:
            log.info("external_results_stored", extra={"results": stored, "waiting": len(self._waiting)})
        return Round(stored=stored, waiting=len(self._waiting), behind=behind, refused=reasons)

    async def _take_waiting(self, since_ms: int, until_ms: int, refused: list[_Refused]) -> int:
        """What waits in the store, and of which something arrived; returns how many results came of it."""
        stored = 0
        async for touched in self._waiting.touched(since_ms=since_ms, until_ms=until_ms):
            mine = list[_Refused]()
            new, missing = await self._take(touched, mine)
            await self._remember(mine)  # before they are settled: what dies in between is looked at again
            still = set(missing)
            await self._waiting.settle([said for said in touched if said not in still])
            refused += mine
            stored += new
        return stored

    async def _remember(self, refused: Sequence[_Refused]) -> None:
        await self._kept.refuse([refusal(each.statement, each.reason) for each in refused])

    async def _save(self, *, urgent: bool) -> None:
        """Where to begin after a restart: before everything that waits in memory; now and then where nothing comes."""
        assert self._cursor_ms is not None
        first_ms = self._waiting.first_ms()
        safe_ms = self._cursor_ms if first_ms is None else min(self._cursor_ms, first_ms - 1)
        if safe_ms > self._saved_ms + (0 if urgent or first_ms is not None else 60_000):
            await self._queue.move_cursor(CURSOR, safe_ms)
            self._saved_ms = safe_ms

    async def _take(self, said: Sequence[Statement], refused: list[_Refused]) -> tuple[int, list[Statement]]:
        """Store what has a target; returns how many were new, and what has none."""
        stored, missing = 0, list[Statement]()
        if not said:
            return stored, missing
        directory = await self._metrics.directory()
        ours = _ours(directory, said) if self._people is not None else {}
        heard = [each for each in said if each.human and each.name in ours]
        for part in _parts(heard, self._page):
            stored += await self._hear(part, ours, refused, missing)
        said = [each for each in said if not (each.human and each.name in ours)]
        definitions = {name: _definition(directory, name) for name in {each.name for each in said}}
        for part in _parts(said, self._page):
            records = await self._targets.of(part, definitions)
            made = list[Evaluation]()
            for each, record in zip(part, records, strict=True):
                if isinstance(record, str):
                    refused.append(_Refused(each, record))
                elif record is None:
                    missing.append(each)
                else:
                    made.append(_evaluation(each, record, definitions[each.name]))
            fresh = await self._fresh(sorted(made, key=lambda each: each.evaluated))
            await self._results.append(fresh)
            stored += len(fresh)
        return stored, missing

    async def _hear(
        self,
        said: Sequence[Statement],
        definitions: Mapping[str, MetricDefinition],
        refused: list[_Refused],
        missing: list[Statement],
    ) -> int:
        """Hand on what people said about our own metrics; returns how much was taken in."""
        assert self._people is not None
        about: list[tuple[Statement, TargetRef, MetricDefinition]] = []
        for each, record in zip(said, await self._targets.of(said, definitions), strict=True):
            if isinstance(record, str):
                refused.append(_Refused(each, record))
            elif record is None:
                missing.append(each)
            else:
                about.append((each, record.ref, definitions[each.name]))
        reasons = await self._people.hear(about)
        refused += [_Refused(each, reason) for (each, *_), reason in zip(about, reasons, strict=True) if reason]
        return sum(not reason for reason in reasons)

    async def _fresh(self, made: Iterable[Evaluation]) -> list[Evaluation]:
        """Those that are not there yet, under their id or as an equal statement of the same moment."""
        by_id = {each.evaluation_id: each for each in made}
        for known in await self._results.existing(by_id):
            del by_id[known]
        if not by_id:
            return []
        history = await self._results.newest(
            ResultFilter(
                targets=tuple({each.target for each in by_id.values()}),
                metrics=tuple({each.metric for each in by_id.values()}),
                kinds=(MetricKind.EXTERNAL, MetricKind.HUMAN),
                include_superseded=True,
            ),
            before=None,
            limit=MAX_HISTORY * len(by_id),
        )
        seen: dict[tuple[object, ...], list[datetime]] = {}
        for each in history:
            seen.setdefault(_said(each), []).append(each.evaluated)
        fresh = []
        for each in by_id.values():
            times = seen.setdefault(_said(each), [])
            if not any(abs(each.evaluated - other) <= timedelta(seconds=SAME_SECONDS) for other in times):
                fresh.append(each)
                times.append(each.evaluated)
        return fresh


def _parts(said: Sequence[Statement], size: int) -> Iterator[Sequence[Statement]]:
    """Pieces of which each goes into one query."""
    part, characters = list[Statement](), 0
    for each in said:
        weight = len(each.session_id.encode("utf-8", "replace")) + len(each.response_id.encode("utf-8", "replace"))
        if part and (len(part) == size or characters + weight > MAX_ID_BYTES):
            yield part
            part, characters = [], 0
        part.append(each)
        characters += weight
    if part:
        yield part


def _ours(directory: Directory, said: Sequence[Statement]) -> dict[str, MetricDefinition]:
    """Metrics that conclude themselves and of which people spoke, by the name that they used."""
    found = {name: directory.find(name) for name in {each.name for each in said if each.human}}
    return {
        name: record.definition
        for name, record in found.items()
        if record is not None and record.definition.kind not in BY_OTHERS
    }


def _definition(directory: Directory, name: str) -> MetricDefinition | None:
    """What is defined for results of others under this name; None where nothing is, or it is one of our own metrics."""
    found = directory.find(name)
    return found.definition if found is not None and found.definition.kind in BY_OTHERS else None


def _evaluation(said: Statement, record: TargetRecord, definition: MetricDefinition | None) -> Evaluation:
    slug = definition.name if definition else said.slug
    human = said.human or (definition is not None and definition.kind is MetricKind.HUMAN)
    kind = MetricKind.HUMAN if human else MetricKind.EXTERNAL
    output, outcome = outcome_of(said, definition)
    moment = _EPOCH + timedelta(microseconds=min(said.time_ns, said.ingested_ms * 1_000_000) // 1000)
    identity = said.key or f"{said.digest}\x1f{said.time_ns}"
    parts = ("event", str(kind), slug, str(record.ref.level), record.ref.key, identity)
    metadata = {"statement": said.digest} | ({"name": said.name} if said.name != slug else {})
    return Evaluation(
        evaluation_id=uuid.uuid5(RESULT_NAMESPACE, "\x1f".join(parts).encode("utf-8", "replace").decode()),
        target=record.ref,
        target_time_ns=record.target_time_ns,
        start_ns=record.start_ns,
        anchor=record.anchor,
        metric=slug,
        metric_version=definition.version if definition else NO_VERSION,
        metric_digest=definition.digest if definition else "",
        kind=kind,
        purpose=Purpose.ONLINE,
        output_type=output,
        outcome=outcome,
        watermark_ms=record.watermark_ms,
        metadata=metadata,
        started=moment,
        evaluated=moment,
    )


def _said(each: Evaluation) -> tuple[object, ...]:
    return each.target, each.metric, each.kind, each.metadata.get("statement")
