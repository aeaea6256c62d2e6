"""What stands in review queues, who has it, who is done with it, and the port that keeps it.

An item is one target and metric of one queue.  A place of an item belongs to an annotator who has reserved it, or has
given a verdict; there are as many as the queue's quorum.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from storage.model import NO_ID, RESULT_NAMESPACE, TargetRef
from storage.runs import Selected, SelectedTarget


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """An item of a review queue.

    Attributes:
        result_id: The result that it is about; `NO_ID` = whatever is current when it is shown.
        source: Why it is in the queue, in a word or a few.
        rank: Its place among those that came with it.
        claims: Annotator -> until when the item is reserved; those that have expired may still be there.
        skipped, done: Annotators who passed it by, and who have given their verdict.
        created: None until it was stored.
    """

    queue: str
    metric: str
    target: TargetRef
    result_id: uuid.UUID = NO_ID
    source: str = ""
    rank: int = 0
    claims: Mapping[str, datetime] = field(default_factory=dict)
    skipped: tuple[str, ...] = ()
    done: tuple[str, ...] = ()
    created: datetime | None = None

    @property
    def item_id(self) -> uuid.UUID:
        """UUIDv5 of queue, metric and target, so that an item stands in its queue once."""
        return item_id(self.queue, self.metric, self.target)


def item_id(queue: str, metric: str, target: TargetRef) -> uuid.UUID:
    """See `Item.item_id`."""
    parts = ("review", queue, metric, target.level, target.key)
    return uuid.uuid5(RESULT_NAMESPACE, "\x1f".join(parts))


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a queue is, in items.

    Attributes:
        resolved: With as many verdicts as the quorum asks for, and of one mind, or decided by somebody.
        disputed: Whose reviewers differ.
        in_review: With some verdicts, but fewer than the quorum.
        reserved: Reserved by somebody now.
        waiting: With fewer verdicts than the quorum, and not decided.
        verdicts: By annotator.
    """

    items: int = 0
    resolved: int = 0
    disputed: int = 0
    in_review: int = 0
    reserved: int = 0
    waiting: int = 0
    verdicts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """A target in the order of a selection, and where that order goes on behind it."""

    target: SelectedTarget
    place: tuple[str | int, ...]


class ReviewItems(Protocol):
    """The port to review items.  Annotators are told apart by name.

    Raises (every method):
        Unavailable: The store is away.
    """

    async def add(self, items: Sequence[Item]) -> int:
        """Put in what is not there yet, in order of rank; returns how many that were.

        Fillings take turns, whoever they are: an item that two bring at once is put in once.
        """

    async def present(self, queue: str, ids: Collection[uuid.UUID]) -> set[uuid.UUID]:
        """Which of these there are."""

    async def get(self, queue: str, ids: Collection[uuid.UUID]) -> dict[uuid.UUID, Item]:
        """Items by id; unknown ones are missing."""

    async def free(self, queue: str, annotator: str, *, metric: str, quorum: int, limit: int) -> list[Item]:
        """Items that an annotator could have: own running reservations first, then in order of coming."""

    async def claim(
        self, queue: str, items: Collection[uuid.UUID], annotator: str, *, quorum: int, ttl_seconds: float
    ) -> dict[uuid.UUID, datetime]:
        """Reserve a place of each, or renew one's own; until when, by the database's clock.

        Missing are those of which others have all places, or the annotator has given a verdict already.  However many
        ask at the same moment, no more get a place than there are.
        """

    async def complete(self, queue: str, items: Collection[uuid.UUID], annotator: str) -> None:
        """The annotator's places become those of verdicts, once."""

    async def release(self, queue: str, item: uuid.UUID, annotator: str, *, skip: bool) -> None:
        """Give a place back; with `skip` the item is never offered to the annotator again."""

    async def reopen(self, queue: str, items: Collection[uuid.UUID], annotator: str) -> None:
        """Verdicts were taken back: their places are free again."""

    async def drop(self, queue: str, item: uuid.UUID) -> None:
        """Take an item out, whose target is gone."""

    async def clear(self, queue: str) -> None:
        """Take everything out."""

    async def progress(self, queues: Mapping[str, int]) -> dict[str, Progress]:
        """How far queues are; `queues` = name -> quorum."""

    async def draw(
        self, selected: Selected, *, seed: str | None, after: Sequence[str | int], limit: int
    ) -> list[Drawn]:
        """Targets of a selection, strictly after a place: the newest first, or by a hash of seed and id.

        The filter is applied to spans only; that of traces and sessions is `storage.queue.Queue.candidates`.
        """
