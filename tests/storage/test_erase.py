"""What is erased is in no table and on no disk, and what is not erased stays as it was."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from online_parts import Online, a_rule, at_work, online
from storing import SentSpan, a_chat, a_result, new_trace_id, store, store_log

from evaluator.judges.scripted import Asked, ScriptedJudge, by_rule
from storage.clickhouse.client import Database
from storage.clickhouse.erasable import ERASED, KEPT
from storage.clickhouse.erase import ClickHouseErasure
from storage.clickhouse.migrate import migrate
from storage.clickhouse.results import ClickHouseResults
from storage.clickhouse.server import running
from storage.clickhouse.writeback import ClickHouseWriteBack
from storage.erasure import Erased, Found, Root
from storage.model import Score, TargetRef

KEY = b"k" * 32
_IDS_OR_CONTENT = re.compile(
    r"(Trace|Span|Session|User|Target)Ids?$|Attributes|^Missing$|Body|Input$|Output$|Expected|^Text$|Explanation|"
    r"Rationale|Response|Snapshot|Prompt|Message|^Detail$"
)


def erasure(database: Database, **other: Any) -> ClickHouseErasure:
    """On a server that is not ours alone, so its own logs are left alone."""
    return ClickHouseErasure(database, key=KEY, embedded=False, **other)


def by(user: str, session: str = "", **other: Any) -> SentSpan:
    """A model call of a user, in a session."""
    named = {"user.id": user, "session.id": session}
    return a_chat(attributes={key: text for key, text in named.items() if text}, **other)


async def score(database: Database, *results: Any) -> None:
    """Results, and what write-back makes of them."""
    await ClickHouseResults(database).append(results)
    write_back = ClickHouseWriteBack(database)
    await write_back.project(since_ms=await write_back.newest_ms(), lag_seconds=60, limit=100)


async def mentions(database: Database, *words: str) -> dict[str, int]:
    """Rows of every table in which any of these words stands anywhere, masked rows included."""
    found: dict[str, int] = {}
    tables = await database.query(
        "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree'"
    )
    for table in tables:
        rows = await database.query(
            f"SELECT count() AS n FROM {table['name']} WHERE multiSearchAny(toJSONString(tuple(*)), "
            "{words:Array(String)})",
            {"words": list(words)},
            settings={"apply_deleted_mask": 0},
        )
        if rows[0]["n"]:
            found[table["name"]] = rows[0]["n"]
    return found


async def stored(database: Database) -> set[str]:
    """Span ids of all spans."""
    return {row["SpanId"] for row in await database.query("SELECT SpanId FROM otel_traces")}


# ---------------------------------------------------------------------------------------------------------------------
# The table of tables
# ---------------------------------------------------------------------------------------------------------------------


async def test_every_table_says_how_it_is_erased_or_why_it_need_not_be(database: Database) -> None:
    """A migration that makes a table adds it to `erasable.py`."""
    rows = await database.query(
        "SELECT name FROM system.tables WHERE database = currentDatabase() "
        "AND engine NOT IN ('View', 'MaterializedView')"
    )
    assert {row["name"] for row in rows} == set(ERASED) | set(KEPT)
    assert set(ERASED) & set(KEPT) == set()
    assert [table for table, reason in KEPT.items() if not reason] == []


async def test_a_table_that_is_kept_has_no_column_for_ids_or_content(database: Database) -> None:
    """By name: whoever adds one to such a table has to think again."""
    rows = await database.query(
        "SELECT table, name FROM system.columns WHERE database = currentDatabase() AND table IN {kept:Array(String)}",
        {"kept": list(KEPT)},
    )
    assert {(row["table"], row["name"]) for row in rows if _IDS_OR_CONTENT.search(row["name"])} == set()


async def test_the_test_of_columns_would_notice_every_table_that_is_erased(database: Database) -> None:
    """The pattern knows what such columns are called."""
    rows = await database.query("SELECT table, name FROM system.columns WHERE database = currentDatabase()")
    noticed = {row["table"] for row in rows if _IDS_OR_CONTENT.search(row["name"])}
    assert set(ERASED) - noticed == set()


# ---------------------------------------------------------------------------------------------------------------------
# What goes and what stays
# ---------------------------------------------------------------------------------------------------------------------


async def test_a_trace_is_gone_from_every_table_and_nothing_else_is(fresh_database: Database) -> None:
    """Spans, logs, journal, rollups, results and their projection; the record has counts and no id."""
    gone, stays = a_chat(), a_chat()
    child = SentSpan(trace_id=gone.trace_id, parent=gone.span_id)
    await store(fresh_database, gone, child, stays)
    await store_log(fresh_database, gone)
    await score(fresh_database, a_result(gone), a_result(gone, target=gone.trace), a_result(stays))
    before = await mentions(fresh_database, stays.trace_id)
    root = Root(kind="trace", id=gone.trace_id)
    found = await erasure(fresh_database).find(root)
    expected = {
        "otel_traces": 2, "otel_logs": 1, "trace_events": 2, "traces_rollup": 2, "evaluations": 2,
        "evaluations_current": 2, "writeback": 2,
    }  # fmt: skip
    assert found == Found(traces=1, sessions=0, rows=expected)
    assert await erasure(fresh_database).erase(root, author="somebody") == Erased(found=found)
    assert await mentions(fresh_database, gone.trace_id, gone.span_id, child.span_id) == {}
    assert await mentions(fresh_database, stays.trace_id) == before
    records = await fresh_database.query("SELECT Kind, hex(Target) AS target, Removed, Author FROM erasures")
    target = root.digest(KEY).upper()
    assert records == [{"Kind": "trace", "target": target, "Removed": expected, "Author": "somebody"}]
    assert await erasure(fresh_database).unfinished() == 0


async def test_a_user_takes_whole_traces_along_and_a_shared_session_stays_without_them(
    fresh_database: Database,
) -> None:
    """Spans of the trace that do not name the user go too; what was concluded about the shared session goes as well."""
    ulla = by("ulla", "shared")
    tool = SentSpan(trace_id=ulla.trace_id, parent=ulla.span_id, attributes={"tool.result": "secret of ulla"})
    bob, other = by("bob", "shared"), by("bob", "own")
    await store(fresh_database, bob)  # it came first, so results of the session stand on it
    await store(fresh_database, ulla, tool, other)
    session = TargetRef(level="session", session_id="shared")  # type: ignore[arg-type]
    about = a_result(bob, Score(value=0.1, explanation="ulla was rude"), target=session, metric="mood")
    await score(fresh_database, about, a_result(ulla), a_result(bob))
    assert await mentions(fresh_database, "ulla was rude") == {
        "evaluations": 1, "evaluations_current": 1, "otel_traces": 1, "writeback": 1,
    }  # fmt: skip
    found = (await erasure(fresh_database).erase(Root(kind="user", id="ulla"))).found
    assert (found.traces, found.sessions) == (1, 1)
    assert await mentions(fresh_database, "ulla", ulla.trace_id) == {}
    assert await stored(fresh_database) == {bob.span_id, other.span_id}
    rows = await fresh_database.query("SELECT EvalKeys, EvalValues FROM otel_traces WHERE SessionId = 'shared'")
    assert rows == [{"EvalKeys": ["gen_ai.evaluation.quality.score.value"], "EvalValues": ["0.5"]}]
    sessions = await fresh_database.query("SELECT SessionId, TraceIds FROM sessions ORDER BY SessionId")
    assert [(row["SessionId"], row["TraceIds"]) for row in sessions] == [
        ("own", [other.trace_id]),
        ("shared", [bob.trace_id]),
    ]


async def test_a_session_is_found_by_whatever_names_it(fresh_database: Database) -> None:
    """By a column, by a sender's own key, by a log only, by a log without a trace; not by the number of a thread."""
    column, own_key, logged = by("", "s-7"), SentSpan(attributes={"acme.session_id": "s-7"}), SentSpan()
    thread, text = SentSpan(attributes={"thread.id": "s-7"}), a_chat("What is s-7?")
    await store(fresh_database, column, own_key, logged, thread, text)
    columns = ("Timestamp", "TraceId", "LogAttributes", "Body")
    await fresh_database.insert_rows(
        "otel_logs",
        columns,
        [
            (1, logged.trace_id, {"session.id": "s-7"}, "b"),
            (1, "", {"session.id": "s-7"}, "no trace"),
            (1, "", {"session.id": ""}, "nobody's"),
            (1, "", {"session.id": "s-8"}, "another's"),
        ],
    )
    await erasure(fresh_database).erase(Root(kind="session", id="s-7"))
    assert await stored(fresh_database) == {thread.span_id, text.span_id}
    logs = await fresh_database.query("SELECT Body FROM otel_logs ORDER BY Body")
    assert logs == [{"Body": "another's"}, {"Body": "nobody's"}]


