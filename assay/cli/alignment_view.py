"""A report of an alignment in a terminal: plain words, at most 100 columns, nothing that only a colour says."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from io import StringIO

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from evaluator.alignment.proof.proof import Comparison
from evaluator.alignment.reporting import wording
from evaluator.alignment.reporting.markdown import remark_on, state_of
from evaluator.alignment.reporting.report import Flip, Report

MAX_WIDTH = 100
MAX_FLIPS = 20
"""That are shown in full; Markdown and the page have all of them."""
MAX_WORDS = 400
"""Characters of an explanation; Markdown and the page have all of them."""


def to_text(report: Report, *, width: int = MAX_WIDTH, styled: bool = False) -> str:
    """The whole report, at most `width` columns wide."""
    page = Console(
        file=StringIO(), width=min(width, MAX_WIDTH), highlight=False, markup=False, emoji=False,
        force_terminal=styled, no_color=True, legacy_windows=False,
    )  # fmt: skip
    with page.capture() as captured:
        _verdict(page, report)
        _guidelines(page, report)
        _agreement(page, report)
        _flips(page, report)
        _prompt(page, report)
        _rows(page, "Rows", ("what", "rows", ""), [(*map(str, row),) for row in wording.counted(report.counts)])
        _rows(page, "Cost", ("", "before", "after"), wording.running_costs(report.running))
        _say(page, f"The run itself: {wording.spent_said(report)}.")
        _rows(page, "How it was made", ("", ""), wording.how_it_was_made(report))
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def print_report(report: Report) -> None:
    """Print it, as wide as the terminal has room."""
    there = sys.stdout.isatty()
    width = Console().width if there else MAX_WIDTH
    print(to_text(report, width=width, styled=there))


def _heading(page: Console, text: str) -> None:
    page.print()
    page.print(Text(text, style="bold"))


def _say(page: Console, text: str, *, indent: int = 0) -> None:
    page.print(Padding(Text(wording.shown(text), overflow="fold"), (0, 0, 0, indent)))


def _verdict(page: Console, report: Report) -> None:
    page.print(Text(f"Alignment of {wording.one_line(report.metric)} version {report.metric_version}", style="bold"))
    _say(page, wording.VERDICTS[report.verdict] if report.verdict else report.status)
    _say(page, report.sentence)
    for each in (
        *report.notes, *(f"guardrail failed: {each}" for each in report.failed_guardrails), *report.warnings,
    ):  # fmt: skip
        _say(page, f"! {wording.one_line(each)}")
    if report.decision:
        _say(page, f"Decision: {report.decision} {report.accepted}".strip())
    elif report.verdict:
        _say(page, f"→ {wording.DECISIONS[report.verdict]}")


def _guidelines(page: Console, report: Report) -> None:
    if not report.lines:
        return
    _heading(page, "Guidelines (+ new, = in force, off left out, - taken out, ? needs a decision)")
    table = _table("", "guideline", "support", "fixed", "broken")
    for each in report.lines:
        text = Text(wording.one_line(each.text), overflow="fold")
        text.append(f"\n{wording.one_line(remark_on(each))}", style="dim")
        table.add_row(state_of(each), text, str(each.support), str(each.fixed), str(each.broken))
    page.print(table)


def _agreement(page: Console, report: Report) -> None:
    if not report.agreement:
        return
    _heading(page, "Agreement with people")
    page.print(_comparisons(report, wording.of_all(report.agreement), grouped=False))
    facts = [("held out", wording.one_line(report.design)), ("test", wording.tested(report))]
    facts.append(("noise floor", f"{wording.share(report.noise_floor)}: so often the judge contradicts itself"))
    facts.append(("optimism", f"{wording.points(report.optimism)} better on the rows that the guidelines were made of"))
    facts += [
        ("people among themselves", f"{wording.name_of(name)} {wording.figure(name, found, report.output_type)}")
        for name, found in report.human_agreement
    ]
    _plain_rows(page, facts)
    for title, cells in (("Confusion before", report.confusion_before), ("Confusion after", report.confusion_after)):
        _rows(
            page, title, ("expected", "concluded", "rows"),
            [(each.expected, each.concluded, str(each.count)) for each in cells],
        )  # fmt: skip
    if groups := wording.of_groups(report.agreement):
        _heading(page, "Agreement by group")
        page.print(_comparisons(report, groups, grouped=True))


def _comparisons(report: Report, found: Iterable[Comparison], *, grouped: bool) -> Table:
    table = _table(*(("rows",) if grouped else ()), "statistic", "before", "after", "difference", "n")
    for each in found:
        cells = (
            *((wording.group_of(each.group),) if grouped else ()),
            wording.name_of(each.name),
            wording.figure(each.name, each.before, report.output_type),
            wording.figure(each.name, each.after, report.output_type),
            wording.difference(each.name, each.difference, report.output_type),
            str(each.after.count or each.before.count),
        )
        table.add_row(*(Text(cell, overflow="fold") for cell in cells))
    return table


def _flips(page: Console, report: Report) -> None:
    if not report.flips:
        return
    _heading(page, f"Rows whose verdict changes: {report.broken} broken, {report.fixed} fixed")
    for each in report.flips[:MAX_FLIPS]:
        _flip(page, report, each)
    if len(report.flips) > MAX_FLIPS:
        _say(page, f"… and {len(report.flips) - MAX_FLIPS} more: --html FILE or --markdown FILE has all of them")


def _flip(page: Console, report: Report, flip: Flip) -> None:
    kind = "fixed " if flip.fixed else "BROKEN"
    _say(page, f"{kind}  {flip.target.level} {wording.one_line(flip.target.key)}")
    output = report.output_type
    lines = [("expected", wording.verdict_of(flip.expected, output))]
    lines += [("a person", _shortened(words)) for words in flip.people]
    lines.append(("before", f"{wording.verdict_of(flip.before, output)}. {_shortened(flip.before_explanation)}"))
    lines.append(("after", f"{wording.verdict_of(flip.after, output)}. {_shortened(flip.after_explanation)}"))
    lines.append(("look", flip.command))
    _plain_rows(page, lines, indent=8)


def _shortened(text: str) -> str:
    line = wording.one_line(text)
    return line if len(line) <= MAX_WORDS else f"{line[: MAX_WORDS - 1]}…"


def _prompt(page: Console, report: Report) -> None:
    if lines := wording.prompt_diff(report):
        _heading(page, "Prompt")
        for line in lines:
            _say(page, line)


def _rows(page: Console, title: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    if not rows:
        return
    _heading(page, title)
    table = _table(*headings)
    table.show_header = any(headings)
    for row in rows:
        table.add_row(*(Text(wording.one_line(cell), overflow="fold") for cell in row))
    page.print(table)


def _plain_rows(page: Console, rows: Iterable[Sequence[str]], *, indent: int = 0) -> None:
    table = _table("", "")
    table.show_header = False
    for name, text in rows:
        if text:
            table.add_row(Text(name), Text(wording.one_line(text), overflow="fold"))
    page.print(Padding(table, (0, 0, 0, indent)))


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        number = heading in ("support", "fixed", "broken", "n")
        table.add_column(heading, overflow="fold", justify="right" if number else "left", no_wrap=number)
    return table
