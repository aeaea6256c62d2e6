"""Puts the operator's days onto the tables as TTLs, and says what is in force.

A TTL is changed only where it differs.  A change recalculates the ends of the parts' lives (`ttl.txt`) and rewrites no
data; parts whose end has passed are dropped within seconds, later ones by ClickHouse's own merges.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from storage.clickhouse.client import Database, code_of
from storage.errors import SchemaError, Unavailable
from storage.retention import TABLES, RetainedTable

_NOT_ALLOWED = frozenset({164, 497})
"""Read-only, no rights (ClickHouse error codes)."""
_TTL = re.compile(r" TTL (?P<ttl>.+?)(?: SETTINGS |$)")
_OURS = re.compile(r"toDateTime\((?P<arrival>\w+)\) \+ toIntervalDay\((?P<days>\d+)\)")
_ENGINES = (
    "SELECT name, engine_full FROM system.tables WHERE database = currentDatabase() AND name IN {names:Array(String)}"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retained:
    """One table's retention in force.  `days` 0 = for ever; `foreign_ttl` is one that somebody else has set."""

    table: str
    days: int
    foreign_ttl: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionChange:
    """A TTL that was changed; 0 days = for ever."""

    table: str
    from_days: int
    to_days: int


async def retention_in_force(database: Database) -> list[Retained]:
    """What the tables say, in the order of `storage.retention.TABLES`."""
    rows = await database.query(_ENGINES, {"names": [table.name for table in TABLES]})
    engines = {row["name"]: row["engine_full"] for row in rows}
    return [_retained(table, engines[table.name]) for table in TABLES if table.name in engines]


async def apply_retention(database: Database, asked: Mapping[str, int]) -> list[RetentionChange]:
    """Bring tables to what was asked; what nobody asked about stays as it is.  Returns what was changed.

    Two processes that ask for different days: the one that comes last wins, as with every setting.

    Args:
        asked: Days by table, as `storage.retention.parse_retention` answers.

    Raises:
        SchemaError: A table has a TTL that is not ours, or this user may not alter it; says what to do.
    """
    if not asked:
        return []
    changes: list[RetentionChange] = []
    in_force = {each.table: each for each in await retention_in_force(database)}
    for table in TABLES:
        now, days = in_force[table.name], table.days(asked)
        if days is None or (days == now.days and not now.foreign_ttl):
            continue
        if now.foreign_ttl:
            raise SchemaError(
                f"table {table.name} has a TTL that Assay has not set ({now.foreign_ttl}), and ASSAY_RETENTION_DAYS "
                f"asks for {days_said(days)}: remove it (ALTER TABLE {table.name} REMOVE TTL), or leave "
                f"{table.follows} out of the setting"
            )
        try:
            await _set(database, table, days)
        except Unavailable as error:
            if code_of(error) not in _NOT_ALLOWED:
                raise
            raise SchemaError(
                f"ASSAY_RETENTION_DAYS asks to keep {table.name} {days_said(days)}, and this user may not change "
                f"its TTL: GRANT ALTER TABLE ON {database.name}.* to it, or leave the setting empty and set the TTL "
                "yourself"
            ) from error
        changes.append(RetentionChange(table=table.name, from_days=now.days, to_days=days))
    return changes


async def oldest_arrivals(database: Database) -> dict[str, datetime]:
    """Arrival of the oldest row of each table that has rows."""
    found: dict[str, datetime] = {}
    for table in TABLES:
        rows = await database.query(
            f"SELECT count() AS n, toUnixTimestamp(toDateTime(min({table.arrival}))) AS oldest FROM {table.name}"
        )
        if rows[0]["n"]:
            found[table.name] = datetime.fromtimestamp(rows[0]["oldest"], UTC)
    return found


def _retained(table: RetainedTable, engine: str) -> Retained:
    found = _TTL.search(engine)
    if found is None:
        return Retained(table=table.name, days=0)
    ours = _OURS.fullmatch(found["ttl"])
    if ours is None or ours["arrival"] != table.arrival:
        return Retained(table=table.name, days=0, foreign_ttl=found["ttl"])
    return Retained(table=table.name, days=int(ours["days"]))


async def _set(database: Database, table: RetainedTable, days: int) -> None:
    if days == 0:
        await database.execute(f"ALTER TABLE {table.name} REMOVE TTL")
        return
    settings = "materialize_ttl_recalculate_only = 1" + (", ttl_only_drop_parts = 1" if table.whole_parts else "")
    await database.execute(f"ALTER TABLE {table.name} MODIFY SETTING {settings}")
    await database.execute(
        f"ALTER TABLE {table.name} MODIFY TTL toDateTime({table.arrival}) + toIntervalDay({days})",
        settings={"materialize_ttl_after_modify": 1, "mutations_sync": 0},
    )


def days_said(days: int) -> str:
    """In words."""
    return f"{days} days" if days else "for ever"