async def test_ids_that_look_like_sql_are_compared_and_never_run(fresh_database: Database) -> None:
    """Quotes, backslashes, wildcards, our own placeholders; an id is text."""
    hostile = ["o'brien\\", "' OR 1 = 1 --", "%", "{traces}", "/*root*/", "ünï\u202e", "x" * 10_000]
    spans = {user: by(user) for user in hostile}
    stays = by("nobody")
    await store(fresh_database, stays, *spans.values())
    for user in hostile:
        assert (await erasure(fresh_database).find(Root(kind="user", id=user))).traces == 1, user
    await erasure(fresh_database).erase(Root(kind="user", id=hostile[1]))
    del spans[hostile[1]]
    assert await stored(fresh_database) == {span.span_id for span in [stays, *spans.values()]}


async def test_of_what_is_not_stored_nothing_is_found_and_nothing_recorded(fresh_database: Database) -> None:
    """An unknown id, and the id of something else."""
    await store(fresh_database, by("ulla", "s-1"))
    for root in (Root(kind="trace", id=new_trace_id()), Root(kind="session", id="ulla"), Root(kind="user", id="s-1")):
        assert await erasure(fresh_database).erase(root) == Erased(found=Found())
        assert await erasure(fresh_database).find(root) == Found()
    assert await mentions(fresh_database, "ulla") == {"otel_traces": 1, "traces_rollup": 1}
    assert await fresh_database.query("SELECT * FROM erasures") == []
    with pytest.raises(ValueError, match="a user has an id that is not empty"):
        Root(kind="user", id="")


