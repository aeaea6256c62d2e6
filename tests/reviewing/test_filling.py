"""What goes into a queue: by name, filter, result, disagreement, uncertainty, chance, rule, and minute by minute."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from review_parts import FLAGGED, Reviews, a_queue, chats, refused, reviews
from storing import SentSpan, store, until

from assay.client import AsyncClient
from evaluator.errors import InvalidDefinition
from evaluator.online.leases import LeaseKeeper
from evaluator.reviewing.definition import QueueSource, ReviewQueue
from evaluator.reviewing.following import FollowWorker, Pace
from evaluator.reviewing.selecting import uncertainty
from storage.clickhouse.client import Database
from storage.clickhouse.queue import ClickHouseLeases
from storage.model import Level, OutputType, Score, TargetRef

AT_ONCE = Pace(settle_seconds=0.0)


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


async def inside(shop: Reviews, queue: str) -> list[TargetRef]:
    """What stands in a queue, in the order in which it is taken up."""
    found = await shop.parts.items.free(queue, "nobody", metric="", quorum=99, limit=9999)
    return [each.target for each in found]


async def made(client: AsyncClient, metric: str, source: QueueSource | None, **other: Any) -> str:
    """A queue with a source, filled."""
    queue = fresh("q")
    await client.create_queue(a_queue(queue, metric, source=source, **other))
    return queue


async def test_targets_by_name_go_in_once_and_must_be_there(shop: Reviews, client: AsyncClient) -> None:
    """And must be of the queue's level."""
    metric = await shop.judge(fresh("m"))
    spans = await chats(shop.database, 3)
    queue = await made(client, metric.name, None)
    first = await client.fill_queue(queue, targets=[spans[0].ref, spans[1].ref, spans[0].ref])
    again = await client.fill_queue(queue, targets=[span.ref for span in spans])
    assert ((first.added, first.present), (again.added, again.present)) == ((2, 0), (1, 2))
    assert set(await inside(shop, queue)) == {span.ref for span in spans}
    gone = TargetRef(level=Level.SPAN, trace_id=uuid.uuid4().hex, span_id="00000000000000a1")
    assert (await refused(client.fill_queue(queue, targets=[gone])))[0] == "TARGET_NOT_FOUND"
    reason, message = await refused(client.fill_queue(queue, targets=[spans[0].trace]))
    assert (reason, "is about a span" in message) == ("INVALID_DEFINITION", True)
    reason, message = await refused(client.fill_queue(queue))
    assert (reason, "has none" in message) == ("INVALID_DEFINITION", True)


@pytest.mark.parametrize("level", list(Level))
async def test_a_filter_takes_what_rules_would_take(shop: Reviews, client: AsyncClient, level: Level) -> None:
    """Of spans, traces and sessions, the newest first, and not again."""
    service = fresh("s")
    metric = await shop.judge(fresh("m"), levels=(level,))
    spans = await chats(shop.database, 3, service=service, attributes={"session.id": fresh("session")})
    await chats(shop.database, 1, service="another")
    wanted = {
        Level.SPAN: [span.ref for span in reversed(spans)],
        Level.TRACE: [span.trace for span in reversed(spans)],
        Level.SESSION: [TargetRef(level=Level.SESSION, session_id=spans[0].attributes["session.id"])],
    }[level]
    queue = await made(client, metric.name, QueueSource(filter=f"service = '{service}'"), level=level)
    assert await inside(shop, queue) == wanted
    again = await client.fill_queue(queue)
    assert (again.added, again.present) == (0, len(wanted))


async def test_a_filter_may_read_the_trace_of_a_span(shop: Reviews, client: AsyncClient) -> None:
    """As rules over complete traces do."""
    service, metric = fresh("s"), await shop.judge(fresh("m"))
    [root] = await chats(shop.database, 1, service=service)
    child = SentSpan(trace_id=root.trace_id, parent=root.span_id, service=service, name="inner")
    await store(shop.database, child)
    await chats(shop.database, 1, service=service, name="another")
    queue = await made(client, metric.name, QueueSource(filter=f"service = '{service}' AND trace.name = 'answer'"))
    assert set(await inside(shop, queue)) == {root.ref, child.ref}


async def test_the_limit_takes_the_newest_and_the_next_filling_what_comes_after(
    shop: Reviews, client: AsyncClient
) -> None:
    """Nothing is left out for ever."""
    service, metric = fresh("s"), await shop.judge(fresh("m"))
    spans = await chats(shop.database, 5, service=service)
    newest = [span.ref for span in reversed(spans)]
    queue = await made(client, metric.name, QueueSource(filter=f"service = '{service}'", limit=2))
    assert await inside(shop, queue) == newest[:2]
    await client.fill_queue(queue)
    assert await inside(shop, queue) == newest[:4]


