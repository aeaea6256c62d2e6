"""Whether a database fits this program; asked once, when a process starts."""

from __future__ import annotations

from storage.clickhouse import migrate
from storage.clickhouse.client import Database
from storage.errors import SchemaError
from storage.otlp import columns
from storage.telemetry import TelemetryTable

TABLES: tuple[TelemetryTable, ...] = ("otel_traces", "otel_logs")


async def check_schema(database: Database) -> None:
    """Refuse to work on a database that lacks migrations or columns; one that its owner widened is fine.

    Raises:
        SchemaError: Says what is missing and what to do.
    """
    missing = await migrate.check(database)
    if missing:
        first = f"{missing[0].number:04d}_{missing[0].name}"
        raise SchemaError(
            f"database {database.name!r} lacks {len(missing)} migrations (first: {first}): run `assay migrate`"
        )
    for table in TABLES:
        described = await database.query(f"DESCRIBE TABLE {table}")
        columns.verify(table, {row["name"]: row["type"] for row in described})
