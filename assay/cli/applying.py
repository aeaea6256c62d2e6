"""Definitions as code: apply, diff, export."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli.connection import client
from assay.cli.console import USAGE, CommandFailed, Json, Printer
from assay.cli.main import DataDir, app

if TYPE_CHECKING:
    from assay.documents import Documents
    from evaluator.online.rules.applied import Applied, Change

DEFINE = "Define"
DIFFERENT = 1
HELP = "docs/metrics.md shows the fields"
MAX_VALUE_CHARACTERS = 60

Files = Annotated[
    list[Path], typer.Option("-f", "--file", help="YAML file, or folder of such; - is standard input.  Repeatable.")
]


@app.command(rich_help_panel=DEFINE)
def apply(
    files: Files,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check, and say what would be done.")] = False,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Make metrics and rules be as files state them; what is not named stays."""
    with _told(data_dir, files) as (service, documents):
        applied = service.apply(documents.metrics, documents.rules, validate_only=dry_run)
    _print_applied(applied, as_json)


@app.command(rich_help_panel=DEFINE)
def diff(files: Files, data_dir: DataDir = None, as_json: Json = False) -> None:
    """What `apply` would change; exit code 1 where something differs, 2 where it could not be found out."""
    try:
        with _told(data_dir, files) as (service, documents):
            applied = service.apply(documents.metrics, documents.rules, validate_only=True)
    except CommandFailed as error:
        error.exit_code = USAGE
        raise
    different = [each for each in applied if each.action != "unchanged"]
    if as_json:
        _print_applied(different, as_json)
    else:
        print("\n".join(line for each in different for line in _difference(each)) or "no difference")
    if different:
        raise typer.Exit(DIFFERENT)


@app.command(rich_help_panel=DEFINE)
def export(
    names: Annotated[list[str] | None, typer.Argument(help="Metrics and rules; all of yours unless named.")] = None,
    builtin: Annotated[bool, typer.Option("--builtin", help="Built-in metrics, too.")] = False,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Metrics and rules as YAML, ready for `apply`."""
    from assay import documents

    with client(data_dir) as service:
        metrics = [each for each in service.list_metrics() if not each.shadowed]
        rules = list(service.list_rules())
    wanted = set(names or ())
    bodies = [
        documents.metric_body(each.definition)
        for each in metrics
        if each.definition.name in wanted or (not wanted and (builtin or not each.definition.builtin))
    ]
    bodies += [documents.rule_body(each.definition) for each in rules if not wanted or each.definition.name in wanted]
    if missing := wanted - {str(body["name"]) for body in bodies}:
        raise CommandFailed(
            f"there is no metric or rule {', '.join(sorted(missing))}", "`assay metric list`, `assay rule list`"
        )
    Printer(as_json).value(bodies, documents.dumped(bodies).rstrip() or "# nothing of yours to export")


@contextmanager
def _told(data_dir: Path | None, files: list[Path]) -> Iterator[tuple[Any, Documents]]:
    """The service and what the files hold; what is wrong is said with its place in the files."""
    from assay.client import CallFailed
    from assay.documents import Unreadable, read

    try:
        documents = read(files)
    except Unreadable as error:
        raise CommandFailed(str(error), HELP, exit_code=USAGE) from error
    with client(data_dir) as service:
        try:
            yield service, documents
        except CallFailed as error:
            if error.reason != "INVALID_DEFINITIONS":
                raise
            lines = [documents.located(each.field, each.description) for each in error.field_violations]
            raise CommandFailed("\n".join(lines), HELP, exit_code=USAGE) from error


def applied_row(applied: Applied) -> dict[str, Any]:
    """What was done about one definition, as JSON."""
    return {
        "kind": applied.kind,
        "name": applied.name,
        "action": str(applied.action),
        "version": applied.version,
        "changes": {each.field: {"before": each.before, "after": each.after} for each in applied.changes},
        "warnings": list(applied.warnings),
    }


def _print_applied(applied: list[Applied], as_json: bool) -> None:
    rows = [applied_row(each) for each in applied]
    if not as_json:
        for row in rows:
            row["fields"] = ", ".join(row["changes"])
    columns = {"kind": "kind", "name": "name", "action": "what", "version": "version", "fields": "fields"}
    Printer(as_json).table(rows, columns, empty="the files define nothing")
    if not as_json:
        for each in applied:
            for warning in each.warnings:
                print(f"warning: {each.kind} {each.name}: {warning}")


def _difference(applied: Applied) -> Iterator[str]:
    mark = "+" if applied.action == "created" else "~"
    yield f"{mark} {applied.kind} {applied.name} ({applied.action}, version {applied.version})"
    for change in applied.changes:
        yield from _changed(change)
    for warning in applied.warnings:
        yield f"  warning: {warning}"


def _changed(change: Change) -> Iterator[str]:
    before, after = change.before, change.after
    if isinstance(before, str) and isinstance(after, str) and "\n" in before + after:
        yield f"  {change.field}:"
        for line in list(difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=1))[2:]:
            yield f"    {line}"
    else:
        yield f"  {change.field}: {_short(before)} → {_short(after)}"


def _short(value: object) -> str:
    text = "–" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= MAX_VALUE_CHARACTERS else text[: MAX_VALUE_CHARACTERS - 1] + "…"
