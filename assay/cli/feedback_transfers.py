"""Commands that carry feedback in and out of files, and take an import back."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli.connection import client
from assay.cli.console import FAILURE, USAGE, CommandFailed, Json, Printer
from assay.cli.feedback import MetricOf, feedback
from assay.cli.main import DataDir
from assay.cli.people import As, who
from storage.feedback import FeedbackStatus

if TYPE_CHECKING:
    from assay.client import Client, Feedback, Imported, NewFeedback
    from assay.feedback_files import FileFormat, Line

BATCH = 500
"""Lines in one call: a target of each is read."""


SHOWN_ERRORS = 50


@feedback.command("export")
def export(
    file: Annotated[
        Path, typer.Argument(help="Where to; the end of its name, .csv or .jsonl, says how. - = standard output.")
    ],
    metric: MetricOf = "",
    annotator: Annotated[str, typer.Option(help="Only of this annotator.")] = "",
    queue: Annotated[str, typer.Option(help="Only given in this review queue.")] = "",
    status: Annotated[FeedbackStatus | None, typer.Option(help="Only those that stand so.")] = None,
    file_format: Annotated[str, typer.Option("--format", help="csv or jsonl, where the name does not say.")] = "",
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Write feedback to a file that `assay feedback import` reads."""
    from assay.feedback_files import write

    chosen = _format(file, file_format)
    written = 0

    def counted(entries: Iterable[Feedback]) -> Iterator[Feedback]:
        nonlocal written
        for each in entries:
            written += 1
            yield each

    with client(data_dir) as service:
        found = service.list_feedback(metric, annotator=annotator, queue=queue, status=status)
        lines = write(counted(found), chosen)
        if str(file) == "-":
            sys.stdout.writelines(lines)
            return
        with _opened(file) as out:
            out.writelines(lines)
    Printer(as_json).value({"file": str(file), "written": written}, f"{written} written to {file}")


@feedback.command("import")
def import_feedback(
    file: Annotated[Path, typer.Argument(help="A .csv or .jsonl file. - = standard input.")],
    annotator: As = "",
    file_format: Annotated[str, typer.Option("--format", help="csv or jsonl, where the name does not say.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be taken in.")] = False,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Take in feedback from a file: what is acceptable is kept, the rest is shown by line with what to change.

    What is there already is not added twice, so the corrected file can be imported again.
    """
    from assay.feedback_files import Unreadable, read

    chosen, text = _format(file, file_format), _text_of(file)
    bulk_id = str(uuid.uuid4())
    try:
        lines = list(read(text, chosen))
    except Unreadable as error:
        raise CommandFailed(str(error), exit_code=USAGE) from error
    with client(data_dir) as service:
        done = _import(service, lines, bulk_id, who(annotator), dry_run, quiet=as_json)
    done["passed_over"] = sum(line.entry is None and not line.error for line in lines)
    undo = "" if dry_run or not done["added"] else f"\n  → `assay feedback undo {bulk_id}` takes all of it back"
    verb = "would be added" if dry_run else "added"
    said = [f"{done['added']} {verb}, {done['present']} there already, {len(done['refused'])} refused"]
    said += (
        [f"  {done['vague']} of them say too little to learn from: see `assay feedback list`"] if done["vague"] else []
    )
    shown = done["refused"][:SHOWN_ERRORS]
    said += [f"  line {each['line']}: {each['message']}" for each in shown]
    said += (
        [f"  and {len(done['refused']) - SHOWN_ERRORS} more (--json shows all)"]
        if len(done["refused"]) > SHOWN_ERRORS
        else []
    )
    Printer(as_json).value(done, "\n".join(said) + undo)
    if done["refused"]:
        sys.exit(FAILURE)


@feedback.command("undo")
def undo(
    bulk_id: Annotated[str, typer.Argument(help="As the import, or the bulk verdict, said it.")],
    by: Annotated[str, typer.Option("--by", help="Who undoes it; your user name unless given.")] = "",
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Take back everything that was given together."""
    with client(data_dir) as service:
        retracted = service.undo_bulk(bulk_id, annotator=who(by))
    Printer(as_json).value({"bulk_id": bulk_id, "retracted": retracted}, f"{retracted} retracted")


def _import(
    service: Client, lines: Sequence[Line], bulk_id: str, annotator: str, dry_run: bool, *, quiet: bool
) -> dict[str, Any]:
    refused: list[dict[str, Any]] = [
        {"line": line.number, "field": "", "message": line.error} for line in lines if line.error
    ]
    good = [(line.number, line.entry) for line in lines if line.entry is not None]
    total = {"added": 0, "present": 0, "vague": 0}
    for start in range(0, len(good), BATCH):
        numbers, entries = zip(*good[start : start + BATCH], strict=True)
        done = _one_batch(service, entries, bulk_id, annotator, dry_run)
        for name in total:
            total[name] += getattr(done, name)
        refused += [
            {"line": numbers[each.number], "field": each.field, "message": _said(each.field, each.message)}
            for each in done.refused
        ]
        if not quiet and len(good) > BATCH:
            print(f"{min(start + BATCH, len(good))} of {len(good)}", file=sys.stderr)
    refused.sort(key=lambda each: each["line"])
    return {"bulk_id": "" if dry_run else bulk_id, **total, "refused": refused}


def _one_batch(
    service: Client, entries: Sequence[NewFeedback], bulk_id: str, annotator: str, dry_run: bool
) -> Imported:
    return service.import_feedback(entries, annotator=annotator, bulk_id=bulk_id, validate_only=dry_run)


def _said(field: str, message: str) -> str:
    return f"{field}: {message}" if field else message


def _format(file: Path, named: str) -> FileFormat:
    from assay.feedback_files import FileFormat, Unreadable, format_of

    if named:
        if named not in frozenset(FileFormat):
            raise CommandFailed(f"there is no format {named!r}", "write csv or jsonl", exit_code=USAGE)
        return FileFormat(named)
    try:
        return format_of(str(file))
    except Unreadable as error:
        raise CommandFailed(str(error), exit_code=USAGE) from error


def _text_of(file: Path) -> str:
    try:
        raw = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        return raw.decode("utf-8")
    except OSError as error:
        raise CommandFailed(f"cannot read {file}: {error.strerror}", exit_code=USAGE) from error
    except UnicodeDecodeError as error:
        raise CommandFailed(
            f"{file} is no UTF-8 at byte {error.start}",
            "save it as UTF-8 (“CSV UTF-8” in spreadsheets)",
            exit_code=USAGE,
        ) from error


def _opened(file: Path) -> Any:
    try:
        return file.open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise CommandFailed(f"cannot write {file}: {error.strerror}", exit_code=USAGE) from error
