"""`assay metric regressions` and `assay metric mean`: what a version breaks, and what its numbers are worth."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli.connection import client
from assay.cli.console import FAILURE, Json, Printer
from assay.cli.main import DataDir
from assay.cli.metrics import metric
from assay.cli.runs import utc
from storage.model import Level

if TYPE_CHECKING:
    from assay.client_rechecks import CorrectedMean
    from evaluator.alignment.rechecking.rechecked import Rechecked
    from evaluator.statistics.estimate import Estimate

Name = Annotated[str, typer.Argument(help="Metric, by name.")]
Version = Annotated[int | None, typer.Option(min=1, help="Its version; the active one unless given.")]
STATES = {
    "": "there is nothing to check: nobody has said what is right, or the metric is no judge of yours",
    "pending": "not checked yet; it is done in the background",
    "running": "being checked",
    "over_budget": "not checked to the end: the day's budget is spent; it goes on by itself",
    "done": "checked",
}


@metric.command("regressions")
def regressions(name: Name, version: Version = None, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Rows that people have decided: put right once, or newly broken by a version.  Exit code 1 where any is wrong."""
    from evaluator.feedback.verdicts import as_text

    with client(data_dir) as service:
        found = service.get_recheck(name, version)
    if as_json:
        Printer(as_json).value(asdict(found), "")
    else:
        print(_summary(found))
        rows = [
            {
                "target": f"{row.target.level}:{row.target.key}",
                "verdict": str(row.verdict).replace("_", " "),
                "expected": as_text(row.expected),
                "concluded": as_text(row.concluded) or "nothing",
                "since": f"version {row.solved_in}" if row.solved_in else "",
                "why": row.explanation,
            }
            for row in found.rows
        ]
        columns = {
            "target": "target", "verdict": "is", "expected": "expected", "concluded": "concluded",
            "since": "right since", "why": "why",
        }  # fmt: skip
        Printer().table(rows, columns, empty="no regression rows, and none that was broken", cut="why")
    if any(not row.verdict.is_right for row in found.rows):
        raise typer.Exit(FAILURE)


def _summary(found: Rechecked) -> str:
    counts = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in sorted(found.counts.items()))
    said = f"{found.metric} version {found.version}: {STATES[found.state]}"
    return f"{said}: {counts}" if counts else said


@metric.command("mean")
def mean(
    name: Name,
    version: Version = None,
    since: Annotated[
        datetime | None, typer.Option(help="Targets from this UTC time on; the last seven days unless said.")
    ] = None,
    until: Annotated[datetime | None, typer.Option(help="Targets before this UTC time.")] = None,
    level: Annotated[Level | None, typer.Option(help="span, trace or session; all of them unless said.")] = None,
    queue: Annotated[str, typer.Option(help="Only labels given in this review queue, such as a random one.")] = "",
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """The mean of a judge, and that corrected by people where both have spoken (prediction-powered inference)."""
    with client(data_dir) as service:
        found = service.corrected_mean(
            name,
            version,
            start=utc(since),
            end=utc(until),
            level=level,
            queue=queue,
        )
    Printer(as_json).value(asdict(found), _in_words(found))


def _in_words(found: CorrectedMean) -> str:
    lines = [
        f"{found.metric} version {found.version}",
        f"  the judge says     {_shown(found.judged)} of {found.judged.count} targets",
        f"  corrected          {_shown(found.corrected)} by {found.corrected.count} labels",
        f"  people alone say   {_shown(found.labelled)} of {found.labelled.count} targets",
    ]
    return "\n".join([*lines, *(f"note: {each}" for each in found.warnings)])


def _shown(each: Estimate) -> str:
    if each.value is None:
        return f"nothing ({each.note})"
    interval = f" [{each.lower:.4g}, {each.upper:.4g}]" if each.lower is not None and each.upper is not None else ""
    return f"{each.value:.4g}{interval}"