async def test_rows_that_a_delete_has_only_masked_are_gone_too(fresh_database: Database) -> None:
    """`DELETE FROM` leaves them on disk until the next merge of their part."""
    masked, seen = by("ulla"), by("ulla")
    await store(fresh_database, masked, seen, by("bob"))
    await fresh_database.execute("DELETE FROM otel_traces WHERE TraceId = {id:String}", {"id": masked.trace_id})
    assert (await mentions(fresh_database, masked.trace_id))["otel_traces"] == 1
    await erasure(fresh_database).erase(Root(kind="user", id="ulla"))
    assert await mentions(fresh_database, masked.trace_id, seen.trace_id) == {}


async def test_the_proof_of_a_batch_forgets_the_spans_that_it_had_missed(fresh_database: Database) -> None:
    """A result whose span never came stands in `writeback_batches`."""
    lost, other = a_chat(), a_chat()
    await score(fresh_database, a_result(lost), a_result(other))
    await erasure(fresh_database).erase(Root(kind="trace", id=lost.trace_id))
    assert await mentions(fresh_database, lost.trace_id) == {}
    rows = await fresh_database.query("SELECT Staged, Missing FROM writeback_batches")
    assert [(row["Staged"], row["Missing"]) for row in rows] == [
        (2, [{"TraceId": other.trace_id, "SpanId": other.span_id}])
    ]


async def test_an_erased_trace_that_is_sent_again_is_new_data_and_is_noticed(fresh_database: Database) -> None:
    """A sender's retry cannot be told from a sender; `assay doctor` says that it came."""
    span, other = a_chat(), a_chat()
    await store(fresh_database, span, other)
    await erasure(fresh_database).erase(Root(kind="trace", id=span.trace_id))
    assert await erasure(fresh_database).late() == {}
    await store(fresh_database, span)
    await score(fresh_database, a_result(span), a_result(other))
    assert await erasure(fresh_database).late() == {"results": 1, "spans": 1}
    await erasure(fresh_database).erase(Root(kind="trace", id=span.trace_id))
    assert await erasure(fresh_database).late() == {}
    assert await stored(fresh_database) == {other.span_id}


# ---------------------------------------------------------------------------------------------------------------------
# While others work, and when it is cut off
# ---------------------------------------------------------------------------------------------------------------------


@pytest.fixture
async def parts(fresh_database: Database) -> AsyncIterator[Online]:
    """An evaluator on a database of its own."""
    async with online(fresh_database) as ready:
        yield ready


