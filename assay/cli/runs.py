"""Commands for runs: create and backfill (estimate first), list, show, watch, cancel."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli.connection import client
from assay.cli.console import FAILURE, USAGE, CommandFailed, Json, Printer
from assay.cli.main import DataDir, app
from assay.cli.scores import SCORE, parse_target
from storage.model import Level
from storage.runs import Only, RunState

if TYPE_CHECKING:
    from assay.client import Client
    from assay.client_runs import Run
    from evaluator.runs.definition import Selection

run = typer.Typer(no_args_is_help=True, help="Evaluate many stored targets in the background.")
app.add_typer(run, name="run", rich_help_panel=SCORE)

RunId = Annotated[str, typer.Argument(help="The run's id.")]


@run.command("create")
def create_run(
    metrics: Annotated[list[str] | None, typer.Option("--metric", help="A metric, or METRIC@VERSION.")] = None,
    level: Annotated[Level, typer.Option(help="What is scored.")] = Level.SPAN,
    where: Annotated[str, typer.Option("--filter", help="Boolean SQL, as in rules.")] = "",
    since: Annotated[datetime | None, typer.Option(help="Started at or after (UTC).")] = None,
    until: Annotated[datetime | None, typer.Option(help="Started before (UTC).")] = None,
    sample: Annotated[float, typer.Option(help="Share of targets, above 0 and up to 1.")] = 1.0,
    limit: Annotated[int, typer.Option(min=0, help="At most so many targets, the earliest; 0 = all.")] = 0,
    targets: Annotated[
        list[str] | None, typer.Option("--target", help="TRACE:SPAN, TRACE or session:ID, instead of a filter.")
    ] = None,
    targets_from: Annotated[
        Path | None, typer.Option("--targets-from", help="A file with one target a line; - = standard input.")
    ] = None,
    failures_of: Annotated[str, typer.Option(help="Evaluate again what failed in this run.")] = "",
    recompute: Annotated[
        bool, typer.Option("--recompute", help="What has results of other versions of the metrics only.")
    ] = False,
    name: Annotated[str, typer.Option(help="What people call it.")] = "",
    reuse: Annotated[bool, typer.Option("--reuse", help="Take stored scores of the same content.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what it would take.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before it starts.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Wait for its end, and show how far it is.")] = False,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Evaluate a selection: the estimate is shown first."""
    from evaluator.runs.definition import Recompute, Where

    chosen = _chosen(targets, targets_from, failures_of)
    if chosen is None:
        asked = Where(level=level, filter=where, since=utc(since), until=utc(until), sample_rate=sample, limit=limit)
        chosen = Recompute(where=asked) if recompute else asked
    elif where or since or until or recompute or limit or sample != 1.0:
        raise CommandFailed("targets by id take no filter, times, sample or limit", exit_code=USAGE)
    refs = [_metric(text) for text in metrics or ()]
    with client(data_dir, rule_filter=where) as service:
        _start(service, chosen, refs, name=name, reuse=reuse, dry_run=dry_run, yes=yes, watch=watch, as_json=as_json)


def _start(
    service: Client,
    chosen: Selection,
    refs: list[Any],
    *,
    name: str,
    reuse: bool,
    dry_run: bool,
    yes: bool,
    watch: bool,
    as_json: bool,
) -> None:
    """Say what it would take, ask, start it, follow it: as far as was asked for."""
    if dry_run or not yes:
        estimate = service.create_run(chosen, refs, name=name, reuse=reuse, validate_only=True)
        if dry_run:
            Printer(as_json).value(asdict(estimate.estimate), said(estimate))
            return
        _confirm(estimate)
    made = service.create_run(chosen, refs, name=name, reuse=reuse)
    if not watch:
        Printer(as_json).value(row(made), f"run {made.run_id} of {made.total or made.estimate.pairs} pairs started")
        return
    _follow(service.watch_run(made.run_id), as_json)


def _chosen(targets: list[str] | None, file: Path | None, failures_of: str) -> Selection | None:
    from evaluator.runs.definition import Chosen, FailuresOf

    if failures_of:
        if targets or file:
            raise CommandFailed("name targets or a run, not both", exit_code=USAGE)
        return FailuresOf(run_id=failures_of)
    lines = list(targets or ())
    if file is not None:
        try:
            text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise CommandFailed(f"cannot read {file}: {error}", exit_code=USAGE) from error
        lines += [line.strip() for line in text.splitlines() if line.strip()]
    return Chosen(targets=tuple(parse_target(line) for line in lines)) if lines else None


def _metric(text: str) -> Any:
    from evaluator.scoring.request import MetricRef

    name, at, version = text.rpartition("@")
    if not at:
        return MetricRef(name=text)
    if not version.isdigit():
        raise CommandFailed(f"{text!r} is no METRIC@VERSION", exit_code=USAGE)
    return MetricRef(name=name, version=int(version))


def utc(time: datetime | None) -> datetime | None:
    """A time as it is meant on the command line: in UTC."""
    return time.replace(tzinfo=UTC) if time else None


def _confirm(run: Run) -> None:
    """Ask at a terminal; where nobody can answer, `--yes` is required."""
    print(said(run), file=sys.stderr)
    if not sys.stdin.isatty():
        raise CommandFailed("nothing was started", "give --yes to start it without being asked")
    if not typer.confirm("Start it?", err=True):
        raise CommandFailed("nothing was started")


