"""Brings a database to the schema of this program: numbered files, one statement each, recorded with their checksum.

A file is never edited after a release.  Every statement may be repeated without harm, so a crash between a statement
and its record is repaired by the next run.  Two processes that start at once take turns (`CREATE TABLE` is the lock).
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from dataclasses import dataclass
from importlib import resources

from storage.clickhouse.client import Database, code_of
from storage.errors import Rejected, SchemaError, Unavailable

LOCK_SECONDS = 60
_FILE = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")
_TABLE_EXISTS = 57
_NOTHING_THERE = frozenset({60, 81})  # unknown table, unknown database

_RECORD_TABLE = """
CREATE TABLE IF NOT EXISTS schema_migrations
(
    Number UInt32,
    Name String,
    Checksum String,
    AppliedAt DateTime64(3) DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(AppliedAt) ORDER BY Number
"""
_RECORDED = "SELECT Number, Name, Checksum FROM schema_migrations FINAL ORDER BY Number"
_LOCK = "CREATE TABLE schema_migrations_lock (At DateTime) ENGINE = Memory"
_STALE_LOCK = (
    "SELECT count() AS n FROM system.tables WHERE database = currentDatabase() AND name = 'schema_migrations_lock' "
    "AND metadata_modification_time < now() - toIntervalSecond({seconds:UInt32})"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One numbered statement."""

    number: int
    name: str
    statement: str

    @property
    def checksum(self) -> str:
        """32 hex digits over the statement's text."""
        return hashlib.blake2b(self.statement.encode(), digest_size=16).hexdigest()


def shipped() -> list[Migration]:
    """The migrations of this program, in order.

    Raises:
        SchemaError: The files are not numbered 1, 2, 3 … without gaps.
    """
    found: list[Migration] = []
    for entry in sorted(resources.files("storage.clickhouse.migrations").iterdir(), key=lambda item: item.name):
        match = _FILE.fullmatch(entry.name)
        if match:
            found.append(Migration(number=int(match[1]), name=match[2], statement=entry.read_text(encoding="utf-8")))
    if [migration.number for migration in found] != list(range(1, len(found) + 1)):
        raise SchemaError("migration files must be numbered 0001, 0002, … without gaps: the installation is damaged")
    return found


def pending(known: list[Migration], recorded: dict[int, tuple[str, str]]) -> list[Migration]:
    """What is still to be applied; `recorded` is number -> (name, checksum).

    Raises:
        SchemaError: A recorded migration was edited, is missing, or belongs to a newer program.
    """
    by_number = {migration.number: migration for migration in known}
    for number, (name, checksum) in sorted(recorded.items()):
        ours = by_number.get(number)
        if ours is None:
            raise SchemaError(
                f"the database has migration {number:04d}_{name}, which this program does not know: it was written "
                "by a newer Assay. Upgrade this program (downgrades are not possible)"
            )
        if ours.checksum != checksum:
            raise SchemaError(
                f"migration {number:04d}_{name} was edited after it was applied (recorded {checksum}, shipped "
                f"{ours.checksum}). Restore the file; a change of schema is a new file"
            )
    if recorded and sorted(recorded) != list(range(1, len(recorded) + 1)):
        missing = sorted(set(range(1, max(recorded) + 1)) - set(recorded))
        raise SchemaError(f"the database lacks a record of migrations {missing} although later ones were applied")
    return known[len(recorded) :]


async def check(database: Database) -> list[Migration]:
    """What `migrate` would apply; changes nothing.  Raises as `pending` does."""
    try:
        recorded = await _recorded(database)
    except Unavailable as error:
        if code_of(error) in _NOTHING_THERE:
            return shipped()
        raise
    return pending(shipped(), recorded)


async def migrate(
    database: Database, *, lock_seconds: int = LOCK_SECONDS, patience_seconds: float = LOCK_SECONDS
) -> list[Migration]:
    """Create the database and apply what is pending; returns what was applied.

    Args:
        lock_seconds: A lock of this age belongs to a process that died.
        patience_seconds: How long to wait for another process that migrates.

    Raises:
        SchemaError: As `pending` does, and when another process does not come to an end.
    """
    await database.execute(f"CREATE DATABASE IF NOT EXISTS `{database.name}`", in_database=False)
    await database.execute(_RECORD_TABLE)
    if not pending(shipped(), await _recorded(database)):
        return []
    await _take_lock(database, lock_seconds, patience_seconds)
    try:
        todo = pending(shipped(), await _recorded(database))
        for migration in todo:
            await database.execute(migration.statement)
            await database.insert_rows(
                "schema_migrations",
                ("Number", "Name", "Checksum"),
                [(migration.number, migration.name, migration.checksum)],
            )
        return todo
    finally:
        await database.execute("DROP TABLE IF EXISTS schema_migrations_lock")


async def _recorded(database: Database) -> dict[int, tuple[str, str]]:
    return {row["Number"]: (row["Name"], row["Checksum"]) for row in await database.query(_RECORDED)}


async def _take_lock(database: Database, lock_seconds: int, patience_seconds: float) -> None:
    limit = time.monotonic() + patience_seconds
    while time.monotonic() < limit:
        try:
            await database.execute(_LOCK)
        except Rejected as error:
            if code_of(error) != _TABLE_EXISTS:
                raise
        else:
            return
        if (await database.query(_STALE_LOCK, {"seconds": lock_seconds}))[0]["n"]:
            await database.execute("DROP TABLE IF EXISTS schema_migrations_lock")  # its holder died
            continue
        await asyncio.sleep(0.25)
    raise SchemaError(
        f"another process has been migrating this database for over {patience_seconds:.0f} s; if none is, drop the "
        "table schema_migrations_lock"
    )