async def test_scoring_that_is_under_way_brings_nothing_back(parts: Online) -> None:
    """The judge holds an answer about what is being erased; its result is erased when it has come."""
    await parts.rules.create(a_rule("judged", metrics=("correctness",)))
    gone = [by("ulla", "s-1") for _ in range(5)]
    told = asyncio.Event()

    async def held(judge: ScriptedJudge, request: web.Request, asked: Asked) -> web.StreamResponse:
        await told.wait()
        return await by_rule(judge, request, asked)

    def answer_when_waited_for(sentence: str) -> None:
        if sentence.startswith("waiting for "):
            told.set()

    parts.scoring.judge.always(held)
    async with at_work(parts):
        await store(parts.database, *gone)
        await parts.scoring.judge.asked.wait()
        erased = await erasure(parts.database, progress=answer_when_waited_for).erase(Root(kind="user", id="ulla"))
        stays = by("bob", "s-1")
        await store(parts.database, stays)
        await parts.until_results(1, targets=(stays.ref,))
        await parts.until_quiet()
    assert erased.complete
    assert told.is_set()
    assert {result.target for result in await parts.results()} == {stays.ref}
    assert await mentions(parts.database, "ulla", *(span.trace_id for span in gone)) == {}


async def test_write_back_of_other_spans_does_not_hold_it_up(fresh_database: Database) -> None:
    """Patches come every second; only those of the moment are waited for."""
    ulla, bob = by("ulla"), by("bob")
    await store(fresh_database, ulla, bob)
    ended = asyncio.Event()

    async def patch_without_end() -> int:
        count = 0
        while not ended.is_set():
            count += 1
            await fresh_database.execute(
                "UPDATE otel_traces SET EvalKeys = ['n'], EvalValues = [{n:String}] WHERE 1", {"n": str(count)}
            )
        return count

    async with asyncio.TaskGroup() as group:
        patching = group.create_task(patch_without_end())
        erased = await erasure(fresh_database).erase(Root(kind="user", id="ulla"))
        ended.set()
    assert (erased.complete, erased.left) == (True, {})
    rows = await fresh_database.query("SELECT SpanId, EvalValues FROM otel_traces")
    assert rows == [{"SpanId": bob.span_id, "EvalValues": [str(patching.result())]}]


async def test_an_erasure_that_was_cut_off_goes_on_where_it_was(fresh_database: Database) -> None:
    """The spans that named the user are gone already; the plan still knows what belonged to them."""
    ulla = by("ulla")
    await store(fresh_database, ulla, by("bob"))
    await score(fresh_database, a_result(ulla))

    class Killed(BaseException):
        """As kill -9: nothing is tidied up."""

    def killed_after_the_spans(sentence: str) -> None:
        if sentence.startswith("evaluations:"):
            raise Killed

    root = Root(kind="user", id="ulla")
    with pytest.raises(BaseException) as ended:
        await erasure(fresh_database, progress=killed_after_the_spans).erase(root)
    assert "Killed" in repr(ended.value)
    left = await mentions(fresh_database, ulla.trace_id)
    assert set(left) == {"erasing", "evaluations", "evaluations_current", "writeback"}
    assert await erasure(fresh_database).unfinished() == 1
    erased = await erasure(fresh_database).erase(root)
    assert (erased.complete, erased.found.resumed, erased.found.traces) == (True, True, 1)
    assert erased.found.rows["otel_traces"] == 1  # as it was found when it began
    assert await mentions(fresh_database, "ulla", ulla.trace_id) == {}
    assert await erasure(fresh_database).unfinished() == 0
    (record,) = await fresh_database.query("SELECT length(Traces) AS traces, Removed FROM erasures")
    assert record == {"traces": 1, "Removed": dict(erased.found.rows)}


async def test_two_that_erase_the_same_at_once_both_end_well(fresh_database: Database) -> None:
    """An impatient operator, or two."""
    spans = [by("ulla") for _ in range(20)]
    await store(fresh_database, *spans, by("bob"))
    root = Root(kind="user", id="ulla")
    async with asyncio.TaskGroup() as group:
        for _ in range(2):
            group.create_task(erasure(fresh_database).erase(root))
    assert await mentions(fresh_database, "ulla", *(span.trace_id for span in spans)) == {}
    assert await erasure(fresh_database).unfinished() == 0


# ---------------------------------------------------------------------------------------------------------------------
# On disk
# ---------------------------------------------------------------------------------------------------------------------