def said(run: Run) -> str:
    """An estimate in a sentence or two; what is not known is said so."""
    estimate = run.estimate
    about = "" if estimate.exact else "about "
    tokens = f"{_known(estimate.input_tokens)} tokens in, {_known(estimate.output_tokens)} out"
    cost = "unknown USD" if estimate.cost_usd is None else f"{estimate.cost_usd:.4g} USD"
    text = (
        f"{about}{estimate.targets} targets, {estimate.pairs} evaluations with {', '.join(run.metrics)}\n"
        f"{_known(estimate.judge_calls)} requests to judges, {tokens}, {cost}"
    )
    if estimate.unknown_metrics:
        text += f"\nnot known of: {', '.join(estimate.unknown_metrics)} (nothing recent to go by)"
    return text


def _known(number: int | None) -> str:
    return "unknown" if number is None else str(number)


@run.command("backfill")
def backfill(
    rule: Annotated[str, typer.Argument(help="The rule's name; it need not be enabled.")],
    since: Annotated[datetime | None, typer.Option("--from", help="Started at or after (UTC).")] = None,
    until: Annotated[datetime | None, typer.Option("--to", help="Started before (UTC).")] = None,
    where: Annotated[str, typer.Option("--filter", help="Narrows further, beside the rule's own filter.")] = "",
    only: Annotated[Only | None, typer.Option(help="Only what the rule decided this about last.")] = None,
    recompute: Annotated[bool, typer.Option("--recompute", help="Also what has a result of this version.")] = False,
    name: Annotated[str, typer.Option(help="What people call it.")] = "",
    reuse: Annotated[bool, typer.Option("--reuse", help="Take stored scores of the same content.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what it would take.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before it starts.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Wait for its end, and show how far it is.")] = False,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Let a rule score the past: its metrics, sample, scope and filter over a range of time."""
    from evaluator.runs.backfill import OfRule

    if since is None and until is None:
        raise CommandFailed("say which past: --from, --to or both", exit_code=USAGE)
    asked = OfRule(rule=rule, since=utc(since), until=utc(until), filter=where, only=only, recompute=recompute)
    with client(data_dir, rule_filter=where) as service:
        _start(service, asked, [], name=name, reuse=reuse, dry_run=dry_run, yes=yes, watch=watch, as_json=as_json)


@run.command("list")
def list_runs(
    state: Annotated[list[str] | None, typer.Option(help="Only runs in these states.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, newest first.")] = 20,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Runs, newest first."""
    try:
        states = [RunState(each.upper()) for each in state or ()]
    except ValueError as error:
        raise CommandFailed(str(error), ", ".join(RunState).lower(), exit_code=USAGE) from error
    with client(data_dir) as service:
        found = [row(each) for each, _ in zip(service.list_runs(states), range(limit), strict=False)]
    columns = {"run_id": "run", "name": "name", "state": "state", "settled": "done", "decided": "of which"}
    for each in found if not as_json else ():
        each["settled"] = f"{each['done']}/{each['total']}"
        each["decided"] = " ".join(f"{count} {what}" for what, count in each["decisions"].items())
    Printer(as_json).table(found, columns, empty="no runs")


@run.command("show")
def show_run(run_id: RunId, data_dir: DataDir = None, as_json: Json = False) -> None:
    """One run: how far it is, what it cost, why what failed did."""
    with client(data_dir) as service:
        found = service.get_run(run_id)
    Printer(as_json).value(row(found), _text(found))


@run.command("watch")
def watch_run(run_id: RunId, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Show a run until it ends (with --json a line for each change); the exit code is 1 unless it succeeded."""
    with client(data_dir) as service:
        _follow(service.watch_run(run_id), as_json)


@run.command("cancel")
def cancel_run(run_id: RunId, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Stop a run at once; what is recorded stays."""
    with client(data_dir) as service:
        found = service.cancel_run(run_id)
    Printer(as_json).value(row(found), f"run {found.run_id} is {found.state}; {found.done} evaluations are recorded")


def _follow(changes: Iterable[Run], as_json: bool) -> None:
    last = None
    for last in changes:
        if as_json:
            print(json.dumps(row(last), ensure_ascii=False, default=str), flush=True)
        elif sys.stdout.isatty() and not last.state.is_final:
            print(f"\r{_progress(last)}", end="", flush=True)
        elif not last.state.is_final:
            print(_progress(last), flush=True)
    if last is None:
        raise CommandFailed("the server said nothing about the run")
    if not as_json:
        print(("\r" if sys.stdout.isatty() else "") + _text(last))
    if last.state is not RunState.SUCCEEDED:
        raise typer.Exit(FAILURE)


def _progress(run: Run) -> str:
    share = f"{100 * run.done / run.total:.0f} %" if run.total else "–"
    return f"{run.state:<9} {run.done}/{run.total} {share} {run.cost_usd:.4g} USD".ljust(60)


def _text(run: Run) -> str:
    lines = [
        f"run       {run.run_id}" + (f" ({run.name})" if run.name else ""),
        f"state     {run.state}" + (f": {run.detail}" if run.detail else ""),
        f"metrics   {', '.join(run.metrics)}",
        f"done      {run.done} of {run.total}",
    ]
    lines += [f"          {count} {what}" for what, count in sorted(run.decisions.items())]
    unpriced = f", and {run.unpriced_results} results without a known price" if run.unpriced_results else ""
    lines.append(f"judges    {run.judge_calls} requests, {run.input_tokens} tokens in, {run.output_tokens} out")
    lines.append(f"cost      {run.cost_usd:.4g} USD{unpriced}")
    lines += [f"failed    {each.count} × {each.metric}: {each.code}: {each.message}" for each in run.failures]
    return "\n".join(lines)


def row(run: Run) -> dict[str, Any]:
    """A run as JSON."""
    return {**asdict(run), "state": str(run.state)}
