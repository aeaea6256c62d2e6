"""The commented pipeline: application → Collector → clickhouseexporter → the same tables."""

from __future__ import annotations

import asyncio
from pathlib import Path

import every_kind
import pytest
import sdk_app
import stored
from collector_process import Signal, collecting, with_both_ways, with_the_other_way, writing_to
from running_exporter import exporting

from storage.clickhouse.client import Database
from storage.otlp.reference import span_rows

pytestmark = pytest.mark.collector
CAPTURES = Path(__file__).parents[2] / "examples" / "captures"


async def test_rows_of_the_collectors_own_exporter_are_as_good_as_ours(
    collector: Path, tmp_path: Path, database: Database, database_url: str
) -> None:
    """Arrival time, derived columns, views and rollups are there; only the request's digest is not."""
    with collecting(collector, with_the_other_way(), tmp_path, **writing_to(database_url)) as running:
        trace_id = await asyncio.to_thread(sdk_app.answer_once, running.otlp_grpc, service="foreign")
        await asyncio.to_thread(running.drain)
    assert await stored.derived_spans(database, trace_id) == sdk_app.spans_in_sql("foreign")
    assert await stored.trace(database, trace_id) == sdk_app.trace_in_sql("foreign")
    assert await stored.events(database, trace_id) == sdk_app.event_in_sql("foreign")
    for table, rows in (("otel_traces", 2), ("otel_logs", 1)):
        mine = f"{stored.FOREIGN} AND RequestRows = 0 AND TraceId = '{trace_id}'"
        assert await stored.count(database, table, mine) == rows


async def test_a_batch_that_the_collectors_own_exporter_repeats_is_stored_once(
    collector: Path, tmp_path: Path, fresh_database: Database, fresh_database_url: str
) -> None:
    """An equal block within the table's deduplication window is ClickHouse's to recognise, rollups included."""
    for _ in range(2):
        with collecting(collector, with_the_other_way(), tmp_path, **writing_to(fresh_database_url)) as running:
            await asyncio.to_thread(running.export, "trace", every_kind.spans())
            await asyncio.to_thread(running.drain)
    sent = span_rows(every_kind.spans())[0]
    assert await stored.count(fresh_database, "otel_traces") == len(sent)
    rolled_up = await fresh_database.query("SELECT sum(Spans) AS spans FROM traces")
    assert rolled_up == [{"spans": sum(row.trace_id != b"" for row in sent)}]


async def test_both_ways_write_equal_values_in_every_column_of_the_exporters_schema(
    collector: Path, tmp_path: Path, fresh_database: Database, fresh_database_url: str, own_schema: Database
) -> None:
    """Our translator is the Collector's: each request through both at once, compared row by row."""
    captures = sorted(CAPTURES.rglob("*.pb"))
    assert captures
    access = writing_to(fresh_database_url)
    async with exporting(fresh_database) as exporter:
        access["ASSAY_OTLP_GRPC"] = f"127.0.0.1:{exporter.grpc_port}"
        with collecting(collector, with_both_ways(), tmp_path, **access) as running:
            await asyncio.to_thread(running.export, "trace", every_kind.spans())
            await asyncio.to_thread(running.export, "logs", every_kind.logs())
            for capture in captures:
                signal: Signal = "logs" if capture.name.endswith(".logs.pb") else "trace"
                await asyncio.to_thread(running.export, signal, capture.read_bytes())
            await asyncio.to_thread(running.drain)
    for table in ("otel_traces", "otel_logs"):
        columns = await stored.written_columns(own_schema, table)
        ours = await stored.comparable(fresh_database, table, columns, f"NOT ({stored.FOREIGN})")
        theirs = await stored.comparable(fresh_database, table, columns, stored.FOREIGN)
        assert ours
        assert ours == theirs


async def test_our_tables_have_every_column_of_the_exporters_own_tables(
    database: Database, own_schema: Database
) -> None:
    """Same names, same types: SQL and dashboards that were written for the exporter's tables work on ours."""
    for table in ("otel_traces", "otel_logs"):
        theirs = await stored.written_columns(own_schema, table)
        ours = await stored.written_columns(database, table)
        assert {name: ours.get(name) for name in theirs} == theirs
