"""Reviewers over the wire: places, blindness, skips, bulk, undo, and what becomes of disputes."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from review_parts import FLAGGED, NO, YES, Reviews, a_queue, chats, next_item, refused, reviews
from storing import SentSpan, until

from assay.client import AsyncClient
from assay.client_queues import Completed
from evaluator.feedback.verdicts import Stated
from storage.clickhouse.client import Database
from storage.feedback import FeedbackFilter, FeedbackStatus, ResolutionStatus
from storage.model import Level, OutputType, TargetRef
from storage.reviewing import Progress

REVIEWERS = tuple(f"reviewer_{number}" for number in range(8))


@pytest.fixture
async def shop(database: Database) -> AsyncIterator[Reviews]:
    """Queues behind a server."""
    async with reviews(database) as made:
        yield made


@pytest.fixture
async def client(shop: Reviews) -> AsyncIterator[AsyncClient]:
    """A caller."""
    async with AsyncClient(shop.address) as made:
        yield made


def fresh(word: str) -> str:
    """A name that nobody uses."""
    return f"{word}_{uuid.uuid4().hex[:8]}"


def stands(done: Completed) -> str:
    """Where its target stands."""
    return str(done.resolution.status) if done.resolution else ""


async def filled(shop: Reviews, client: AsyncClient, count: int, **other: object) -> tuple[str, list[SentSpan]]:
    """A queue with so many judged chats in it."""
    metric = await shop.judge(fresh("m"))
    spans = await chats(shop.database, count)
    await shop.judged(metric, spans)
    queue = fresh("q")
    await client.create_queue(a_queue(queue, metric.name, **other))
    await client.fill_queue(queue, targets=[span.ref for span in spans])
    return queue, spans


@pytest.mark.parametrize(("quorum", "count"), [(1, 8), (3, 3)])
async def test_eight_reviewers_at_once_give_each_item_as_many_verdicts_as_its_quorum(
    shop: Reviews, client: AsyncClient, quorum: int, count: int
) -> None:
    """No item has more reservations than places, nobody gets an item twice, and none is left over."""
    queue, spans = await filled(shop, client, count, quorum=quorum)
    held: dict[str, set[str]] = defaultdict(set)
    given: Counter[str] = Counter()
    most = 0

    async def review(name: str) -> None:
        nonlocal most
        async with AsyncClient(shop.address) as own:
            while len(given) < count or min(given.values()) < quorum:
                item = await next_item(own, queue, name)
                if item is None:
                    return
                held[item.item_id].add(name)
                most = max(most, len(held[item.item_id]) + given[item.item_id])
                await own.complete_item(queue, item.item_id, annotator=name, expected=YES, explanation="so it is")
                held[item.item_id].discard(name)
                given[item.item_id] += 1

    async with asyncio.TaskGroup() as group:
        for name in REVIEWERS:
            group.create_task(review(name))
    assert most <= quorum
    assert given == Counter(dict.fromkeys(given, quorum))
    assert len(given) == count
    progress = (await client.get_queue(queue)).progress
    assert replace(progress, verdicts={}) == Progress(items=count, resolved=count)
    assert sum(progress.verdicts.values()) == count * quorum
    said = await shop.desk.feedbacks.page(FeedbackFilter(queue=queue), after=(), limit=1000)
    assert Counter(row.target for row in said) == Counter({span.ref: quorum for span in spans})
    assert len({(row.target, row.annotator) for row in said}) == len(said)


async def test_an_item_is_shown_with_what_the_judge_reads_and_concluded(shop: Reviews, client: AsyncClient) -> None:
    """And the same reservation comes again for the same annotator."""
    queue, [span] = await filled(shop, client, 1, quorum=2)
    item = await client.claim_next(queue, " ann ")
    assert (item.target, item.inputs["input"], item.inputs["output"]) == (span.ref, "Question 0?", "Answer 0.")
    assert item.result is not None
    assert (item.result.label, item.result.explanation) == ("true", "THE JUDGE SAYS SO")
    assert (item.source, item.others) == ("named", ())
    again = await client.claim_next(queue, "ann")
    assert again.item_id == item.item_id
    done = await client.complete_item(queue, item.item_id, annotator="ann", expected=NO, explanation="because of B")
    assert (done.feedback.expected.label, done.feedback.annotator, stands(done)) == ("false", "ann", "in_review")
    [other] = (await client.claim_next(queue, "bob")).others
    assert (other.annotator, other.expected.label, other.explanation) == ("ann", "false", "because of B")


async def test_a_blind_queue_tells_nothing_of_the_judge_and_of_others(shop: Reviews, client: AsyncClient) -> None:
    """Not by the result, nor by what the answer to a verdict or the reason for an item says."""
    metric = await shop.judge(fresh("m"))
    spans = await chats(shop.database, 1)
    await shop.judged(metric, spans)
    queue, secret = fresh("q"), "THE JUDGE SAYS SO"
    await client.create_queue(a_queue(queue, metric.name, blind=True, quorum=2))
    await shop.parts.filling.result(
        queue, metric=metric.name, target=spans[0].ref, result_id=uuid.uuid4(), source=f"value = 1 and {secret}"
    )
    item = await client.claim_next(queue, "ann")
    assert (item.result, item.others, item.source) == (None, (), "")
    given = await client.complete_item(queue, item.item_id, annotator="ann", expected=NO, explanation="mine alone")
    assert secret not in str(given)
    assert (given.resolution, given.feedback.expected.label) == (None, "false")
    other = await client.claim_next(queue, "bob")
    assert "mine alone" not in str(other)
    assert "ann" not in str(other.others)
    last = await client.complete_item(queue, item.item_id, annotator="bob", expected=YES)
    assert last.resolution is None
    [row] = await shop.desk.feedbacks.page(FeedbackFilter(queue=queue, annotator="ann"), after=(), limit=10)
    assert row.judged == FLAGGED  # kept all the same: agreement is measured by it
    assert (await client.get_queue(queue)).progress.disputed == 1


async def test_an_expired_reservation_counts_while_there_is_a_place_and_is_refused_when_there_is_none(
    shop: Reviews, client: AsyncClient
) -> None:
    """With an error that says so, and without a trace of the verdict."""
    queue, _ = await filled(shop, client, 2, quorum=1, reservation_seconds=1.0)
    item = await client.claim_next(queue, "ann")

    async def taken_over() -> bool:
        found = await next_item(client, queue, "bob")
        if found is not None and found.item_id != item.item_id:
            await client.skip_item(queue, found.item_id, annotator="bob")
        return found is not None and found.item_id == item.item_id

    await until(taken_over)
    await client.complete_item(queue, item.item_id, annotator="bob", expected=YES)
    reason, message = await refused(client.complete_item(queue, item.item_id, annotator="ann", expected=NO))
    assert reason == "RESERVATION_LOST"
    assert "was not kept" in message
    assert [
        row.annotator for row in await shop.desk.feedbacks.page(FeedbackFilter(queue=queue), after=(), limit=9)
    ] == ["bob"]
    second = await client.claim_next(queue, "ann")

    async def expired() -> bool:
        return (await client.get_queue(queue)).progress.reserved == 0

    await until(expired)
    done = await client.complete_item(queue, second.item_id, annotator="ann", expected=NO)
    assert stands(done) == "resolved"


async def test_a_verdict_sent_twice_is_one_and_a_second_one_is_refused(shop: Reviews, client: AsyncClient) -> None:
    """The same request is answered as before; to change one's mind, one retracts first."""
    queue, _ = await filled(shop, client, 1)
    item, request = await client.claim_next(queue, "ann"), str(uuid.uuid4())
    first = await client.complete_item(queue, item.item_id, annotator="ann", expected=YES, request_id=request)
    again = await client.complete_item(queue, item.item_id, annotator="ann", expected=YES, request_id=request)
    assert again == first
    reason, _ = await refused(client.complete_item(queue, item.item_id, annotator="ann", expected=NO))
    assert reason == "ALREADY_REVIEWED"
    assert (await refused(client.claim_next(queue, "ann")))[0] == "QUEUE_EMPTY"


