"""The review queues there are: documents of kind `queue`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

from evaluator.errors import InvalidDefinition, InvalidFilter, LevelMismatch, QueueNotFound
from evaluator.metrics.naming import BUILTIN
from evaluator.metrics.registry import REQUEST_ID, all_documents, made_by
from evaluator.reviewing.definition import QUEUE_KIND, QueueRecord, QueueSource, ReviewQueue
from evaluator.scoring.plan import KnowsMetrics
from storage.definitions import Definitions
from storage.errors import NameTaken, NotFound
from storage.model import Document, MetricKind
from storage.reviewing import ReviewItems


@dataclass(frozen=True, slots=True, kw_only=True)
class Queues:
    """Keeps review queues.  Every method may raise `storage.errors.Unavailable`."""

    definitions: Definitions
    metrics: KnowsMetrics
    items: ReviewItems

    async def get(self, name: str) -> ReviewQueue:
        """A queue.

        Raises:
            QueueNotFound: There is none of this name.
        """
        return ReviewQueue.from_document(await self._document(name))

    async def record(self, name: str) -> QueueRecord:
        """A queue and how far it is.

        Raises:
            QueueNotFound: There is none of this name.
        """
        [record] = await self._records([await self._document(name)])
        return record

    async def live(self, *, after: str = "", limit: int = 1000) -> list[QueueRecord]:
        """Queues in order of their names, those after `after`."""
        return await self._records(await self.definitions.live(QUEUE_KIND, after=after, limit=limit))

    async def quorum(self, queue: str) -> int:
        """Reviewers that a queue wants, also a deleted one; 1 where there never was one of this name."""
        versions = await self.definitions.versions(QUEUE_KIND, queue)
        return ReviewQueue.from_document(versions[0]).quorum if versions else 1

    async def following(self) -> list[ReviewQueue]:
        """Queues that are filled from now on."""
        documents = await all_documents(self.definitions, QUEUE_KIND)
        return [ReviewQueue.from_document(each) for each in documents if each.body.get("follow")]

    async def create(self, queue: ReviewQueue, *, request_id: str = "") -> tuple[QueueRecord, bool]:
        """Make a queue; and whether it is new.  The same `request_id` again returns what the first call made.

        Raises:
            InvalidDefinition, InvalidFilter: A field is not acceptable.
            MetricNotFound: The metric is unknown.
            LevelMismatch: It does not work at the level of the queue.
            NameTaken: There is a queue of this name.
        """
        body = (await self.checked(queue)).to_body() | ({REQUEST_ID: request_id} if request_id else {})
        try:
            if not await self._lives(queue.name):
                await self.items.clear(queue.name)  # what a queue of this name left that was deleted
            document = await self.definitions.create(QUEUE_KIND, queue.name, body)
        except NameTaken:
            made = await made_by(self.definitions, QUEUE_KIND, queue.name, request_id)
            if made is None:
                raise
            return await self.record(made.name), False
        return QueueRecord(definition=ReviewQueue.from_document(document), created=document.created), True

    async def delete(self, name: str, *, request_id: str = "") -> None:
        """Delete a queue and its items; feedback stays.  With a `request_id`, a deleted one is no error.

        Raises:
            QueueNotFound: There is none of this name.
        """
        try:
            document = await self._document(name)
            await self.definitions.delete(QUEUE_KIND, name, document.version)
        except (QueueNotFound, NotFound):
            if not request_id or not await self.definitions.versions(QUEUE_KIND, name):
                raise QueueNotFound(f"there is no review queue {name!r}") from None
        await self.items.clear(name)

    async def checked(self, queue: ReviewQueue) -> ReviewQueue:
        """The queue with the name under which its metric is kept.

        Raises:
            InvalidDefinition, InvalidFilter, MetricNotFound, LevelMismatch: As `create`.
        """
        metric = await self.metrics.get(queue.metric)
        if queue.level not in metric.levels:
            levels = ", ".join(metric.levels)
            raise LevelMismatch(f"metric {metric.name!r} is about {levels}, and not about a {queue.level}")
        if queue.source is not None:
            await self.check_source(queue, queue.source)
        prefix = BUILTIN if queue.metric.startswith(BUILTIN) else ""
        return replace(queue, metric=f"{prefix}{metric.name}")

    async def check_source(self, queue: ReviewQueue, source: QueueSource) -> None:
        """Whether a source can be asked for.

        Raises:
            InvalidDefinition, InvalidFilter, MetricNotFound: As `create`.
        """
        from evaluator.online.actions.condition import compile_condition  # sqlglot, which a start need not wait for
        from evaluator.reviewing.passing import compiled

        compile_condition(source.score_condition, field="queue.source.score_condition")
        try:
            compiled(source.filter, queue.level)
        except InvalidFilter as error:
            raise InvalidFilter(error.reason, position=error.position, field="queue.source.filter") from None
        for version in source.versions:
            await self.metrics.get(queue.metric, version)
        metric = await self.metrics.get(queue.metric)
        if source.uncertain and metric.kind is not MetricKind.JUDGE:
            raise InvalidDefinition("queue.source.uncertain", f"{metric.name} is no judge: it is never uncertain")

    async def _lives(self, name: str) -> bool:
        try:
            await self.definitions.get(QUEUE_KIND, name)
        except NotFound:
            return False
        return True

    async def _records(self, documents: Sequence[Document]) -> list[QueueRecord]:
        queues = [ReviewQueue.from_document(each) for each in documents]
        progress = await self.items.progress({each.name: each.quorum for each in queues})
        return [
            QueueRecord(definition=queue, progress=progress[queue.name], created=document.created)
            for queue, document in zip(queues, documents, strict=True)
        ]

    async def _document(self, name: str) -> Document:
        try:
            return await self.definitions.get(QUEUE_KIND, name)
        except NotFound:
            names = [each.name for each in await all_documents(self.definitions, QUEUE_KIND)]
            near = get_close_matches(name, names, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise QueueNotFound(f"there is no review queue {name!r}{hint}") from None
