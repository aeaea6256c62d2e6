"""The slower look over the last day: for what became visible after a poll had passed it.

A poll passes nothing that is being inserted, as far as it can see.  What it cannot see (an INSERT of many minutes,
another server's clock, a repair) shows as arrivals that were not there: those times are looked at again, and after a
start every time of the last day.  It takes a small share of the time, the newest first.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from evaluator.online.polling.looking import Looking, most_ppm
from evaluator.online.polling.places import Place
from evaluator.online.polling.work import Pace
from storage.queue import Completion, Look, Queue, Stream

DAY_MS = 86_400_000
SLOT_MS = 10_000
NEAR_SLOTS = 360
"""Slots of an hour are looked at together, as far as a page holds them."""


@dataclass(slots=True)
class _Slots:
    """Slots near each other, how much arrived in each, and how far the look at them is."""

    arrivals: dict[int, int]
    streams: list[Stream]
    since_ms: int = 0
    after_id: str = ""


class Sweeping:
    """Knows what polls have seen, and looks again at what they have not."""

    def __init__(self, *, queue: Queue, completion: Completion, looking: Looking, pace: Pace) -> None:
        self._queue = queue
        self._completion = completion
        self._looking = looking
        self._page_targets = pace.page_traces
        self._every_seconds = pace.sweep_seconds
        self._share = pace.sweep_share
        self._seen: dict[int, int] = {}
        self._seen_until_ms = 0
        self._due: list[_Slots] = []
        self._compared_at = -pace.sweep_seconds
        self._rests_until = 0.0

    async def passed(self, until_ms: int, newest_ms: int) -> None:
        """Polls begin to look at everything up to there: remember how much there is to see.

        Raises:
            Unavailable: The store is away.
        """
        if self._seen_until_ms and newest_ms > self._seen_until_ms:
            window = await self._queue.arrived_slots(from_ms=self._seen_until_ms, until_ms=until_ms, slot_ms=SLOT_MS)
            for slot, arrivals in window.items():
                self._seen[slot] = self._seen.get(slot, 0) + arrivals
        self._seen_until_ms = max(self._seen_until_ms, until_ms)

    async def sweep(
        self, streams: Collection[Stream], places: Sequence[Place], until_ms: int, shards: Collection[int]
    ) -> None:
        """A page of what is due, if it is time.

        Raises:
            Unavailable: The store is away.
            Stopping: This process is about to end.
        """
        began = time.monotonic()
        if began < self._rests_until:
            return
        if not self._due and began - self._compared_at >= self._every_seconds:
            self._due = await self._unseen(streams, until_ms)
            self._compared_at = began
        if self._due and self._looking.has_room(places):
            await self._page(self._due[-1], places, until_ms, shards)
        self._rests_until = time.monotonic() + (time.monotonic() - began) * (1 / self._share - 1)

    def rests(self) -> bool:
        """Whether all that was not seen has been looked at again, as far as is known."""
        return self._compared_at > 0 and not self._due

    def forget(self) -> None:
        """Shards were taken: what another process has seen is not known."""
        self._seen, self._seen_until_ms, self._compared_at = {}, 0, -self._every_seconds

    async def _unseen(self, streams: Collection[Stream], until_ms: int) -> list[_Slots]:
        """Slots of the last day of which there is more than was seen, the oldest first."""
        end_ms = min(until_ms, self._seen_until_ms or until_ms)
        first = (end_ms - DAY_MS) // SLOT_MS + 1
        stored = await self._queue.arrived_slots(from_ms=first * SLOT_MS - 1, until_ms=end_ms, slot_ms=SLOT_MS)
        self._seen = {slot: arrivals for slot, arrivals in self._seen.items() if slot >= first}
        due: list[_Slots] = []
        for slot, arrivals in sorted(stored.items()):
            if arrivals <= self._seen.get(slot, 0):
                continue
            last = due[-1].arrivals if due else {}
            if last and slot - min(last) < NEAR_SLOTS and sum(last.values()) + arrivals <= self._page_targets:
                last[slot] = arrivals
            else:
                due.append(_Slots(arrivals={slot: arrivals}, streams=list(streams)))
        return due

    async def _page(self, slots: _Slots, places: Sequence[Place], until_ms: int, shards: Collection[int]) -> None:
        stream = slots.streams[-1]
        editions = [
            edition for place in places if place.standing.stream == stream for edition in place.standing.editions
        ]
        floor_ms = min((edition.from_ms for edition in editions), default=until_ms)
        page = await self._queue.ready(
            stream,
            self._completion,
            Look(
                since_ms=max(slots.since_ms, floor_ms),
                until_ms=until_ms,
                after_id=slots.after_id,
                arrived_ms=(min(slots.arrivals) * SLOT_MS - 1, (max(slots.arrivals) + 1) * SLOT_MS - 1),
                shards=shards,
                sample_ppm=most_ppm(editions),
                limit=self._page_targets,
            ),
        )
        await self._looking.take(stream, page, editions)
        if len(page) == self._page_targets:
            slots.since_ms, slots.after_id = page[-1].ready_ms, page[-1].record.ref.key
            return
        slots.streams.pop()
        slots.since_ms, slots.after_id = 0, ""
        if not slots.streams:
            self._due.pop()
            for slot, arrivals in slots.arrivals.items():
                self._seen[slot] = max(arrivals, self._seen.get(slot, 0))
