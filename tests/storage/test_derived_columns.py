"""Columns that ClickHouse derives, and the table of dialects that they come from."""

from __future__ import annotations

from pathlib import Path

import pytest

from evaluator.targets.normalise import normalise_span
from storage.clickhouse.client import Database
from storage.clickhouse.derived import statement
from storage.clickhouse.migrate import shipped
from storage.clickhouse.telemetry import ClickHouseSink
from storage.otlp.reference import translate_traces
from storage.otlp.stored import stored_spans

CAPTURES = sorted((Path(__file__).parents[2] / "examples" / "captures").rglob("*.pb"))
SPANS = [path for path in CAPTURES if not path.name.endswith(".logs.pb")]


def test_the_newest_migration_of_derived_columns_is_what_the_table_of_dialects_says_now() -> None:
    """Whoever changes a dialect so that a column changes writes a migration."""
    newest = [migration for migration in shipped() if migration.name.startswith("derived_columns")][-1]
    assert newest.statement == statement(), "run `python -m storage.clickhouse.derived` into a new migration file"


@pytest.mark.parametrize(
    "body", [path.read_bytes() for path in SPANS], ids=[f"{p.parent.name}-{p.stem}" for p in SPANS]
)
async def test_columns_of_real_captures_say_what_the_normalised_record_says(database: Database, body: bytes) -> None:
    """SQL and Python read the same kind and session of a span."""
    await ClickHouseSink(database).insert("otel_traces", translate_traces(body).block, token="")
    spans = stored_spans(body)
    rows = await database.query(
        "SELECT SpanId, ObservationKind, SessionId FROM otel_traces WHERE TraceId IN {ids:Array(String)}",
        {"ids": sorted({span.trace_id for span in spans})},
    )
    records = {span.span_id: normalise_span(span) for span in spans}
    found = {row["SpanId"]: (row["ObservationKind"], row["SessionId"]) for row in rows}
    assert found == {
        span_id: ("" if record.kind == "other" else record.kind, record.session_id or "")
        for span_id, record in records.items()
    }
