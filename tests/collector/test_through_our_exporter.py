"""The shipped pipeline: application → Collector → Assay's exporter → ClickHouse."""

from __future__ import annotations

import asyncio
from pathlib import Path

import grpc
import pytest
import sdk_app
import stored
import yaml
from collector_process import Collector, collecting, free_address, shipped
from running_exporter import exporting

from storage.clickhouse.client import Database
from storage.otlp.messages import TracesRequest

pytestmark = pytest.mark.collector


async def test_what_the_sdk_sends_to_the_collector_is_in_sql(
    collector: Path, tmp_path: Path, database: Database
) -> None:
    """The main path: nothing is configured but addresses."""
    async with exporting(database) as exporter:
        with collecting(collector, shipped(), tmp_path, ASSAY_OTLP_GRPC=f"127.0.0.1:{exporter.grpc_port}") as running:
            trace_id = await asyncio.to_thread(sdk_app.answer_once, running.otlp_grpc, service="waiter")
            await asyncio.to_thread(running.drain)
    assert await stored.derived_spans(database, trace_id) == sdk_app.spans_in_sql("waiter")
    assert await stored.trace(database, trace_id) == sdk_app.trace_in_sql("waiter")
    assert await stored.events(database, trace_id) == sdk_app.event_in_sql("waiter")
    assert await stored.count(database, "otel_traces", stored.FOREIGN) == 0


async def test_assays_own_telemetry_does_not_come_back_in(
    collector: Path, tmp_path: Path, fresh_database: Database
) -> None:
    """Spans and logs of service.namespace `assay` end at the filter; others in the same Collector pass."""
    async with exporting(fresh_database) as exporter:
        with collecting(collector, shipped(), tmp_path, ASSAY_OTLP_GRPC=f"127.0.0.1:{exporter.grpc_port}") as running:
            for service, namespace in (("evaluator", "assay"), ("waiter", "shop")):
                await asyncio.to_thread(sdk_app.answer_once, running.otlp_grpc, service=service, namespace=namespace)
            await asyncio.to_thread(running.drain)
    for table, rows in (("otel_traces", 2), ("otel_logs", 1)):
        found = await fresh_database.query(f"SELECT ServiceName, count() AS rows FROM {table} GROUP BY ServiceName")
        assert found == [{"ServiceName": "waiter", "rows": rows}]


async def test_the_collector_holds_what_comes_while_the_exporter_is_away(
    collector: Path, tmp_path: Path, fresh_database: Database
) -> None:
    """Queue and retry: the application is answered, and its spans arrive when the exporter is there."""
    address = free_address()
    with collecting(collector, shipped(), tmp_path, ASSAY_OTLP_GRPC=address) as running:
        trace_id = await asyncio.to_thread(sdk_app.answer_once, running.otlp_grpc, service="waiter")
        assert await stored.count(fresh_database, "otel_traces") == 0
        async with exporting(fresh_database, grpc=address):
            await stored.until_count(fresh_database, "otel_traces", 2)
            await stored.until_count(fresh_database, "otel_logs", 1)
    assert await stored.derived_spans(fresh_database, trace_id) == sdk_app.spans_in_sql("waiter")
    assert await stored.events(fresh_database, trace_id) == sdk_app.event_in_sql("waiter")


async def test_a_full_collector_refuses_and_delivers_what_it_took_once(
    collector: Path, tmp_path: Path, fresh_database: Database
) -> None:
    """The memory limit acts before the queue overflows: the sender is told, and nothing is dropped or doubled."""
    config = yaml.safe_load(shipped())
    config["processors"]["memory_limiter"] = {"check_interval": "50ms", "limit_mib": 120, "spike_limit_mib": 20}
    config["exporters"]["otlp_grpc/assay"]["sending_queue"]["queue_size"] = 100 << 20
    address = free_address()
    with collecting(collector, config, tmp_path, ASSAY_OTLP_GRPC=address) as running:
        taken, refusal = await asyncio.to_thread(_send_until_refused, running)
        async with exporting(fresh_database, grpc=address):
            await stored.until_count(fresh_database, "otel_traces", taken)
            await asyncio.to_thread(running.drain)
    assert taken > 20
    assert refusal is grpc.StatusCode.UNAVAILABLE  # OTLP senders try that again
    names = await fresh_database.query("SELECT groupArray(SpanName) AS names FROM otel_traces")
    assert sorted(names[0]["names"], key=int) == [str(number) for number in range(taken)]


async def test_a_prompt_of_ten_megabytes_passes(collector: Path, tmp_path: Path, fresh_database: Database) -> None:
    """The Collector's default limit (4 MiB) would refuse the batch, and the SDK would drop it."""
    async with exporting(fresh_database) as exporter:
        with collecting(collector, shipped(), tmp_path, ASSAY_OTLP_GRPC=f"127.0.0.1:{exporter.grpc_port}") as running:
            await asyncio.to_thread(running.export, "trace", _span("long", b"x" * 10_000_000))
            await asyncio.to_thread(running.drain)
    lengths = await fresh_database.query(
        "SELECT length(SpanAttributes['gen_ai.input.messages']) AS bytes FROM otel_traces"
    )
    assert lengths == [{"bytes": 10_000_000}]


async def test_the_collector_may_also_send_over_http_with_gzip(
    collector: Path, tmp_path: Path, database: Database
) -> None:
    """Behind a proxy that passes HTTP only, otlp_http (gzip by default) replaces otlp_grpc."""
    config = yaml.safe_load(shipped())
    async with exporting(database) as exporter:
        config["exporters"] = {"otlp_http/assay": {"endpoint": f"http://127.0.0.1:{exporter.http_port}"}}
        for pipeline in config["service"]["pipelines"].values():
            pipeline["exporters"] = ["otlp_http/assay"]
        with collecting(collector, config, tmp_path) as running:
            trace_id = await asyncio.to_thread(sdk_app.answer_once, running.otlp_grpc, service="waiter-http")
            await asyncio.to_thread(running.drain)
    assert await stored.derived_spans(database, trace_id) == sdk_app.spans_in_sql("waiter-http")
    assert await stored.events(database, trace_id) == sdk_app.event_in_sql("waiter-http")


def _send_until_refused(running: Collector) -> tuple[int, grpc.StatusCode]:
    """Send spans of a megabyte, named 0, 1, 2, …; returns how many were taken, and the status of the refusal."""
    taken = 0
    while True:
        try:
            running.export("trace", _span(str(taken), b"x" * 1_000_000))
        except grpc.RpcError as error:
            return taken, error.code()
        taken += 1


def _span(name: str, messages: bytes) -> bytes:
    request = TracesRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add(name=name.encode())
    span.attributes.add(key=b"gen_ai.input.messages").value.string_value = messages
    return bytes(request.SerializeToString())