async def test_a_draw_is_the_same_for_the_same_seed_and_another_for_another(shop: Reviews, client: AsyncClient) -> None:
    """Also when it is drawn again, and over several queues."""
    service, metric = fresh("s"), await shop.judge(fresh("m"))
    spans = await chats(shop.database, 30, service=service)

    async def drawn(seed: str) -> list[TargetRef]:
        source = QueueSource(filter=f"service = '{service}'", random=6, seed=seed)
        queue = await made(client, metric.name, source)
        again = await client.fill_queue(queue)
        assert (again.added, again.present) == (0, 6)
        return await inside(shop, queue)

    one = await drawn("one")
    assert await drawn("one") == one
    assert await drawn("two") != one
    assert set(one) < {span.ref for span in spans}


async def test_a_score_condition_takes_results_like_it(shop: Reviews, client: AsyncClient) -> None:
    """Those of the metric only, together with the filter, and the item is about that very result."""
    service, metric = fresh("s"), await shop.judge(fresh("m"), OutputType.PERCENTAGE)
    low, high, elsewhere = await chats(shop.database, 3, service=service)
    [other] = await chats(shop.database, 1, service="another")
    await shop.judged(metric, [low, other], outcome=Score(value=0.2))
    await shop.judged(metric, [high], outcome=Score(value=0.9))
    await shop.judged(await shop.judge(fresh("m"), OutputType.PERCENTAGE), [elsewhere], outcome=Score(value=0.1))
    source = QueueSource(filter=f"service = '{service}'", score_condition="value < 0.5")
    queue = await made(client, metric.name, source)
    item = await client.claim_next(queue, "ann")
    assert await inside(shop, queue) == [low.ref]
    assert item.result is not None
    assert (item.result.value, item.source) == (0.2, "value < 0.5")


async def test_disagreement_of_two_versions_is_taken_the_widest_first(shop: Reviews, client: AsyncClient) -> None:
    """From the metric's own step on: ten points of a percentage."""
    metric = await shop.judge(fresh("m"), OutputType.PERCENTAGE)
    await client.update_metric(metric, base_version=1)
    narrow, wide, same, alone = await chats(shop.database, 4)
    for span, old, new in ((narrow, 0.5, 0.6), (wide, 0.1, 0.9), (same, 0.5, 0.55)):
        await shop.judged(metric, [span], outcome=Score(value=old))
        await shop.judged(metric, [span], outcome=Score(value=new), metric_version=2)
    await shop.judged(metric, [alone], outcome=Score(value=0.5))
    queue = await made(client, metric.name, QueueSource(versions=(1, 2)))
    assert await inside(shop, queue) == [wide.ref, narrow.ref]
    item = await client.claim_next(queue, "ann")
    assert (item.source, item.metric_version) == ("versions 1 and 2 disagree", 2)
    reason, _ = await refused(client.fill_queue(queue, source=QueueSource(versions=(1, 7))))
    assert reason == "METRIC_NOT_FOUND"


async def test_the_least_certain_come_first_and_those_that_say_nothing_not_at_all(
    shop: Reviews, client: AsyncClient
) -> None:
    """By the share of a jury, the judge's own probability, or the spread of numbers."""
    metric = await shop.judge(fresh("m"))
    sure, torn, jury, silent = await chats(shop.database, 4)
    await shop.judged(metric, [sure], metadata={"probability": "0.99"})
    await shop.judged(metric, [torn], metadata={"probability": "0.52"})
    await shop.judged(metric, [jury], metadata={"winner_share": "0.666667", "votes": "3"})
    await shop.judged(metric, [silent])
    queue = await made(client, metric.name, QueueSource(uncertain=True))
    assert await inside(shop, queue) == [torn.ref, jury.ref, sure.ref]


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({}, None), ({"probability": "nonsense"}, None), ({"probability": "null"}, None), ({"probability": "1.5"}, 0.0),
        ({"winner_share": "1"}, 0.0), ({"standard_deviation": "1"}, 0.5), ({"standard_deviation": "-1"}, None),
    ],
)  # fmt: skip
def test_uncertainty_is_never_guessed(metadata: dict[str, str], expected: float | None) -> None:
    """What a judge does not say is not 0."""
    from storing import a_result

    assert uncertainty(a_result(SentSpan(), FLAGGED, metadata=metadata)) == expected


