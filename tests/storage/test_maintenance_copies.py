"""Copies are removed, whoever wrote them; what is not a copy stays, and what counts them counts right."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import replace

from maintaining import a_call, in_step, maintained, write, write_logs
from storing import SentSpan, a_result

from storage.clickhouse.client import Database
from storage.clickhouse.results import ClickHouseResults
from storage.clickhouse.writeback import ClickHouseWriteBack
from storage.maintenance import MaintenanceWork

DAY_NS = 86_400_000_000_000


async def rows_of(database: Database, *spans: SentSpan) -> list[int]:
    """How often each of these is stored."""
    found = await database.query("SELECT TraceId AS t, SpanId AS s, count() AS n FROM otel_traces GROUP BY t, s")
    counts = {(row["t"], row["s"]): row["n"] for row in found}
    return [counts.get((span.trace_id, span.span_id), 0) for span in spans]


async def test_another_writers_retry_is_removed_and_its_rollup_counts_once(fresh_database: Database) -> None:
    """The Collector's own exporter has no request digests: its retries are stored, and repaired here."""
    root = a_call()
    child = a_call(trace_id=root.trace_id, parent=root.span_id, status="Error")
    for _ in range(3):
        await write(fresh_database, [root, child])
    assert (await fresh_database.query("SELECT Spans, InputTokensReported AS tokens FROM traces")) == [
        {"Spans": 6, "tokens": 42}
    ]
    assert await maintained(fresh_database) == MaintenanceWork(foreign_spans_removed=4, rollups_repaired=1)
    assert await rows_of(fresh_database, root, child) == [1, 1]
    assert await in_step(fresh_database)
    assert not await maintained(fresh_database)


async def test_copies_are_found_in_one_part_in_several_and_after_merges(fresh_database: Database) -> None:
    """A body that holds a span twice, a batch that is sent again, an hour later, with another request around it."""
    twice, again, merged = a_call(), a_call(start_ns=3 * DAY_NS), a_call(start_ns=5 * DAY_NS)
    await write(fresh_database, [twice, twice, merged])
    await write(fresh_database, [merged])
    await fresh_database.execute("OPTIMIZE TABLE otel_traces FINAL")
    await write(fresh_database, [again], digest=b"1" * 16)
    await write(fresh_database, [again, a_call()], digest=b"2" * 16)
    assert await maintained(fresh_database, pieces=3) == MaintenanceWork(
        spans_removed=1, foreign_spans_removed=2, rollups_repaired=3
    )
    assert await rows_of(fresh_database, twice, again, merged) == [1, 1, 1]
    assert await in_step(fresh_database)


async def test_attributes_in_another_order_make_no_other_span(fresh_database: Database) -> None:
    """clickhouseexporter sorts them, we keep the sender's order: both ways in one Collector store every span twice."""
    span = a_call()
    await write(fresh_database, [span], digest=b"1" * 16)
    await write(fresh_database, [replace(span, attributes=dict(reversed(list(span.attributes.items()))))])
    assert await maintained(fresh_database) == MaintenanceWork(foreign_spans_removed=1, rollups_repaired=1)
    assert await in_step(fresh_database)


async def test_spans_that_share_their_ids_and_differ_all_stay(fresh_database: Database) -> None:
    """Some senders use ids again: another name, another attribute, another day, another trace."""
    span = a_call()
    others = [
        replace(span, name="other"),
        replace(span, attributes={**span.attributes, "more": "1"}),
        replace(span, start_ns=span.start_ns - DAY_NS),
        replace(span, trace_id=uuid.uuid4().hex),
    ]
    await write(fresh_database, [span, *others])
    await write(fresh_database, [a_call(span_id="", trace_id=span.trace_id)] * 2)
    assert not await maintained(fresh_database)
    assert await rows_of(fresh_database, span, others[3]) == [4, 1]
    assert await in_step(fresh_database)


async def test_the_copy_that_stays_carries_the_results(fresh_database: Database) -> None:
    """Whichever copy came before or after the write-back; and write-back goes on finding the span."""
    span = a_call()
    await write(fresh_database, [span])
    await write(fresh_database, [span])
    await ClickHouseResults(fresh_database).append([a_result(span)])
    write_back = ClickHouseWriteBack(fresh_database)
    now_ms = await write_back.newest_ms()
    assert (await write_back.project(since_ms=now_ms, lag_seconds=60, limit=10)).missing == 0
    await write(fresh_database, [span])
    assert await maintained(fresh_database) == MaintenanceWork(foreign_spans_removed=2, rollups_repaired=1)
    await ClickHouseResults(fresh_database).append([a_result(span, metric="other")])
    now_ms = await write_back.newest_ms()
    assert (await write_back.project(since_ms=now_ms, lag_seconds=60, limit=10)).missing == 0
    keys = [f"gen_ai.evaluation.{name}.score.value" for name in ("quality", "other")]
    shown = await fresh_database.query(
        "SELECT EvaluationAttributes[{a:String}] AS a, EvaluationAttributes[{b:String}] AS b, count() OVER () AS n "
        "FROM spans",
        {"a": keys[0], "b": keys[1]},
    )
    assert shown == [{"a": "0.5", "b": "0.5", "n": 1}]
    await fresh_database.execute("OPTIMIZE TABLE otel_traces FINAL")
    assert (await fresh_database.query("SELECT length(EvalKeys) >= 2 AS kept FROM otel_traces")) == [{"kept": 1}]


