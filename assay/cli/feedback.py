"""Commands for feedback: what people expect, and where targets stand among them."""

from __future__ import annotations

import getpass
import uuid
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli.connection import client
from assay.cli.console import USAGE, CommandFailed, Json, Printer
from assay.cli.main import DataDir, app
from assay.cli.people import As, who
from assay.cli.scores import SCORE, parse_target
from storage.feedback import FeedbackStatus, ResolutionStatus
from storage.model import Score, TargetRef

if TYPE_CHECKING:
    from assay.client import Feedback, Resolution


feedback = typer.Typer(no_args_is_help=True, help="Say what metrics should have concluded, and why.")
app.add_typer(feedback, name="feedback", rich_help_panel=SCORE)

MetricOf = Annotated[str, typer.Option("--metric", help="Only of this metric.")]


@feedback.command("add")
def add(
    about: Annotated[
        str, typer.Argument(metavar="RESULT|TARGET", help="A result's id, TRACE:SPAN, TRACE or session:ID.")
    ],
    expected: Annotated[
        list[str],
        typer.Option("--expected", help="What it should have been: true, 0.6, a label; of a multilabel several."),
    ],
    metric: Annotated[str, typer.Option("--metric", help="The metric, where a target is named.")] = "",
    because: Annotated[str, typer.Option("--because", help="Why; it is what alignment learns from.")] = "",
    annotator: As = "",
    version: Annotated[int, typer.Option(help="Version of the metric; 0 = the active one.")] = 0,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Say what a metric should have concluded, and why."""
    place = _place(about)
    if isinstance(place, TargetRef) and not metric:
        raise CommandFailed("which metric?", "name it with --metric, or name a result by its id", exit_code=USAGE)
    with client(data_dir) as service:
        done = service.submit_feedback(
            place,
            metric,
            expected=expected[0] if len(expected) == 1 else expected,
            explanation=because,
            annotator=who(annotator),
            version=version,
        )
    row = {"feedback": _row(done.feedback), "resolution": _resolution_row(done.resolution)}
    text = f"{done.feedback.feedback_id}: {_in_words(done.resolution)}"
    Printer(as_json).value(row, "\n".join([text, *(f"  advice: {each}" for each in done.feedback.advice)]))


@feedback.command("list")
def list_feedback(
    metric: MetricOf = "",
    target: Annotated[str, typer.Option(help="Only on TRACE:SPAN, TRACE or session:ID.")] = "",
    annotator: Annotated[str, typer.Option(help="Only of this annotator.")] = "",
    queue: Annotated[str, typer.Option(help="Only given in this review queue.")] = "",
    status: Annotated[FeedbackStatus | None, typer.Option(help="Only those that stand so.")] = None,
    resolution: Annotated[ResolutionStatus | None, typer.Option(help="Only where the target stands so.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Show feedback, newest first."""
    with client(data_dir) as service:
        found = service.list_feedback(
            metric,
            parse_target(target) if target else None,
            annotator=annotator,
            queue=queue,
            status=status,
            resolution=resolution,
        )
        rows = [_row(each) | ({} if as_json else _for_people(each)) for each in islice(found, limit)]
    columns = {
        "feedback_id": "feedback", "target": "target", "metric": "metric", "expected": "expected", "judged": "judged",
        "annotator": "annotator", "mark": "", "explanation": "why",
    }  # fmt: skip
    Printer(as_json).table(rows, columns, empty="no feedback", cut="explanation")


@feedback.command("resolutions")
def list_resolutions(
    metric: MetricOf = "",
    status: Annotated[ResolutionStatus | None, typer.Option(help="Only those that stand so.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Show where targets stand among the people who spoke about them, newest first."""
    with client(data_dir) as service:
        rows = []
        for each in islice(service.list_resolutions(metric, status), limit):
            row = _resolution_row(each)
            rows.append(row if as_json else row | {"target": _key(each.target), "expected": _verdict(each.expected)})
    columns = {
        "target": "target", "metric": "metric", "status": "status", "expected": "expected", "method": "method",
        "resolver": "by", "reason": "reason",
    }  # fmt: skip
    Printer(as_json).table(rows, columns, empty="nobody has said anything", cut="reason")


@feedback.command("resolve")
def resolve(
    target: Annotated[str, typer.Argument(help="TRACE:SPAN, TRACE or session:ID.")],
    metric: Annotated[str, typer.Argument(help="The metric.")],
    expected: Annotated[list[str] | None, typer.Option("--expected", help="What it should have been.")] = None,
    exclude: Annotated[bool, typer.Option("--exclude", help="Leave it out instead; needs a reason.")] = False,
    reason: Annotated[str, typer.Option(help="Why.")] = "",
    resolver: Annotated[str, typer.Option("--resolver", help="Who decides; your user name unless given.")] = "",
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Decide what a target should have been where people differ, or leave it out."""
    ref, by = parse_target(target), resolver or getpass.getuser()
    if exclude == bool(expected):
        raise CommandFailed("decide it with --expected, or leave it out with --exclude", exit_code=USAGE)
    with client(data_dir) as service:
        if expected:
            verdict = expected[0] if len(expected) == 1 else expected
            done = service.resolve_feedback(ref, metric, verdict, resolver=by, reason=reason)
        else:
            done = service.exclude_feedback(ref, metric, resolver=by, reason=reason)
    Printer(as_json).value(_resolution_row(done), _in_words(done))


@feedback.command("retract")
def retract(
    feedback_id: Annotated[str, typer.Argument(help="As `assay feedback list` shows it.")],
    reason: Annotated[str, typer.Option(help="Why.")] = "",
    by: Annotated[str, typer.Option("--by", help="Who takes it back; its annotator unless given.")] = "",
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Take feedback back; it stays in the history, and counts no more."""
    with client(data_dir) as service:
        done = service.retract_feedback(feedback_id, annotator=by, reason=reason)
    Printer(as_json).value(_row(done), f"{done.feedback_id} is retracted")


@feedback.command("history")
def history(
    feedback_id: Annotated[str, typer.Argument(help="As `assay feedback list` shows it.")],
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Show what became of one feedback, and what the judge read of its target then."""
    with client(data_dir) as service:
        found = service.get_feedback(feedback_id)
    states = [_row(each) for each in found.states]
    standing = _resolution_row(found.resolution) if found.resolution else None
    row = {
        "states": states,
        "resolution": standing,
        "inputs": dict(found.inputs),
        "segment": dict(found.segment),
    }
    first, last = found.states[0], found.states[-1]
    lines = [f"{first.created:%Y-%m-%d %H:%M:%S} {first.annotator}: {_verdict(first.expected)} on {_key(first.target)}"]
    lines += [f"  {first.explanation}"] if first.explanation else []
    if last.retracted:
        why = f": {last.retract_reason}" if last.retract_reason else ""
        lines.append(f"{last.retracted:%Y-%m-%d %H:%M:%S} retracted by {last.retractor}{why}")
    if found.resolution:
        lines.append(f"now {_in_words(found.resolution)}")
    lines += [f"\n{name}\n{text}" for name, text in found.inputs.items()]
    Printer(as_json).value(row, "\n".join(lines))


def _place(text: str) -> TargetRef | str:
    try:
        return str(uuid.UUID(text)) if text.count("-") == 4 and ":" not in text else parse_target(text)
    except ValueError:
        return parse_target(text)


def _row(each: Feedback) -> dict[str, Any]:
    from assay.feedback_files import as_row

    return as_row(each) | {"advice": list(each.advice), "bulk_id": each.bulk_id}


def _for_people(each: Feedback) -> dict[str, Any]:
    marks = [str(each.status)] if each.status is FeedbackStatus.RETRACTED else []
    marks += ["earlier revision"] if each.earlier_revision else []
    return {
        "target": _key(each.target),
        "expected": _verdict(each.expected),
        "judged": _verdict(each.judged),
        "mark": ", ".join(marks),
    }


def _resolution_row(each: Resolution) -> dict[str, Any]:
    from assay.feedback_files import verdict_row

    return {
        "level": str(each.target.level),
        "trace_id": each.target.trace_id,
        "span_id": each.target.span_id,
        "session_id": each.target.session_id,
        "metric": each.metric,
        "status": str(each.status),
        "expected": verdict_row(each.expected),
        "method": str(each.method),
        "resolver": each.resolver,
        "reason": each.reason,
        "update_time": each.updated.isoformat() if each.updated else "",
    }


def _in_words(each: Resolution) -> str:
    verdict = f" as {_verdict(each.expected)}" if each.expected else ""
    why = f" ({each.reason})" if each.reason else ""
    return f"{each.status}{verdict}{why}"


def _key(target: TargetRef) -> str:
    return f"session:{target.key}" if target.session_id else target.key


def _verdict(score: Score | None) -> str:
    from evaluator.feedback.verdicts import as_text

    return as_text(score)
