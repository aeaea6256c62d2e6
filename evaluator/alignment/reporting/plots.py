"""The plots of a report's page: SVG as text, drawn with classes that the page's style colours for light and dark."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from html import escape

from evaluator.alignment.proof.proof import Comparison, Confused
from evaluator.alignment.reporting import wording
from evaluator.alignment.reporting.report import Flip, Report
from evaluator.statistics.estimate import Estimate
from storage.model import OutputType

WIDTH = 720
LEFT = 190
"""Pixels for the names of rows."""
ROW = 44
MAX_CLASSES = 12
"""Of a confusion that is drawn; with more, names would not fit, and a table says it better."""
CELL = 46


def agreement(report: Report) -> str:
    """Statistics of all rows before and after with their intervals; '' where there is nothing to draw."""
    found = [each for each in wording.of_all(report.agreement) if each.before.value is not None or each.after.value]
    of_scale = [each for each in found if each.name not in wording.ERRORS]
    of_unit = [each for each in found if each.name in wording.ERRORS]
    drawn = []
    if of_scale:
        low = min(0.0, *(_least(each) for each in of_scale))
        drawn.append(_intervals(of_scale, low, 1.0, report.output_type, "Agreement before and after"))
    for each in of_unit:
        values = [*_numbers(each.before), *_numbers(each.after), 0.0]
        title = f"{wording.name_of(each.name)} before and after"
        drawn.append(_intervals([each], min(values), max(*values, 1e-9), report.output_type, title))
    return "\n".join(drawn)


def _numbers(found: Estimate) -> list[float]:
    return [each for each in (found.value, found.lower, found.upper) if each is not None]


def _least(found: Comparison) -> float:
    return min([*_numbers(found.before), *_numbers(found.after), 0.0])


def _intervals(found: Sequence[Comparison], low: float, high: float, output: OutputType, title: str) -> str:
    height = ROW * len(found) + 40

    def x(value: float) -> float:
        return LEFT + (min(max(value, low), high) - low) / (high - low) * (WIDTH - LEFT - 30)

    parts = [_tick(x(at), height - 30, _axis_label(found[0].name, at, output)) for at in _ticks(low, high)]
    for number, each in enumerate(found):
        y = ROW * number + 14
        parts.append(f'<text class="name" x="{LEFT - 12}" y="{y + 12}">{escape(wording.name_of(each.name))}</text>')
        for kind, figure, at in (("before", each.before, y), ("after", each.after, y + 16)):
            if figure.value is None:
                continue
            said = f"{kind}: {wording.figure(each.name, figure, output)}"
            lower = figure.value if figure.lower is None else figure.lower
            upper = figure.value if figure.upper is None else figure.upper
            shape = (
                f'<circle cx="{x(figure.value):.1f}" cy="{at}" r="5"/>'
                if kind == "before"
                else f'<rect x="{x(figure.value) - 5:.1f}" y="{at - 5}" width="10" height="10"/>'
            )
            parts.append(
                f'<g class="{kind}"><title>{escape(said)}</title>'
                f'<line x1="{x(lower):.1f}" y1="{at}" x2="{x(upper):.1f}" y2="{at}"/>{shape}</g>'
            )
    return _svg(WIDTH, height, title, parts)


def _ticks(low: float, high: float) -> list[float]:
    if (low, high) == (0.0, 1.0):
        return [0.0, 0.25, 0.5, 0.75, 1.0]
    return [low + (high - low) * step / 4 for step in range(5)]


def _axis_label(name: str, value: float, output: OutputType) -> str:
    if name in wording.ERRORS:
        return wording.figure(name, Estimate(value=value), output)
    return f"{value:.2f}"


def _tick(x: float, height: int, label: str) -> str:
    return (
        f'<line class="grid" x1="{x:.1f}" y1="0" x2="{x:.1f}" y2="{height}"/>'
        f'<text class="axis" x="{x:.1f}" y="{height + 18}">{escape(label)}</text>'
    )


def confusions(report: Report) -> str:
    """Both confusions on the same classes; '' where there are none, or too many classes to draw."""
    cells = (*report.confusion_before, *report.confusion_after)
    names = sorted({each.expected for each in cells} | {each.concluded for each in cells}, key=_in_order)
    if not names or len(names) > MAX_CLASSES:
        return ""
    return "\n".join(
        _confusion(found, names, title)
        for found, title in (
            (report.confusion_before, "Confusion before"),
            (report.confusion_after, "Confusion after"),
        )
    )


def _in_order(name: str) -> tuple[int, float, str]:
    """Numbers by value, before words."""
    try:
        return (0, float(name.removesuffix("%")), name)
    except ValueError:
        return (1, 0.0, name)


def _confusion(found: Iterable[Confused], names: Sequence[str], title: str) -> str:
    counts = Counter[tuple[str, str]]()
    for each in found:
        counts[each.expected, each.concluded] += each.count
    left, top = 130, 52
    width, height = left + CELL * len(names) + 10, top + CELL * len(names) + 10
    parts = [
        f'<text class="axis" x="{left + CELL * len(names) / 2}" y="14">concluded</text>',
        f'<text class="name" x="{left - 10}" y="{top - 10}">expected</text>',
    ]
    for row, expected in enumerate(names):
        y = top + row * CELL
        total = sum(counts[expected, each] for each in names)
        parts.append(f'<text class="name" x="{left - 10}" y="{y + CELL / 2 + 4}">{_short(expected, 16)}</text>')
        parts.append(
            f'<text class="axis" x="{left + row * CELL + CELL / 2}" y="{top - 10}">{_short(expected, 6)}</text>'
        )
        for column, concluded in enumerate(names):
            count, x = counts[expected, concluded], left + column * CELL
            kind = "right" if row == column else "wrong"
            share = count / total if total else 0.0
            said = escape(wording.one_line(f"{count} × expected {expected}, concluded {concluded}"))
            parts.append(
                f'<g><title>{said}</title><rect class="{kind}" fill-opacity="{0.04 + 0.76 * share:.2f}" x="{x + 1}" '
                f'y="{y + 1}" width="{CELL - 2}" height="{CELL - 2}"/>'
                f'<text class="count" x="{x + CELL / 2}" y="{y + CELL / 2 + 5}">{count or "·"}</text></g>'
            )
    return _svg(width, height, title, parts)


def _short(text: str, longest: int) -> str:
    text = wording.one_line(text)
    return escape(text if len(text) <= longest else f"{text[: longest - 1]}…")


def flips(report: Report) -> str:
    """Rows that were broken (to the left) and put right (to the right), all and by what was expected."""
    if not report.flips:
        return ""
    output = report.output_type
    by_class: dict[str, list[Flip]] = {}
    for each in report.flips:
        by_class.setdefault(wording.verdict_of(each.expected, output), []).append(each)
    groups = [("all rows", list(report.flips))]
    if 1 < len(by_class) <= MAX_CLASSES:
        groups += [(f"expected {name}", by_class[name]) for name in sorted(by_class, key=_in_order)]
    most = max(max(_broken(found), len(found) - _broken(found)) for _, found in groups)
    half = (WIDTH - LEFT - 80) / 2
    middle = LEFT + 40 + half
    parts = []
    for number, (name, found) in enumerate(groups):
        y, broken = 10 + 30 * number, _broken(found)
        fixed = len(found) - broken
        left, right = half * broken / most, half * fixed / most
        parts.append(f'<text class="name" x="{LEFT - 12}" y="{y + 14}">{_short(name, 26)}</text>')
        parts.append(f'<rect class="broken" x="{middle - left:.1f}" y="{y}" width="{left:.1f}" height="20"/>')
        parts.append(f'<rect class="fixed" x="{middle:.1f}" y="{y}" width="{right:.1f}" height="20"/>')
        parts.append(f'<text class="name" x="{middle - left - 6:.1f}" y="{y + 15}">{broken} broken</text>')
        parts.append(f'<text class="value" x="{middle + right + 6:.1f}" y="{y + 15}">{fixed} fixed</text>')
    parts.append(f'<line class="grid" x1="{middle}" y1="0" x2="{middle}" y2="{20 + 30 * len(groups)}"/>')
    return _svg(WIDTH + 40, 20 + 30 * len(groups), "Rows whose verdict changes", parts)


def _broken(found: Iterable[Flip]) -> int:
    return sum(not each.fixed for each in found)


def _svg(width: float, height: float, title: str, parts: Iterable[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" role="img" '
        f'aria-label="{escape(title)}" style="max-width:{width:g}px"><title>{escape(title)}</title>\n'
        + "\n".join(parts)
        + "\n</svg>"
    )
