"""Results of others whose target is long in coming."""

from __future__ import annotations

import pytest
from emptying import emptied
from external_parts import EVENT, External, external
from storing import SentSpan, store, until

from assay.doctor import Check, refused_results
from storage.clickhouse.client import Database
from storage.clickhouse.external import ClickHouseWaitingResults
from storage.model import Failure, Level, Score, TargetRef


@pytest.fixture
async def emptied_db(database: Database) -> Database:
    """The module's, as a new one."""
    await emptied(database)
    return database


async def say(database: Database, at: SentSpan, *, name: str, **said: str) -> None:
    """A log record about a span, which need not be stored."""
    attributes = {"gen_ai.evaluation.name": name} | {key.replace("__", "."): value for key, value in said.items()}
    columns = ("Timestamp", "TraceId", "SpanId", "EventName", "LogAttributes", "ServiceName")
    row = (at.start_ns, at.trace_id, at.span_id, EVENT, attributes, at.service)
    await database.insert_rows("otel_logs", columns, [row])


async def waiting(database: Database) -> int:
    """How many statements wait in the store."""
    (row,) = await database.query("SELECT uniqExact(Key) AS n FROM external_waiting FINAL WHERE NOT Settled")
    return int(row["n"])


async def refused(database: Database) -> dict[str, int]:
    """What the table and the doctor's line count."""
    return await ClickHouseWaitingResults(database).refusals(hours=24)


async def outcomes(parts: External) -> list[tuple[TargetRef, str, object]]:
    """Every result that is stored."""
    return [(each.target, each.metric, each.outcome) for each in await parts.results()]


async def test_what_waits_long_waits_in_the_store_and_survives_a_restart(emptied_db: Database) -> None:
    """The cursor moves on past it: a worker that starts finds it by the arrival of its span, and by nothing else."""
    parts = await external(emptied_db, memory_seconds=0.0)
    span, other = SentSpan(), SentSpan()
    await say(emptied_db, span, name="mood", gen_ai__evaluation__score__value="2")
    assert (await parts.round()).waiting == 0
    assert await waiting(emptied_db) == 1
    another = await external(emptied_db, memory_seconds=0.0)
    assert (await another.round()).stored == 0
    await store(emptied_db, other)
    assert (await another.round()).stored == 0
    await store(emptied_db, span)
    assert (await another.round()).stored == 1
    assert await outcomes(another) == [(span.ref, "mood", Score(value=2.0))]
    assert await waiting(emptied_db) == 0
    await store(emptied_db, span)
    assert (await another.round()).stored == 0
    assert await refused(emptied_db) == {}


@pytest.mark.parametrize(
    ("said", "level"),
    [
        ({"gen_ai__response__id": "resp-1"}, Level.SPAN),
        ({"assay__level": "trace"}, Level.TRACE),
        ({"assay__level": "session", "session__id": "s1"}, Level.SESSION),
    ],
)
async def test_completions_traces_and_sessions_are_waited_for_alike(
    emptied_db: Database, said: dict[str, str], level: Level
) -> None:
    """Each is found by what arrives of it, whatever it was sent with."""
    parts = await external(emptied_db, memory_seconds=0.0)
    span = SentSpan(attributes={"gen_ai.response.id": "resp-1", "session.id": "s1"})
    at = SentSpan() if level is Level.SPAN else span
    await say(emptied_db, at, name="mood", gen_ai__evaluation__score__value="2", **said)
    await parts.round()
    assert await waiting(emptied_db) == 1
    await store(emptied_db, SentSpan(attributes={"gen_ai.response.id": "resp-2", "session.id": "s2"}))
    assert (await parts.round()).stored == 0
    await store(emptied_db, span)
    assert (await parts.round()).stored == 1
    refs = {
        Level.SPAN: span.ref,
        Level.TRACE: span.trace,
        Level.SESSION: TargetRef(level=Level.SESSION, session_id="s1"),
    }
    assert await outcomes(parts) == [(refs[level], "mood", Score(value=2.0))]
    assert await waiting(emptied_db) == 0


async def test_another_span_of_its_trace_ends_no_waiting(emptied_db: Database) -> None:
    """The trace came, the span did not: it is looked for again with the next arrival."""
    parts = await external(emptied_db, memory_seconds=0.0)
    span = SentSpan()
    await say(emptied_db, span, name="mood", gen_ai__evaluation__score__value="2")
    await parts.round()
    await store(emptied_db, SentSpan(trace_id=span.trace_id))
    assert (await parts.round()).stored == 0
    assert await waiting(emptied_db) == 1
    await store(emptied_db, span)
    assert (await parts.round()).stored == 1


