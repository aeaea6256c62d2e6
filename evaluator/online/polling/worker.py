"""Rules at work: ready targets → decisions → scoring.

The queue is a query.  Each round asks what became ready since the rules' places, one query for all rules of a stream,
takes their samples and filters of it in SQL, subtracts what is decided, writes `started`, and hands the rest to lanes
that score.  The places move after the `started` rows are in: whatever dies in between is found again, by the place or
as work that a dead worker left behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from evaluator.online.budgets.purses import Purses
from evaluator.online.leases import LeaseKeeper
from evaluator.online.polling.awaiting import Awaiting
from evaluator.online.polling.beginning import Beginning, Stopping
from evaluator.online.polling.editions import KeepsRules, Standings
from evaluator.online.polling.lanes import Enabled, Lanes
from evaluator.online.polling.looking import Looking
from evaluator.online.polling.places import Place, Places, alike
from evaluator.online.polling.selecting import Selecting
from evaluator.online.polling.sweeping import Sweeping
from evaluator.online.polling.unfinished import Unfinished
from evaluator.online.polling.waking import Waking
from evaluator.online.polling.work import Pace, ScoresRecords
from evaluator.scoring.plan import KnowsMetrics
from storage.errors import StorageError, Unavailable
from storage.model import Level
from storage.queue import Completion, Probe, Queue, Stream
from storage.telemetry import Telemetry

log = logging.getLogger(__name__)

QUIET_MS = 60_000
"""When nothing arrived for so long, polls are fewer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What a worker is at now, and its looks since it began: how many, and how long they took together."""

    busy_lanes: int
    waiting_chunks: int
    polls: int
    poll_seconds: float


class OnlineWorker:
    """Scores what rules select, until it is told to stop.

    Attributes:
        sweeping: Its slower look over the last day.
    """

    def __init__(
        self,
        *,
        rules: KeepsRules,
        metrics: KnowsMetrics,
        queue: Queue,
        telemetry: Telemetry,
        scoring: ScoresRecords,
        leases: LeaseKeeper,
        completion: Completion,
        pace: Pace | None = None,
        purses: Purses | None = None,
    ) -> None:
        self._rules = rules
        self._queue = queue
        self._leases = leases
        self._completion = completion
        self._pace = pace = pace or Pace()
        self._standings = Standings(rules)
        self._places = Places(queue, save_seconds=pace.cursor_seconds)
        self._enabled = Enabled(rules, seconds=pace.poll_seconds)
        self._lanes = Lanes(
            scoring=scoring, queue=queue, enabled=self._enabled, leases=leases, pace=pace, purses=purses
        )
        self._beginning = Beginning(queue=queue, lanes=self._lanes, enabled=self._enabled, leases=leases, pace=pace)
        awaiting = Awaiting(queue=queue, owner=leases.owner)
        self._unfinished = Unfinished(
            queue=queue,
            telemetry=telemetry,
            waking=Waking(metrics=metrics, queue=queue, waiting_seconds=pace.waiting_seconds),
            awaiting=awaiting,
            beginning=self._beginning,
            lanes=self._lanes,
            pace=pace,
        )
        self._looking = Looking(
            queue=queue,
            telemetry=telemetry,
            completion=completion,
            selecting=Selecting(metrics=metrics, queue=queue, completion=completion, owner=leases.owner, pace=pace),
            awaiting=awaiting,
            beginning=self._beginning,
            lanes=self._lanes,
            pace=pace,
        )
        self.sweeping = Sweeping(queue=queue, completion=completion, looking=self._looking, pace=pace)
        self._shards: Collection[int] = ()
        self._no_room = self._more = self._idle = False
        self._polls, self._poll_seconds = 0, 0.0

    def busy(self) -> bool:
        """Whether something is being scored for a rule, or waits for it: runs give way to it."""
        return self._lanes.busy()

    def load(self) -> Load:
        """What it is at, and what its looks took so far; may be asked from another thread."""
        busy_lanes, waiting_chunks = self._lanes.load()
        return Load(
            busy_lanes=busy_lanes, waiting_chunks=waiting_chunks, polls=self._polls, poll_seconds=self._poll_seconds
        )

    def looked_until_ms(self, rule: str) -> int:
        """Everything that was complete before this (server clock) is decided or in the lanes; 0 = not looked yet."""
        place = self._places.get(rule)
        return place.cursor_ms if place and place.looked else 0

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`; then finish what was started, for at most `drain_seconds`."""
        loop = asyncio.get_running_loop()
        self._beginning.stop = stop
        try:
            async with asyncio.timeout(None) as deadline, asyncio.TaskGroup() as group:
                lanes = group.create_task(self._lanes.run())
                polling = group.create_task(self._poll_forever(stop))
                await stop.wait()
                deadline.reschedule(loop.time() + self._pace.drain_seconds)
                await polling  # ends by itself: cancelled between `started` and the lanes, it would leave work behind
                await self._lanes.join()
                lanes.cancel()
        except TimeoutError:
            log.warning("drain_timed_out", extra={"drain_seconds": self._pace.drain_seconds})
            try:
                await self._lanes.give_back()
            except StorageError as error:
                log.warning("not_given_back", extra={"reason": str(error)})

    async def _poll_forever(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            more, began = False, time.monotonic()
            try:
                await self.poll()
                more = self._more
            except Stopping:
                return
            except Unavailable as error:
                log.warning("poll_postponed", extra={"reason": str(error)})
            except StorageError as error:
                log.error("poll_failed", extra={"reason": str(error)})
            except Exception:
                log.exception("poll_crashed")
            self._polls, self._poll_seconds = self._polls + 1, self._poll_seconds + time.monotonic() - began
            if more:  # a backlog: at once, but others have their turn
                await asyncio.sleep(0)
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._pace.idle_seconds if self._idle else self._pace.poll_seconds):
                    await (self._lanes.room if self._no_room else stop).wait()

    async def poll(self) -> None:
        """One round over all rules."""
        shards = self._leases.owned("score")
        if not shards:  # standing by, or the store was away for long: what waits in the lanes is still ours to finish
            return
        records = await self._rules.standing()
        rules = {record.definition.name: record.definition for record in records}
        self._enabled.know(frozenset(rules))
        taken = bool(set(shards) - set(self._shards))
        if taken:
            self.sweeping.forget()
        probe = await self._queue.probe()
        places = await self._places.keep(await self._standings.of(records), probe.until_ms)
        if not rules:
            return
        self._no_room = self._more = False
        self._idle = probe.until_ms - probe.newest_ms > QUIET_MS and not self._lanes.busy()
        self._lanes.room.clear()
        await self._unfinished.take_up(rules, at_once=taken)
        self._shards = shards
        await self.sweeping.passed(probe.until_ms, probe.newest_ms)
        streams = _by_stream(places)
        for stream, together in streams.items():
            for group in alike(together):
                await self._advance(stream, group, probe, shards)
        await self._places.save()
        if not self._more and not self._no_room:
            await self.sweeping.sweep(list(streams), list(places.values()), probe.until_ms, shards)

    async def _advance(self, stream: Stream, places: list[Place], probe: Probe, shards: Collection[int]) -> None:
        """Rules of a stream that stand at the same place: on to the end, or as far as there is room."""
        if not places[0].after_id and probe.newest_ms + _delay_ms(stream, self._completion) <= places[0].since_ms:
            for place in places:  # nothing arrived for so long that nothing can have become ready
                place.since_ms, place.looked = max(place.since_ms, probe.until_ms), True
            return
        able = [place for place in places if self._lanes.has_room(place.standing.rule.name)]
        self._no_room = self._no_room or len(able) < len(places)
        if able and await self._looking.advance(stream, able, probe.until_ms, shards):
            self._more = True


def _by_stream(places: Mapping[str, Place]) -> Mapping[Stream, list[Place]]:
    streams: dict[Stream, list[Place]] = {}
    for place in places.values():
        streams.setdefault(place.standing.stream, []).append(place)
    return streams


def _delay_ms(stream: Stream, completion: Completion) -> int:
    """How long after the last arrival something can still become ready."""
    match stream.level:
        case Level.SPAN:
            return 0
        case Level.SESSION:
            return stream.quiet_ms
        case Level.TRACE:
            return completion.idle_ms
