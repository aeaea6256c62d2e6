"""Who somebody at a terminal is."""

from __future__ import annotations

import getpass
import os
from typing import Annotated

import typer

from assay.cli.console import USAGE, CommandFailed

ANNOTATOR = "ASSAY_ANNOTATOR"


As = Annotated[str, typer.Option("--annotator", help=f"Who says so; {ANNOTATOR}, else your user name.")]


def who(annotator: str) -> str:
    """Who gives a verdict, or takes a decision.

    Raises:
        CommandFailed: Nobody says so, and the account has no name.
    """
    try:
        found = annotator or os.environ.get(ANNOTATOR, "") or getpass.getuser()
    except (OSError, KeyError):
        found = ""
    if not found.strip():
        raise CommandFailed("nobody says who you are", f"give --annotator NAME, or set {ANNOTATOR}", exit_code=USAGE)
    return found.strip()
