"""`assay doctor`: is this installation well?  One synthetic trace goes the whole way."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpanExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult

from assay.client import AsyncClient, CallFailed
from assay.settings import Settings
from storage.clickhouse.client import Database
from storage.clickhouse.schema import check_schema
from storage.clickhouse.telemetry import ClickHouseSink
from storage.errors import StorageError

State = Literal["ok", "warning", "failed"]
SERVICE = "assay-doctor"
ARRIVAL_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One finding.  `next_step` says what to do where the state is not ok."""

    name: str
    state: State
    found: str
    next_step: str = ""


class Unwell(Exception):
    """A check failed: what was found, and what to do."""

    def __init__(self, found: str, next_step: str) -> None:
        super().__init__(found)
        self.next_step = next_step


async def examine(settings: Settings, found: dict[str, Any]) -> list[Check]:
    """Run all checks; one that fails does not keep the others from running."""
    checks: list[Check] = []

    async def run(name: str, check: Callable[[], Awaitable[Check | str]]) -> None:
        try:
            answer = await check()
        except Unwell as error:
            answer = Check(name=name, state="failed", found=str(error), next_step=error.next_step)
        except (StorageError, CallFailed) as error:
            answer = Check(name=name, state="failed", found=str(error), next_step="see the log of `assay up`")
        checks.append(answer if isinstance(answer, Check) else Check(name=name, state="ok", found=answer))

    database = Database(found["clickhouse_url"], database=found["database"])
    try:
        await run("ClickHouse", lambda: _clickhouse(database))
        if checks[-1].state == "failed":
            return checks
        await run("clock", lambda: _clock(database))
        await run("schema", lambda: _schema(database))
        await run("disk", lambda: _disk(database, settings))
        for name, exporter in _exporters(found):
            await run(name, partial(_span_arrives, database, exporter))
        await run("evaluator", lambda: _evaluator(found["grpc"]))
        await run("duplicates", lambda: _duplicates(database))
    finally:
        await database.close()
    return checks


def _exporters(found: dict[str, Any]) -> list[tuple[str, SpanExporter]]:
    return [
        ("OTLP/gRPC to row", GrpcSpanExporter(endpoint=f"http://{found['otlp_grpc']}", insecure=True, timeout=5)),
        ("OTLP/HTTP to row", HttpSpanExporter(endpoint=f"http://{found['otlp_http']}/v1/traces", timeout=5)),
    ]


async def _clickhouse(database: Database) -> str:
    await database.connect()
    rows = await database.query("SELECT version() AS version, uptime() AS seconds")
    return f"version {rows[0]['version']}, up for {rows[0]['seconds']} s"


async def _clock(database: Database) -> Check | str:
    row = (
        await database.query(
            "SELECT serverTimezone() AS server, timezone() AS session, toUnixTimestamp64Milli(now64(3)) AS now_ms"
        )
    )[0]
    if row["session"] != "UTC":
        raise Unwell(f"sessions run in {row['session']}", "run the server with TZ=UTC")
    apart = abs(row["now_ms"] / 1000 - time.time())
    if apart > 2.0:
        step = "keep the clocks of both machines in step (NTP)"
        return Check(
            name="clock", state="warning", found=f"server and this machine are {apart:.1f} s apart", next_step=step
        )
    return f"UTC, {apart * 1000:.0f} ms apart"


async def _schema(database: Database) -> str:
    await check_schema(database)
    rows = await database.query("SELECT count() AS n FROM schema_migrations FINAL")
    return f"{rows[0]['n']} migrations, columns as expected"


async def _disk(database: Database, settings: Settings) -> Check | str:
    free_mb = await ClickHouseSink(database).free_bytes() >> 20
    if free_mb < settings.min_free_disk_mb:
        raise Unwell(
            f"{free_mb} MB free, the limit is {settings.min_free_disk_mb} MB: telemetry is refused",
            "free some disk space",
        )
    if free_mb < 4 * settings.min_free_disk_mb:
        return Check(name="disk", state="warning", found=f"{free_mb} MB free", next_step="free some disk space soon")
    return f"{free_mb} MB free"


async def _span_arrives(database: Database, exporter: SpanExporter) -> str:
    """Send one span with the SDK and wait for its row; it is of kind `other`, so that no judge is paid for it."""
    sent: list[SpanExportResult] = []

    class Remembering(SimpleSpanProcessor):
        def on_end(self, span: Any) -> None:
            sent.append(self.span_exporter.export((span,)))

    def send() -> str:
        provider = TracerProvider(resource=Resource.create({"service.name": SERVICE}))
        provider.add_span_processor(Remembering(exporter))
        with provider.get_tracer(SERVICE).start_as_current_span("doctor") as span:
            span.set_attribute("assay.doctor", secrets.token_hex(4))
            trace_id = f"{span.get_span_context().trace_id:032x}"
        provider.shutdown()
        return trace_id

    started = time.monotonic()
    trace_id = await asyncio.to_thread(send)
    if sent != [SpanExportResult.SUCCESS]:
        raise Unwell("the receiver did not take a span", "is the exporter running? see the log of `assay up`")
    while time.monotonic() < started + ARRIVAL_SECONDS:
        rows = await database.query(
            "SELECT count() AS n FROM otel_traces WHERE ServiceName = {service:String} AND TraceId = {id:String}",
            {"service": SERVICE, "id": trace_id},
        )
        if rows[0]["n"]:
            return f"{(time.monotonic() - started) * 1000:.0f} ms"
        await asyncio.sleep(0.05)
    raise Unwell("a span was acknowledged, but its row is not there", "please report this: it must not happen")


async def _evaluator(address: str) -> Check | str:
    async with AsyncClient(address) as client:
        try:
            names = [record.definition.name async for record in client.list_metrics()]
            rules = [record.definition async for record in client.list_rules()]
        except CallFailed as error:
            raise Unwell(
                f"{address}: {error.message}", "is the evaluator running? see the log of `assay up`"
            ) from error
    enabled = sum(rule.enabled for rule in rules)
    return f"{len(names)} metrics, {len(rules)} rules ({enabled} enabled)"


async def _duplicates(database: Database) -> Check | str:
    rows = await database.rows("foreign_duplicates")
    extra = sum(row["extra"] for row in rows)
    if extra:
        step = "a client retried, or another writer did; reads show each span once, sums count it twice"
        return Check(
            name="duplicates", state="warning", found=f"{extra} spans stored twice in the last hour", next_step=step
        )
    return "no span stored twice in the last hour"
