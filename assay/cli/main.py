"""The command `assay`.  Modules of commands import what they need when they run, so that `--help` is quick."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from assay.cli import console
from assay.settings import InvalidSetting, Settings, load

app = typer.Typer(
    name="assay",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Evaluates LLM applications that already emit OpenTelemetry: a span in, a score out, in SQL.",
)

DataDir = Annotated[
    Path | None, typer.Option("--data-dir", help="Where the embedded ClickHouse lives (ASSAY_DATA_DIR).")
]
ClickHouseUrl = Annotated[
    str | None, typer.Option("--clickhouse-url", help="A ClickHouse of your own (ASSAY_CLICKHOUSE_URL).")
]
Insecure = Annotated[
    bool | None, typer.Option("--insecure", help="Listen beyond this machine although there are no keys.")
]


def settings(**flags: Any) -> Settings:
    """Settings in force, or a usage error."""
    try:
        return load(flags)
    except InvalidSetting as error:
        raise console.CommandFailed(str(error), exit_code=console.USAGE) from error


def main() -> None:
    """Entry point: what is refused is said in a sentence, with the exit code 1 (2 for wrong usage)."""
    from assay.cli import (  # noqa: F401  (they register their commands)
        agreement,
        alerts,
        aligning,
        applying,
        completing,
        deciding,
        erasing,
        explaining,
        feedback,
        feedback_transfers,
        metrics,
        previewing,
        proving,
        queues,
        rechecking,
        reviewing,
        rules,
        running,
        runs,
        scores,
        store,
        testing,
        watching,
    )

    as_json = "--json" in sys.argv
    try:
        app(standalone_mode=True)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # `assay … | head`
        sys.stderr.close()
    except Exception as error:
        if _is_ours(error):
            console.report(error, as_json=as_json)
        raise


def _is_ours(error: Exception) -> bool:
    from assay.child import StartFailed
    from storage.errors import StorageError

    return isinstance(error, (console.CommandFailed, StartFailed, StorageError))