def files_with(folder: Path, secret: bytes) -> set[str]:
    """Files below a folder in which these bytes stand."""
    return {
        str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and secret in path.read_bytes()
    }


async def test_the_bytes_are_gone_from_the_disk(tmp_path: Path) -> None:
    """Bytes that cannot be compressed stand in the files as they are: parts, patches, logs of statements, mutations."""
    if os.environ.get("ASSAY_TEST_CLICKHOUSE_URL"):
        pytest.skip("looks into the files of a server of its own")
    secret, user = os.urandom(4096), "ulla-" + os.urandom(8).hex()
    with running(tmp_path) as server:
        async with Database(server.url()) as database:
            await migrate(database)
            span = by(user)
            columns = ("Timestamp", "TraceId", "SpanId", "SpanName", "ServiceName", "SpanAttributes", "StatusMessage")
            row = (span.start_ns, span.trace_id, span.span_id, span.name, span.service, {"user.id": user}, secret)
            await database.insert_rows("otel_traces", columns, [row])
            await store(database, by("bob"))
            await database.insert_rows(
                "otel_logs", ("Timestamp", "TraceId", "Body"), [(span.start_ns, span.trace_id, secret)]
            )
            await score(database, a_result(span, Score(value=0.5, explanation=f"because of {user}")))
            await database.query("SELECT count() FROM otel_traces WHERE UserId = {user:String}", {"user": user})
            await database.execute("SYSTEM FLUSH LOGS")
            clickhouse = tmp_path / "clickhouse"
            assert {name.split("/")[0] for name in files_with(clickhouse, secret[:1000])} == {"store"}
            logged = "SELECT count() > 0 AS there FROM system.query_log WHERE position(query, {user:String}) > 0"
            assert await database.query(logged, {"user": user}) == [{"there": 1}]
            ours = ClickHouseErasure(database, key=KEY, embedded=True)
            assert (await ours.erase(Root(kind="user", id=user))).complete
            assert files_with(clickhouse, secret[:1000]) == set()
            assert files_with(clickhouse, user.encode()) == set()
            assert await database.query("SELECT count() AS n FROM otel_traces") == [{"n": 1}]
            kept = await database.query("SELECT query FROM system.query_log")
            assert [row["query"] for row in kept if user in row["query"] or span.trace_id in row["query"]] == []


async def test_where_the_server_keeps_replaced_parts_they_are_waited_for(fresh_database: Database) -> None:
    """A server of one's own holds them for `old_parts_lifetime`, eight minutes unless it is set."""
    await fresh_database.execute("ALTER TABLE otel_logs MODIFY SETTING old_parts_lifetime = 3")
    span = a_chat()
    await store(fresh_database, span)
    await store_log(fresh_database, span)
    erased = await erasure(fresh_database).erase(Root(kind="trace", id=span.trace_id))
    rows = await fresh_database.query(
        "SELECT count() AS n FROM system.parts WHERE database = currentDatabase() AND table = 'otel_logs' AND rows > 0"
    )
    await fresh_database.execute("ALTER TABLE otel_logs RESET SETTING old_parts_lifetime")
    assert (erased.complete, rows) == (True, [{"n": 0}])


async def test_a_detached_part_is_no_proof(fresh_database: Database) -> None:
    """Nobody can look into it: the erasure is not complete, and the plan waits until it is dropped."""
    span = a_chat()
    await store(fresh_database, span, a_chat(start_ns=span.start_ns - 10 * 86_400 * 10**9))
    partition = await fresh_database.query("SELECT min(partition_id) AS id FROM system.parts WHERE active "
                                           "AND database = currentDatabase() AND table = 'otel_traces'")  # fmt: skip
    await fresh_database.execute(f"ALTER TABLE otel_traces DETACH PARTITION ID '{partition[0]['id']}'")
    root = Root(kind="trace", id=span.trace_id)
    erased = await erasure(fresh_database).erase(root)
    assert (erased.complete, erased.detached_parts) == (False, 1)
    assert await erasure(fresh_database).unfinished() == 1
    await fresh_database.execute(
        f"ALTER TABLE otel_traces DROP DETACHED PARTITION ID '{partition[0]['id']}'",
        settings={"allow_drop_detached": 1},
    )
    again = await erasure(fresh_database).erase(root)
    assert (again.complete, again.found.resumed, again.found.rows["otel_traces"]) == (True, True, 1)
