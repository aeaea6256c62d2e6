"""Commands for review queues: create, list, show, fill, delete, disputes, complete, undo."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli.connection import client
from assay.cli.console import USAGE, CommandFailed, Json, Printer
from assay.cli.main import DataDir, app
from assay.cli.people import As, who
from assay.cli.scores import SCORE, parse_target
from storage.feedback import FeedbackStatus, ResolutionStatus
from storage.model import Level

if TYPE_CHECKING:
    from assay.client import Feedback
    from evaluator.reviewing.definition import QueueRecord, QueueSource

queue = typer.Typer(no_args_is_help=True, help="Queues in which people give their verdicts (`assay review`).")
app.add_typer(queue, name="queue", rich_help_panel=SCORE)

Name = Annotated[str, typer.Argument(help="The review queue's name.")]
Filter = Annotated[str, typer.Option("--filter", help="Targets for which this boolean SQL is true, as in rules.")]
When = Annotated[str, typer.Option("--when", help='Results of the metric like this: "value < 0.5".')]
Versions = Annotated[
    str, typer.Option("--disagree", help="Where two versions of the metric conclude differently: 3,4.")
]
Uncertain = Annotated[bool, typer.Option("--uncertain", help="The least certain results first.")]
Random = Annotated[int, typer.Option("--random", min=0, help="So many, drawn by a hash of the seed.")]
Seed = Annotated[str, typer.Option(help="The same one draws the same; the queue's name unless said.")]
Since = Annotated[datetime | None, typer.Option(help="From then on (UTC); the last seven days unless said.")]
Until = Annotated[datetime | None, typer.Option(help="Before then (UTC).")]
Limit = Annotated[int, typer.Option(min=0, help="At most so many that are new; with --follow, that wait; 0 = 1000.")]
Targets = Annotated[list[str] | None, typer.Option("--target", help="TRACE:SPAN, TRACE or session:ID.")]
TargetsFrom = Annotated[
    Path | None, typer.Option("--targets-from", help="A file with one target a line; - = standard input.")
]


@queue.command("create")
def create_queue(
    name: Name,
    metric: Annotated[str, typer.Option("--metric", help="Whose verdicts people give.")],
    level: Annotated[Level, typer.Option(help="What is reviewed.")] = Level.SPAN,
    quorum: Annotated[int, typer.Option(min=1, help="Reviewers wanted for each item.")] = 1,
    blind: Annotated[bool, typer.Option("--blind", help="Show neither the judge's verdict nor others'.")] = False,
    reservation: Annotated[float, typer.Option(help="Minutes that a reservation holds.")] = 15.0,
    instructions: Annotated[str, typer.Option(help="What reviewers are asked to mind.")] = "",
    follow: Annotated[bool, typer.Option("--follow", help="Add what the source selects from now on.")] = False,
    where: Filter = "",
    when: When = "",
    versions: Versions = "",
    uncertain: Uncertain = False,
    random: Random = 0,
    seed: Seed = "",
    since: Since = None,
    until: Until = None,
    limit: Limit = 0,
    targets: Targets = None,
    targets_from: TargetsFrom = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Make a review queue, and fill it from its source (--filter, --when, --disagree, --uncertain, --random)."""
    from evaluator.errors import InvalidDefinition
    from evaluator.reviewing.definition import ReviewQueue

    named = _targets(targets, targets_from)
    source = _source(where, when, versions, uncertain, random, seed, since, until, limit)
    try:
        made = ReviewQueue(
            name=name,
            metric=metric,
            level=level,
            quorum=quorum,
            blind=blind,
            reservation_seconds=reservation * 60,
            instructions=instructions,
            source=source,
            follow=follow,
        )
    except InvalidDefinition as error:
        raise CommandFailed(str(error), "assay queue create --help", exit_code=USAGE) from error
    with client(data_dir, rule_filter=where or when) as service:
        record = service.create_queue(made)
        if named:
            service.fill_queue(name, targets=named)
            record = service.get_queue(name)
    Printer(as_json).value(row(record), f"{_line(record)}\n`assay review {name}` gives verdicts on them")


