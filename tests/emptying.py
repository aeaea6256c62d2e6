"""A migrated database as good as new, in a tenth of the time that a new one takes."""

from __future__ import annotations

from storage.clickhouse.client import Database
from storage.clickhouse.migrate import shipped


async def emptied(database: Database) -> None:
    """Remove every row but the record of migrations, and seed again."""
    tables = await database.query(
        "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree' "
        "AND name != 'schema_migrations' AND total_rows > 0"
    )
    for table in tables:
        await database.execute(f"TRUNCATE TABLE {table['name']}")
    for migration in shipped():
        if "\nINSERT INTO" in f"\n{migration.statement}":
            await database.execute(migration.statement)
