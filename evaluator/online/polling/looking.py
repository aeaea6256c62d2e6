"""Looks at what became ready: a page of a stream serves every rule that stands there."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from evaluator.online.polling.awaiting import Awaiting
from evaluator.online.polling.beginning import Beginning
from evaluator.online.polling.editions import Edition
from evaluator.online.polling.lanes import Lanes
from evaluator.online.polling.places import Place
from evaluator.online.polling.selecting import Selecting
from evaluator.online.polling.sessions import with_traces
from evaluator.online.polling.work import Pace
from storage.model import Level
from storage.queue import Completion, Look, Queue, Ready, Stream
from storage.telemetry import Telemetry

PAGES_AT_ONCE = 8
"""Pages of one look before others have their turn."""
SLICE_MS = 60_000
"""A look that catches up begins with so much at a time: a page is sorted from all that became ready in its window."""
WIDEN = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What came of a page.

    Attributes:
        stays: Rules that did not take all of it.
        failed: Those of them that cannot work, and by which version.
    """

    stays: Collection[str]
    failed: Mapping[str, int] = field(default_factory=dict)


class Looking:
    """Takes pages and begins what is due of them."""

    def __init__(
        self,
        *,
        queue: Queue,
        telemetry: Telemetry,
        completion: Completion,
        selecting: Selecting,
        awaiting: Awaiting,
        beginning: Beginning,
        lanes: Lanes,
        pace: Pace,
    ) -> None:
        self._queue = queue
        self._telemetry = telemetry
        self._completion = completion
        self._selecting = selecting
        self._awaiting = awaiting
        self._beginning = beginning
        self._lanes = lanes
        self._page_targets = pace.page_traces
        self._slice_ms: dict[Stream, int] = {}

    async def advance(self, stream: Stream, places: Sequence[Place], until_ms: int, shards: Collection[int]) -> bool:
        """Move rules that stand at the same place on, until there or for a few pages.

        A rule that cannot select, has no room or was disabled stays where it is.  Returns whether the others have more
        to look at.

        Raises:
            Unavailable: The store is away.
            Stopping: This process is about to end.
        """
        going = list(places)
        for _ in range(PAGES_AT_ONCE):
            since_ms, after_id = going[0].since_ms, going[0].after_id
            slice_ms = self._slice_ms.get(stream, SLICE_MS)
            end_ms = min(until_ms, since_ms + slice_ms)
            editions = [
                edition
                for place in going
                for edition in place.editions()
                if edition.from_ms < end_ms and edition.until_ms >= since_ms
            ]
            look = Look(
                since_ms=since_ms,
                until_ms=end_ms,
                after_id=after_id,
                shards=shards,
                sample_ppm=most_ppm(editions),
                limit=self._page_targets,
            )
            page = await self._queue.ready(stream, self._completion, look) if look.sample_ppm else []
            taken = await self.take(stream, page, editions)
            for place in going:
                if (version := taken.failed.get(place.standing.rule.name)) is not None:
                    place.broken |= {version}
            going = [place for place in going if place.standing.rule.name not in taken.stays]
            full = len(page) == self._page_targets
            for place in going:
                place.since_ms, place.after_id = (page[-1].ready_ms, page[-1].record.ref.key) if full else (end_ms, "")
                place.moved = place.moved or bool(page)
                place.looked = place.looked or (not full and end_ms == until_ms)
            if full:
                self._slice_ms[stream] = max(1, 2 * (page[-1].ready_ms - since_ms))
            elif end_ms < until_ms:
                self._slice_ms[stream] = slice_ms * WIDEN
            else:
                self._slice_ms[stream] = max(slice_ms, SLICE_MS)
                return False
            if not going:
                break
        return bool(going)

    def has_room(self, places: Sequence[Place]) -> bool:
        """Whether none of these rules has all that it can take."""
        return all(self._lanes.has_room(place.standing.rule.name) for place in places)

    async def take(self, stream: Stream, page: Sequence[Ready], editions: Sequence[Edition]) -> Taken:
        """Begin what is due of a page."""
        full = {edition.rule.name for edition in editions if not self._lanes.has_room(edition.rule.name)}
        able = [edition for edition in editions if edition.rule.name not in full]
        if not page or not able:
            return Taken(stays=full if page else set())
        due = await self._selecting.due(page, able, arriving=stream.level is Level.SPAN)
        admitted = await self._awaiting.selected(await with_traces(self._telemetry, due.chunks), page)
        await self._queue.record([*due.closed, *admitted.decisions])
        disabled = await self._beginning.begin(admitted.chunks)
        return Taken(stays=full | set(due.failed) | disabled, failed=due.failed)


def most_ppm(editions: Sequence[Edition]) -> int:
    """No rule wants more of the hash than this."""
    return max((max(each.wanted.sample_ppm, each.wanted.experiment_ppm or 0) for each in editions), default=0)
