"""Commands for alignments: what a judge can learn from, what it would take, start, watch, stop, retry, look back."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli.connection import client
from assay.cli.console import FAILURE, CommandFailed, Json, Printer
from assay.cli.main import DataDir, app
from assay.cli.people import who

if TYPE_CHECKING:  # gRPC is imported by the commands that use it
    from assay.client import Alignment, AlignmentEstimate, AlignmentOptions, Client

IMPROVE = "Improve"
align = typer.Typer(no_args_is_help=True, help="Let a judge learn from what people said, with proof.")
app.add_typer(align, name="align", rich_help_panel=IMPROVE)

PHASES = {
    "loading_annotations": "Loading annotations",
    "building_disagreement_traces": "Building disagreement traces",
    "distilling_guidelines": "Distilling guidelines",
    "finalizing": "Finalizing",
}
MAX_NAMED = 3
"""Sources that are named in a line."""

RunId = Annotated[str, typer.Argument(help="The alignment's id.")]
Metric = Annotated[str, typer.Argument(help="The metric: a judge, built-in or your own.")]
Sources = Annotated[
    list[str] | None, typer.Option("--source", help="Only this evaluation (`assay align sources`); repeatable.")
]
ReflectionModel = Annotated[
    str, typer.Option(help="The model that distills guidelines; without it the installation's.")
]
JudgeModel = Annotated[str, typer.Option(help="The model that verifies them; without it the metric's own.")]
Delta = Annotated[
    float | None, typer.Option(min=0.0, help="The smallest gap that is a disagreement; percentages 0.0 to 1.0.")
]
MaxCalls = Annotated[int, typer.Option(min=0, help="Calls of both models at most; 0 = no cap.")]
MaxUsd = Annotated[float, typer.Option(min=0.0, help="USD at most; 0 = no cap.")]
MaxRows = Annotated[int, typer.Option(min=0, help="Rows at most, a sample beyond; 0 = 2000.")]
Seed = Annotated[int | None, typer.Option(help="Decides splits and order, so that a run can be repeated.")]
Author = Annotated[str, typer.Option(help="Who does this; without it the user of this machine.")]


@align.command("sources")
def sources(metric: Metric, delta: Delta = None, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Completed evaluations with resolved feedback for a metric, newest first."""
    with client(data_dir) as service:
        rows = [asdict(each) for each in service.list_alignment_sources(metric, delta_threshold=delta)]
    columns = {
        "source_id": "source", "kind": "kind", "resolved": "resolved", "disagreements": "disagree",
        "create_time": "made (UTC)", "name": "name",
    }  # fmt: skip
    for row in rows if not as_json else ():
        row["create_time"] = f"{row['create_time']:%Y-%m-%d %H:%M}" if row["create_time"] else None
    empty = f"nothing resolved for {metric}: `assay feedback add` corrects a result, `assay review` a queue of them"
    Printer(as_json).table(rows, columns, empty=empty, cut="name")


