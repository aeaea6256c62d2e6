"""Commands that run things: up, exporter, evaluator, migrate, demo, doctor."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import threading
from dataclasses import asdict, replace
from typing import Annotated

import typer

from assay.cli.console import FAILURE, CommandFailed, Json, Printer
from assay.cli.main import ClickHouseUrl, DataDir, Insecure, app, settings
from assay.settings import Settings

OtlpGrpc = Annotated[str | None, typer.Option("--otlp-grpc", help="OTLP/gRPC listens here (ASSAY_OTLP_GRPC).")]
OtlpHttp = Annotated[str | None, typer.Option("--otlp-http", help="OTLP/HTTP listens here (ASSAY_OTLP_HTTP).")]
Grpc = Annotated[str | None, typer.Option("--grpc", help="The evaluator listens here (ASSAY_GRPC).")]
Exporters = Annotated[
    int | None, typer.Option("--exporters", help="Receiver processes that share the ports (ASSAY_EXPORTERS).")
]
ClickHouseHttp = Annotated[
    str | None, typer.Option("--clickhouse-http", help="The embedded ClickHouse listens here (ASSAY_CLICKHOUSE_HTTP).")
]
JudgeModel = Annotated[str | None, typer.Option("--judge-model", help="litellm name of the judge (ASSAY_JUDGE_MODEL).")]

RUN = "Run"


@app.command(rich_help_panel=RUN)
def up(
    data_dir: DataDir = None,
    clickhouse_url: ClickHouseUrl = None,
    otlp_grpc: OtlpGrpc = None,
    otlp_http: OtlpHttp = None,
    exporters: Exporters = None,
    grpc: Grpc = None,
    clickhouse_http: ClickHouseHttp = None,
    judge_model: JudgeModel = None,
    insecure: Insecure = None,
    as_json: Json = False,
) -> None:
    """Run everything in one process tree: ClickHouse (unless you have one), the OTLP receiver, the evaluator."""
    from assay.roles.process import configure_logging
    from assay.up import ProcessTree

    chosen = settings(
        data_dir=data_dir, clickhouse_url=clickhouse_url, otlp_grpc=otlp_grpc, otlp_http=otlp_http,
        exporters=exporters, grpc=grpc, clickhouse_http=clickhouse_http, judge_model=judge_model, insecure=insecure,
    )  # fmt: skip
    configure_logging(chosen.log_level)
    stop = _stop_signals()
    with ProcessTree(chosen) as tree:
        print(json.dumps(tree.endpoints()) if as_json else _welcome(tree.endpoints(), chosen), flush=True)
        tree.supervise(stop.wait)


def _stop_signals() -> threading.Event:
    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(name, lambda *_: stop.set())
    return stop


def _welcome(endpoints: dict[str, object], chosen: Settings) -> str:
    from storage.clickhouse.client import redact

    judge = chosen.judge_model or "none yet: set ASSAY_JUDGE_MODEL=openai/gpt-4o-mini and OPENAI_API_KEY"
    return "\n".join(
        [
            "Assay is up.  Ctrl-C stops it.",
            f"  send OTLP to     http://{endpoints['otlp_http']} (HTTP), {endpoints['otlp_grpc']} (gRPC)",
            f"  ask for scores   {endpoints['grpc']} (gRPC, reflection is on), or `assay score`",
            '  query            assay sql "SELECT * FROM spans LIMIT 5", or any ClickHouse client:',
            f"                   {redact(str(endpoints['analyst_url'] or endpoints['clickhouse_url']))}",
            f"                   (with user and password: {chosen.data_dir}/endpoints.json)",
            f"  judge            {judge}",
            f"  data             {chosen.data_dir.resolve()}",
        ]
    )


def _connected(chosen: Settings) -> Settings:
    """Settings whose ClickHouse is the one of `assay up`, unless one is configured."""
    from assay.cli.connection import endpoints

    if chosen.clickhouse_url:
        return chosen
    return replace(chosen, clickhouse_url=str(endpoints(chosen)["clickhouse_url"]))


@app.command(rich_help_panel=RUN)
def exporter(
    data_dir: DataDir = None,
    clickhouse_url: ClickHouseUrl = None,
    otlp_grpc: OtlpGrpc = None,
    otlp_http: OtlpHttp = None,
    exporters: Exporters = None,
    insecure: Insecure = None,
) -> None:
    """Run only the OTLP receiver, beside a ClickHouse that runs already.  Prints one JSON line when it is ready."""
    from assay.roles.process import configure_logging

    chosen = settings(
        data_dir=data_dir, clickhouse_url=clickhouse_url, otlp_grpc=otlp_grpc, otlp_http=otlp_http,
        exporters=exporters, insecure=insecure,
    )  # fmt: skip
    configure_logging(chosen.log_level)
    chosen = _connected(chosen)
    if chosen.exporters == 1:
        from assay.roles.exporter import serve_exporter
        from assay.roles.process import run

        sys.exit(run(serve_exporter, chosen))
    from assay.exporter_group import ExporterGroup

    stop = _stop_signals()
    with ExporterGroup(chosen) as group:
        print(json.dumps(group.endpoints()), flush=True)
        group.supervise(stop.wait)


@app.command(rich_help_panel=RUN)
def evaluator(
    data_dir: DataDir = None,
    clickhouse_url: ClickHouseUrl = None,
    grpc: Grpc = None,
    judge_model: JudgeModel = None,
    insecure: Insecure = None,
) -> None:
    """Run only the evaluator, beside a ClickHouse that runs already.  Prints one JSON line when it is ready."""
    from assay.roles.evaluator import serve_evaluator
    from assay.roles.process import configure_logging, run

    chosen = settings(
        data_dir=data_dir, clickhouse_url=clickhouse_url, grpc=grpc, judge_model=judge_model, insecure=insecure
    )
    configure_logging(chosen.log_level)
    sys.exit(run(serve_evaluator, _connected(chosen)))


@app.command(rich_help_panel=RUN)
def migrate(
    data_dir: DataDir = None,
    clickhouse_url: ClickHouseUrl = None,
    check: Annotated[bool, typer.Option("--check", help="Change nothing; exit 1 when something is to do.")] = False,
    as_json: Json = False,
) -> None:
    """Bring the database to the schema of this program (`assay up` does it by itself)."""
    from storage.clickhouse import migrate as migrations
    from storage.clickhouse.client import Database
    from storage.clickhouse.retention import RetentionChange, apply_retention, days_said
    from storage.retention import parse_retention

    kept: list[RetentionChange] = []
    chosen = _connected(settings(data_dir=data_dir, clickhouse_url=clickhouse_url))

    async def work() -> list[migrations.Migration]:
        async with Database(chosen.clickhouse_url, database=chosen.database) as database:
            if check:
                return await migrations.check(database)
            applied = await migrations.migrate(database)
            kept.extend(await apply_retention(database, parse_retention(chosen.retention_days)))
            return applied

    found = [f"{migration.number:04d}_{migration.name}" for migration in asyncio.run(work())]
    printer = Printer(as_json)
    if check:
        printer.value({"pending": found}, f"{len(found)} migrations to apply" if found else "the schema is up to date")
        raise SystemExit(FAILURE if found else 0)
    lines = [f"{len(found)} migrations applied" if found else "the schema was up to date"]
    lines += [f"{each.table} is kept {days_said(each.to_days)} (was {days_said(each.from_days)})" for each in kept]
    printer.value(
        {"applied": found} | ({"retention": [asdict(each) for each in kept]} if kept else {}), "\n".join(lines)
    )


@app.command(rich_help_panel=RUN)
def demo(
    data_dir: DataDir = None,
    keep: Annotated[bool, typer.Option("--keep", help="Stay up afterwards.")] = False,
    as_json: Json = False,
) -> None:
    """See the whole path on real captures: spans in, a rule scores them, scores out in SQL."""
    from assay.demo import run_demo

    run_demo(settings(data_dir=data_dir), keep=keep, as_json=as_json)


@app.command(rich_help_panel=RUN)
def doctor(data_dir: DataDir = None, clickhouse_url: ClickHouseUrl = None, as_json: Json = False) -> None:
    """Check a running installation end to end, with one synthetic trace."""
    from assay.cli.connection import endpoints
    from assay.doctor import examine

    chosen = settings(data_dir=data_dir, clickhouse_url=clickhouse_url)
    checks = asyncio.run(examine(chosen, endpoints(chosen)))
    rows = [{"check": c.name, "state": c.state, "found": c.found, "next": c.next_step} for c in checks]
    columns = {"state": "", "check": "check", "found": "found", "next": "what to do"}
    Printer(as_json).table(rows, columns, empty="nothing was checked")
    if any(c.state == "failed" for c in checks):
        raise CommandFailed("something is wrong; see above") if not as_json else SystemExit(FAILURE)
