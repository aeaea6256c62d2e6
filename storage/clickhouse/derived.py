"""The migration that follows from the table of dialects: columns that ClickHouse computes from raw attributes.

    python -m storage.clickhouse.derived            prints it
    python -m storage.clickhouse.derived --write    writes it to storage/clickhouse/migrations

A change of the table that changes an expression needs a new file; a test says so.  Until that file is released it is
written over.  Rows that are stored already keep what was computed when they came.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Final

from storage.clickhouse.migrate import shipped
from storage.dialects.sql import DerivedColumn, derived_columns

RELEASED: Final = 71
"""Newest migration of the last release: files up to it are never edited."""
NAME: Final = "derived_columns"
_HEADER = """\
-- Generated from the table of dialects (storage/dialects) by `python -m storage.clickhouse.derived --write`.
-- Computed by ClickHouse, so that rows have these columns whoever wrote them; new rows only.
"""


def statement() -> str:
    """The ALTER of `otel_traces`, as the text of a migration file; it may be repeated, on a table of any age."""
    changes = [change for column in derived_columns() for change in _changes(column)]
    return f"{_HEADER}ALTER TABLE otel_traces\n" + ",\n".join(f"    {change}" for change in changes) + "\n"


def _changes(column: DerivedColumn) -> Iterator[str]:
    yield f"ADD COLUMN IF NOT EXISTS {column.name} {column.type}"
    yield f"MODIFY COLUMN {column.name} {column.default} {column.sql}"


def newest_file() -> Path:
    """Where it belongs: the newest file of this name while it is not released, else a new one."""
    folder = Path(str(resources.files("storage.clickhouse.migrations")))
    numbers = [each.number for each in shipped() if each.name == NAME and each.number > RELEASED]
    number = numbers[-1] if numbers else shipped()[-1].number + 1
    return folder / f"{number:04d}_{NAME}.sql"


if __name__ == "__main__":
    if "--write" in sys.argv[1:]:
        newest_file().write_text(statement(), encoding="utf-8")
    else:
        print(statement(), end="")
