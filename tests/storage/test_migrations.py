"""A database is brought to this program's schema, once, whoever starts and whatever is interrupted."""

from __future__ import annotations

import asyncio
import re
import sys
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

import storage.clickhouse.migrations
from storage.clickhouse.client import Database, code_of
from storage.clickhouse.migrate import Migration, check, migrate, pending, shipped
from storage.clickhouse.schema import check_schema
from storage.errors import Rejected, SchemaError, Unavailable

FILES = sorted(Path(storage.clickhouse.migrations.__path__[0]).glob("*.sql"))
ROOT = Path(__file__).parents[2]
MIGRATE = """
import asyncio, sys
from storage.clickhouse.client import Database
from storage.clickhouse.migrate import migrate
async def main():
    async with Database(sys.argv[1]) as database:
        print(len(await migrate(database)))
asyncio.run(main())
"""


@pytest.fixture
def new_url(clickhouse_url: str) -> str:
    """Address of a database that does not exist."""
    return urlunsplit(urlsplit(clickhouse_url)._replace(path=f"/assay_test_{uuid.uuid4().hex[:12]}"))


@pytest.fixture
async def nothing(new_url: str) -> AsyncIterator[Database]:
    """A connection to it."""
    async with Database(new_url) as database:
        yield database
        await database.execute(f"DROP DATABASE IF EXISTS `{database.name}` SYNC", in_database=False)


@pytest.fixture
async def scratch(nothing: Database) -> Database:
    """A migrated database that a test may spoil."""
    await migrate(nothing)
    return nothing


async def recorded(database: Database) -> list[tuple[int, str, str]]:
    """The record table."""
    rows = await database.query("SELECT Number, Name, Checksum FROM schema_migrations ORDER BY Number")
    return [(row["Number"], row["Name"], row["Checksum"]) for row in rows]


async def counts(database: Database) -> dict[str, int]:
    """How many rows the seeds made."""
    return {
        table: (await database.query(f"SELECT count() AS n FROM {table}"))[0]["n"]
        for table in ("shard_leases", "control_claims")
    }


async def test_all_files_are_applied_in_order_and_recorded(nothing: Database) -> None:
    """The first run applies everything, the second nothing; the record holds number, name and checksum."""
    assert await migrate(nothing) == shipped()
    assert await migrate(nothing) == []
    assert await recorded(nothing) == [(each.number, each.name, each.checksum) for each in shipped()]
    assert await counts(nothing) == {"shard_leases": 19, "control_claims": 64}
    await check_schema(nothing)


async def test_a_check_says_what_is_missing_and_changes_nothing(nothing: Database) -> None:
    """`assay migrate --check` on a database that does not exist lists everything, and it still does not exist."""
    assert await check(nothing) == shipped()
    with pytest.raises(Unavailable, match=f"Database {nothing.name} does not exist"):
        await nothing.query("SELECT 1")


async def test_a_check_of_a_half_migrated_database_lists_the_rest(scratch: Database) -> None:
    """What an older program left is what the newer one must still apply."""
    await scratch.execute("ALTER TABLE schema_migrations DELETE WHERE Number > 30 SETTINGS mutations_sync = 1")
    assert await check(scratch) == shipped()[30:]
    with pytest.raises(SchemaError, match=r"lacks \d+ migrations \(first: 0031_metrics\): run `assay migrate`"):
        await check_schema(scratch)
    assert await migrate(scratch) == shipped()[30:]
    assert await check(scratch) == []


async def test_an_edited_migration_is_refused(scratch: Database) -> None:
    """A checksum that differs means that the schema is not what the program thinks."""
    edited = [(2, "otel_logs", "f" * 32)]
    await scratch.insert_rows("schema_migrations", ("Number", "Name", "Checksum"), edited)
    with pytest.raises(SchemaError, match="migration 0002_otel_logs was edited after it was applied"):
        await migrate(scratch)


async def test_a_database_of_a_newer_program_is_refused(scratch: Database) -> None:
    """A downgrade would write rows that the newer schema does not expect."""
    newer = [(len(shipped()) + 1, "from_the_future", "0" * 32)]
    await scratch.insert_rows("schema_migrations", ("Number", "Name", "Checksum"), newer)
    with pytest.raises(SchemaError, match=r"from_the_future.*newer Assay.*Upgrade this program"):
        await migrate(scratch)


async def test_a_gap_in_the_record_is_refused(scratch: Database) -> None:
    """A record that lacks number 7 was tampered with; guessing could apply it to a schema that has moved on."""
    await scratch.execute("ALTER TABLE schema_migrations DELETE WHERE Number = 7 SETTINGS mutations_sync = 1")
    with pytest.raises(SchemaError, match=r"lacks a record of migrations \[7\]"):
        await migrate(scratch)


def test_migrations_that_the_program_lost_are_refused() -> None:
    """A shorter program on a longer record is a downgrade too."""
    first, second = shipped()[:2]
    known = {each.number: (each.name, each.checksum) for each in (first, second)}
    with pytest.raises(SchemaError, match="0002_otel_logs, which this program does not know"):
        pending([first], known)


