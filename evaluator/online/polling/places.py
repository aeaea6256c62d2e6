"""How far each rule has looked."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from evaluator.online.polling.editions import Edition, Standing
from storage.queue import Queue


@dataclass(slots=True)
class Place:
    """How far a rule has looked: everything that became ready until then is decided, in the lanes, or not the rule's.

    Attributes:
        since_ms: Until this; where there is an `after_id`, of this millisecond only what is not after it.
        looked: It has been at the end since this process began.
        broken: Versions of the rule by which it could not go on from here.
    """

    standing: Standing
    since_ms: int
    after_id: str = ""
    looked: bool = False
    moved: bool = False
    saved_at: float = field(default_factory=time.monotonic)
    broken: frozenset[int] = frozenset()

    def editions(self) -> Iterator[Edition]:
        """Which version decides about what; where one could not, the one by which the rule was repaired."""
        newest = self.standing.editions[-1]
        for edition in self.standing.editions:
            if edition.rule.version in self.broken:
                edition = replace(edition, rule=newest.rule, wanted=newest.wanted)
            yield edition

    @property
    def cursor_ms(self) -> int:
        """Until when nothing is left, milliseconds on the server's clock."""
        return self.since_ms - 1 if self.after_id else self.since_ms

    def back_to(self, since_ms: int) -> None:
        """Look again from there, if it is not before that."""
        if since_ms <= self.cursor_ms:
            self.since_ms, self.after_id = since_ms, ""


class Places:
    """Where the rules stand; saved now and then.  A lost place costs no double work: what is decided is subtracted."""

    def __init__(self, queue: Queue, *, save_seconds: float) -> None:
        self._queue = queue
        self._save_seconds = save_seconds
        self._places: dict[str, Place] = {}

    def get(self, rule: str) -> Place | None:
        """Where a rule stands; None = it is not enabled, or has not been looked for yet."""
        return self._places.get(rule)

    async def keep(self, standings: Mapping[str, Standing], until_ms: int) -> Mapping[str, Place]:
        """Places of exactly these rules; one that was enabled or edited looks again from there."""
        unknown = [name for name in standings if name not in self._places]
        saved = await self._queue.cursors_ms(unknown) if unknown else {}
        places: dict[str, Place] = {}
        for name, standing in standings.items():
            place = self._places.get(name)
            if place is None:
                place = Place(standing=standing, since_ms=_start_ms(standing, saved.get(name, 0), until_ms))
            elif place.standing is not standing:  # a poll may have been under way by the version before
                enabled_again = place.standing.enabled_ms != standing.enabled_ms
                place.back_to(standing.floor_ms if enabled_again else standing.editions[-1].from_ms)
                place.broken = frozenset() if enabled_again else place.broken
                place.standing = standing
            places[name] = place
        self._places = places
        return places

    async def save(self) -> None:
        """Save what moved, if it was not saved lately."""
        now = time.monotonic()
        due = {
            name: place
            for name, place in self._places.items()
            if place.moved and now - place.saved_at >= self._save_seconds
        }
        if due:
            await self._queue.move_cursors({name: place.cursor_ms for name, place in due.items()})
            for place in due.values():
                place.moved, place.saved_at = False, now


def alike(places: Iterable[Place]) -> list[list[Place]]:
    """Rules that stand at the same place share one look; the ones that are furthest first, a new rule catches up."""
    groups: dict[tuple[int, str], list[Place]] = {}
    for place in places:
        groups.setdefault((place.since_ms, place.after_id), []).append(place)
    return [groups[key] for key in sorted(groups, reverse=True)]


def _start_ms(standing: Standing, saved_ms: int, until_ms: int) -> int:
    """Enabled since it was saved: from as far back as it looks.  Else from where it was."""
    start_ms = standing.floor_ms if saved_ms < standing.enabled_ms else saved_ms
    return min(start_ms, until_ms)
