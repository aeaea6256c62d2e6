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
from assay.doctor_redaction import examine_redaction
from assay.settings import OFF, Settings
from evaluator.judges.port import JudgeRefused
from evaluator.online.maintenance import CURSOR as MAINTENANCE_CURSOR
from storage.clickhouse.client import Database
from storage.clickhouse.engine_config import EXPRESSION_USER, load_or_create_credentials
from storage.clickhouse.erase import ClickHouseErasure
from storage.clickhouse.external import ClickHouseWaitingResults
from storage.clickhouse.maintenance import ClickHouseMaintenance
from storage.clickhouse.queue import ClickHouseQueue
from storage.clickhouse.retention import days_said, oldest_arrivals, retention_in_force
from storage.clickhouse.schema import check_schema
from storage.clickhouse.telemetry import ClickHouseSink
from storage.errors import StorageError
from storage.maintenance import MaintenanceWork
from storage.retention import TABLES, parse_retention

State = Literal["ok", "warning", "failed"]
SERVICE = "assay-doctor"
ARRIVAL_SECONDS = 10.0
RECENT_SECONDS = 3600
MAX_PIECES = 5
"""Millions of rows that are looked through for copies: some 2 s of the server's CPU each."""
MAINTENANCE_LATE_SECONDS = 300


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
        await run("external results", lambda: refused_results(database))
        if settings.redaction != OFF:
            await run("redaction", lambda: _redaction(database, settings, found["otlp_http"]))
        await run("retention", lambda: _retention(database, settings))
        await run("erasures", lambda: _erasures(database))
        if settings.judge_endpoints:
            await run("judges", lambda: judge_keys(settings))
        await run("sql metrics", lambda: _sql_metrics(settings, found))
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


async def refused_results(database: Database) -> Check | str:
    """What others sent in the last day and nothing was made of."""
    refused = await ClickHouseWaitingResults(database).refusals(hours=24)
    if not refused:
        return "none refused in the last day"
    reasons = "; ".join(f"{count} × {reason}" for reason, count in refused.items())
    return Check(
        name="external results",
        state="warning",
        found=f"{sum(refused.values())} refused in the last day: {reasons}",
        next_step="SELECT * FROM external_refused ORDER BY ArrivedAt DESC names them (docs/external-results.md)",
    )


async def _duplicates(database: Database) -> Check | str:
    """What maintenance has left of the last hour, or of as much of it as is looked through in a few seconds."""
    maintenance, queue = ClickHouseMaintenance(database), ClickHouseQueue(database)
    until_ms = await queue.safe_until_ms()
    looked_ms = await queue.cursor_ms(MAINTENANCE_CURSOR)
    total = await maintenance.total()
    seconds = RECENT_SECONDS
    copies, differing = MaintenanceWork(), 0
    while window := await maintenance.next_window(
        since_ms=until_ms - seconds * 1000, until_ms=until_ms, seconds=seconds
    ):
        if window.pieces <= MAX_PIECES or seconds < 60:
            copies = await maintenance.copies(window)
            differing = await maintenance.differing(window)
            break
        seconds //= 2
    own, foreign, logs = copies.spans_removed, copies.foreign_spans_removed, copies.logs_removed
    found = (
        f"in the last {seconds // 60} min {own + foreign} spans stored twice ({own} by our receiver, {foreign} by "
        f"other writers), {logs} log records, {differing} traces with a wrong rollup; so far {total.spans_removed} + "
        f"{total.foreign_spans_removed} copies and {total.logs_removed} log records removed, "
        f"{total.rollups_repaired} rollups repaired"
    )
    late_seconds = None if looked_ms is None else (until_ms - looked_ms) // 1000
    if late_seconds is None or late_seconds > MAINTENANCE_LATE_SECONDS:
        behind = "has never run" if late_seconds is None else f"is {late_seconds} s behind"
        step = "is the evaluator running? see its log for `maintenance_postponed`"
        return Check(name="duplicates", state="warning", found=f"maintenance {behind}; {found}", next_step=step)
    if own or foreign or logs or differing:
        step = "a client or another writer retried; maintenance repairs it within a minute or two: ask again"
        return Check(name="duplicates", state="warning", found=found, next_step=step)
    return f"{found}; maintenance is {late_seconds} s behind"


