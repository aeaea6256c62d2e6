"""Things are kept as long as the operator says, counted from their arrival, and not a day less."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from storing import SECOND_NS, SentSpan, a_chat, a_result, located, store, until

from storage.clickhouse.client import Database
from storage.clickhouse.results import ClickHouseResults
from storage.clickhouse.retention import (
    Retained,
    RetentionChange,
    apply_retention,
    oldest_arrivals,
    retention_in_force,
)
from storage.clickhouse.writeback import ClickHouseWriteBack
from storage.errors import SchemaError
from storage.retention import MAX_DAYS, NAMES, TABLES, parse_retention

DAY_MS = 86_400_000
YEAR_2200_NS = 7_258_118_400 * SECOND_NS


def days_ago(days: float) -> datetime:
    """On this machine's clock, which is the server's here."""
    return datetime.now(UTC) - timedelta(days=days)


def milliseconds(moment: datetime) -> int:
    """Since 1970."""
    return int(moment.timestamp() * 1000)


async def store_old(database: Database, *spans: SentSpan, days: float) -> None:
    """Spans that arrived so long ago."""
    await store(database, *spans, ingested_ms=milliseconds(days_ago(days)))


async def stored(database: Database) -> set[str]:
    """Trace ids of all spans."""
    return {row["TraceId"] for row in await database.query("SELECT TraceId FROM otel_traces")}


async def mutations(database: Database) -> int:
    """How many there ever were in this database."""
    rows = await database.query("SELECT count() AS n FROM system.mutations WHERE database = currentDatabase()")
    return int(rows[0]["n"])


@pytest.fixture
async def kept(fresh_database: Database) -> Any:
    """The module's empty database; its tables keep for ever again afterwards."""
    yield fresh_database
    await apply_retention(fresh_database, dict.fromkeys(NAMES, 0))


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("", {}),
        ("30", {"otel_traces": 30, "otel_logs": 30}),
        ("0", {"otel_traces": 0, "otel_logs": 0}),
        ("30,otel_logs=7", {"otel_traces": 30, "otel_logs": 7}),
        (" otel_traces = 30 , evaluations=400 ", {"otel_traces": 30, "evaluations": 400}),
        (f"evaluations={MAX_DAYS}", {"evaluations": MAX_DAYS}),
    ],
)
def test_days_are_a_number_or_named(text: str, days: dict[str, int]) -> None:
    """What is not named is not touched."""
    assert parse_retention(text) == days


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("thirty", "'thirty' is no number of days from 0 (for ever) to 10000"),
        ("-1", "'-1' is no number of days from 0 (for ever) to 10000"),
        ("1.5", "'1.5' is no number of days from 0 (for ever) to 10000"),
        ("36500", "'36500' is no number of days from 0 (for ever) to 10000"),
        ("٣٠", "'٣٠' is no number of days from 0 (for ever) to 10000"),
        ("otel_traces=", "'' is no number of days from 0 (for ever) to 10000"),
        ("spans=30", "there is no table 'spans' to keep; there are otel_traces, otel_logs, evaluations"),
        ("traces_rollup=3", "there is no table 'traces_rollup' to keep; there are otel_traces, otel_logs, evaluations"),
        ("30,40", "the plain number is there twice"),
        ("otel_logs=1,otel_logs=2", "otel_logs is there twice"),
    ],
)
def test_what_cannot_be_meant_is_refused(text: str, reason: str) -> None:
    """A date beyond 2106 would wrap round in ClickHouse, and delete at once."""
    with pytest.raises(ValueError) as refused:
        parse_retention(text)
    assert str(refused.value) == reason


JUDGED = ("judge_traces", "judge_cache")


def test_the_journal_never_outlives_its_spans_nor_thirty_days() -> None:
    """It holds ids of sessions."""
    (journal,) = [table for table in TABLES if table.name == "trace_events"]
    asked = [{"otel_traces": 7}, {"otel_traces": 90}, {"otel_traces": 0}, {"otel_logs": 7}]
    assert [journal.days(each) for each in asked] == [7, 30, 30, None]


async def test_nothing_is_deleted_unless_somebody_asks(kept: Database) -> None:
    """A new installation keeps for ever; only the journal has an end of its own."""
    in_force = {each.table: each.days for each in await retention_in_force(kept)}
    assert in_force == {table.name: table.own_days or 0 for table in TABLES}
    assert await apply_retention(kept, parse_retention("")) == []


