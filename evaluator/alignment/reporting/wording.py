"""How numbers and verdicts of a report are written: the same in every rendering."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Final

from evaluator.alignment.model import Verdict
from evaluator.alignment.proof.proof import ALL, Comparison
from evaluator.alignment.reporting.report import Report, Running
from evaluator.alignment.running.outcome import Counts
from evaluator.statistics.estimate import Estimate
from storage.model import OutputType, Score

UNKNOWN = "–"
NAMES: Final[Mapping[str, str]] = {
    "agreement": "agreement",
    "exact": "exact agreement",
    "within_1": "within one step",
    "cohen_kappa": "Cohen's κ",
    "fleiss_kappa": "Fleiss' κ",
    "weighted_kappa": "weighted κ (quadratic)",
    "krippendorff_alpha": "Krippendorff's α",
    "gwet_ac1": "Gwet's AC1",
    "ccc": "Lin's CCC",
    "spearman": "Spearman's ρ",
    "mae": "mean absolute error",
    "bias": "bias",
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
    "macro_f1": "macro F1",
}
SHARES: Final = frozenset({"agreement", "exact", "within_1", "precision", "recall"})
"""Statistics that are shares, written in per cent."""
ERRORS: Final = frozenset({"mae", "bias"})
"""Statistics in the unit of the metric; nearer to 0 is better."""
VERDICTS: Final[Mapping[Verdict, str]] = {
    Verdict.SUPPORTED: "supported: the guidelines help, beyond chance, on rows they have not seen",
    Verdict.HARMFUL: "harmful: the guidelines make it worse, or break what they must not",
    Verdict.NO_CHANGE: "no change: there is nothing to put into force",
    Verdict.INCONCLUSIVE: "inconclusive: these rows cannot tell whether the guidelines help",
}
DECISIONS: Final[Mapping[Verdict, str]] = {
    Verdict.SUPPORTED: "accept it, edit it first, or discard it",
    Verdict.HARMFUL: "discard it; accepting it all the same needs --override and --reason",
    Verdict.NO_CHANGE: "discard it, or align from other sources",
    Verdict.INCONCLUSIVE: "label more rows and align again; accepting it now needs --override and --reason",
}
_LINES = re.compile(r"[\r\n\u2028\u2029]+")
_DECEIVING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def shown(text: str) -> str:
    """A text of somebody's without what could deceive a terminal or a reader: control characters, and those that turn
    the direction of writing, are replaced; line breaks and tabs stay."""
    return _DECEIVING.sub("\ufffd", text.replace("\r\n", "\n"))


def one_line(text: str) -> str:
    """The same on one line."""
    return " ".join(_LINES.sub(" ", shown(text)).split())


def name_of(statistic: str) -> str:
    """What people call a statistic."""
    return NAMES.get(statistic, statistic.replace("_", " "))


def group_of(group: str) -> str:
    """What people call a group of rows."""
    return "all rows" if group == ALL else one_line(group.replace("=", " = ", 1))


def figure(statistic: str, found: Estimate, output: OutputType) -> str:
    """A figure with its interval: `62 % [55, 69]`, `0.21 [0.10, 0.33]`, `16.8 points [12, 20]`."""
    return _written(statistic, found, output, sign=False)


def difference(statistic: str, found: Estimate, output: OutputType) -> str:
    """A difference with its interval and sign: `+31 points [+22, +40]`."""
    return _written(statistic, found, output, sign=True)


def _written(statistic: str, found: Estimate, output: OutputType, *, sign: bool) -> str:
    if found.value is None:
        return f"{UNKNOWN} ({one_line(found.note)})" if found.note else UNKNOWN
    scale, digits, unit = _unit(statistic, output, sign=sign)
    plus = "+" if sign or statistic == "bias" else ""

    def number(value: float) -> str:
        return f"{value * scale + 0.0:{plus}.{digits}f}"

    text = f"{number(found.value)}{unit}"
    if found.lower is not None and found.upper is not None:
        text += f" [{number(found.lower)}, {number(found.upper)}]"
    return text


def _unit(statistic: str, output: OutputType, *, sign: bool) -> tuple[float, int, str]:
    if statistic in SHARES:
        return 100.0, 0, " points" if sign else " %"
    if statistic in ERRORS and output is OutputType.PERCENTAGE:
        return 100.0, 1, " points"
    return 1.0, 2, ""


def share(found: Estimate) -> str:
    """A share in per cent, with its interval."""
    return figure("agreement", found, OutputType.BOOLEAN)


def points(found: Estimate) -> str:
    """A difference of shares in points, with its interval."""
    return difference("agreement", found, OutputType.BOOLEAN)


def verdict_of(score: Score | None, output: OutputType) -> str:
    """What was expected or concluded, in a few words."""
    if score is None:
        return "no verdict"
    if score.label:
        return one_line(score.label)
    if score.labels:
        return one_line(", ".join(score.labels))
    if score.value is None:
        return one_line(score.text)
    if output is OutputType.BOOLEAN:
        return "true" if score.value >= 0.5 else "false"
    return f"{100 * score.value:g} %" if output is OutputType.PERCENTAGE else f"{score.value:g}"


def usd(amount: float | None) -> str:
    """An amount, or that it is not known: which is never a 0."""
    return "price not known" if amount is None else f"{amount:,.4g} USD"


def running_costs(running: Running) -> list[tuple[str, str, str]]:
    """Rows (what, before, after) of what one evaluation takes."""

    def tokens(number: float | None) -> str:
        return UNKNOWN if number is None else f"{number:,.0f}"

    return [
        ("input tokens of one evaluation", tokens(running.tokens_before), tokens(running.tokens_after)),
        ("1,000 evaluations", usd(running.usd_before), usd(running.usd_after)),
    ]


def counted(counts: Counts) -> list[tuple[str, int, str]]:
    """Rows (what, how many, remark) of what became of the annotations; the reasons of exclusion last."""
    rows = [
        ("resolved annotations", counts.annotations, "of the sources"),
        ("disagreements", counts.disagreements, "between people and what the judge had recorded"),
        ("disagreements when asked again", counts.disagreements_rerun, "by the same judge, now"),
        ("agreeing, skipped", counts.skipped_agreeing, "there is nothing to learn from them but what must not break"),
        ("conflicts", counts.conflicts, "people contradict each other: not used"),
        ("made on an earlier version", counts.stale, ""),
    ]
    rows += [(f"excluded: {one_line(reason)}", number, "") for reason, number in sorted(counts.excluded.items())]
    return [row for index, row in enumerate(rows) if index < 4 or row[1]]


def prompt_diff(report: Report) -> list[str]:
    """The whole prompt as a unified diff, one entry a line; empty where nothing changes."""
    before, after = (shown(text).split("\n") for text in (report.prompt_before, report.prompt_after))
    context = max(len(before), len(after))
    found = difflib.unified_diff(
        before,
        after,
        f"{report.metric} version {report.metric_version}",
        "as this alignment would make it",
        n=context,
        lineterm="",
    )
    return list(found)


def of_all(found: Iterable[Comparison]) -> list[Comparison]:
    """Comparisons of all rows together."""
    return [each for each in found if each.group == ALL]


def of_groups(found: Iterable[Comparison]) -> list[Comparison]:
    """Comparisons of parts of the rows."""
    return [each for each in found if each.group != ALL]


def how_it_was_made(report: Report) -> list[tuple[str, str]]:
    """What somebody needs who wants the same again."""
    delta = "of the output type" if report.delta is None else f"{report.delta:g}"
    rows = [
        ("run", report.alignment_id),
        ("metric", f"{report.metric} version {report.metric_version}"),
        ("sources", ", ".join(map(one_line, report.sources)) or "all resolved feedback"),
        ("judge model", one_line(report.judge_model)),
        ("reflection model", one_line(report.reflection_model)),
        ("smallest gap that is a disagreement", delta),
        ("held out", one_line(report.design)),
        ("candidates tried", str(report.candidates)),
        ("seed", str(report.seed)),
        ("fingerprint of rows, prompt and models", report.fingerprint),
        ("started", f"{report.created:%Y-%m-%d %H:%M:%S} UTC" if report.created else ""),
    ]
    return [row for row in rows if row[1]]


def spent_said(report: Report) -> str:
    """What the run itself took, in a sentence."""
    spent = report.spent
    return (
        f"{spent.judge_calls:,} calls of the judge and {spent.reflection_calls:,} of the reflection model, "
        f"{spent.remembered:,} answers remembered; {spent.input_tokens:,} tokens in, {spent.output_tokens:,} out; "
        f"{spent.cost_usd:,.4g} USD of what has a known price"
    )


def tested(report: Report) -> str:
    """The test that decides, with its p."""
    if report.p_value is None:
        return one_line(report.test)
    p = "p < 0.0001" if report.p_value < 0.0001 else f"p = {report.p_value:.4f}"
    return f"{p} ({one_line(report.test)})" if report.test else p
