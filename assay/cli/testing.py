"""The command `assay rule test`."""

from __future__ import annotations

from typing import Annotated

import typer

from assay.cli.connection import client
from assay.cli.console import CommandFailed, Json, Printer
from assay.cli.main import DataDir
from assay.cli.rules import Name, rule
from assay.cli.scores import parse_target


@rule.command("test")
def try_rule(
    name: Name,
    target: Annotated[
        str,
        typer.Option(help="Follow this stored target (TRACE:SPAN, TRACE or session:ID) instead of a synthetic one."),
    ] = "",
    timeout: Annotated[float, typer.Option(min=1.0, max=3600.0, help="Seconds for all stages together.")] = 60.0,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Push one synthetic target through every stage of a rule, and say where it stopped; it is removed afterwards."""
    followed = parse_target(target) if target else None
    stopped = ""
    rows = []
    with client(data_dir) as service:
        for report in service.test_rule(name, target=followed, timeout_seconds=timeout):
            stopped = "" if report.passed else f"rule {name} stopped at {report.stage}: {report.detail}"
            rows.append(
                {
                    "stage": str(report.stage),
                    "passed": report.passed,
                    "detail": report.detail,
                    "seconds": round(report.seconds, 3),
                }
            )
            if not as_json:
                print(f"{'✓' if report.passed else '✗'} {report.stage:<9} {report.detail}", flush=True)
    if as_json:
        Printer(as_json).value(rows, "")
    if stopped:
        if as_json:
            raise typer.Exit(1)
        raise CommandFailed(stopped.partition(" → ")[0], stopped.partition(" → ")[2])
