"""Results become deliveries, and deliveries are made: durable, at least once, each lane by itself.

What is due stands in a table; a process that dies leaves it to the next.  While nothing is pending, nothing is asked.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Mapping

from evaluator.online.actions.collecting import Collector
from evaluator.online.actions.lanes import KnowsActions, LaneRunner, LaneState, Pace
from evaluator.online.actions.senders import Sends
from evaluator.online.leases import LeaseKeeper
from storage.deliveries import Deliveries, Delivery, Lane
from storage.errors import StorageError

log = logging.getLogger(__name__)

MAX_DUE = 2000
PACE = Pace()
EXPIRE_SECONDS = 60.0


class ActionWorker:
    """Works until cancelled, while this process holds the lease `maintenance`."""

    def __init__(
        self,
        *,
        collector: Collector,
        deliveries: Deliveries,
        actions: KnowsActions,
        senders: Mapping[str, Sends],
        leases: LeaseKeeper,
        pace: Pace = PACE,
    ) -> None:
        self._collector = collector
        self._deliveries = deliveries
        self._leases = leases
        self._pace = pace
        self._runner = LaneRunner(
            deliveries=deliveries, actions=actions, senders=senders, pace=pace, now_ms=self._now_ms
        )
        self._lanes: dict[Lane, LaneState] = {}
        self._wake = asyncio.Event()
        self._offset_ms = 0.0
        self._since_ms: int | None = None
        self._look_at = 0.0
        self._expired_at = time.monotonic()

    def wake(self) -> None:
        """Something was queued by others of this process, or a lane is free again."""
        self._look_at = 0.0
        self._wake.set()

    async def run(self) -> None:
        """Collect and deliver; what goes wrong is tried again."""
        pause = self._pace.look_seconds
        async with asyncio.TaskGroup() as tasks:
            while True:
                behind = False
                self._wake.clear()
                try:
                    if self._leases.owned("maintenance"):
                        behind = await self._round(tasks)
                        pause = self._pace.look_seconds
                    else:
                        self._forget()
                except StorageError as error:
                    pause = min(pause * 2, 60.0)
                    log.warning("actions_postponed", extra={"reason": str(error), "retry_seconds": pause})
                if not behind:
                    await self._rest(pause)

    async def _rest(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return

    def _forget(self) -> None:
        """Another process works now; lanes that are under way finish."""
        self._collector.forget()
        self._since_ms, self._look_at = None, 0.0

    async def _round(self, tasks: asyncio.TaskGroup) -> bool:
        queued, behind = await self._collector.step()
        if self._since_ms is None:  # what an earlier process left may be of any age
            await self._search()
        if queued or time.monotonic() >= self._look_at:
            await self._deliver(tasks)
        return behind

    async def _deliver(self, tasks: asyncio.TaskGroup) -> None:
        await self._expire()
        now_ms, since_ms = self._now_ms(), self._since_ms or 0
        due = await self._deliveries.due(
            since_ms=since_ms, until_ms=now_ms, held=self._held(), per_lane=self._pace.page, limit=MAX_DUE
        )
        pages: dict[Lane, list[Delivery]] = defaultdict(list)
        for delivery in due:
            pages[delivery.lane].append(delivery)
        for lane, page in pages.items():
            state = self._lanes.setdefault(lane, LaneState())
            state.at_work = True
            tasks.create_task(self._run(lane, page, state))
        if not due:
            self._lanes = {lane: state for lane, state in self._lanes.items() if state.held or state.refusals}
            await self._search()

    async def _search(self) -> None:
        """How far back something is pending, and when to look for it."""
        asked, held = time.time() * 1000, self._held()
        found = await self._deliveries.pending(since_ms=self._since_ms or 0, held=held)
        self._offset_ms = found.now_ms - asked
        self._since_ms = found.now_ms if found.give_up_ms is None else min(found.give_up_ms, found.now_ms)
        pause = self._pace.search_seconds
        if found.next_ms is not None:
            pause = min(pause, (found.next_ms - found.now_ms) / 1000)
        now = time.monotonic()
        rests = [self._lanes[lane].rests_until - now for lane in held if not self._lanes[lane].at_work]
        if not self._wake.is_set():  # else something has changed since it was asked
            self._look_at = now + max(0.0, min([pause, *rests]))

    def _held(self) -> list[Lane]:
        return [lane for lane, state in self._lanes.items() if state.held]

    async def _run(self, lane: Lane, page: list[Delivery], state: LaneState) -> None:
        try:
            await self._runner.run(lane, page, state)
        except* StorageError as errors:  # nothing is recorded: the same messages go out again
            log.warning("deliveries_not_recorded", extra={"lane": lane.key, "reason": str(errors.exceptions[0])})
            state.rests_until = time.monotonic() + self._pace.first_pause_seconds
        finally:
            state.at_work = False
            self.wake()

    async def _expire(self) -> None:
        """What a dead receiver never took, and never will in time, is given up without asking it for each."""
        if time.monotonic() - self._expired_at < EXPIRE_SECONDS:
            return
        self._expired_at = time.monotonic()
        for lane, state in self._lanes.items():
            if state.refusals >= self._pace.dead_after and not state.at_work:
                await self._deliveries.expire(lane, until_ms=self._now_ms(), error=state.error)

    def _now_ms(self) -> int:
        return round(time.time() * 1000 + self._offset_ms)
