"""Review items in the store: one row for each, and never more places than a queue's quorum."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import datetime

import pytest
from storing import SentSpan, store, until

from storage.clickhouse.client import Database
from storage.clickhouse.reviewing import ClickHouseReviewItems
from storage.model import Level, TargetRef
from storage.reviewing import Item, Progress
from storage.runs import Selected

REVIEWERS = tuple(f"reviewer {number} 'é" for number in range(8))
LONG = 600.0


@pytest.fixture
def items(database: Database) -> ClickHouseReviewItems:
    """One store."""
    return ClickHouseReviewItems(database)


@pytest.fixture
async def stores(database_url: str) -> AsyncIterator[list[ClickHouseReviewItems]]:
    """Eight, each with a connection of its own, as eight processes have."""
    async with AsyncExitStack() as stack:
        yield [ClickHouseReviewItems(await stack.enter_async_context(Database(database_url))) for _ in REVIEWERS]


def a_queue() -> str:
    """A fresh name."""
    return f"q_{uuid.uuid4().hex[:10]}"


def some(queue: str, count: int) -> list[Item]:
    """So many items of fresh spans."""
    return [Item(queue=queue, metric="m", target=SentSpan().ref, source="named", rank=rank) for rank in range(count)]


async def claimed(
    items: ClickHouseReviewItems, item: Item, annotator: str, *, quorum: int, ttl_seconds: float
) -> datetime | None:
    """Until when, where it was won."""
    return (await items.claim(item.queue, [item.item_id], annotator, quorum=quorum, ttl_seconds=ttl_seconds)).get(
        item.item_id
    )


async def test_an_item_comes_back_as_it_was_put_in_and_stands_once(items: ClickHouseReviewItems) -> None:
    """Also where it is brought again, beside new ones."""
    queue = a_queue()
    first, second, third = some(queue, 3)
    assert await items.add([first, second, first]) == 2
    assert await items.add([third, second]) == 1
    found = await items.free(queue, "ann", metric="m", quorum=1, limit=10)
    assert [replace(each, created=None) for each in found] == [first, second, third]
    session = Item(queue=queue, metric="m", target=TargetRef(level=Level.SESSION, session_id="s\n'1"))
    assert await items.add([session]) == 1
    assert (await items.get(queue, [session.item_id]))[session.item_id].target == session.target


async def test_eight_processes_that_fill_at_once_put_every_item_in_once(
    stores: list[ClickHouseReviewItems],
) -> None:
    """The sum of what they say is new is what there is."""
    queue = a_queue()
    wanted = some(queue, 20)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(each.add(wanted)) for each in stores]
    assert sum(task.result() for task in tasks) == 20
    assert (await stores[0].progress({queue: 1}))[queue] == Progress(items=20, waiting=20)


async def test_eight_who_claim_one_item_at_once_get_as_many_places_as_there_are(
    stores: list[ClickHouseReviewItems],
) -> None:
    """Whoever is told that it is theirs has it, and nobody else."""
    queue = a_queue()
    [item] = some(queue, 1)
    await stores[0].add([item])
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(claimed(each, item, reviewer, quorum=3, ttl_seconds=LONG))
            for each, reviewer in zip(stores, REVIEWERS, strict=True)
        ]
    winners = {reviewer for reviewer, task in zip(REVIEWERS, tasks, strict=True) if task.result() is not None}
    assert len(winners) == 3
    assert set((await stores[0].get(queue, [item.item_id]))[item.item_id].claims) == winners


async def test_places_go_back_by_expiry_by_a_skip_and_by_an_undo(items: ClickHouseReviewItems) -> None:
    """And a verdict keeps its place."""
    queue = a_queue()
    [item] = some(queue, 1)
    await items.add([item])
    assert await claimed(items, item, "ann", quorum=1, ttl_seconds=0.001) is None  # over before it is read back
    assert await claimed(items, item, "bob", quorum=1, ttl_seconds=LONG) is not None
    assert await claimed(items, item, "ann", quorum=1, ttl_seconds=LONG) is None
    assert await items.free(queue, "ann", metric="m", quorum=1, limit=1) == []
    await items.release(queue, item.item_id, "bob", skip=True)
    assert await items.free(queue, "bob", metric="m", quorum=1, limit=1) == []
    assert await claimed(items, item, "ann", quorum=1, ttl_seconds=LONG) is not None
    await items.complete(item.queue, [item.item_id], "ann")
    await items.complete(item.queue, [item.item_id], "ann")
    assert await claimed(items, item, "bob", quorum=1, ttl_seconds=LONG) is None
    assert await claimed(items, item, "ann", quorum=1, ttl_seconds=LONG) is None
    [done] = (await items.get(queue, [item.item_id])).values()
    assert (done.done, done.skipped, dict(done.claims)) == (("ann",), ("bob",), {})
    await items.reopen(queue, [item.item_id], "ann")
    assert [each.item_id for each in await items.free(queue, "ann", metric="m", quorum=1, limit=1)] == [item.item_id]


async def test_an_expired_reservation_is_over(items: ClickHouseReviewItems) -> None:
    """Its place goes to whoever asks next."""
    queue = a_queue()
    [item] = some(queue, 1)
    await items.add([item])
    assert await claimed(items, item, "ann", quorum=1, ttl_seconds=1.0) is not None

    async def taken() -> bool:
        return await claimed(items, item, "bob", quorum=1, ttl_seconds=LONG) is not None

    await until(taken)
    assert await claimed(items, item, "ann", quorum=1, ttl_seconds=LONG) is None


async def test_progress_counts_items_and_verdicts(items: ClickHouseReviewItems) -> None:
    """Of several queues, each with its quorum."""
    one, two = a_queue(), a_queue()
    first, second, third = some(one, 3)
    [other] = some(two, 1)
    await items.add([first, second, third])
    await items.add([other])
    for reviewer in ("ann", "bob"):
        await items.complete(first.queue, [first.item_id], reviewer)
    await items.complete(second.queue, [second.item_id], "ann")
    await claimed(items, third, "ann", quorum=2, ttl_seconds=LONG)
    await items.complete(other.queue, [other.item_id], "bob")
    assert await items.progress({one: 2, two: 1, "nothing": 1}) == {
        one: Progress(items=3, resolved=1, in_review=1, reserved=1, waiting=2, verdicts={"ann": 2, "bob": 1}),
        two: Progress(items=1, resolved=1, verdicts={"bob": 1}),
        "nothing": Progress(),
    }
    await items.drop(one, second.item_id)
    await items.clear(two)
    assert Counter({name: each.items for name, each in (await items.progress({one: 2, two: 1})).items()}) == {
        one: 2,
        two: 0,
    }


async def test_the_same_seed_draws_the_same_page_by_page(items: ClickHouseReviewItems, database: Database) -> None:
    """Another one draws another order; without one the newest come first."""
    spans = [SentSpan(service="drawn", start_ns=1_800_000_000_000_000_000 + number * 10**9) for number in range(12)]
    await store(database, *spans)
    selected = Selected(
        level=Level.SPAN, since_ns=spans[0].start_ns, until_ns=spans[-1].start_ns + 1, arrived_ms=2**42,
        filter_sql="ServiceName = {s:String}", filter_parameters={"s": "drawn"},
    )  # fmt: skip

    async def drawn(seed: str | None, page: int) -> list[TargetRef]:
        found: list[TargetRef] = []
        after: tuple[str | int, ...] = ()
        while rows := await items.draw(selected, seed=seed, after=after, limit=page):
            found += [each.target.ref for each in rows]
            after = rows[-1].place
        return found

    assert await drawn(None, 5) == [span.ref for span in reversed(spans)]
    assert await drawn("a", 5) == await drawn("a", 100)
    assert await drawn("a", 100) != await drawn("b", 100)
    assert set(await drawn("b", 100)) == {span.ref for span in spans}


@pytest.mark.parametrize("level", [Level.TRACE, Level.SESSION])
async def test_traces_and_sessions_are_drawn_too(
    items: ClickHouseReviewItems, database: Database, level: Level
) -> None:
    """Of a session with the trace that started first."""
    start = 1_700_000_000_000_000_000 if level is Level.TRACE else 1_710_000_000_000_000_000
    spans = [SentSpan(start_ns=start + number, attributes={"session.id": f"{level} {number}"}) for number in range(3)]
    await store(database, *spans)
    selected = Selected(level=level, since_ns=start, until_ns=start + 10**9, arrived_ms=2**42)
    rows = await items.draw(selected, seed="x", after=(), limit=10)
    found = {each.target.ref: each.target.first_trace_id for each in rows}
    if level is Level.TRACE:
        assert found == {span.trace: "" for span in spans}
    else:
        assert found == {
            TargetRef(level=level, session_id=f"{level} {number}"): span.trace_id for number, span in enumerate(spans)
        }