@queue.command("list")
def list_queues(data_dir: DataDir = None, as_json: Json = False) -> None:
    """Every review queue, and how far it is."""
    with client(data_dir) as service:
        found = [row(each) for each in service.list_queues()]
    columns = {
        "name": "name", "metric": "metric", "level": "level", "quorum": "quorum", "items": "items",
        "resolved": "resolved", "disputed": "disputed", "in_review": "in review", "waiting": "waiting",
    }  # fmt: skip
    rows = found if as_json else [{**each, **each["progress"]} for each in found]
    Printer(as_json).table(rows, columns, empty="no review queues")


@queue.command("show")
def show_queue(name: Name, data_dir: DataDir = None, as_json: Json = False) -> None:
    """One review queue: what it is about, what fills it, how far it is, and who gave how many verdicts."""
    with client(data_dir) as service:
        record = service.get_queue(name)
    Printer(as_json).value(row(record), _text(record))


@queue.command("fill")
def fill_queue(
    name: Name,
    where: Filter = "",
    when: When = "",
    versions: Versions = "",
    uncertain: Uncertain = False,
    random: Random = 0,
    seed: Seed = "",
    since: Since = None,
    until: Until = None,
    limit: Limit = 0,
    targets: Targets = None,
    targets_from: TargetsFrom = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Put targets in: named ones, what the options select, or (without any) what the queue's own source selects now."""
    named = _targets(targets, targets_from)
    source = _source(where, when, versions, uncertain, random, seed, since, until, limit)
    if named and source:
        raise CommandFailed("name targets, or say what is selected, not both", exit_code=USAGE)
    with client(data_dir, rule_filter=where or when) as service:
        filled = service.fill_queue(name, targets=named, source=source)
    Printer(as_json).value(asdict(filled), f"{filled.added} added to {name}; {filled.present} were in it already")


@queue.command("delete")
def delete_queue(name: Name, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Delete a review queue; the feedback that was given in it stays."""
    with client(data_dir) as service:
        service.delete_queue(name)
    Printer(as_json).value({"deleted": name}, f"review queue {name} is deleted; what was said in it stays")


@queue.command("disputes")
def disputes(name: Name, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Items on which reviewers differ, with what each said."""
    with client(data_dir) as service:
        service.get_queue(name)
        said = service.list_feedback(queue=name, status=FeedbackStatus.SUBMITTED, resolution=ResolutionStatus.DISPUTED)
        found = _by_target(said)
    if as_json:
        Printer(as_json).value(found, "")
    else:
        print("\n\n".join(map(_dispute, found)) if found else f"nobody differs in {name}")


@queue.command("complete")
def complete_items(
    name: Name,
    items: Annotated[list[str], typer.Option("--item", help="An item's id; may be given several times.")],
    verdict: Annotated[str, typer.Option(help="The verdict on all of them, as `assay review` takes it.")],
    why: Annotated[str, typer.Option(help="Why.")] = "",
    annotator: As = "",
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Give one verdict on many items; `assay queue undo` takes all of it back."""
    from assay.cli.review_choices import InvalidFeedback, written

    with client(data_dir) as service:
        metric = service.get_metric(service.get_queue(name).definition.metric).definition
        try:
            stated, said = written(metric, verdict)
        except InvalidFeedback as error:
            raise CommandFailed(error.reason, exit_code=USAGE) from error
        bulk = service.complete_items(name, items, annotator=who(annotator), expected=stated, explanation=why or said)
    refused = "".join(f"\n{item}: {reason}" for item, reason in bulk.refused.items())
    text = f"{bulk.completed} given; `assay queue undo {bulk.bulk_id}` takes them back{refused}"
    Printer(as_json).value({**asdict(bulk), "refused": dict(bulk.refused)}, text)


@queue.command("undo")
def undo(
    bulk_id: Annotated[str, typer.Argument(help="What `assay queue complete` (or an import) said.")],
    annotator: As = "",
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Take back what was given together; its items stand in their queues again."""
    with client(data_dir) as service:
        retracted = service.undo_bulk(bulk_id, annotator=who(annotator))
    Printer(as_json).value({"retracted": retracted}, f"{retracted} taken back")


def row(record: QueueRecord) -> dict[str, Any]:
    """A queue as JSON."""
    found = record.definition
    return {
        "name": found.name,
        "version": found.version,
        **found.to_body(),
        "progress": {**asdict(record.progress), "verdicts": dict(record.progress.verdicts)},
        "create_time": record.created,
    }


def _source(
    where: str,
    when: str,
    versions: str,
    uncertain: bool,
    random: int,
    seed: str,
    since: datetime | None,
    until: datetime | None,
    limit: int,
) -> QueueSource | None:
    from assay.cli.runs import utc
    from evaluator.errors import InvalidDefinition
    from evaluator.reviewing.definition import LIMIT, QueueSource

    if not (where or when or versions or uncertain or random or since or until or limit):
        return None
    try:
        numbers = tuple(int(each) for each in versions.split(",")) if versions else ()
        return QueueSource(
            filter=where,
            score_condition=when,
            versions=numbers,
            uncertain=uncertain,
            random=random,
            seed=seed,
            start=utc(since),
            end=utc(until),
            limit=limit or max(LIMIT, random),
        )
    except ValueError:
        raise CommandFailed(f"{versions!r} is no pair of versions", "write 3,4", exit_code=USAGE) from None
    except InvalidDefinition as error:
        raise CommandFailed(str(error), "assay queue fill --help", exit_code=USAGE) from error


def _targets(targets: list[str] | None, file: Path | None) -> list[Any]:
    lines = list(targets or ())
    if file is not None:
        try:
            text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise CommandFailed(f"cannot read {file}: {error}", exit_code=USAGE) from error
        lines += [line.strip() for line in text.splitlines() if line.strip()]
    return [parse_target(line) for line in lines]


def _line(record: QueueRecord) -> str:
    progress = record.progress
    return (
        f"review queue {record.definition.name}: {progress.items} items, {progress.waiting} wait for verdicts, "
        f"{progress.resolved} resolved, {progress.disputed} disputed"
    )


def _text(record: QueueRecord) -> str:
    found = record.definition
    how = f"{found.quorum} reviewer{'' if found.quorum == 1 else 's'} each{', blind' if found.blind else ''}"
    lines = [_line(record), f"about     {found.metric} on a {found.level}, {how}"]
    if found.source is not None:
        said = {key: value for key, value in found.source.to_body().items() if value}
        lines.append(f"source    {', '.join(f'{key} {value}' for key, value in said.items())}")
    if found.follow:
        lines.append("          and what comes from now on")
    if found.instructions:
        lines.append(f"mind      {found.instructions}")
    lines += [f"verdicts  {count} by {name}" for name, count in record.progress.verdicts.items()]
    return "\n".join(lines)


def _by_target(opinions: Iterable[Feedback]) -> list[dict[str, Any]]:
    from evaluator.feedback.verdicts import as_text

    found: dict[str, dict[str, Any]] = {}
    for each in opinions:
        ref = each.target
        text = f"session:{ref.session_id}" if ref.session_id else ref.key
        entry = found.setdefault(text, {"target": text, "metric": each.metric, "said": []})
        entry["said"].append(
            {
                "annotator": each.annotator,
                "verdict": as_text(each.expected),
                "explanation": each.explanation,
                "feedback_id": each.feedback_id,
            }
        )
    return list(found.values())


def _dispute(entry: dict[str, Any]) -> str:
    lines = [entry["target"]]
    for each in sorted(entry["said"], key=lambda each: each["annotator"]):
        why = f": {each['explanation']}" if each["explanation"] else ""
        lines.append(f"  {each['annotator']}  {each['verdict']}{why}")
    lines.append(f"  → assay feedback resolve {entry['target']} {entry['metric']} --expected VERDICT")
    return "\n".join(lines)
