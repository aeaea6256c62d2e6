"""Commands for what an alignment found: report, edit and verify again, try, accept, discard."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli.aligning import Author, RunId, align, row
from assay.cli.connection import client
from assay.cli.console import USAGE, CommandFailed, Json, Printer
from assay.cli.main import DataDir
from assay.cli.metrics import print_trial
from assay.cli.people import who
from assay.cli.scores import parse_target
from evaluator.errors import InvalidDefinition

if TYPE_CHECKING:  # gRPC is imported by the commands that use it
    from assay.client import Accepted, Alignment, Choice, Client, Run
    from evaluator.metrics.record import MetricRecord
    from storage.model import Level

Toggle = Annotated[
    list[str] | None, typer.Option("--toggle", help="Id of a line: left out where it is in, and the other way round.")
]
Edit = Annotated[list[str] | None, typer.Option("--edit", help="ID=TEXT: another text for a line.")]
Add = Annotated[list[str] | None, typer.Option("--add", help="TEXT of a further line.")]


@align.command("report")
def report(
    run_id: RunId,
    toggle: Toggle = None,
    edit: Edit = None,
    add: Add = None,
    rebase: Annotated[bool, typer.Option("--rebase", help="On the version that is active now.")] = False,
    html: Annotated[Path | None, typer.Option(help="Write it as one page with plots, - = standard output.")] = None,
    markdown: Annotated[Path | None, typer.Option(help="Write it as Markdown, - = standard output.")] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Everything to see before accepting.  With lines toggled or edited, or --rebase, it is verified again: remembered
    answers cost nothing."""
    from assay.cli.alignment_view import print_report

    with client(data_dir) as service:
        choices = _choices(service, run_id, toggle, edit, add)
        if choices or rebase:
            found = service.reverify_alignment(run_id, choices, rebase=rebase)
        else:
            found = service.alignment_report(run_id)
    for file, text in ((html, found.html), (markdown, found.markdown)):
        if file is not None:
            _write(file, text)
    if as_json:
        Printer(as_json).value(asdict(found.value), "")
    elif html is None and markdown is None:
        print_report(found.value)


def _write(file: Path, text: str) -> None:
    if str(file) == "-":
        print(text, end="")
        return
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CommandFailed(f"cannot write {file}: {error.strerror}", exit_code=USAGE) from error


