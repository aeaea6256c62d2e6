"""Explicit ends over the wire, and lists that say which results their targets have left behind."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

import pytest
from emptying import emptied
from running_front import Front, running_front
from storing import SentSpan, a_result, located, store

from assay.client import AsyncClient, CallFailed, Ended, Result
from storage.clickhouse.client import Database
from storage.model import Level, MetricKind, Score, TargetRef
from storage.results import ResultFilter


@pytest.fixture
async def front(database: Database) -> AsyncIterator[Front]:
    """A server over an emptied database."""
    await emptied(database)
    async with running_front(database) as made:
        yield made


async def test_a_trace_and_a_session_can_be_ended_again_and_again(database: Database, front: Front) -> None:
    """The first end that nothing arrived after stays; an arrival makes it void, and then there is another."""
    session = TargetRef(level=Level.SESSION, session_id=f"né\t'\\{uuid.uuid4().hex}")
    span = SentSpan(attributes={"session.id": session.session_id})
    async with AsyncClient(front.address) as client:
        for target in (span.trace, session):
            early = await client.mark_complete(target)
            assert not early.stored, "all of it arrives later"
        await store(database, span)
        first = {target: await client.mark_complete(target) for target in (span.trace, session)}
        assert all(end.stored for end in first.values())
        assert {target: await client.mark_complete(target) for target in first} == first
        await store(database, SentSpan(trace_id=span.trace_id, parent=span.span_id))
        second = {target: await client.mark_complete(target) for target in first}
    assert all(second[target].time > end.time for target, end in first.items())
    rows = await database.query(
        "SELECT toString(Level) AS level, count() AS n, groupUniqArray(Source) AS sources FROM completions "
        "WHERE TargetId IN {ids:Array(String)} GROUP BY level ORDER BY level",
        {"ids": [span.trace_id, session.session_id]},
    )
    assert [(row["level"], row["n"], row["sources"]) for row in rows] == [
        ("session", 3, ["call"]),
        ("trace", 3, ["call"]),
    ]


async def test_a_span_has_no_end_and_a_malformed_id_is_refused(front: Front) -> None:
    """With the field and the reason."""
    async with AsyncClient(front.address) as client:
        with pytest.raises(CallFailed) as refused:
            await client.mark_complete(SentSpan().ref)
    assert (refused.value.code, refused.value.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
    assert [violation.field for violation in refused.value.field_violations] == ["target.span"]


async def test_a_list_says_which_results_their_targets_left_behind(database: Database, front: Front) -> None:
    """Of a machine it is stale, of a person it was made on an earlier revision; the new one has seen everything."""
    span, other = SentSpan(), SentSpan()
    await store(database, span, other)

    async def conclude(target: SentSpan, kind: MetricKind) -> None:
        record = await located(database, target.trace)
        result = a_result(target, Score(value=0.5), target=target.trace, kind=kind, watermark_ms=record.watermark_ms)
        await front.results.append([result])

    for target in (span, other):
        for kind in (MetricKind.JUDGE, MetricKind.HUMAN):
            await conclude(target, kind)
    await store(database, SentSpan(trace_id=span.trace_id, parent=span.span_id))
    revision = (await located(database, span.trace)).watermark_ms
    async with AsyncClient(front.address) as client:

        async def listed(**where: object) -> dict[tuple[str, MetricKind | None], Result]:
            everything = [each async for each in client.list_results(ResultFilter(**where))]  # type: ignore[arg-type]
            return {(each.target.trace_id, each.kind): each for each in everything}

        results = await listed()
        ranked = {
            (each.target.trace_id, each.kind): each
            async for each in client.list_results(ResultFilter(), order="ascending")
        }
        assert ranked == results
        outdated = {key: each.outdated_time for key, each in results.items()}
        late = {
            (span.trace_id, kind): outdated.pop((span.trace_id, kind)) for kind in (MetricKind.JUDGE, MetricKind.HUMAN)
        }
        assert outdated == {(other.trace_id, MetricKind.JUDGE): None, (other.trace_id, MetricKind.HUMAN): None}
        assert {round(time.timestamp() * 1000) for time in late.values() if time is not None} == {revision}
        await conclude(span, MetricKind.JUDGE)
        results = await listed(targets=(span.trace,))
    assert results[span.trace_id, MetricKind.JUDGE].outdated_time is None
    assert results[span.trace_id, MetricKind.HUMAN].outdated_time == late[span.trace_id, MetricKind.HUMAN]


async def test_an_end_is_the_same_by_either_client(database: Database, front: Front) -> None:
    """What the blocking client answers is what the other one does."""
    import asyncio

    from assay.client import Client

    span = SentSpan()
    await store(database, span)

    def end() -> Ended:
        with Client(front.address) as client:
            return client.mark_complete(span.trace)

    ended = await asyncio.to_thread(end)
    async with AsyncClient(front.address) as client:
        assert await client.mark_complete(span.trace) == ended
