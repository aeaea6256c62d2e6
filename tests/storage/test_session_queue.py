"""When a session is over, what moves that, and which sessions a rule is about."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence

import pytest
from storing import SECOND_NS, SentSpan, located, store, store_log

from storage.clickhouse.client import Database
from storage.clickhouse.queue import ClickHouseQueue
from storage.model import Level, TargetRef
from storage.queue import Candidates, Completion, Look, Ready, Stream

QUIET_MS = 300_000
HOUR_MS = 3_600_000
COMPLETION = Completion()
SHARDS = range(16)


@pytest.fixture
def queue(database: Database) -> ClickHouseQueue:
    """The module's."""
    return ClickHouseQueue(database)


def now_ms() -> int:
    """Server and tests run on one machine."""
    return time.time_ns() // 1_000_000


def new_session() -> str:
    """A fresh id."""
    return f"chat-{uuid.uuid4().hex[:12]}"


def a_turn(session: str, **other: object) -> SentSpan:
    """The root span of one trace of a session."""
    attributes = {"session.id": session} | dict(other.pop("attributes", {}))  # type: ignore[call-overload]
    return SentSpan(attributes=attributes, **other)  # type: ignore[arg-type]


async def over(
    queue: ClickHouseQueue, *sessions: str, until_ms: int, since_ms: int | None = None, quiet_ms: int = QUIET_MS
) -> list[Ready]:
    """These sessions, if a poll that looks up to then finds them."""
    since = until_ms - HOUR_MS if since_ms is None else since_ms
    look = Look(since_ms=since, until_ms=until_ms, shards=SHARDS, limit=10_000)
    page = await queue.ready(Stream(level=Level.SESSION, quiet_ms=quiet_ms), COMPLETION, look)
    return [each for each in page if each.record.ref.session_id in sessions]


async def over_at(queue: ClickHouseQueue, session: str, ready_ms: int, *, quiet_ms: int = QUIET_MS) -> Ready:
    """The session, which is over at that millisecond and not one before; `session_progress` says the same."""
    assert await over(queue, session, until_ms=ready_ms - 1, quiet_ms=quiet_ms) == []
    [found] = await over(queue, session, until_ms=ready_ms, quiet_ms=quiet_ms)
    assert found.ready_ms == ready_ms
    assert await over(queue, session, since_ms=ready_ms, until_ms=ready_ms + HOUR_MS, quiet_ms=quiet_ms) == []
    progress = await queue.session_progress(session, quiet_ms=quiet_ms)
    assert progress is not None
    assert (progress.ready_ms, progress.watermark_ms, progress.bucket) == (
        ready_ms,
        found.record.watermark_ms,
        found.bucket,
    )
    return found


async def end(database: Database, level: Level, target_id: str, at_ms: int) -> None:
    """An explicit end, as of then."""
    await database.insert_rows(
        "completions", ("Level", "TargetId", "EndedAt", "Source"), [(str(level), target_id, at_ms, "test")]
    )


async def test_a_session_is_over_when_all_its_traces_are_quiet(database: Database, queue: ClickHouseQueue) -> None:
    """Quiet counts from the newest arrival of any of its traces; what cannot be read later is in the row."""
    session, at = new_session(), now_ms() - HOUR_MS
    first, second = a_turn(session), a_turn(session, name="second")
    await store(database, first, ingested_ms=at)
    await store(database, second, ingested_ms=at + 60_000)
    child = SentSpan(trace_id=first.trace_id, parent=first.span_id, start_ns=first.start_ns + 7)
    await store(database, child, ingested_ms=at + 90_000)
    found = await over_at(queue, session, at + 90_000 + QUIET_MS)
    whole = await located(database, TargetRef(level=Level.SESSION, session_id=session))
    assert (found.record.ref, found.record.watermark_ms, found.record.target_time_ns, found.record.anchor) == (
        whole.ref,
        at + 90_000,
        at * 1_000_000,
        first.anchor,
    )
    assert (found.record.first_ns, found.record.last_ns, found.record.spans) == (whole.first_ns, whole.last_ns, 3)
    assert found.first is not None
    assert (found.first.trace_id, found.first.first_ns, found.first.last_ns) == (
        first.trace_id,
        first.start_ns,
        child.start_ns,
    )