async def test_more_than_a_page_of_those_that_wait_is_taken_at_once(emptied_db: Database) -> None:
    """Nothing is stepped over; two that say the same of one span are one result."""
    parts = await external(emptied_db, memory_seconds=0.0, page=4)
    span = SentSpan()
    for number in range(10):
        await say(emptied_db, span, name=f"mood_{number}", gen_ai__evaluation__score__value="2")

    async def all_wait() -> bool:
        await parts.round()
        return await waiting(emptied_db) == 10

    await until(all_wait, seconds=120.0)
    await store(emptied_db, span)

    async def taken() -> bool:
        await parts.round()
        return len(await parts.results()) == 10

    await until(taken, seconds=120.0)
    assert await waiting(emptied_db) == 0


async def test_whose_time_is_over_is_counted_once(emptied_db: Database) -> None:
    """By a worker that starts later, too; and the table says what was refused, and why."""
    parts = await external(emptied_db, memory_seconds=0.0)
    span = SentSpan(service="shop")
    await say(emptied_db, span, name="mood", gen_ai__evaluation__score__value="2")
    await say(emptied_db, span, name="日本語", gen_ai__evaluation__score__value="2")
    await parts.round()
    assert await refused(emptied_db) == {"no name of which a metric's can be made": 1}
    later = await external(emptied_db, memory_seconds=0.0, wait_seconds=0.001)
    assert (await later.round()).refused == {"its target did not come": 1}
    assert (await later.round()).refused == {}
    assert await waiting(emptied_db) == 0
    await store(emptied_db, span)
    assert (await later.round()).stored == 0
    rows = await emptied_db.query(
        "SELECT Name, Reason, TraceId = {t:String} AS same, SpanId, ServiceName FROM external_refused FINAL "
        "ORDER BY Reason",
        {"t": span.trace_id},
    )
    assert rows == [
        {"Name": "mood", "Reason": "its target did not come", "same": 1, "SpanId": span.span_id, "ServiceName": "shop"},
        {
            "Name": "日本語",
            "Reason": "no name of which a metric's can be made",
            "same": 1,
            "SpanId": span.span_id,
            "ServiceName": "shop",
        },
    ]
    assert await refused(emptied_db) == {
        "its target did not come": 1,
        "no name of which a metric's can be made": 1,
    }
    line = await refused_results(emptied_db)
    assert isinstance(line, Check)
    assert (line.state, line.found.partition(":")[0]) == ("warning", "2 refused in the last day")


async def test_hostile_text_waits_as_it_is(emptied_db: Database) -> None:
    """Every plane of Unicode, quotes, half of a surrogate pair, ids that are none: nothing of it stops the others."""
    parts = await external(emptied_db, memory_seconds=0.0)
    span = SentSpan(service='a"b\\')
    nasty = "\U0001f600 \x00 ' \" \\ \n {x:String}"
    await say(
        emptied_db, span, name="mood", gen_ai__evaluation__score__value="no number",
        gen_ai__evaluation__explanation=nasty, session__id=nasty, gen_ai__response__id="' OR 1 --",
    )  # fmt: skip
    await say(emptied_db, span, name="good", gen_ai__evaluation__score__value="1.5")
    await parts.round()
    assert await waiting(emptied_db) == 2
    await store(emptied_db, span)
    assert (await parts.round()).stored == 2
    found = {metric: outcome for _, metric, outcome in await outcomes(parts)}
    assert found["good"] == Score(value=1.5)
    assert isinstance(found["mood"], Failure)
    assert found["mood"].code == "INVALID_RESULT"


async def test_a_look_costs_what_arrived_and_not_what_waits(emptied_db: Database) -> None:
    """Rows of the waiting that are read for one new span, with a few and with very many of others waiting."""
    kept = ClickHouseWaitingResults(emptied_db)

    async def read_for_one_span(waiting_rows: int) -> int:
        await emptied_db.execute(
            "INSERT INTO external_waiting (Subject, Key, ArrivedAt, TraceId, SessionId, Subjects, Body, Settled) "
            "SELECT concat('trace:', lower(hex(MD5(toString(number))))), "
            "lower(hex(MD5(concat('k', toString(number))))), now64(3), '', '', [], '{}', 0 FROM numbers({n:UInt32})",
            {"n": waiting_rows},
        )
        await emptied_db.execute("OPTIMIZE TABLE external_waiting FINAL")
        (row,) = await emptied_db.query(
            "SELECT rows FROM (EXPLAIN ESTIMATE SELECT Body FROM external_waiting AS w FINAL "
            "WHERE Subject IN ('trace:00000000000000000000000000000001') AND NOT Settled)"
        )
        return int(row["rows"])

    few = await read_for_one_span(2_000)
    many = await read_for_one_span(200_000)
    assert many <= few + 1024
    assert await kept.kinds() == {"trace"}