async def test_what_is_retracted_stands_in_the_queue_again(shop: Reviews, client: AsyncClient) -> None:
    """For the same annotator and for others."""
    queue, _ = await filled(shop, client, 1)
    item = await client.claim_next(queue, "ann")
    done = await client.complete_item(queue, item.item_id, annotator="ann", expected=YES)
    await client.retract_feedback(done.feedback.feedback_id)
    assert (await client.claim_next(queue, "bob")).item_id == item.item_id


async def test_a_skipped_item_goes_to_others_and_never_back(shop: Reviews, client: AsyncClient) -> None:
    """Whoever passes it by may still give a verdict on it by its id."""
    queue, _ = await filled(shop, client, 1)
    item = await client.claim_next(queue, "ann")
    await client.skip_item(queue, item.item_id, annotator="ann")
    assert (await refused(client.claim_next(queue, "ann")))[0] == "QUEUE_EMPTY"
    assert (await client.claim_next(queue, "bob")).item_id == item.item_id
    assert (await refused(client.skip_item(queue, str(uuid.uuid4()), annotator="ann")))[0] == "ITEM_NOT_FOUND"
    await client.skip_item(queue, item.item_id, annotator="bob")
    done = await client.complete_item(queue, item.item_id, annotator="ann", expected=YES)
    assert stands(done) == "resolved"