async def test_how_long_the_quiet_lasts_is_each_rules_own(database: Database, queue: ClickHouseQueue) -> None:
    """From a second to seven days."""
    session, at = new_session(), now_ms() - HOUR_MS
    await store(database, a_turn(session), ingested_ms=at)
    for quiet_ms in (1_000, 900_000, 604_800_000):
        await over_at(queue, session, at + quiet_ms, quiet_ms=quiet_ms)


async def test_a_session_that_never_goes_idle_is_never_over(database: Database, queue: ClickHouseQueue) -> None:
    """Turn after turn, each before the time of quiet has passed; how far it is can be asked."""
    session, at = new_session(), now_ms() - HOUR_MS
    for turn in range(8):
        await store(database, a_turn(session), ingested_ms=at + turn * (QUIET_MS - 1))
    last = at + 7 * (QUIET_MS - 1)
    for until_ms in range(at, last + QUIET_MS, 60_000):
        assert await over(queue, session, until_ms=until_ms) == []
    progress = await queue.session_progress(session, quiet_ms=QUIET_MS)
    assert progress is not None
    assert (progress.traces, progress.unrooted, progress.ready_ms, progress.ended) == (8, 0, last + QUIET_MS, False)
    assert await queue.session_progress("nobody's", quiet_ms=QUIET_MS) is None


async def test_a_trace_of_two_sessions_counts_for_both(database: Database, queue: ClickHouseQueue) -> None:
    """Also what comes late and names neither: a span without an id, and a log."""
    one, two, at = new_session(), new_session(), now_ms() - HOUR_MS
    root = a_turn(one)
    other = SentSpan(trace_id=root.trace_id, parent=root.span_id, attributes={"session.id": two})
    await store(database, root, ingested_ms=at)
    await store(database, other, ingested_ms=at + 1_000)
    for session in (one, two):
        await over_at(queue, session, at + 1_000 + QUIET_MS)
    await store(database, SentSpan(trace_id=root.trace_id, parent=root.span_id), ingested_ms=at + 400_000)
    for session in (one, two):
        assert (await over_at(queue, session, at + 400_000 + QUIET_MS)).record.watermark_ms == at + 400_000
    await store_log(database, root)
    newest = (await located(database, root.trace)).watermark_ms
    for session in (one, two):
        assert (await over_at(queue, session, newest + QUIET_MS)).has_logs


async def test_an_explicit_end_counts_until_something_arrives(database: Database, queue: ClickHouseQueue) -> None:
    """The first one after the last arrival; an earlier one is void, and quiet may be over before a later one."""
    session, at = new_session(), now_ms() - HOUR_MS
    await store(database, a_turn(session), ingested_ms=at)
    for ended_ms in (at - 1, at + 3_000, at + 9_000):
        await end(database, Level.SESSION, session, ended_ms)
    await over_at(queue, session, at + 3_000)
    await store(database, a_turn(session), ingested_ms=at + 9_001)
    await over_at(queue, session, at + 9_001 + QUIET_MS)
    await end(database, Level.SESSION, session, at + 9_001)
    await over_at(queue, session, at + 9_001)
    await store(database, a_turn(session), ingested_ms=at + 20_000)
    await end(database, Level.SESSION, session, at + 20_000 + QUIET_MS + 1)
    await over_at(queue, session, at + 20_000 + QUIET_MS)


async def test_a_session_can_be_ended_before_its_time_and_goes_on(database: Database, queue: ClickHouseQueue) -> None:
    """An end of a session that is not stored yet does nothing."""
    session, at = new_session(), now_ms() - HOUR_MS
    await end(database, Level.SESSION, session, at - 5)
    assert await over(queue, session, until_ms=at + HOUR_MS) == []
    await store(database, a_turn(session), ingested_ms=at)
    await over_at(queue, session, at + QUIET_MS)


