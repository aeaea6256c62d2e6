"""The migration that follows from the table of dialects: columns that ClickHouse computes from raw attributes.

    python -m storage.clickhouse.derived > storage/clickhouse/migrations/NNNN_derived_columns.sql

A change of the table that changes an expression needs a new file; a test says so.  Rows that are stored already keep
what was computed when they came.
"""

from __future__ import annotations

from storage.dialects.sql import column_expressions

_HEADER = """\
-- Generated from the table of dialects (storage/dialects) by `python -m storage.clickhouse.derived`.
-- Computed by ClickHouse, so that rows have these columns whoever wrote them; new rows only.
"""


def statement() -> str:
    """The ALTER of `otel_traces`, as the text of a migration file."""
    changes = [f"    MODIFY COLUMN {name} MATERIALIZED {sql}" for name, sql in column_expressions().items()]
    return f"{_HEADER}ALTER TABLE otel_traces\n" + ",\n".join(changes) + "\n"


if __name__ == "__main__":
    print(statement(), end="")