@align.command("accept")
def accept(
    run_id: RunId,
    toggle: Toggle = None,
    edit: Edit = None,
    add: Add = None,
    name: Annotated[str, typer.Option(help="Of a built-in metric: name of the fork; else METRIC_aligned.")] = "",
    override: Annotated[bool, typer.Option("--override", help="Accept without proof; needs --reason.")] = False,
    reason: Annotated[str, typer.Option(help="Why; it is recorded.")] = "",
    repoint: Annotated[
        list[str] | None, typer.Option(help="Of a built-in metric: a rule that is to use the fork; '*' = all.")
    ] = None,
    rebase: Annotated[bool, typer.Option("--rebase", help="On the active version; verified first.")] = False,
    recompute: Annotated[
        bool, typer.Option("--recompute", help="Score again, by the new version, what earlier ones have scored.")
    ] = False,
    author: Author = "",
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Put the guidelines into force: a fork of a built-in metric, a version of your own."""
    from assay.client import CallFailed

    if override and not reason.strip():
        raise CommandFailed("--override needs --reason: say why it is right all the same", exit_code=USAGE)
    with client(data_dir) as service:
        done = service.accept_alignment(
            run_id,
            author=who(author),
            choices=_choices(service, run_id, toggle, edit, add),
            name=name,
            override=override,
            reason=reason,
            repoint_rules=repoint or (),
            rebase=rebase,
        )
        try:
            past = [_past(service, done.metric, level, recompute) for level in done.metric.definition.levels]
        except CallFailed as error:  # what was accepted is accepted
            print(f"what the past would take is not known: {error}", file=sys.stderr)
            past = []
    value = {
        "alignment": row(done.alignment),
        "metric": done.metric.definition.to_body() | {"version": done.metric.definition.version},
        "rules_left": done.rules_left,
        "rules_repointed": done.rules_repointed,
        "regressions": [each.key for each in done.regressions],
        "past": [
            {"level": str(level), "run_id": run.run_id, "estimate": asdict(run.estimate)}
            for level, run in zip(done.metric.definition.levels, past, strict=False)
        ],
    }
    Printer(as_json).value(value, _accepted(done, past))


def _past(service: Client, metric: MetricRecord, level: Level, start: bool) -> Run:
    """What earlier versions have scored at a level, to be scored by this one; only estimated unless it is started."""
    from evaluator.runs.definition import Recompute, Where
    from evaluator.scoring.request import MetricRef

    version = MetricRef(name=metric.definition.name, version=metric.definition.version)
    again = Recompute(where=Where(level=level))
    run = service.create_run(again, [version], validate_only=True)
    if start and run.estimate.pairs:
        run = service.create_run(again, [version], name=f"{version.name} version {version.version}: the past again")
    return run


def _accepted(done: Accepted, past: Sequence[Run]) -> str:
    made = done.metric.definition
    lines = [f"{made.name} version {made.version} is in force with {len(made.guidelines)} guidelines"]
    if done.rules_repointed:
        lines.append(f"rules that use it now: {', '.join(done.rules_repointed)}")
    if done.rules_left:
        lines.append(f"rules that still use {done.alignment.metric}: {', '.join(done.rules_left)}")
        lines.append(f"  → assay rule update RULE --metric {made.name}")
    if done.regressions:
        lines.append(f"put right before, and wrong now: {', '.join(each.key for each in done.regressions)}")
    for level, run in zip(made.levels, past, strict=False):
        if not run.estimate.pairs:
            continue
        calls, usd = run.estimate.judge_calls, run.estimate.cost_usd
        price = f"{'?' if calls is None else calls} calls of the judge, {'? ' if usd is None else f'{usd:.4g} '}USD"
        lines.append(f"{run.estimate.pairs} results of earlier versions on {level}s; to score them again takes {price}")
        start = f"assay run create --metric {made.name} --level {level} --recompute"
        lines.append(f"  under way: assay run watch {run.run_id}" if run.run_id else f"  → {start}")
    return "\n".join(lines)


@align.command("discard")
def discard(
    run_id: RunId,
    reason: Annotated[str, typer.Option(help="Why; it is recorded.")] = "",
    author: Author = "",
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Put a result aside; it stays readable."""
    with client(data_dir) as service:
        found = service.discard_alignment(run_id, reason=reason, author=who(author))
    Printer(as_json).value(row(found), f"alignment {found.alignment_id} is discarded; its report stays readable")


@align.command("try")
def try_candidate(
    run_id: RunId,
    target: Annotated[str, typer.Option(help="TRACE:SPAN, TRACE or session:ID.")],
    toggle: Toggle = None,
    edit: Edit = None,
    add: Add = None,
    repeats: Annotated[int, typer.Option(min=1, max=50, help="How often it is asked.")] = 1,
    wait: Annotated[float | None, typer.Option(help="Seconds to wait at most.")] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Ask the judge as this alignment would make it about one target; nothing is stored."""
    from assay.client_alignments import candidate

    place = parse_target(target)
    with client(data_dir) as service:
        run = service.get_alignment(run_id)
        definition = service.get_metric(run.metric, run.version).definition
        try:
            tried = candidate(definition, run, _chosen(run, toggle, edit, add))
        except InvalidDefinition as error:
            raise CommandFailed(str(error), exit_code=USAGE) from error
        print_trial(service.test_metric(tried, place, repeats=repeats, wait_seconds=wait), as_json)


def _choices(
    service: Client, run_id: str, toggle: Sequence[str] | None, edit: Sequence[str] | None, add: Sequence[str] | None
) -> list[Choice]:
    if not toggle and not edit and not add:
        return []
    return _chosen(service.get_alignment(run_id), toggle, edit, add)


def _chosen(
    run: Alignment, toggle: Sequence[str] | None, edit: Sequence[str] | None, add: Sequence[str] | None
) -> list[Choice]:
    """What the options say about the lines of a run."""
    from assay.client import Choice

    stands = {each.guideline_id: not each.needs_decision for each in run.guidelines}
    texts: dict[str, str] = {}
    for each in edit or ():
        guideline_id, equals, text = each.partition("=")
        if not equals or not text.strip():
            raise CommandFailed(f"{each!r} is no ID=TEXT", "assay align report RUN shows ids", exit_code=USAGE)
        texts[guideline_id.strip()] = text.strip()
    for guideline_id in (*(toggle or ()), *texts):
        if guideline_id not in stands:
            known = ", ".join(stands) or "none"
            raise CommandFailed(f"there is no line {guideline_id!r}", f"lines are: {known}", exit_code=USAGE)
    changed = dict.fromkeys((*(toggle or ()), *texts))
    choices = [
        Choice(
            guideline_id=each,
            include=not stands[each] if each in (toggle or ()) else True,
            text=texts.get(each, ""),
        )
        for each in changed
    ]
    return choices + [Choice(text=each.strip()) for each in add or ()]