async def test_spans_can_carry_the_end(database: Database, queue: ClickHouseQueue) -> None:
    """Of their trace, of their session, of both; whatever says no is no end."""
    at, ended = now_ms() - HOUR_MS, {"assay.session.end": "true"}
    sessions = [new_session() for _ in range(4)]
    await store(database, a_turn(sessions[0], attributes=ended), ingested_ms=at)
    await store(database, a_turn(sessions[1], attributes={"assay.session.end": "false"}), ingested_ms=at)
    trace = a_turn(sessions[2], parent="e" * 16, attributes={"assay.trace.end": "True"})
    await store(database, trace, a_turn(sessions[3]), ingested_ms=at)
    await store(database, a_turn(sessions[0]), a_turn(sessions[3], attributes=ended), ingested_ms=at + 500)
    await over_at(queue, sessions[1], at + QUIET_MS)
    await over_at(queue, sessions[2], at + QUIET_MS)
    await over_at(queue, sessions[0], at + 500 + QUIET_MS)
    await over_at(queue, sessions[3], at + 500)
    progress = await queue.progress(trace.trace_id, COMPLETION)
    assert progress is not None
    assert (progress.rooted, progress.ended, progress.ready_ms) == (False, True, at)
    rows = await database.query(
        "SELECT toString(Level) AS l, TargetId AS t, toUnixTimestamp64Milli(EndedAt) AS e, Source AS s "
        "FROM completions WHERE TargetId IN {ids:Array(String)} ORDER BY l, e",
        {"ids": [*sessions, trace.trace_id]},
    )
    assert [(row["l"], row["t"], row["e"], row["s"]) for row in rows] == [
        ("session", sessions[0], at, "attribute"),
        ("session", sessions[3], at + 500, "attribute"),
        ("trace", trace.trace_id, at, "attribute"),
    ]


async def test_a_trace_that_was_ended_is_complete_at_once(database: Database, queue: ClickHouseQueue) -> None:
    """Unless something arrived after the end: then it gets the usual time again."""
    at = now_ms() - HOUR_MS
    open_ended, late = SentSpan(parent="e" * 16), SentSpan(parent="e" * 16)
    await store(database, open_ended, late, ingested_ms=at)
    for span in (open_ended, late):
        await end(database, Level.TRACE, span.trace_id, at + 700)
    await store(database, SentSpan(trace_id=late.trace_id, parent=late.span_id), ingested_ms=at + 701)

    async def complete(until_ms: int) -> list[tuple[str, int]]:
        look = Look(since_ms=at - 1, until_ms=until_ms, shards=SHARDS, limit=10_000)
        page = await queue.ready(Stream(level=Level.TRACE), COMPLETION, look)
        ours = (open_ended.trace_id, late.trace_id)
        return [(each.record.ref.trace_id, each.ready_ms) for each in page if each.record.ref.trace_id in ours]

    assert await complete(at + 699) == []
    assert await complete(at + 700) == [(open_ended.trace_id, at + 700)]
    assert await complete(at + 701 + COMPLETION.idle_ms) == [
        (open_ended.trace_id, at + 700),
        (late.trace_id, at + 701 + COMPLETION.idle_ms),
    ]


async def test_sessions_of_one_millisecond_page_without_gap_and_double(
    database: Database, queue: ClickHouseQueue
) -> None:
    """Whatever people write into an id; what is too long for a target is left out, so that a full page stays one."""
    at = now_ms() - 2 * HOUR_MS
    sessions = [new_session() for _ in range(40)] + ["né\t'\\{x:String}", "s" * 32_768, f"{new_session()}%"]
    await store(database, *map(a_turn, sessions), a_turn("t" * 32_769), ingested_ms=at)
    since, after, paged, sizes = at + QUIET_MS - 1, "", list[str](), list[int]()
    while True:
        look = Look(since_ms=since, until_ms=at + QUIET_MS, after_id=after, shards=SHARDS, limit=8)
        page = await queue.ready(Stream(level=Level.SESSION, quiet_ms=QUIET_MS), COMPLETION, look)
        paged += [each.record.ref.session_id for each in page]
        sizes.append(len(page))
        if len(page) < 8:
            break
        since, after = page[-1].ready_ms, page[-1].record.ref.session_id
    assert paged == sorted(sessions, key=str.encode)
    assert sizes == [8] * 5 + [3]
    assert await queue.decided(["any"], [each.record for each in await over(queue, *sessions, until_ms=now_ms())]) == {}


async def test_shards_together_are_everything_and_a_sample_lies_in_a_greater_one(
    database: Database, queue: ClickHouseQueue
) -> None:
    """By the hash of the session's id, in SQL."""
    at = now_ms() - 3 * HOUR_MS
    sessions = [new_session() for _ in range(64)]
    await store(database, *map(a_turn, sessions), ingested_ms=at)

    async def page(shards: Sequence[int], sample_ppm: int = 1_000_000) -> set[str]:
        look = Look(since_ms=at, until_ms=at + QUIET_MS, shards=shards, sample_ppm=sample_ppm, limit=1000)
        found = await queue.ready(Stream(level=Level.SESSION, quiet_ms=QUIET_MS), COMPLETION, look)
        return {each.record.ref.session_id for each in found}

    shares = [await page([shard]) for shard in SHARDS]
    assert sum(map(len, shares)) == 64
    assert set.union(*shares) == set(sessions)
    tenth, half = await page(SHARDS, 100_000), await page(SHARDS, 500_000)
    assert tenth < half < set(sessions)