async def _redaction(database: Database, settings: Settings, otlp_http: str) -> Check | str:
    finding = await examine_redaction(database, settings.redaction, otlp_http=otlp_http, service=SERVICE)
    if finding.failed:
        raise Unwell(finding.found, finding.next_step)
    if finding.next_step:
        return Check(name="redaction", state="warning", found=finding.found, next_step=finding.next_step)
    return finding.found


async def _retention(database: Database, settings: Settings) -> Check | str:
    """What is kept how long, and how old it is; a table that does not keep what the setting says is a warning."""
    asked, oldest = parse_retention(settings.retention_days), await oldest_arrivals(database)
    said, differing = [], []
    for table, now in zip(TABLES, await retention_in_force(database), strict=True):
        days = table.days(asked)
        if days is not None and (now.foreign_ttl or days != now.days):
            differing.append(table.name)
        if table.name != table.follows and table.name not in differing:
            continue
        kept = f"by a TTL of its own ({now.foreign_ttl})" if now.foreign_ttl else days_said(now.days)
        age = f", oldest {oldest[table.name]:%Y-%m-%d}" if table.name in oldest else ""
        said.append(f"{table.name} {kept}{age}")
    found = "; ".join(said)
    if differing:
        step = "`assay migrate` with this ASSAY_RETENTION_DAYS, or the same setting for every process"
        return Check(name="retention", state="warning", found=found, next_step=f"{', '.join(differing)}: {step}")
    return found


async def judge_keys(settings: Settings) -> Check | str:
    """Whether every key that a named endpoint refers to can be read here; no judge is asked."""
    missing = []
    for endpoint in settings.judge_endpoints:
        try:
            endpoint.read_key()
        except JudgeRefused as error:
            missing.append(str(error))
    if missing:
        step = "set it where the evaluator runs; if it is set there and not here, all is well"
        return Check(name="judges", state="warning", found="; ".join(missing), next_step=step)
    return f"{', '.join(endpoint.name for endpoint in settings.judge_endpoints)}: keys can be read"


async def _sql_metrics(settings: Settings, found: dict[str, Any]) -> Check | str:
    """The user that computes them must see the view `spans`, and nothing else."""
    url = settings.expressions_url
    if not url and found["analyst_url"]:  # the embedded server has the user
        if not (settings.data_dir / "credentials.json").exists():
            said = f"{settings.data_dir} is not the data directory of this installation: its user was not tried"
            step = "name it by --data-dir"
            return Check(name="sql metrics", state="warning", found=said, next_step=step)
        password = load_or_create_credentials(settings.data_dir).expressions
        url = f"http://{EXPRESSION_USER}:{password}@{found['clickhouse_http']}"
    step = "make the user as docs/sql-metrics.md says, and set ASSAY_EXPRESSIONS_URL"
    if not url:
        said = "no user is set that computes them: they fail"
        return Check(name="sql metrics", state="warning", found=said, next_step=step)
    async with Database(url, database=found["database"]) as database:
        rows = await database.query(
            "SELECT name FROM system.tables WHERE database = {database:String} AND name != 'spans' ORDER BY 1 LIMIT 4",
            {"database": database.name},
        )
        if rows:
            seen = ", ".join(row["name"] for row in rows)
            raise Unwell(f"the user that computes them sees {seen}, not the view spans only", step)
        await database.query("SELECT count() FROM spans WHERE TraceId = ''")
    return "their user sees the view spans, and nothing else"


async def _erasures(database: Database) -> Check | str:
    erasure = ClickHouseErasure(database, key=b"", embedded=False)
    if unfinished := await erasure.unfinished():
        step = "unless they run now: run the same `assay erase` again; it goes on where it was"
        found = f"{unfinished} erasures have begun and not ended"
        return Check(name="erasures", state="warning", found=found, next_step=step)
    if late := await erasure.late():
        found = ", ".join(f"{what} of {traces} traces" for what, traces in late.items())
        step = "a sender sent them again, or a score came late: `assay erase trace ID` for each"
        return Check(name="erasures", state="warning", found=f"arrived after their erasure: {found}", next_step=step)
    return "nothing arrived after its erasure"