@align.command("estimate")
def estimate(
    metric: Metric,
    source: Sources = None,
    reflection_model: ReflectionModel = "",
    judge_model: JudgeModel = "",
    delta: Delta = None,
    max_calls: MaxCalls = 0,
    max_usd: MaxUsd = 0.0,
    max_rows: MaxRows = 0,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """What an alignment would take, and what it could prove."""
    options = _options(reflection_model, judge_model, delta, max_calls, max_usd, max_rows, None)
    with client(data_dir) as service:
        found = service.estimate_alignment(metric, sources=source or (), options=options)
    Printer(as_json).value(asdict(found), estimated(found))


@align.command("start")
def start(
    metric: Metric,
    source: Sources = None,
    reflection_model: ReflectionModel = "",
    judge_model: JudgeModel = "",
    delta: Delta = None,
    max_calls: MaxCalls = 0,
    max_usd: MaxUsd = 0.0,
    max_rows: MaxRows = 0,
    seed: Seed = None,
    author: Author = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before it starts.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Wait for its end, and show how far it is.")] = False,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Queue an alignment of a metric's active version: the estimate is shown first."""
    options = _options(reflection_model, judge_model, delta, max_calls, max_usd, max_rows, seed)
    chosen = source or ()
    with client(data_dir) as service:
        if not yes:
            _confirm(service.estimate_alignment(metric, sources=chosen, options=options))
        made = service.start_alignment(metric, sources=chosen, options=options, author=who(author))
        _go_on(service, made, watch=watch, as_json=as_json)


def _go_on(service: Client, made: Alignment, *, watch: bool, as_json: bool) -> None:
    if watch:
        follow(service.watch_alignment(made.alignment_id), as_json=as_json)
        return
    said = f"alignment {made.alignment_id} is queued\n  → assay align watch {made.alignment_id}"
    Printer(as_json).value(row(made), said)


def _options(
    reflection_model: str,
    judge_model: str,
    delta: float | None,
    max_calls: int,
    max_usd: float,
    max_rows: int,
    seed: int | None,
) -> AlignmentOptions:
    from assay.client import AlignmentOptions

    return AlignmentOptions(
        reflection_model=reflection_model,
        judge_model=judge_model,
        delta_threshold=delta,
        max_calls=max_calls,
        max_cost_usd=max_usd,
        max_rows=max_rows,
        seed=seed,
    )


def _confirm(found: AlignmentEstimate) -> None:
    """Ask at a terminal; where nobody can answer, `--yes` is required."""
    print(estimated(found), file=sys.stderr)
    if not sys.stdin.isatty():
        raise CommandFailed("nothing was started", "give --yes to start it without being asked")
    if not typer.confirm("Start it?", err=True):
        raise CommandFailed("nothing was started")


def estimated(found: AlignmentEstimate) -> str:
    """An estimate in a few lines; what is not known is said so."""
    cost = "price not known" if found.cost_usd is None else f"about {found.cost_usd:.4g} USD"
    counts = found.counts
    lines = [
        f"{counts.annotations} resolved annotations, {counts.disagreements} of them disagree with the judge",
        f"about {found.judge_calls:,} calls of the judge, {found.reflection_calls:,} of the reflection model, {cost}",
    ]
    if found.power:
        chances = ", ".join(f"+{points} points: {chance:.0%}" for points, chance in found.power.items())
        lines.append(f"chance that a gain would be proved: {chances}")
    return "\n".join([*lines, *(f"! {each}" for each in found.warnings)])


@align.command("watch")
def watch(run_id: RunId, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Show a run until it ends (with --json a line for each change); the exit code is 1 unless it aligned."""
    with client(data_dir) as service:
        follow(service.watch_alignment(run_id), as_json=as_json)


@align.command("cancel")
def cancel(run_id: RunId, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Stop a run; one that has ended stays as it is."""
    with client(data_dir) as service:
        found = service.cancel_alignment(run_id)
    stopping = "is being stopped" if not found.state.is_final else f"is {found.status}"
    Printer(as_json).value(row(found), f"alignment {found.alignment_id} {stopping}")


@align.command("retry")
def retry(
    run_id: RunId,
    reflection_model: ReflectionModel = "",
    judge_model: JudgeModel = "",
    max_calls: MaxCalls = 0,
    max_usd: MaxUsd = 0.0,
    max_rows: MaxRows = 0,
    watch: Annotated[bool, typer.Option("--watch", help="Wait for its end, and show how far it is.")] = False,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Run again what failed or was cancelled; answers that were paid for are not paid for again."""
    changes = _options(reflection_model, judge_model, None, max_calls, max_usd, max_rows, None)
    with client(data_dir) as service:
        _go_on(service, service.retry_alignment(run_id, changes=changes), watch=watch, as_json=as_json)


@align.command("history")
def history(
    metric: Annotated[str, typer.Argument(help="The metric; without it, all.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="At most so many, newest first.")] = 20,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Alignments, newest first; `assay align report RUN` expands one, whatever was decided about it."""
    with client(data_dir) as service:
        found = [each for each, _ in zip(service.list_alignments(metric), range(limit), strict=False)]
    rows = [row(each) for each in found]
    if not as_json:
        rows = [_in_words(each) for each in found]
    columns = {
        "alignment_id": "run", "metric": "metric", "status": "status", "verdict": "verdict", "decision": "decision",
        "create_time": "started (UTC)", "sources": "sources",
    }  # fmt: skip
    Printer(as_json).table(rows, columns, empty="no alignments", cut="sources")


def _in_words(run: Alignment) -> dict[str, Any]:
    named = [each.name or each.source_id for each in run.sources] or list(run.source_ids)
    more = f" and {len(named) - MAX_NAMED} more" if len(named) > MAX_NAMED else ""
    return {
        "alignment_id": run.alignment_id,
        "metric": f"{run.metric}@{run.version}",
        "status": run.status,
        "verdict": run.verdict or "",
        "decision": f"{run.decision} {run.accepted}".strip(),
        "create_time": f"{run.create_time:%Y-%m-%d %H:%M}" if run.create_time else None,
        "sources": f"{', '.join(named[:MAX_NAMED])}{more}" or "all",
    }


def follow(changes: Iterable[Alignment], *, as_json: bool) -> None:
    """Show a run until it ends; exits with 1 unless it aligned."""
    last = None
    for last in changes:
        if as_json:
            print(json.dumps(row(last), ensure_ascii=False, default=str), flush=True)
        elif not last.state.is_final:
            live = sys.stdout.isatty()
            print(f"\r{_progress(last).ljust(90)}" if live else _progress(last), end="" if live else "\n", flush=True)
    if last is None:
        raise CommandFailed("the server said nothing about the run")
    if not as_json:
        print(("\r" if sys.stdout.isatty() else "") + ended(last))
    if last.status != "Aligned":
        raise typer.Exit(FAILURE)


def _progress(run: Alignment) -> str:
    phase = PHASES[run.phase] if run.phase else ""
    steps = f" {run.done}/{run.total}" if run.total else ""
    calls = run.usage.judge_calls + run.usage.reflection_calls
    return f"{run.status:<9} {phase}{steps}  {calls:,} calls, {run.usage.cost_usd:.4g} USD"


def ended(run: Alignment) -> str:
    """A run in a few lines: what it found, or why it did not, and what to do next."""
    lines = [f"alignment {run.alignment_id} of {run.metric} version {run.version}: {run.status}"]
    if run.error is not None:
        lines.append(f"{run.error.code}: {run.error.message}")
        if run.error.retryable:
            lines.append(f"  → assay align retry {run.alignment_id}")
    if run.status == "Cancelled":
        lines.append(f"  → assay align retry {run.alignment_id}")
    if run.status == "Aligned":
        counts = run.counts
        lines.append(f"{counts.disagreements} disagreements found, {counts.skipped_agreeing} agreeing rows skipped")
        lines += [f"verdict: {run.verdict}. {run.summary}" if run.verdict else run.summary]
        if run.guidelines_text:
            lines.append(run.guidelines_text)
        lines += [f"! {each}" for each in run.warnings]
        lines.append(f"  → assay align report {run.alignment_id}")
    return "\n".join(line for line in lines if line)


def row(run: Alignment) -> dict[str, Any]:
    """A run as JSON."""
    return {**asdict(run), "status": run.status, "state": str(run.state)}
