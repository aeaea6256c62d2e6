"""`assay agreement METRIC`: how far people agree with each other, and a judge with them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli.connection import client
from assay.cli.console import Json, Printer
from assay.cli.main import DataDir, app
from assay.cli.scores import SCORE

if TYPE_CHECKING:
    from evaluator.feedback.agreed import Agreement, AgreementGroup
    from evaluator.statistics.estimate import Cell, Estimate

NAMES = {
    "cohen_kappa": "Cohen's kappa",
    "weighted_kappa": "weighted kappa (quadratic)",
    "fleiss_kappa": "Fleiss' kappa",
    "krippendorff_alpha": "Krippendorff's alpha",
    "gwet_ac1": "Gwet's AC1",
    "ccc": "Lin's CCC",
    "mae": "mean absolute error",
    "bias": "bias",
    "agreement": "agreement",
    "within_1": "within 1",
    "macro_f1": "macro F1",
    "jaccard": "shared labels (Jaccard)",
    "spearman": "Spearman's rho",
}
REASONS = {
    "judge_human": "resolved targets with a verdict",
    "human_human": "targets that two or more people labelled",
    "one_annotator": "targets that one person labelled",
    "no_verdict_of_this_version": "resolved targets that this version did not judge",
    "in_review": "targets in review",
    "open": "targets that nobody has resolved",
    "disputed": "targets whose reviewers differ",
    "needs_reconfirm": "targets to be confirmed again: the criteria changed",
    "excluded": "excluded targets",
    "other_output_type": "targets whose label is of another output type",
    "sampled_from": "targets there are; a sample was drawn",
}
MAX_CONFUSED = 8
"""Verdicts that a table of confusions has room for in a terminal; `--json` has all of them."""


@app.command("agreement", rich_help_panel=SCORE)
def agreement(
    metric: Annotated[str, typer.Argument(help="Metric, by name.")],
    version: Annotated[int | None, typer.Option(help="Its version; the active one unless given.")] = None,
    by: Annotated[
        list[str] | None,
        typer.Option(help="Report by this also: class, level, annotator, version, service, queue, …  Repeat it."),
    ] = None,
    queue: Annotated[str, typer.Option(help="Only labels given in this review queue.")] = "",
    since: Annotated[datetime | None, typer.Option(help="Only labels from then on, in UTC.")] = None,
    until: Annotated[datetime | None, typer.Option(help="Only labels before then, in UTC.")] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """How far people agree with each other, and the judge with them."""
    with client(data_dir) as service:
        found = service.get_agreement(
            metric, version=version, by=by or [], queue=queue, start_time=since, end_time=until
        )
    if as_json:
        print(json.dumps(body_of(found), indent=2, ensure_ascii=False))
    else:
        _print(found)


def body_of(found: Agreement) -> dict[str, Any]:
    """As JSON; what is not defined is null, with a note."""
    return {
        "metric": found.metric,
        "version": found.version,
        "judge_human": [_group_body(each) for each in found.judge_human],
        "human_human": [_group_body(each) for each in found.human_human],
        "advice": list(found.advice),
        "counts": dict(found.counts),
    }


def _group_body(group: AgreementGroup) -> dict[str, Any]:
    return {
        "group": group.group,
        "statistics": {
            name: {
                "value": each.value, "lower": each.lower, "upper": each.upper, "count": each.count, "note": each.note,
            }
            for name, each in group.statistics.items()
        },
        "confusion": [
            {"expected": cell.expected, "concluded": cell.concluded, "count": round(cell.count)}
            for cell in group.confusion
        ],
    }  # fmt: skip


def _print(found: Agreement) -> None:
    _section(f"{found.metric} version {found.version}: the judge against people", found.judge_human)
    _section("People against each other", found.human_human)
    print("\nCounts")
    for reason, number in found.counts.items():
        print(f"  {number}  {REASONS.get(reason, reason)}")
    for each in found.advice:
        print(f"→ {each}")


def _section(heading: str, groups: Sequence[AgreementGroup]) -> None:
    every, *parts = groups
    print(f"\n{heading}")
    if not any(each.count for each in every.statistics.values()):
        print("  no such targets yet")
        return
    rows = [_row(NAMES.get(name, name), each) for name, each in every.statistics.items()]
    _table(rows, {"name": "", "value": "value", "interval": "95 % interval", "count": "n", "note": ""})
    _confusion(every.confusion)
    if parts:
        lead = next(iter(every.statistics))
        told = [name for name in (lead, "agreement", "mae") if name in every.statistics]
        print()
        for name in dict.fromkeys(told):
            by_group = [_row(each.group, each.statistics[name]) for each in parts if name in each.statistics]
            _table(by_group, {"name": NAMES.get(name, name), "value": "value", "interval": "95 % interval",
                              "count": "n", "note": ""})  # fmt: skip


def _row(name: str, each: Estimate) -> dict[str, Any]:
    interval = "" if each.lower is None or each.upper is None else f"{each.lower:.3f} … {each.upper:.3f}"
    value = "undefined" if each.value is None else f"{each.value:.3f}"
    return {"name": name, "value": value, "interval": interval, "count": each.count, "note": each.note}


def _confusion(cells: Iterable[Cell]) -> None:
    held = {(cell.expected, cell.concluded): round(cell.count) for cell in cells}
    concluded = list(dict.fromkeys(cell[1] for cell in held))
    expected = list(dict.fromkeys(cell[0] for cell in held))
    if not held or max(len(concluded), len(expected)) > MAX_CONFUSED:
        return
    rows = [
        {"expected": one} | {f"to {other}": held.get((one, other), 0) for other in sorted(concluded)}
        for one in sorted(expected)
    ]
    print()
    _table(rows, {"expected": "expected ↓ concluded →"} | {f"to {other}": other for other in sorted(concluded)})


def _table(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str]) -> None:
    Printer().table(rows, columns, empty="", cut="note" if "note" in columns else "")