async def test_two_processes_at_once_both_succeed_and_each_file_is_applied_once(
    nothing: Database, new_url: str
) -> None:
    """Two evaluators and a receiver may start on an empty server at the same moment."""
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", MIGRATE, new_url, cwd=ROOT, stdout=asyncio.subprocess.PIPE
        )
        for _ in range(2)
    ]
    said = [(await process.communicate())[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert sorted(int(out) for out in said) == [0, len(shipped())]
    assert await recorded(nothing) == [(each.number, each.name, each.checksum) for each in shipped()]
    assert await counts(nothing) == {"shard_leases": 19, "control_claims": 64}


async def test_a_crash_between_a_statement_and_its_record_is_repaired(scratch: Database) -> None:
    """Every statement may run again: the schema and the seeds are the same afterwards."""
    await scratch.execute("TRUNCATE TABLE schema_migrations")
    assert await migrate(scratch) == shipped()
    assert await counts(scratch) == {"shard_leases": 19, "control_claims": 64}
    assert await check(scratch) == []


async def test_the_lock_of_a_dead_process_is_taken_over(scratch: Database) -> None:
    """A lock older than a minute has no holder any more."""
    await scratch.execute("ALTER TABLE schema_migrations DELETE WHERE Number > 30 SETTINGS mutations_sync = 1")
    await scratch.execute("CREATE TABLE schema_migrations_lock (At DateTime) ENGINE = Memory")
    assert await migrate(scratch, lock_seconds=1) == shipped()[30:]
    rows = await scratch.query("EXISTS TABLE schema_migrations_lock")
    assert rows == [{"result": 0}]


async def test_a_living_lock_is_waited_for_and_then_reported(scratch: Database) -> None:
    """While somebody else migrates nothing is applied, and the wait ends with what to do."""
    await scratch.execute("ALTER TABLE schema_migrations DELETE WHERE Number > 30 SETTINGS mutations_sync = 1")
    await scratch.execute("CREATE TABLE schema_migrations_lock (At DateTime) ENGINE = Memory")
    with pytest.raises(SchemaError, match="drop the table schema_migrations_lock"):
        await migrate(scratch, lock_seconds=3600, patience_seconds=0.5)
    assert len(await recorded(scratch)) == 30
    await scratch.execute("DROP TABLE schema_migrations_lock")


def test_files_are_numbered_without_gaps() -> None:
    """Nothing in the folder escapes the order."""
    assert [path.name[:5] for path in FILES] == [f"{number:04d}_" for number in range(1, len(FILES) + 1)]
    assert [each.name for each in shipped()] == [path.stem[5:] for path in FILES]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_is_one_statement_that_may_be_repeated(path: Path) -> None:
    """One CREATE … IF NOT EXISTS, CREATE OR REPLACE VIEW, MODIFY, or INSERT that leaves out what is there."""
    code = re.sub(r"--[^\n]*", "", path.read_text()).strip()
    assert ";" not in re.sub(r"'(?:[^'\\]|\\.)*'", "", code)
    creates = re.match(r"CREATE (OR REPLACE VIEW|(?:TABLE|VIEW|MATERIALIZED VIEW) IF NOT EXISTS) (\w+)", code)
    seeds = re.match(r"INSERT INTO (\w+) SELECT", code)
    changes = re.match(
        r"ALTER TABLE \w+\s+(?:(?:MODIFY COLUMN|MODIFY TTL|ADD (?:COLUMN|INDEX) IF NOT EXISTS) |MODIFY QUERY\s+SELECT |"
        r"DROP CONSTRAINT IF EXISTS (\w+),\s+ADD CONSTRAINT IF NOT EXISTS \1 )",
        code,
    )
    assert creates or seeds or changes
    if creates:
        assert creates[2] in path.stem
    if seeds:
        assert re.search(rf"NOT IN \(SELECT [\w, ]+ FROM {seeds[1]}\)", code)


@pytest.mark.parametrize("each", shipped(), ids=lambda each: each.name)
def test_a_materialized_view_writes_with_the_rights_of_its_owner(each: Migration) -> None:
    """A Collector's user needs INSERT on two tables; without a definer its rows are stored and fail in the views."""
    code = re.sub(r"--[^\n]*", "", each.statement)
    assert ("MATERIALIZED VIEW" in code) == bool(
        re.search(r" TO \w+ DEFINER = CURRENT_USER SQL SECURITY DEFINER AS", code)
    )


async def test_a_writer_with_insert_on_the_two_tables_fills_the_rollups(scratch: Database, new_url: str) -> None:
    """With a user of its own, where the server lets one be made (the embedded one reads its users from a file)."""
    user = f"foreign_{uuid.uuid4().hex[:8]}"
    try:
        await scratch.execute(f"CREATE USER {user} IDENTIFIED BY 'Foreign-1234'")
    except Rejected as error:
        if code_of(error) != 514:
            raise
        pytest.skip("this server's users are a file")
    await scratch.execute(f"GRANT INSERT ON otel_traces TO {user}")
    own = urlsplit(new_url)
    url = urlunsplit(own._replace(netloc=f"{user}:Foreign-1234@{own.hostname}:{own.port}"))
    async with Database(url) as foreign:
        row = (1, "a" * 32, "b" * 16)
        await foreign.insert_rows("otel_traces", ("Timestamp", "TraceId", "SpanId"), [row])
    found = await scratch.query("SELECT TraceId, Spans FROM traces")
    await scratch.execute(f"DROP USER {user}")
    assert found == [{"TraceId": "a" * 32, "Spans": 1}]
