"""The command that says a trace or session has ended."""

from __future__ import annotations

from typing import Annotated

import typer

from assay.cli.connection import client
from assay.cli.console import USAGE, CommandFailed, Json, Printer
from assay.cli.main import DataDir, app
from assay.cli.scores import SCORE, parse_target
from storage.model import Level

Targets = Annotated[list[str], typer.Argument(help="TRACE (hex id, as in SQL) or session:ID; several may be given.")]

NO_EFFECT = "none: nothing of it is stored, and what arrives later waits as usual"


@app.command(rich_help_panel=SCORE)
def complete(targets: Targets, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Say that traces or sessions have ended: rules score them now, and do not wait for quiet."""
    refs = [parse_target(text) for text in targets]
    for text, ref in zip(targets, refs, strict=True):
        if ref.level is Level.SPAN:
            raise CommandFailed(
                f"{text} is a span, which is complete when it arrives", "name its trace or its session", exit_code=USAGE
            )
    with client(data_dir) as service:
        ends = [service.mark_complete(ref) for ref in refs]
    rows = [
        {
            "target": text,
            "end_time": end.time.isoformat(),
            "stored": end.stored,
            "effect": "scored now" if end.stored else NO_EFFECT,
        }
        for text, end in zip(targets, ends, strict=True)
    ]
    Printer(as_json).table(rows, {"target": "target", "end_time": "ended", "effect": "effect"}, empty="nothing")