async def test_reviewers_who_differ_leave_a_dispute_that_somebody_decides(shop: Reviews, client: AsyncClient) -> None:
    """It is listed with what each said, and counts as resolved once it is decided."""
    queue, [span] = await filled(shop, client, 1, quorum=2)
    for annotator, verdict in (("ann", YES), ("bob", NO)):
        item = await client.claim_next(queue, annotator)
        done = await client.complete_item(queue, item.item_id, annotator=annotator, expected=verdict)
    assert stands(done) == "disputed"
    disputed = [
        (each.annotator, each.expected.label)
        async for each in client.list_feedback(queue=queue, resolution=ResolutionStatus.DISPUTED)
    ]
    assert sorted(disputed) == [("ann", "true"), ("bob", "false")]
    assert (await client.get_queue(queue)).progress.disputed == 1
    resolution = await shop.desk.decide(span.ref, item.metric, YES, resolver="eve")
    assert resolution.status is ResolutionStatus.RESOLVED
    progress = (await client.get_queue(queue)).progress
    assert (progress.resolved, progress.disputed, progress.waiting) == (1, 0, 0)


async def test_one_verdict_on_many_is_given_once_and_undone_as_one(shop: Reviews, client: AsyncClient) -> None:
    """What cannot be given is refused item by item, with the reason."""
    queue, _ = await filled(shop, client, 5)
    await client.claim_next(queue, "bob")
    taken = await client.claim_next(queue, "ann")
    await client.complete_item(queue, taken.item_id, annotator="ann", expected=YES)
    known = await shop.parts.items.free(queue, "nobody", metric="", quorum=99, limit=99)
    ids, unknown, request = [str(each.item_id) for each in known], str(uuid.uuid4()), str(uuid.uuid4())
    bulk = await client.complete_items(
        queue, [*ids, unknown], annotator="ann", expected=NO, explanation="all alike", request_id=request
    )
    assert bulk.completed == 3
    assert len(bulk.refused) == 3
    assert "there is no item" in bulk.refused[unknown]
    assert "has given a verdict" in bulk.refused[taken.item_id]
    again = await client.complete_items(
        queue, [*ids, unknown], annotator="ann", expected=NO, explanation="all alike", request_id=request
    )
    assert (again.bulk_id, again.completed) == (bulk.bulk_id, 3)
    assert (await client.get_queue(queue)).progress.verdicts == {"ann": 4}
    assert await client.undo_bulk(bulk.bulk_id, annotator="ann") == 3
    assert await client.undo_bulk(bulk.bulk_id, annotator="ann") == 0
    assert (await client.get_queue(queue)).progress.verdicts == {"ann": 1}
    standing = FeedbackFilter(queue=queue, status=FeedbackStatus.SUBMITTED)
    assert len(await shop.desk.feedbacks.page(standing, after=(), limit=99)) == 1
    assert (await refused(client.undo_bulk(str(uuid.uuid4()), annotator="ann")))[0] == "BULK_NOT_FOUND"


async def test_a_verdict_that_a_dying_process_did_not_count_is_found_by_the_next_to_ask(
    shop: Reviews, client: AsyncClient
) -> None:
    """Feedback was stored, its place was not taken: nobody is asked for it again."""
    queue, _ = await filled(shop, client, 2)
    item = await client.claim_next(queue, "ann")
    await client.complete_item(queue, item.item_id, annotator="ann", expected=YES)
    await shop.parts.items.reopen(queue, [uuid.UUID(item.item_id)], "ann")  # as if it had died in between
    other = await client.claim_next(queue, "bob")
    assert other.item_id != item.item_id
    assert (await client.get_queue(queue)).progress.verdicts == {"ann": 1}


async def test_a_target_that_is_gone_leaves_the_queue(shop: Reviews, client: AsyncClient) -> None:
    """Retention may have taken it; the next item comes instead."""
    queue, [span] = await filled(shop, client, 1)
    metric = (await client.get_queue(queue)).definition.metric
    gone = TargetRef(level=Level.SPAN, trace_id=uuid.uuid4().hex, span_id="00000000000000a1")
    await shop.parts.filling.result(queue, metric=metric, target=gone, result_id=uuid.uuid4(), source="rule x")
    first = await client.claim_next(queue, "ann")
    assert first.target == span.ref
    assert (await refused(client.claim_next(queue, "bob")))[0] == "QUEUE_EMPTY"
    assert (await client.get_queue(queue)).progress.items == 1


async def test_a_wrong_verdict_is_refused_and_the_reservation_stays(shop: Reviews, client: AsyncClient) -> None:
    """The message says what to write."""
    metric = await shop.judge(fresh("m"), OutputType.PERCENTAGE)
    [span] = await chats(shop.database, 1)
    queue = fresh("q")
    await client.create_queue(a_queue(queue, metric.name))
    await client.fill_queue(queue, targets=[span.ref])
    item = await client.claim_next(queue, "ann")
    reason, message = await refused(
        client.complete_item(queue, item.item_id, annotator="ann", expected=Stated(value=60))
    )
    assert reason == "INVALID_FEEDBACK"
    assert "0.6" in message
    assert (await client.claim_next(queue, "ann")).item_id == item.item_id
    assert (await refused(client.claim_next(queue, "")))[0] == "INVALID_FEEDBACK"
    assert (await refused(client.claim_next("nothing_here", "ann")))[0] == "QUEUE_NOT_FOUND"
