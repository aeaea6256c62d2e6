"""Makes a deletion physical: masks and patches are applied, and parts that were replaced are removed from disk."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping, Sequence, Set
from typing import Any

from storage.clickhouse.client import Database
from storage.errors import Rejected, StorageError, Unavailable

POLL_SECONDS = 0.2
STUCK_SECONDS = 60.0
"""A mutation that has failed for so long is taken back; ClickHouse would try it for ever, and hold up all others."""
SAID_SECONDS = 10.0
REMOVAL_SECONDS = 60.0
"""Beyond `old_parts_lifetime`, after which a server removes replaced parts by itself."""


class OldParts:
    """Mutations of tables, and what they leave behind on disk."""

    def __init__(self, database: Database, progress: Callable[[str], None]) -> None:
        self._database = database
        self._progress = progress

    async def mutate(self, table: str, command: str, *, mark: str) -> None:
        """Run `ALTER TABLE table command` and return when all parts are rewritten.  `mark` stands in the command.

        Raises:
            Unavailable: It cannot be done; the reason is ClickHouse's.
        """
        await self._database.execute(
            f"ALTER TABLE {table} {command}", settings={"mutations_sync": 0, "allow_nondeterministic_mutations": 1}
        )
        await self._mutated(table, mark)

    async def _mutated(self, table: str, mark: str) -> None:
        failing_since, said = 0.0, -1
        while True:
            row = (await self._database.rows("erase_mutations", {"table": table, "mark": mark}))[0]
            if not row["waiting"]:
                return
            if row["parts"] != said and said >= 0:
                self._progress(f"{table}: {row['parts']} parts to rewrite")
            said = row["parts"]
            now = time.monotonic()
            failing_since = (failing_since or now) if row["reason"] else 0.0
            if failing_since and now - failing_since > STUCK_SECONDS:
                await self._database.execute(
                    "KILL MUTATION WHERE database = currentDatabase() AND table = {table:String} "
                    "AND position(command, {mark:String}) > 0",
                    {"table": table, "mark": mark},
                )
                raise Unavailable(f"ClickHouse cannot rewrite {table}: {row['reason']}")
            await asyncio.sleep(POLL_SECONDS)

    async def unmask(self, tables: Collection[str]) -> None:
        """Rewrite parts with rows that a `DELETE FROM` has only marked: they are on disk, and no query sees them."""
        rows = await self._database.query(
            "SELECT DISTINCT table FROM system.parts WHERE database = currentDatabase() AND active "
            "AND has_lightweight_delete AND table IN {tables:Array(String)} ORDER BY table",
            {"tables": list(tables)},
        )
        for row in rows:
            await self.mutate(row["table"], "APPLY DELETED MASK", mark="APPLY DELETED MASK")

    async def remove(self, tables: Collection[str]) -> int:
        """Wait until no part is on disk that these tables have replaced by now; returns how many stayed.

        Patches of this moment are applied first: one that was made while rows were deleted holds values of such rows.
        Everything that is there afterwards was written after the call.
        """
        newest = _newest_patches(await self._old(tables))
        for table in sorted({table for table, _ in newest}):
            await self.mutate(table, "APPLY PATCHES", mark="APPLY PATCHES")
        parts = await self._old(tables)
        replaced = {(part["table"], part["name"]) for part in parts if not part["active"]}
        waiting = _remaining(parts, replaced, newest)
        limit = time.monotonic() + REMOVAL_SECONDS + (await self._lifetime_seconds(tables) if waiting else 0)
        said = time.monotonic()
        while waiting and time.monotonic() < limit:
            for table in sorted({table for table, _ in waiting}):
                await self._clean(table)
            waiting = _remaining(await self._old(tables), replaced, newest)
            if waiting and time.monotonic() - said > SAID_SECONDS:
                said = time.monotonic()
                self._progress(f"{len(waiting)} replaced parts are still on disk; the server removes them soon")
                if patched := {table for table, _ in waiting & _patches(await self._old(tables))}:
                    for table in sorted(patched):  # one that was merged with a newer one
                        await self.mutate(table, "APPLY PATCHES", mark="APPLY PATCHES")
            if waiting:
                await asyncio.sleep(POLL_SECONDS)
        return len(waiting)

    async def detached(self, tables: Collection[str]) -> int:
        """Parts that were set aside; ClickHouse does not read them."""
        rows = await self._database.query(
            "SELECT count() AS n FROM system.detached_parts WHERE database = currentDatabase() "
            "AND table IN {tables:Array(String)}",
            {"tables": list(tables)},
        )
        return int(rows[0]["n"])

    async def _old(self, tables: Collection[str]) -> list[dict[str, Any]]:
        return await self._database.rows("erase_old_parts", {"tables": list(tables)})

    async def _clean(self, table: str) -> None:
        """Wake the thread that removes old parts; an idle one sleeps for minutes."""
        try:
            await self._database.execute(f"SYSTEM START CLEANUP {table}")
        except (Rejected, Unavailable) as error:  # not allowed, or not known: then it is waited for
            self._progress(f"{table}: cannot ask the server to clean up at once ({_first_line(error)})")
            await asyncio.sleep(POLL_SECONDS)

    async def _lifetime_seconds(self, tables: Collection[str]) -> float:
        """The longest `old_parts_lifetime` of these tables."""
        rows = await self._database.query(
            "SELECT greatest((SELECT toUInt64(value) FROM system.merge_tree_settings "
            "WHERE name = 'old_parts_lifetime'), "
            "max(toUInt64OrZero(extract(engine_full, 'old_parts_lifetime = (\\\\d+)')))) AS seconds "
            "FROM system.tables WHERE database = currentDatabase() AND name IN {tables:Array(String)}",
            {"tables": list(tables)},
        )
        return float(rows[0]["seconds"])


def _newest_patches(parts: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], int]:
    """Newest block of the active patches, by table and partition."""
    newest: dict[tuple[str, str], int] = {}
    for part in parts:
        if part["patch"] and part["active"]:
            place = part["table"], part["partition_id"]
            newest[place] = max(newest.get(place, 0), part["last_block"])
    return newest


def _remaining(
    parts: Sequence[Mapping[str, Any]], replaced: Set[tuple[str, str]], newest: Mapping[tuple[str, str], int]
) -> set[tuple[str, str]]:
    """Table and name of those that were replaced at the time, and of patches with blocks of the time."""
    return {
        (part["table"], part["name"])
        for part in parts
        if (part["table"], part["name"]) in replaced
        or (part["patch"] and part["first_block"] <= newest.get((part["table"], part["partition_id"]), -1))
    }


def _patches(parts: Sequence[Mapping[str, Any]]) -> set[tuple[str, str]]:
    return {(part["table"], part["name"]) for part in parts if part["patch"] and part["active"]}


def _first_line(error: StorageError) -> str:
    return str(error).partition("\n")[0][:120]