async def test_a_queue_that_follows_takes_what_comes_and_no_more_than_may_wait(
    shop: Reviews, client: AsyncClient
) -> None:
    """One process fills; the other, without the lease, does nothing; both at once make no double."""
    service, metric = fresh("s"), await shop.judge(fresh("m"))
    queue = await made(client, metric.name, QueueSource(filter=f"service = '{service}'", limit=3), follow=True)
    leases = LeaseKeeper(ClickHouseLeases(shop.database), ttl_seconds=600)
    parts = shop.parts

    def worker() -> FollowWorker:
        return FollowWorker(queues=parts.queues, items=parts.items, filling=parts.filling, leases=leases, pace=AT_ONCE)

    one, two = worker(), worker()
    spans = await chats(shop.database, 2, service=service)
    await one.fill()
    await two.fill()
    assert await inside(shop, queue) == [span.ref for span in reversed(spans)]
    spans += await chats(shop.database, 4, service=service)
    await one.fill()
    assert len(await inside(shop, queue)) == 3
    for _ in range(3):
        item = await client.claim_next(queue, "ann")
        await client.complete_item(queue, item.item_id, annotator="ann", expected=True)

    async def all_in() -> bool:
        await one.fill()
        return len(await inside(shop, queue)) == 6

    await until(all_in)
    assert set(await inside(shop, queue)) == {span.ref for span in spans}


@pytest.mark.parametrize(
    ("other", "field"),
    [
        ({"metric": "no_such_metric"}, ""),
        ({"quorum": 21}, "queue.quorum"),
        ({"reservation_seconds": 0.5}, "queue.reservation"),
        ({"name": "No Name"}, "queue.name"),
        ({"follow": True}, "queue.follow"),
        ({"follow": True, "source": {"random": 5}}, "queue.follow"),
        ({"source": {"versions": (1, 1)}}, "queue.source.disagreeing_versions"),
        ({"source": {"random": 5, "uncertain": True}}, "queue.source.random"),
        ({"source": {"limit": 10**6}}, "queue.source.limit"),
        ({"source": {"start": datetime(2026, 1, 2, tzinfo=UTC), "end": datetime(2026, 1, 1, tzinfo=UTC)}},
         "queue.source.end_time"),
    ],
)  # fmt: skip
def test_a_definition_that_makes_no_sense_says_where(other: dict[str, Any], field: str) -> None:
    """Before anything is stored."""
    fields: dict[str, Any] = {"name": "q", "metric": "m", "level": Level.SPAN} | other

    def build() -> ReviewQueue:
        source = fields.pop("source", None)
        return ReviewQueue(**fields, source=QueueSource(**source) if source else None)

    if not field:
        assert build().metric == "no_such_metric"  # what is not known here is refused by the catalogue
        return
    with pytest.raises(InvalidDefinition) as caught:
        build()
    assert caught.value.field == field


async def test_a_queue_is_made_once_and_deleted_with_its_items(shop: Reviews, client: AsyncClient) -> None:
    """A new one of the same name begins empty; the same request makes no second one."""
    metric = await shop.judge(fresh("m"))
    [span] = await chats(shop.database, 1)
    name, request = fresh("q"), str(uuid.uuid4())
    first = await client.create_queue(a_queue(name, metric.name), request_id=request)
    assert (await client.create_queue(a_queue(name, metric.name), request_id=request)).created == first.created
    assert (await refused(client.create_queue(a_queue(name, metric.name))))[0] == "NAME_TAKEN"
    await client.fill_queue(name, targets=[span.ref])
    await client.delete_queue(name)
    assert (await refused(client.get_queue(name)))[0] == "QUEUE_NOT_FOUND"
    assert (await refused(client.delete_queue(name)))[0] == "QUEUE_NOT_FOUND"
    await client.delete_queue(name, request_id=request)
    assert (await client.create_queue(a_queue(name, metric.name))).progress.items == 0
    assert name in [each.definition.name async for each in client.list_queues()]
    assert (await refused(client.create_queue(a_queue(fresh("q"), fresh("m")))))[0] == "METRIC_NOT_FOUND"
    reason, message = await refused(
        client.create_queue(a_queue(fresh("q"), metric.name, source=QueueSource(filter="service ~ 1")))
    )
    assert (reason, "queue.source.filter" in message) == ("INVALID_FILTER", True)
    trace_only = a_queue(fresh("q"), metric.name, level=Level.TRACE)
    assert (await refused(client.create_queue(trace_only)))[0] == "LEVEL_MISMATCH"


async def test_times_bound_what_is_taken(shop: Reviews, client: AsyncClient) -> None:
    """From the start on and before the end."""
    service, metric = fresh("s"), await shop.judge(fresh("m"))
    now = datetime.now(UTC)
    hour = timedelta(hours=1)
    times = [now - 30 * 24 * hour, now - 3 * hour, now - hour]
    spans = [(await chats(shop.database, 1, service=service, start_ns=int(at.timestamp() * 1e9)))[0] for at in times]
    here = f"service = '{service}'"
    week = await made(client, metric.name, QueueSource(filter=here))
    assert await inside(shop, week) == [spans[2].ref, spans[1].ref]
    between = QueueSource(filter=here, start=now - 31 * 24 * hour, end=now - 2 * hour)
    assert await inside(shop, await made(client, metric.name, between)) == [spans[1].ref, spans[0].ref]
