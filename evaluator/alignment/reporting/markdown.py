"""A report as Markdown, for a pull request or a ticket.  What people and models wrote is escaped."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from evaluator.alignment.proof.proof import Comparison
from evaluator.alignment.reporting import wording
from evaluator.alignment.reporting.report import Flip, GuidelineLine, Report

_MARKS = re.compile(r"([\\`*_\[\]<>|~#!&@{}])|(?<=:)(?=//)|(?<=www)(?=\.)")
MAX_FLIPS = 200
"""That are shown; the rest is counted."""


def to_markdown(report: Report) -> str:
    """The whole report."""
    parts = [
        _head(report),
        _section("Guidelines", _guidelines(report)),
        _section("Agreement", _agreement(report)),
        _section("Rows whose verdict changes", _flips(report)),
        _section("Prompt", _diff(report)),
        _section("Rows", _table(("what", "rows", ""), [(*map(str, row),) for row in wording.counted(report.counts)])),
        _section("Cost", _cost(report)),
        _section("How it was made", _table(("", ""), wording.how_it_was_made(report))),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def escaped(text: str) -> str:
    """A text on one line that says in Markdown what it says as it stands: no link, image, mention, HTML or markup."""
    return _MARKS.sub(lambda found: f"\\{found[0]}", wording.one_line(text))


def _head(report: Report) -> str:
    lines = [f"# Alignment of {escaped(report.metric)} version {report.metric_version}", ""]
    if report.verdict:
        lines += [f"**{wording.VERDICTS[report.verdict]}**", ""]
    else:
        lines += [f"**{report.status}**", ""]
    lines.append(escaped(report.sentence))
    if report.decision:
        made = f": {escaped(report.accepted)}" if report.accepted else ""
        lines += ["", f"Decision: {report.decision}{made}"]
    elif report.verdict:
        lines += ["", f"What to do: {wording.DECISIONS[report.verdict]}"]
    remarks = [*report.notes, *(f"guardrail failed: {each}" for each in report.failed_guardrails), *report.warnings]
    return "\n".join([*lines, *([""] if remarks else []), *(f"- {escaped(each)}" for each in remarks)])


def _section(title: str, body: str) -> str:
    return f"## {title}\n\n{body}" if body else ""


def _guidelines(report: Report) -> str:
    rows = [
        (state_of(line), line.text, *(str(each) for each in (line.support, line.fixed, line.broken)), remark_on(line))
        for line in report.lines
    ]
    return _table(("", "guideline", "support", "fixed alone", "broken alone", ""), rows)


def state_of(line: GuidelineLine) -> str:
    """How a line stands in the diff."""
    if line.needs_decision and not line.included:
        return "?"
    if line.base:
        return "=" if line.included else "-"
    return "+" if line.included else "off"


def remark_on(line: GuidelineLine) -> str:
    """Who wrote a line, what it was, and what is to be decided about it."""
    writer = "a person" if line.origin == "human" else "an earlier run" if line.base else "this run"
    said = [f"{line.guideline_id}, by {writer}"]
    if line.edited_from:
        said.append(f"was: {line.edited_from}")
    if line.needs_decision:
        said.append(f"needs a decision: {line.needs_decision}")
    return "; ".join(said)


def _agreement(report: Report) -> str:
    if not report.agreement:
        return ""
    parts = [_comparisons(report, wording.of_all(report.agreement), grouped=False)]
    if groups := wording.of_groups(report.agreement):
        parts.append(_comparisons(report, groups, grouped=True))
    facts = [
        f"- held out: {escaped(report.design)}" if report.design else "",
        f"- test: {escaped(wording.tested(report))}" if wording.tested(report) else "",
        f"- noise floor (the judge contradicts itself): {wording.share(report.noise_floor)}",
        "- optimism (better on the rows that the guidelines were made of than on others): "
        + wording.points(report.optimism),
        *(
            f"- people among themselves, {wording.name_of(name)}: {wording.figure(name, found, report.output_type)}"
            for name, found in report.human_agreement
        ),
    ]
    parts.append("\n".join(each for each in facts if each))
    for title, cells in (("before", report.confusion_before), ("after", report.confusion_after)):
        if cells:
            rows = [(each.expected, each.concluded, str(each.count)) for each in cells]
            parts.append(f"Confusion {title}:\n\n" + _table(("expected", "concluded", "rows"), rows))
    return "\n\n".join(parts)


def _comparisons(report: Report, found: Iterable[Comparison], *, grouped: bool) -> str:
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


def _flips(report: Report) -> str:
    if not report.flips:
        return ""
    said = f"{report.broken} broken, {report.fixed} fixed."
    parts = [said, *(_flip(report, each) for each in report.flips[:MAX_FLIPS])]
    if more := len(report.flips) - MAX_FLIPS:
        parts.append(f"… and {more} more." if more > 0 else "")
    return "\n\n".join(each for each in parts if each)


def _flip(report: Report, flip: Flip) -> str:
    output = report.output_type
    lines = [
        f"### {'Fixed' if flip.fixed else 'Broken'}: {flip.target.level} {escaped(flip.target.key)}",
        "",
        f"- expected: {escaped(wording.verdict_of(flip.expected, output))}",
        *(f"- a person: {escaped(words)}" for words in flip.people),
        f"- before: {escaped(wording.verdict_of(flip.before, output))}. {escaped(flip.before_explanation)}",
        f"- after: {escaped(wording.verdict_of(flip.after, output))}. {escaped(flip.after_explanation)}",
        f"- look at it: {_code(flip.command)}",
    ]
    return "\n".join(lines)


def _diff(report: Report) -> str:
    lines = wording.prompt_diff(report)
    return _fenced(lines, "diff") if lines else ""


def _fenced(lines: Sequence[str], language: str) -> str:
    longest = max((len(run) for line in lines for run in re.findall(r"`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return "\n".join([f"{fence}{language}", *lines, fence])


def _code(text: str) -> str:
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if longest else ""
    return f"{fence}{pad}{wording.one_line(text)}{pad}{fence}"


def _cost(report: Report) -> str:
    table = _table(("", "before", "after"), wording.running_costs(report.running))
    return f"{table}\n\nThe run itself: {wording.spent_said(report)}."


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    lines = [f"| {' | '.join(headings)} |", f"|{'---|' * len(headings)}"]
    return "\n".join([*lines, *(f"| {' | '.join(map(escaped, row))} |" for row in rows)])
