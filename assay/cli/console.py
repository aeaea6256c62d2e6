"""How commands speak: tables for people, one JSON value with `--json`, errors with the next step."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table

Json = Annotated[bool, typer.Option("--json", help="Print one JSON value instead of text.")]

FAILURE = 1
USAGE = 2


class CommandFailed(Exception):
    """A command cannot do what was asked: what is wrong, and what to do next."""

    def __init__(self, message: str, next_step: str = "", *, exit_code: int = FAILURE) -> None:
        super().__init__(message)
        self.next_step = next_step
        self.exit_code = exit_code


_GAP = 2
_LEAST = 16
"""Characters of a column that is cut; with less it says nothing and is left out."""


@dataclass(frozen=True, slots=True)
class Printer:
    """Prints for people or for programs."""

    as_json: bool = False

    def value(self, value: Any, text: str) -> None:
        """One value: its JSON, or the text."""
        print(json.dumps(value, indent=2, ensure_ascii=False, default=str) if self.as_json else text)

    def table(
        self, rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str], *, empty: str, cut: str = ""
    ) -> None:
        """Rows as a table of the named columns (key -> heading), or all of them as JSON; `empty` is said for none.

        Args:
            cut: Key of the column that is cut where the terminal ends, or left out, so that a row takes one line.
        """
        if self.as_json:
            print(json.dumps(list(rows), indent=2, ensure_ascii=False, default=str))
        elif not rows:
            print(empty)
        else:
            cells = {key: [_cell(row.get(key)) for row in rows] for key in columns}
            if cut:
                whole = sum(max(map(len, [columns[key], *cells[key]])) + _GAP for key in columns if key != cut)
                room = console().width - whole
                columns = {key: heading for key, heading in columns.items() if key != cut or room >= _LEAST}
                cells = {
                    key: [_shortened(text, room) if key == cut else text for text in cells[key]] for key in columns
                }
            table = Table(box=None, pad_edge=False, header_style="bold")
            for heading in columns.values():
                table.add_column(heading, overflow="fold")
            for row_cells in zip(*cells.values(), strict=True):
                table.add_row(*row_cells)
            console().print(table)


def _shortened(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def console() -> Console:
    """As wide as the terminal; where there is none, wide enough that ids are whole on their line."""
    return Console(width=None if sys.stdout.isatty() else 200, highlight=False, markup=False)


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)


def report(error: BaseException, *, as_json: bool) -> NoReturn:
    """Print an error with its next step, and exit."""
    next_step = getattr(error, "next_step", "")
    message = str(error) or type(error).__name__
    if as_json:
        print(json.dumps({"error": message, "next": next_step}, ensure_ascii=False))
    else:
        print(f"assay: {message}" + (f"\n  → {next_step}" if next_step else ""), file=sys.stderr)
    sys.exit(getattr(error, "exit_code", FAILURE))
