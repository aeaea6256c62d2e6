"""Items of a queue in the hands of reviewers: reserved, shown, judged, passed by, and taken back.

A verdict is feedback first and then a place of its item, so a process that dies in between loses no word: whoever
reserves the item next finds it.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from evaluator.errors import (
    AlreadyReviewed,
    EvaluatorError,
    InvalidDefinition,
    ItemNotFound,
    QueueEmpty,
    ReservationLost,
    ResultNotFound,
    TargetNotFound,
)
from evaluator.feedback.desk import Desk, feedback_id_of
from evaluator.feedback.looking import Looking, Seen
from evaluator.feedback.snapshots import snapshot_of
from evaluator.feedback.verdicts import Stated
from evaluator.feedback.words import Taken, Words, checked_annotator
from evaluator.metrics.judging.judge_metric import Redact
from evaluator.reviewing.catalogue import Queues
from evaluator.reviewing.definition import ReviewQueue
from storage.feedback import FeedbackRow, FeedbackStatus
from storage.model import NO_ID, RESULT_NAMESPACE, Evaluation
from storage.reviewing import Item, ReviewItems, item_id

AT_ONCE = 16
"""Items that are looked at for a free place with one query."""
MAX_BULK = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """An item as its reviewer sees it.

    Attributes:
        version: Of the metric.
        inputs: What the judge reads of the target, by name, as the judge may see it.
        result: What the judge concluded; None in a blind queue, and where there is nothing.
        others: Verdicts of others, oldest first; () in a blind queue.
        until: It is reserved until then.
    """

    item: Item
    version: int
    inputs: Mapping[str, str]
    result: Evaluation | None
    others: Sequence[FeedbackRow]
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Bulk:
    """One verdict on many items: by which it is undone, how many were given, and why others were not, by item id."""

    bulk_id: uuid.UUID
    completed: int
    refused: Mapping[uuid.UUID, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewing:
    """Every method may raise `storage.errors.Unavailable`."""

    queues: Queues
    items: ReviewItems
    desk: Desk
    looking: Looking
    redact: Redact | None = None

    async def claim_next(self, queue_name: str, annotator: str) -> Shown:
        """Reserve the next item; a running reservation of the annotator is renewed and returned again.

        Raises:
            QueueNotFound: There is no such queue.
            QueueEmpty: Nothing is left for this annotator.
            InvalidFeedback: Nobody asks.
        """
        me = checked_annotator(annotator)
        queue = await self.queues.get(queue_name)
        metric = (await self.looking.definition(queue.metric)).name
        while free := await self.items.free(queue.name, me, metric=metric, quorum=queue.quorum, limit=AT_ONCE):
            for item in free:
                until = await self._claimed(queue, item, me)
                if until is not None and await self._is_open(queue, item, me):
                    shown = await self._shown(queue, item, me, until)
                    if shown is not None:
                        return shown
        raise QueueEmpty(await self._why_empty(queue, me))

    async def complete(
        self,
        queue_name: str,
        item_uuid: uuid.UUID,
        annotator: str,
        stated: Stated,
        *,
        explanation: str,
        request_id: str,
    ) -> Taken:
        """Take a verdict on an item; the same `request_id` again returns what the first call made.

        Without a reservation, or after it has expired, it counts as long as the item has a place.

        Raises:
            QueueNotFound, ItemNotFound: There is no such queue, or no such item in it.
            ReservationLost: Others have taken the item's places.
            AlreadyReviewed: The annotator has given a verdict on it.
            InvalidFeedback: The verdict is none of the metric.
            TargetNotFound: The target is gone.
        """
        me = checked_annotator(annotator)
        queue = await self.queues.get(queue_name)
        item = await self._item(queue, item_uuid)
        if not await self._given(request_id):
            if me in item.done:
                raise _already(me)
            if await self._claimed(queue, item, me) is None:
                raise await self._lost(queue, item, me)
        words = Words(stated=stated, explanation=explanation, annotator=me, request_id=request_id, queue=queue.name)
        taken = await self._submitted(item, words)
        if taken.row.status is FeedbackStatus.SUBMITTED:
            await self.items.complete(queue.name, [item.item_id], me)
        return taken

    async def skip(self, queue_name: str, item_uuid: uuid.UUID, annotator: str) -> None:
        """Pass an item by: it is not offered to this annotator again.

        Raises:
            QueueNotFound, ItemNotFound: There is no such queue, or no such item in it.
        """
        me = checked_annotator(annotator)
        queue = await self.queues.get(queue_name)
        item = await self._item(queue, item_uuid)
        await self.items.release(queue.name, item.item_id, me, skip=True)

    async def complete_many(
        self,
        queue_name: str,
        ids: Sequence[uuid.UUID],
        annotator: str,
        stated: Stated,
        *,
        explanation: str,
        request_id: str,
    ) -> Bulk:
        """One verdict on many items; those that cannot be given are refused one by one.

        Raises:
            QueueNotFound: There is no such queue.
            InvalidDefinition: There are none, or too many.
            InvalidFeedback: The verdict is none of the metric.
        """
        me = checked_annotator(annotator)
        if not 1 <= len(ids) <= MAX_BULK:
            raise InvalidDefinition("item_ids", f"name 1 to {MAX_BULK} items, got {len(ids)}")
        queue = await self.queues.get(queue_name)
        bulk_id = uuid.uuid5(RESULT_NAMESPACE, f"bulk\x1f{request_id}") if request_id else uuid.uuid4()
        known = await self.items.get(queue.name, ids)
        refused: dict[uuid.UUID, str] = {each: str(_unknown(queue, each)) for each in ids if each not in known}
        given = {row.feedback_id for row in await self.desk.of_bulk(bulk_id)}
        asked = {each: str(uuid.uuid5(bulk_id, str(each))) for each in dict.fromkeys(ids) if each in known}
        again = {each for each, request in asked.items() if feedback_id_of(request) in given}
        done = {each for each in asked if me in known[each].done} - again
        refused |= {each: str(_already(me)) for each in done}
        new = set(asked) - again - done
        won = await self._claim(queue, new, me)
        refused |= {each: str(_taken(queue)) for each in new - set(won)}
        wanted = [each for each in asked if each in again or each in won]
        words = Words(stated=stated, explanation=explanation, annotator=me, queue=queue.name, bulk_id=bulk_id)
        taken = await self._take_many([known[each] for each in wanted], words, asked)
        counted = [each for each, found in taken.items() if isinstance(found, Taken)]
        refused |= {each: str(found) for each, found in taken.items() if isinstance(found, EvaluatorError)}
        await self.items.complete(queue.name, [each for each in counted if _stands(taken[each])], me)
        for each in set(won) - set(counted):
            await self.items.release(queue.name, each, me, skip=False)
        return Bulk(bulk_id=bulk_id, completed=len(counted), refused=refused)

    async def undo(self, bulk_id: uuid.UUID, annotator: str) -> int:
        """Take back what was given together; its items stand in the queue again.  Returns how much that was.

        Raises:
            BulkNotFound: Nothing was given under this id.
            InvalidFeedback: Nobody says who undoes it.
        """
        undone = await self.desk.undo_bulk(bulk_id, by=annotator)
        await self.reopen(undone)
        return len(undone)

    async def reopen(self, retracted: Collection[FeedbackRow]) -> None:
        """Feedback was taken back: its items stand in their queues again."""
        places: dict[tuple[str, str], list[uuid.UUID]] = defaultdict(list)
        for row in retracted:
            if row.queue:
                places[row.queue, row.annotator].append(item_id(row.queue, row.metric, row.target))
        for (queue, annotator), ids in places.items():
            await self.items.reopen(queue, ids, annotator)

    # -----------------------------------------------------------------------------------------------------------------

    async def _claim(self, queue: ReviewQueue, ids: Collection[uuid.UUID], me: str) -> dict[uuid.UUID, datetime]:
        return await self.items.claim(queue.name, ids, me, quorum=queue.quorum, ttl_seconds=queue.reservation_seconds)

    async def _claimed(self, queue: ReviewQueue, item: Item, me: str) -> datetime | None:
        return (await self._claim(queue, [item.item_id], me)).get(item.item_id)

    async def _is_open(self, queue: ReviewQueue, item: Item, me: str) -> bool:
        """Whether a reserved item waits for this annotator: a process that died may have left a verdict uncounted."""
        said = (await self.desk.feedbacks.on(item.metric, [item.target])).get(item.target, [])
        uncounted = {row.annotator for row in said if row.queue == queue.name} - set(item.done)
        for annotator in uncounted:
            await self.items.complete(queue.name, [item.item_id], annotator)
        if me in uncounted:
            return False
        if uncounted and len(set(item.done) | uncounted) >= queue.quorum:
            await self.items.release(queue.name, item.item_id, me, skip=False)
            return False
        return True

    async def _shown(self, queue: ReviewQueue, item: Item, me: str, until: datetime) -> Shown | None:
        """None where the target is gone: its item goes, too."""
        seen = await self._seen(item)
        if isinstance(seen, TargetNotFound):
            await self.items.drop(queue.name, item.item_id)
            return None
        if isinstance(seen, EvaluatorError):
            raise seen
        snapshot = snapshot_of(seen.definition, seen.subject, self.redact)
        others: Sequence[FeedbackRow] = ()
        if not queue.blind:
            said = (await self.desk.feedbacks.on(item.metric, [item.target])).get(item.target, [])
            others = [row for row in said if row.annotator != me]
        return Shown(
            item=replace(item, source="") if queue.blind else item,  # it may say what the judge concluded
            version=seen.definition.version,
            inputs=snapshot.inputs,
            result=None if queue.blind else seen.judged,
            others=others,
            until=until,
        )

    async def _seen(self, item: Item) -> Seen | EvaluatorError:
        if item.result_id != NO_ID:
            [seen] = await self.looking.at([Words(result_id=item.result_id)])
            if not isinstance(seen, ResultNotFound):
                return seen
        [seen] = await self.looking.at([Words(target=item.target, metric=item.metric)])
        return seen

    async def _submitted(self, item: Item, words: Words) -> Taken:
        if item.result_id != NO_ID:
            try:
                return await self.desk.submit(replace(words, result_id=item.result_id))
            except ResultNotFound:  # it is gone: what is there now is meant
                pass
        return await self.desk.submit(replace(words, target=item.target, metric=item.metric))

    async def _take_many(
        self, items: Sequence[Item], words: Words, requests: Mapping[uuid.UUID, str]
    ) -> dict[uuid.UUID, Taken | EvaluatorError]:
        ids = [each.item_id for each in items]
        by_result = [
            replace(words, request_id=requests[each.item_id], result_id=each.result_id)
            if each.result_id != NO_ID
            else replace(words, request_id=requests[each.item_id], target=each.target, metric=each.metric)
            for each in items
        ]
        found = dict(zip(ids, await self.desk.take(by_result), strict=True))
        gone = [each for each in items if isinstance(found[each.item_id], ResultNotFound)]
        by_target = [
            replace(words, request_id=requests[each.item_id], target=each.target, metric=each.metric) for each in gone
        ]
        return found | dict(zip([each.item_id for each in gone], await self.desk.take(by_target), strict=True))

    async def _given(self, request_id: str) -> bool:
        """Whether this request has made feedback already."""
        return bool(request_id) and bool(await self.desk.feedbacks.by_id([feedback_id_of(request_id)]))

    async def _item(self, queue: ReviewQueue, item_uuid: uuid.UUID) -> Item:
        found = await self.items.get(queue.name, [item_uuid])
        if item_uuid not in found:
            raise _unknown(queue, item_uuid)
        return found[item_uuid]

    async def _lost(self, queue: ReviewQueue, item: Item, me: str) -> EvaluatorError:
        now = await self._item(queue, item.item_id)
        return _already(me) if me in now.done else _taken(queue)

    async def _why_empty(self, queue: ReviewQueue, me: str) -> str:
        progress = (await self.items.progress({queue.name: queue.quorum}))[queue.name]
        if not progress.items:
            return f"review queue {queue.name} is empty: nothing was put in yet"
        if progress.reserved:
            return (
                f"nothing is left in review queue {queue.name} for {me} now; others have reserved "
                f"{progress.reserved} of its items, which may come free"
            )
        return f"nothing is left in review queue {queue.name} for {me}"


def _stands(found: Taken | EvaluatorError) -> bool:
    return isinstance(found, Taken) and found.row.status is FeedbackStatus.SUBMITTED


def _unknown(queue: ReviewQueue, item_uuid: uuid.UUID) -> ItemNotFound:
    return ItemNotFound(f"there is no item {item_uuid} in review queue {queue.name}")


def _already(me: str) -> AlreadyReviewed:
    return AlreadyReviewed(f"{me} has given a verdict on this item: retract it first")


def _taken(queue: ReviewQueue) -> ReservationLost:
    return ReservationLost(
        f"the reservation has expired, and others have taken the {queue.quorum} places of this item; "
        "your verdict was not kept. Ask for the next item"
    )
