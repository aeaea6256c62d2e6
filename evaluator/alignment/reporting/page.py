"""A report as one HTML page that needs nothing else: style and plots are in it, and there is no script at all.

Everything that people, models or applications wrote is escaped, and the page forbids itself to load or run anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from html import escape
from importlib import resources

from evaluator.alignment.model import Verdict
from evaluator.alignment.proof.proof import Comparison
from evaluator.alignment.reporting import plots, wording
from evaluator.alignment.reporting.markdown import remark_on, state_of
from evaluator.alignment.reporting.report import Flip, GuidelineLine, Report

POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
STATES = {
    "+": "new", "=": "in force", "-": "taken out", "off": "left out", "?": "needs a decision",
}  # fmt: skip


def to_html(report: Report) -> str:
    """The whole page."""
    title = _text(f"Alignment of {report.metric} version {report.metric_version}")
    body = [
        f"<h1>{title}</h1>",
        _verdict(report),
        _section("Guidelines", _guidelines(report)),
        _section("Agreement", _agreement(report)),
        _section("Rows whose verdict changes", _flips(report)),
        _section("Prompt", _diff(report)),
        _section("Rows", _table(("what", "rows", ""), [(*map(str, row),) for row in wording.counted(report.counts)])),
        _section("Cost", _cost(report)),
        _section("How it was made", _table(("", ""), wording.how_it_was_made(report))),
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>\n{_style()}</style>\n</head>\n<body>\n"
        + "\n".join(part for part in body if part)
        + "\n</body>\n</html>\n"
    )


@cache
def _style() -> str:
    return resources.files(__package__).joinpath("page.css").read_text(encoding="utf-8")


def _text(text: str) -> str:
    return escape(wording.shown(text))


def _section(title: str, body: str) -> str:
    return f"<section>\n<h2>{title}</h2>\n{body}\n</section>" if body else ""


def _verdict(report: Report) -> str:
    said = wording.VERDICTS[report.verdict] if report.verdict else report.status
    lines = [f"<strong>{_text(said)}</strong>", _text(report.sentence)]
    if report.decision:
        lines.append(_text(f"Decision: {report.decision} {report.accepted}".strip()))
    elif report.verdict:
        lines.append(f"What to do: {_text(wording.DECISIONS[report.verdict])}")
    kind = report.verdict if report.verdict in (Verdict.SUPPORTED, Verdict.HARMFUL) else ""
    remarks = [*report.notes, *(f"guardrail failed: {each}" for each in report.failed_guardrails), *report.warnings]
    return (
        f'<div class="verdict {kind}">{"<br>".join(each for each in lines if each)}</div>{_list(map(_text, remarks))}'
    )


def _list(items: Iterable[str]) -> str:
    found = "".join(f"<li>{each}</li>" for each in items)
    return f"<ul>{found}</ul>" if found else ""


def _guidelines(report: Report) -> str:
    rows = "".join(_guideline(each) for each in report.lines)
    head = "".join(f"<th>{each}</th>" for each in ("", "guideline", "support", "fixed alone", "broken alone"))
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>" if rows else ""


def _guideline(line: GuidelineLine) -> str:
    text = _text(line.text) if line.included else f'<span class="off">{_text(line.text)}</span>'
    numbers = "".join(f'<td class="n">{each}</td>' for each in (line.support, line.fixed, line.broken))
    remark = f'<br><span class="soft">{_text(remark_on(line))}</span>'
    return f"<tr><td>{STATES[state_of(line)]}</td><td>{text}{remark}</td>{numbers}</tr>"


def _agreement(report: Report) -> str:
    if not report.agreement:
        return ""
    facts = [
        f"held out: {_text(report.design)}" if report.design else "",
        f"test: {_text(wording.tested(report))}" if wording.tested(report) else "",
        f"noise floor (the judge contradicts itself): {_text(wording.share(report.noise_floor))}",
        "optimism (better on the rows that the guidelines were made of than on others): "
        + _text(wording.points(report.optimism)),
    ]
    facts += [
        _text(f"people among themselves, {wording.name_of(name)}: {wording.figure(name, found, report.output_type)}")
        for name, found in report.human_agreement
    ]
    drawn = plots.agreement(report)
    key = '<p class="soft">Circle, dashed: before. Square: after. Bars are 95 % intervals.</p>' if drawn else ""
    confusions = plots.confusions(report)
    return "\n".join(
        [
            drawn + key,
            _comparisons(report, wording.of_all(report.agreement), grouped=False),
            _list(each for each in facts if each),
            f'<div class="side">{confusions}</div>' if confusions else _confusion_tables(report),
            _comparisons(report, wording.of_groups(report.agreement), grouped=True),
        ]
    )


def _comparisons(report: Report, found: Sequence[Comparison], *, grouped: bool) -> str:
    rows = [
        (
            *((wording.group_of(each.group),) if grouped else ()),
            wording.name_of(each.name),
            wording.figure(each.name, each.before, report.output_type),
            wording.figure(each.name, each.after, report.output_type),
            wording.difference(each.name, each.difference, report.output_type),
            str(each.after.count or each.before.count),
        )
        for each in found
    ]
    return _table((*(("rows",) if grouped else ()), "statistic", "before", "after", "difference", "n"), rows)


def _confusion_tables(report: Report) -> str:
    tables = []
    for title, cells in (("Confusion before", report.confusion_before), ("Confusion after", report.confusion_after)):
        rows = [(each.expected, each.concluded, str(each.count)) for each in cells]
        tables.append(f"<h3>{title}</h3>{_table(('expected', 'concluded', 'rows'), rows)}" if rows else "")
    return "".join(tables)


def _flips(report: Report) -> str:
    if not report.flips:
        return ""
    return "\n".join([plots.flips(report), *(_flip(report, each) for each in report.flips)])


def _flip(report: Report, flip: Flip) -> str:
    output = report.output_type
    rows = [
        ("expected", wording.verdict_of(flip.expected, output)),
        *(("a person", words) for words in flip.people),
        ("before", f"{wording.verdict_of(flip.before, output)}\n{flip.before_explanation}"),
        ("after", f"{wording.verdict_of(flip.after, output)}\n{flip.after_explanation}"),
    ]
    found = "".join(f"<dt>{name}</dt><dd>{_text(text.strip())}</dd>" for name, text in rows)
    return (
        f"<article><h3>{'Fixed' if flip.fixed else 'Broken'}: {flip.target.level} {_text(flip.target.key)}</h3>"
        f"<dl>{found}<dt>look at it</dt><dd><code>{_text(flip.command)}</code></dd></dl></article>"
    )


def _diff(report: Report) -> str:
    lines = wording.prompt_diff(report)
    if not lines:
        return ""
    return "<pre>" + "\n".join(_diff_line(number, line) for number, line in enumerate(lines)) + "</pre>"


def _diff_line(number: int, line: str) -> str:
    if number < 2 or line.startswith("@@"):
        return f'<span class="head">{escape(line)}</span>'
    kind = {"+": "add", "-": "del"}.get(line[:1], "")
    return f'<span class="{kind}">{escape(line)}</span>' if kind else escape(line)


def _cost(report: Report) -> str:
    table = _table(("", "before", "after"), wording.running_costs(report.running))
    return f"{table}<p>The run itself: {_text(wording.spent_said(report))}.</p>"


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    head = "".join(f"<th>{each}</th>" for each in headings)
    body = "".join("<tr>" + "".join(f"<td>{_text(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
