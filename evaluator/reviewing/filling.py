"""Targets into queues: named ones, what a source selects, and results that a rule points at."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from evaluator.errors import InvalidDefinition, TargetNotFound
from evaluator.reviewing.catalogue import Queues
from evaluator.reviewing.definition import Filled, QueueSource, ReviewQueue
from evaluator.reviewing.selecting import Chosen, Selecting, window
from evaluator.scoring.plan import KnowsMetrics
from storage.model import NO_ID, TargetRef
from storage.reviewing import Item, ReviewItems
from storage.telemetry import Telemetry

MAX_NAMED = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Filling:
    """Every method may raise `storage.errors.Unavailable`."""

    queues: Queues
    items: ReviewItems
    metrics: KnowsMetrics
    telemetry: Telemetry
    selecting: Selecting

    async def named(self, name: str, targets: Sequence[TargetRef]) -> Filled:
        """Put targets in by name.

        Raises:
            QueueNotFound: There is no such queue.
            InvalidDefinition: There are too many, or one is of another level.
            TargetNotFound: One is not stored.
        """
        queue = await self.queues.get(name)
        if len(targets) > MAX_NAMED:
            raise InvalidDefinition("targets", f"at most {MAX_NAMED:,} at once, got {len(targets)}")
        for number, ref in enumerate(targets):
            if ref.level is not queue.level:
                raise InvalidDefinition(f"targets[{number}]", f"queue {name} is about a {queue.level}")
        located = await self.telemetry.locate(list(dict.fromkeys(targets)))
        for ref in targets:
            if ref not in located:
                raise TargetNotFound(f"{ref.level} {ref.key} is not stored (it may not have arrived yet)")
        return await self._add(queue, [Chosen(target=ref, source="named") for ref in dict.fromkeys(targets)])

    async def from_source(self, name: str, source: QueueSource | None = None) -> Filled:
        """Put in what the queue's source, or another one, selects now.

        Raises:
            QueueNotFound: There is no such queue.
            InvalidDefinition, InvalidFilter, MetricNotFound: There is no source, or it is not acceptable.
        """
        queue = await self.queues.get(name)
        if source is not None:
            await self.queues.check_source(queue, source)
        asked = source or queue.source
        if asked is None:
            raise InvalidDefinition("source", f"queue {name} has none: name targets, or give a source")
        start, until = window(asked, datetime.now(UTC))
        return await self.fill(queue, asked, start=start, until=until, most=asked.most)

    async def fill(
        self, queue: ReviewQueue, source: QueueSource, *, start: datetime, until: datetime, most: int
    ) -> Filled:
        """Put in the first `most` targets that are new; a draw at random is the same however often it is drawn."""
        metric = await self.metrics.get(queue.metric)
        added = present = looked = 0
        async for page in self.selecting.pages(queue, source, metric, start=start, until=until):
            if source.random:
                page = page[: most - looked]
            looked += len(page)
            there = await self.items.present(queue.name, [_item(queue, each).item_id for each in page])
            new = [each for each in page if _item(queue, each).item_id not in there][: most - added]
            present += len(there)
            filled = await self._add(queue, new, first=added)
            added, present = added + filled.added, present + filled.present
            if added >= most or (source.random and looked >= most):
                break
        return Filled(added=added, present=present)

    async def result(self, name: str, *, metric: str, target: TargetRef, result_id: uuid.UUID, source: str) -> bool:
        """Put in a result that a rule points at; whether it is new.

        Raises:
            QueueNotFound: There is no such queue.
            InvalidDefinition: It is about another metric, or another level.
        """
        queue = await self.queues.get(name)
        if metric != _slug(queue.metric) or target.level is not queue.level:
            wanted = f"results of {_slug(queue.metric)} on a {queue.level}"
            raise InvalidDefinition("queue", f"queue {name} takes {wanted}, not of {metric} on a {target.level}")
        filled = await self._add(queue, [Chosen(target=target, result_id=result_id, source=source)])
        return filled.added > 0

    async def _add(self, queue: ReviewQueue, chosen: Sequence[Chosen], *, first: int = 0) -> Filled:
        items = [_item(queue, each, rank) for rank, each in enumerate(chosen, first)]
        added = await self.items.add(items)
        return Filled(added=added, present=len(items) - added)


def _item(queue: ReviewQueue, chosen: Chosen, rank: int = 0) -> Item:
    return Item(
        queue=queue.name,
        metric=_slug(queue.metric),
        target=chosen.target,
        result_id=chosen.result_id or NO_ID,
        source=chosen.source[:200],
        rank=rank,
    )


def _slug(metric: str) -> str:
    return metric.rpartition("/")[2]
