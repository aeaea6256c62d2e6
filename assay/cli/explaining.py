"""The command `assay explain`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli.connection import client
from assay.cli.console import USAGE, CommandFailed, Json, Printer
from assay.cli.main import DataDir, app
from assay.cli.scores import SCORE, parse_target

if TYPE_CHECKING:
    from assay.client import Explanation

_SAYS = {
    "scored": "was {reason}",
    "running": "is {reason}",
    "queued": "will be scored: {reason}",
    "waiting": "is not scored yet: {reason}",
    "failed": "failed: {reason}",
    "dependency_failed": "was not computed, because of what it requires: {reason}",
    "not_applicable": "does not apply: {reason}",
    "over_budget": "was not scored, the budget is spent: {reason}",
    "set_aside": "was set aside: {reason}",
    "cancelled": "was cancelled: {reason}",
    "late_ignored": "stays as it was: {reason}",
}
"""What follows the metric's name; of all others it was not scored."""


@app.command(rich_help_panel=SCORE)
def explain(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="[RULE] TARGET", help="TARGET is TRACE:SPAN, TRACE or session:ID; without RULE, all rules answer."
        ),
    ],
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Why a rule scored, or did not score, a span, trace or session."""
    if len(words) > 2:
        raise CommandFailed("expected at most a rule and a target", "assay explain --help", exit_code=USAGE)
    target = parse_target(words[-1])
    with client(data_dir) as service:
        found = service.explain(words[0] if len(words) == 2 else "", target)
    if as_json:
        Printer(as_json).value([_row(each) for each in found], "")
    elif not found:
        print(f"no rule is about {target.level}s: assay rule list")
    else:
        print("\n".join(_lines(found)))


def _lines(found: list[Explanation]) -> list[str]:
    lines: list[str] = []
    for number, each in enumerate(found):
        if number == 0 or each.rule != found[number - 1].rule:
            lines.append(f"{each.rule}:")
        lines.append(f"  {sentence(each)}")
    return lines


def sentence(explanation: Explanation) -> str:
    """As a person would say it."""
    says = _SAYS.get(str(explanation.decision), "was not scored: {reason}")
    result = f" [result {explanation.evaluation_id}]" if explanation.evaluation_id else ""
    return f"{explanation.metric} {says.format(reason=explanation.reason)}{result}"


def _row(explanation: Explanation) -> dict[str, Any]:
    return {
        "rule": explanation.rule,
        "metric": explanation.metric,
        "decision": str(explanation.decision),
        "reason": explanation.reason,
        "result_id": str(explanation.evaluation_id) if explanation.evaluation_id else None,
        "decided": explanation.decided.isoformat() if explanation.decided else None,
        "next_attempt": explanation.next_attempt.isoformat() if explanation.next_attempt else None,
        "attempts": explanation.attempts,
        "clauses": [{"text": clause.text, "seen": dict(clause.seen)} for clause in explanation.clauses],
    }