async def test_what_arrived_in_a_window_is_found_whenever_it_was_over(
    database: Database, queue: ClickHouseQueue
) -> None:
    """As the sweep over the last day asks: what a repaired journal brought to light was over long ago."""
    at = now_ms() - 4 * HOUR_MS
    early, late, ended = new_session(), new_session(), new_session()
    await store(database, a_turn(early), a_turn(ended), ingested_ms=at)
    await store(database, a_turn(late), ingested_ms=at + 5_000)
    await end(database, Level.SESSION, ended, at + 100)

    async def page(arrived_ms: tuple[int, int]) -> set[str]:
        look = Look(since_ms=0, until_ms=now_ms(), arrived_ms=arrived_ms, shards=SHARDS, limit=1000)
        found = await queue.ready(Stream(level=Level.SESSION, quiet_ms=QUIET_MS), COMPLETION, look)
        return {each.record.ref.session_id for each in found} & {early, late, ended}

    assert await page((at - 1, at)) == {early, ended}
    assert await page((at, at + 5_000)) == {late, ended}
    assert await page((at - 1, at + 5_000)) == {early, late, ended}


async def test_a_filter_and_a_scope_are_about_the_trace_that_started_first(
    database: Database, queue: ClickHouseQueue
) -> None:
    """Whichever arrived first; and about the newest that is known: an earlier one that comes late decides anew."""
    session, at = new_session(), now_ms() - HOUR_MS
    start_ns = time.time_ns()
    second = a_turn(session, service="web", start_ns=start_ns, attributes={"step": "two"})
    first = a_turn(session, service="bot", start_ns=start_ns - SECOND_NS, attributes={"step": "one"})

    async def passes(step: str = "", scope: str = "", ppm: int = 1_000_000) -> bool:
        wanted = Candidates(
            level=Level.SESSION,
            sample_ppm=ppm,
            scope=scope,
            filter_sql="SpanAttributes['step'] = {f0:String}" if step else "1",
            filter_parameters={"f0": step} if step else {},
        )
        [ready] = await over(queue, session, until_ms=now_ms())
        found = await queue.candidates([ready], [wanted, wanted])
        record = await located(database, ready.record.ref)
        assert await queue.matches(record, wanted) == bool(found), "a question about one session says the same"
        assert all(each.of is ready and each.wanted == (0, 1) for each in found)
        return bool(found)

    await store(database, second, ingested_ms=at)
    assert [await passes("two"), await passes("one")] == [True, False]
    assert [await passes(scope="web"), await passes(scope="bot")] == [True, False]
    await store(database, first, ingested_ms=at + 60_000)
    assert [await passes("two"), await passes("one")] == [False, True]
    assert [await passes(scope="web"), await passes(scope="bot"), await passes()] == [False, True, True]
    assert not await passes("one", ppm=0)
    progress = await queue.session_progress(session, quiet_ms=QUIET_MS)
    assert progress is not None
    assert progress.started == ((first.trace_id, at + 60_000), (second.trace_id, at))
    assert [progress.first_at(moment) for moment in (at - 1, at, at + 60_000)] == [
        "",
        second.trace_id,
        first.trace_id,
    ]


async def test_missing_parents_are_counted(database: Database, queue: ClickHouseQueue) -> None:
    """Each once, over all traces of a session; a trace that is whole has none."""
    session = new_session()
    whole, torn = a_turn(session), a_turn(session)
    lost, other = "1" * 16, "2" * 16
    children = [SentSpan(trace_id=torn.trace_id, parent=parent) for parent in (lost, lost, other, torn.span_id)]
    await store(database, whole, SentSpan(trace_id=whole.trace_id, parent=whole.span_id), torn, *children)
    records = [await located(database, ref) for ref in (whole.trace, torn.trace)]
    records.append(await located(database, TargetRef(level=Level.SESSION, session_id=session)))
    assert [await queue.missing_parents(record) for record in records] == [0, 2, 2]