async def test_a_copy_with_results_that_the_first_one_lacks_is_left_alone(fresh_database: Database) -> None:
    """It cannot come about by itself; should it, no result is lost."""
    span = a_call()
    await write(fresh_database, [span])
    await write(fresh_database, [span])
    await fresh_database.execute(
        "UPDATE otel_traces SET EvalKeys = ['k'], EvalValues = ['1'] WHERE _block_number = "
        "(SELECT max(_block_number) FROM otel_traces)"
    )
    assert not await maintained(fresh_database)
    await fresh_database.execute("UPDATE otel_traces SET EvalKeys = ['k'], EvalValues = ['1'] WHERE 1")
    assert await maintained(fresh_database) == MaintenanceWork(foreign_spans_removed=1, rollups_repaired=1)


async def test_the_doubled_half_of_a_request_is_removed_spans_and_logs(fresh_database: Database) -> None:
    """It was cut at midnight and stored again whole; equal log records within one request are two records."""
    today = a_call()
    before = a_call(trace_id=today.trace_id, parent=today.span_id, start_ns=today.start_ns - DAY_NS)
    nameless = a_call(trace_id=today.trace_id, parent=today.span_id, span_id="", start_ns=before.start_ns)
    half, whole = [before, nameless], [before, nameless, today]
    await write(fresh_database, half, digest=b"h" * 16, request_rows=3)
    await write(fresh_database, whole, digest=b"h" * 16)
    logs = [(before.start_ns, before, "said"), (before.start_ns, before, "said"), (today.start_ns, today, "said")]
    await write_logs(fresh_database, logs[:2], digest=b"l" * 16, request_rows=3)
    await write_logs(fresh_database, logs, digest=b"l" * 16)
    await write_logs(fresh_database, logs, digest=b"l" * 16)
    await write_logs(fresh_database, logs[:1])
    await write_logs(fresh_database, logs[:1])  # nobody can say whether these are one record or two
    assert await maintained(fresh_database) == MaintenanceWork(spans_removed=2, logs_removed=5, rollups_repaired=1)
    for table in ("otel_traces", "otel_logs"):
        complete = await fresh_database.query(
            f"SELECT count() = any(RequestRows) AS whole FROM {table} WHERE RequestRows > 0 GROUP BY RequestDigest"
        )
        assert complete == [{"whole": 1}]
    assert (await fresh_database.query("SELECT count() AS n FROM otel_logs")) == [{"n": 5}]
    assert (await fresh_database.query("SELECT sum(Logs) AS n FROM traces_rollup")) == [{"n": 5}]
    assert await in_step(fresh_database)
    assert not await maintained(fresh_database)


async def test_equal_repairs_one_after_the_other_both_count(fresh_database: Database) -> None:
    """The second one is no repetition of the first, though its row is the same."""
    span = a_call()
    await write(fresh_database, [span])
    for _ in range(2):
        await write(fresh_database, [span])
        assert await maintained(fresh_database) == MaintenanceWork(foreign_spans_removed=1, rollups_repaired=1)
        assert await in_step(fresh_database)


async def test_more_copies_than_one_statement_takes_are_removed_one_statement_after_the_other(
    fresh_database: Database,
) -> None:
    """The work of a statement is bounded."""
    spans = [a_call() for _ in range(200)]
    for _ in range(3):
        await write(fresh_database, spans)
    assert await maintained(fresh_database, at_once=70) == MaintenanceWork(
        foreign_spans_removed=400, rollups_repaired=200
    )
    assert set(await rows_of(fresh_database, *spans)) == {1}
    assert await in_step(fresh_database)


async def test_every_span_is_there_at_every_moment_while_copies_keep_coming(fresh_database: Database) -> None:
    """Two maintainers at once, writers and write-back beside them: one copy survives, and in the end exactly one."""
    spans = [a_call(service=f"s{number % 3}") for number in range(40)]
    await write(fresh_database, spans)
    results = ClickHouseResults(fresh_database)
    await results.append([a_result(span) for span in spans])

    async def retry() -> None:
        for _ in range(4):
            await write(fresh_database, spans)

    async def project() -> None:
        write_back = ClickHouseWriteBack(fresh_database)
        since_ms = await write_back.newest_ms()
        await write_back.project(since_ms=since_ms, lag_seconds=60, limit=1000)

    async def maintain() -> None:
        for _ in range(2):
            await maintained(fresh_database, at_once=25)

    fewest: list[int] = []
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(work()) for work in (retry, project, maintain, maintain)]
        while not all(task.done() for task in tasks):
            fewest.append(len([1 for n in await rows_of(fresh_database, *spans) if n == 0]))
    assert set(fewest) == {0}
    while await maintained(fresh_database):  # two at once may repair a rollup twice; the next round takes that back
        pass
    assert set(await rows_of(fresh_database, *spans)) == {1}
    assert await in_step(fresh_database)
    missing = await fresh_database.query("SELECT count() AS n FROM otel_traces WHERE empty(EvalKeys)")
    assert missing == [{"n": 0}]