async def test_a_shorter_life_deletes_old_days_at_once_and_nothing_else(kept: Database) -> None:
    """Spans with results on them: those that stay, stay whole, and so do their results."""
    old, young = a_chat(start_ns=milliseconds(days_ago(20)) * 1_000_000), a_chat()
    await store_old(kept, old, days=20)
    await store(kept, young)
    await ClickHouseResults(kept).append([a_result(old), a_result(young)])
    write_back = ClickHouseWriteBack(kept)
    await write_back.project(since_ms=await write_back.newest_ms(), lag_seconds=60, limit=10)
    arrived = ((old.trace_id, days_ago(20)), (young.trace_id, days_ago(0)))
    traces = [(trace_id, milliseconds(at) * 1_000_000, milliseconds(at)) for trace_id, at in arrived]
    await kept.insert_rows("judge_traces", ("TraceId", "Timestamp", "IngestedAt"), traces)
    answers = [(trace_id.encode(), trace_id, milliseconds(at)) for trace_id, at in arrived]
    await kept.insert_rows("judge_cache", ("Key", "TraceId", "CreatedAt"), answers)
    changed = await apply_retention(kept, parse_retention("5"))
    assert changed == [
        RetentionChange(table="otel_traces", from_days=0, to_days=5),
        RetentionChange(table="otel_logs", from_days=0, to_days=5),
        RetentionChange(table="trace_events", from_days=30, to_days=5),
        RetentionChange(table="traces_rollup", from_days=0, to_days=5),
        RetentionChange(table="session_traces", from_days=0, to_days=5),
        RetentionChange(table="judge_traces", from_days=30, to_days=5),
        RetentionChange(table="judge_cache", from_days=30, to_days=5),
    ]

    async def gone() -> bool:
        listed = {row["TraceId"] for row in await kept.query("SELECT TraceId FROM traces")}
        said = {row["TraceId"] for table in JUDGED for row in await kept.query(f"SELECT TraceId FROM {table}")}
        return await stored(kept) == listed == {young.trace_id} and said == {young.trace_id}

    await until(gone, seconds=60)
    rows = await kept.query("SELECT EvalKeys, EvalValues FROM otel_traces")
    assert rows == [{"EvalKeys": ["gen_ai.evaluation.quality.score.value"], "EvalValues": ["0.5"]}]
    results = await kept.query("SELECT TraceId FROM evaluations")
    assert {row["TraceId"] for row in results} == {old.trace_id, young.trace_id}  # results are kept apart
    assert (await located(kept, young.ref)).ref == young.ref


async def test_age_is_counted_from_arrival_whatever_a_senders_clock_says(kept: Database) -> None:
    """Spans from 1970 and 2200 that arrive today stay; those that arrived long ago go."""
    apply = parse_retention("otel_traces=5")
    await apply_retention(kept, apply)
    strange = (1, YEAR_2200_NS)
    come = [SentSpan(start_ns=start) for start in strange]
    gone = [SentSpan(start_ns=start) for start in strange]
    await store(kept, *come)
    await store_old(kept, *gone, days=6)
    await apply_retention(kept, parse_retention("otel_traces=4"))  # wakes the server, which sleeps when nothing happens

    async def only_come() -> bool:
        return await stored(kept) == {span.trace_id for span in come}

    await until(only_come, seconds=60)


async def test_what_is_in_force_is_not_applied_again(kept: Database) -> None:
    """Every start asks; a second ALTER would look into every part again."""
    asked = parse_retention("30,evaluations=400")
    assert len(await apply_retention(kept, asked)) == 7  # the journal and judges have thirty days already
    before = await mutations(kept)
    assert await apply_retention(kept, asked) == []
    assert await mutations(kept) == before
    assert {each.table: each.days for each in await retention_in_force(kept)} == {
        "otel_traces": 30, "otel_logs": 30, "trace_events": 30, "traces_rollup": 30, "session_traces": 30,
        "judge_traces": 30, "judge_cache": 30, "evaluations": 400, "evaluations_current": 400,
        "action_deliveries": 400,
    }  # fmt: skip


async def test_the_last_of_two_that_ask_wins_and_silence_changes_nothing(kept: Database) -> None:
    """A command that was started without the setting must not let things live for ever again."""
    await apply_retention(kept, parse_retention("otel_logs=30"))
    await apply_retention(kept, parse_retention(""))
    assert Retained(table="otel_logs", days=30) in await retention_in_force(kept)
    change = RetentionChange(table="otel_logs", from_days=30, to_days=7)
    assert await apply_retention(kept, parse_retention("otel_logs=7")) == [change]
    change = RetentionChange(table="otel_logs", from_days=7, to_days=0)
    assert await apply_retention(kept, parse_retention("otel_logs=0")) == [change]


async def test_a_ttl_of_somebody_else_is_left_alone(kept: Database) -> None:
    """Where the operator has moved days to cheap disks, for example; asked for both, the conflict is named."""
    theirs = "toDateTime(TimestampTime) + toIntervalDay(90)"
    await kept.execute(f"ALTER TABLE otel_logs MODIFY TTL {theirs}")
    assert Retained(table="otel_logs", days=0, foreign_ttl=theirs) in await retention_in_force(kept)
    await apply_retention(kept, parse_retention("otel_traces=30"))
    with pytest.raises(SchemaError) as refused:
        await apply_retention(kept, parse_retention("30"))
    await kept.execute("ALTER TABLE otel_logs REMOVE TTL")
    assert str(refused.value) == (
        f"table otel_logs has a TTL that Assay has not set ({theirs}), and ASSAY_RETENTION_DAYS asks for 30 days: "
        "remove it (ALTER TABLE otel_logs REMOVE TTL), or leave otel_logs out of the setting"
    )


async def test_the_oldest_row_of_every_table_is_known(kept: Database) -> None:
    """Tables without rows are left out."""
    await store_old(kept, SentSpan(), days=3)
    await store(kept, SentSpan())
    oldest = await oldest_arrivals(kept)
    assert set(oldest) == {"otel_traces", "trace_events", "traces_rollup"}
    assert {abs(moment - days_ago(3)) < timedelta(minutes=5) for moment in oldest.values()} == {True}
