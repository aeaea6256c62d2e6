"""Funnels of rules: once, or live."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table

from assay.cli.connection import client
from assay.cli.console import Json, Printer, console
from assay.cli.main import DataDir
from assay.cli.rules import Name, rule

if TYPE_CHECKING:  # gRPC is imported by the commands that use it
    from assay.client import Client, MetricFunnel, RuleFunnel

COLUMNS = {
    "rule": "rule", "metric": "metric", "complete": "complete", "succeeded": "scored", "failed": "failed",
    "waiting": "waiting", "running": "running", "sampled_out": "sampled out", "filtered_out": "filtered out",
    "oldest": "oldest", "lag": "lag p50", "lag_p99": "p99", "abstained": "abstained",
    "over_budget": "over budget", "dependency": "dependency", "stopped": "stopped",
}  # fmt: skip
"""From what is looked at first to what a narrow terminal can do without."""
GAP = 2

Hours = Annotated[float, typer.Option(min=0.02, max=720, help="What completed in the last so many hours.")]


@rule.command("funnel")
def funnel(name: Name, hours: Hours = 24, data_dir: DataDir = None, as_json: Json = False) -> None:
    """What became of a rule's targets, stage by stage."""
    with client(data_dir) as service:
        found = service.rule_funnel(name, since=_since(hours))
    if as_json:
        Printer(True).value(asdict(found), "")
        return
    console().print(_table([found], console().width))
    if found.budget is not None:
        console().print(_budget(found))


@rule.command("watch")
def watch(
    name: Annotated[str | None, typer.Argument(help="Its name; all enabled rules, if none is given.")] = None,
    hours: Hours = 1,
    every: Annotated[float, typer.Option(min=0.2, max=3600, help="Seconds between two looks.")] = 10,
    data_dir: DataDir = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a line of JSON for each rule and look.")] = False,
) -> None:
    """Funnels, live, until Ctrl-C.  Where the output is no terminal it is printed once; with --json again and again."""
    with client(data_dir) as service, suppress(KeyboardInterrupt):
        if as_json:
            for found in _looks(service, name, hours, every):
                for each in found:
                    print(json.dumps(asdict(each), default=str, ensure_ascii=False), flush=True)
        elif sys.stdout.isatty():
            _live(service, name, hours, every)
        else:
            found = _look(service, name, hours)
            console().print(_table(found, console().width) if found else "no rule is enabled")


def _look(service: Client, name: str | None, hours: float) -> list[RuleFunnel]:
    names = [name] if name else [each.definition.name for each in service.list_rules() if each.definition.enabled]
    return [service.rule_funnel(each, since=_since(hours)) for each in names]


def _looks(service: Client, name: str | None, hours: float, every: float) -> Iterator[list[RuleFunnel]]:
    while True:
        yield _look(service, name, hours)
        time.sleep(every)


def _live(service: Client, name: str | None, hours: float, every: float) -> None:
    screen = Console(highlight=False, markup=False)
    with Live(console=screen, screen=True, auto_refresh=False) as shown:
        for found in _looks(service, name, hours, every):
            table = _table(found, screen.width)
            table.caption = f"{datetime.now(UTC):%H:%M:%S} UTC, the last {hours:g} h; Ctrl-C ends it"
            shown.update(table, refresh=True)


def _since(hours: float) -> datetime:
    return datetime.now(UTC) - timedelta(hours=hours)


def _table(funnels: Sequence[RuleFunnel], width: int) -> Table:
    rows = [_row(each, metric) for each in funnels for metric in each.metrics]
    columns, room = [], width
    for key, heading in COLUMNS.items():
        needed = max([len(heading), *(len(row[key]) for row in rows)]) + GAP
        if room < needed - GAP:
            break
        columns.append(key)
        room -= needed
    table = Table(box=None, pad_edge=False, header_style="bold", caption_justify="left")
    for key in columns:
        table.add_column(COLUMNS[key], justify="left" if key in ("rule", "metric") else "right", no_wrap=True)
    for row in rows:
        table.add_row(*(row[key] for key in columns))
    return table


def _row(found: RuleFunnel, metric: MetricFunnel) -> dict[str, str]:
    counts: dict[str, Any] = asdict(metric) | {
        "complete": found.complete,
        "sampled_out": found.sampled_out,
        "filtered_out": found.filtered_out,
        "abstained": metric.not_applicable + metric.not_computed,
        "stopped": metric.cancelled + metric.set_aside + metric.too_late,
    }
    return {key: str(counts.get(key, "")) for key in COLUMNS} | {
        "rule": found.name,
        "oldest": _span(metric.oldest_waiting_seconds),
        "lag": _span(metric.lag_median_seconds),
        "lag_p99": _span(metric.lag_p99_seconds),
    }


def _span(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _budget(found: RuleFunnel) -> str:
    assert found.budget is not None
    limits = asdict(found.budget)
    said = [f"{spent:g} of {limits[unit]:g} {unit}" for unit, spent in asdict(found.spent).items() if limits[unit]]
    return "spent today (UTC): " + ", ".join(said)
