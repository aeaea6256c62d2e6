"""Commands that read what is stored: sql, show."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli.connection import endpoints
from assay.cli.console import CommandFailed, Json
from assay.cli.main import ClickHouseUrl, DataDir, app, settings

if TYPE_CHECKING:
    from storage.clickhouse.client import Database

READ = "Read"
show = typer.Typer(no_args_is_help=True, help="Show a normalised target: what a judge would see.")
app.add_typer(show, name="show", rich_help_panel=READ)


@app.command(rich_help_panel=READ)
def sql(
    statement: Annotated[str, typer.Argument(help='One SQL statement; "-" reads it from standard input.')],
    data_dir: DataDir = None,
    clickhouse_url: ClickHouseUrl = None,
    as_json: Json = False,
    output_format: Annotated[str, typer.Option("--format", help="Any ClickHouse output format, CSV for example.")] = "",
) -> None:
    """Query with the rights of the read-only analyst (of your own user, where ClickHouse is yours)."""
    from storage.clickhouse.client import Database
    from storage.errors import QueryRefused

    chosen = settings(data_dir=data_dir, clickhouse_url=clickhouse_url)
    found = endpoints(chosen)
    text = sys.stdin.read() if statement == "-" else statement
    wanted = output_format or ("JSONEachRow" if as_json else "PrettyCompactMonoBlock")

    async def work() -> bytes:
        async with Database(found["analyst_url"] or found["clickhouse_url"], database=found["database"]) as database:
            try:
                return await database.text(text.strip().rstrip(";"), output_format=wanted)
            except QueryRefused as error:
                raise CommandFailed(str(error), '`assay sql "SHOW TABLES"` and `assay sql "DESCRIBE spans"`') from error

    answer = asyncio.run(work())
    if wanted == "JSONEachRow" and as_json:
        rows = [json.loads(line) for line in answer.decode().splitlines()]
        print(json.dumps(rows, indent=2, ensure_ascii=False))
    else:
        sys.stdout.buffer.write(answer)


def _show(level: str, ids: list[str], as_json: bool, chosen_flags: dict[str, Any]) -> None:
    from evaluator.targets.normalise import normalise_trace
    from storage.clickhouse.client import Database
    from storage.clickhouse.telemetry import ClickHouseTelemetry
    from storage.model import Level, TargetRef

    found = endpoints(settings(**chosen_flags))

    async def work() -> list[dict[str, Any]]:
        async with Database(found["clickhouse_url"], database=found["database"]) as database:
            telemetry = ClickHouseTelemetry(database)
            records = []
            for each in ids:
                trace_id, _, span_id = each.partition(":")
                if level == "span" and not span_id:
                    trace_id, span_id = await telemetry.trace_of_span(each), each
                ref = TargetRef(level=Level(level), trace_id=trace_id, span_id=span_id if level == "span" else "")
                located = (await telemetry.locate([ref])).get(ref)
                if located is None:
                    raise CommandFailed(f"{level} {each} is not stored", "it may not have arrived yet: `assay doctor`")
                window = {"first_ns": located.first_ns, "last_ns": located.last_ns}
                trace = normalise_trace(
                    await telemetry.spans([trace_id], **window), await telemetry.logs([trace_id], **window)
                )
                if level == "trace":
                    records.append(trace.to_dict())
                else:
                    records.append(next(span for span in trace.spans if span.span_id == span_id).to_dict())
            return records

    try:
        shown = asyncio.run(work())
    except ValueError as error:
        raise CommandFailed(str(error), "copy the id from `assay sql`", exit_code=2) from error
    for record in shown:
        print(json.dumps(record, ensure_ascii=False, indent=None if as_json else 2, default=str))


MAX_TRACES = 1000
"""Of a session, unless more are asked for: one record is one JSON value in memory."""
MAX_SPANS, PAGE_SPANS = 100_000, 5_000
"""Of a record, and of what is read at once."""


def _show_sessions(ids: list[str], limit: int, as_json: bool, chosen_flags: dict[str, Any]) -> None:
    from storage.clickhouse.client import Database

    found = endpoints(settings(**chosen_flags))

    async def work() -> list[dict[str, Any]]:
        async with Database(found["clickhouse_url"], database=found["database"]) as database:
            return [await _session(database, each, limit) for each in ids]

    for record in asyncio.run(work()):
        print(json.dumps(record, ensure_ascii=False, indent=None if as_json else 2, default=str))


async def _session(database: Database, session_id: str, limit: int) -> dict[str, Any]:
    """One record, of at most so many traces; says so where there are more."""
    from evaluator.targets.normalise import normalise_session, normalise_trace
    from storage.clickhouse.sessions import pages, traces_of_session
    from storage.clickhouse.telemetry import ClickHouseTelemetry
    from storage.model import StoredLog, StoredSpan

    telemetry = ClickHouseTelemetry(database)
    session = await traces_of_session(database, session_id, limit=limit)
    if not session.count:
        raise CommandFailed(f"session {session_id} is not stored", "it may not have arrived yet: `assay doctor`")
    traces, shown = [], 0
    for part in pages(session.traces, page_spans=PAGE_SPANS, max_spans=MAX_SPANS):
        shown += len(part)
        window = {"first_ns": min(each.first_ns for each in part), "last_ns": max(each.last_ns for each in part)}
        wanted = [each.trace_id for each in part]
        spans: dict[str, list[StoredSpan]] = {}
        logs: dict[str, list[StoredLog]] = {}
        for span in await telemetry.spans(wanted, **window):
            spans.setdefault(span.trace_id, []).append(span)
        for log in await telemetry.logs(wanted, **window):
            logs.setdefault(log.trace_id, []).append(log)
        traces += [normalise_trace(spans[id], logs.get(id, ())) for id in wanted if id in spans]
    record: dict[str, Any] = normalise_session(session_id, traces).to_dict()
    if session.count > shown:
        record["notes"] = [f"the first {shown} of {session.count} traces, by arrival: --limit, {MAX_SPANS} spans"]
    return record


Ids = Annotated[list[str], typer.Argument(help="Ids; several are allowed.")]


@show.command("span")
def show_span(ids: Ids, data_dir: DataDir = None, clickhouse_url: ClickHouseUrl = None, as_json: Json = False) -> None:
    """Spans by TRACE:SPAN or SPAN id; with --json one object a line."""
    _show("span", ids, as_json, {"data_dir": data_dir, "clickhouse_url": clickhouse_url})


@show.command("trace")
def show_trace(ids: Ids, data_dir: DataDir = None, clickhouse_url: ClickHouseUrl = None, as_json: Json = False) -> None:
    """Traces by id; with --json one object a line."""
    _show("trace", ids, as_json, {"data_dir": data_dir, "clickhouse_url": clickhouse_url})


@show.command("session")
def show_session(
    ids: Ids,
    limit: Annotated[int, typer.Option(min=1, help="At most so many traces, by arrival.")] = MAX_TRACES,
    data_dir: DataDir = None,
    clickhouse_url: ClickHouseUrl = None,
    as_json: Json = False,
) -> None:
    """Sessions by id: their traces in order of their start; with --json one object a line."""
    _show_sessions(ids, limit, as_json, {"data_dir": data_dir, "clickhouse_url": clickhouse_url})
