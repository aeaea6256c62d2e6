"""Commands for results."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli.connection import client
from assay.cli.console import USAGE, CommandFailed, Json, Printer
from assay.cli.main import DataDir, app
from storage.model import Level, Status, TargetRef
from storage.results import ResultFilter

if TYPE_CHECKING:
    from assay.client import Result


class ListOrder(StrEnum):
    """Orders that need nothing more to be known."""

    NEWEST = "newest"
    ASCENDING = "ascending"
    DESCENDING = "descending"


SCORE = "Score"
_SESSION = "session:"
score = typer.Typer(no_args_is_help=True, help="Ask for scores, and read them.")
app.add_typer(score, name="score", rich_help_panel=SCORE)

Target = Annotated[str, typer.Argument(help="TRACE:SPAN, TRACE (hex ids, as in SQL) or session:ID.")]
MetricNames = Annotated[list[str], typer.Option("--metric", help="A metric; may be given several times.")]


def parse_target(text: str) -> TargetRef:
    """A target as people write it.

    Raises:
        CommandFailed: It is neither a session, nor a trace, nor a trace and a span.
    """
    try:
        if text.startswith(_SESSION):
            return TargetRef(level=Level.SESSION, session_id=text.removeprefix(_SESSION))
        trace_id, _, span_id = text.strip().lower().partition(":")
        return TargetRef(level=Level.SPAN if span_id else Level.TRACE, trace_id=trace_id, span_id=span_id)
    except ValueError as error:
        next_step = (
            'write TRACE:SPAN, TRACE or session:ID; `assay sql "SELECT TraceId, SpanId FROM spans LIMIT 5"` shows some'
        )
        raise CommandFailed(str(error), next_step, exit_code=USAGE) from error


def result_row(result: Result) -> dict[str, Any]:
    """A result as JSON."""
    ref = result.target
    return {
        "result_id": result.result_id,
        "level": str(ref.level),
        "trace_id": ref.trace_id,
        "span_id": ref.span_id,
        "session_id": ref.session_id,
        "metric": result.metric,
        "metric_version": result.metric_version,
        "status": str(result.status),
        "value": result.value,
        "label": result.label,
        "labels": list(result.labels),
        "text": result.text,
        "explanation": result.explanation,
        "error_code": result.error.code if result.error else "",
        "error_message": result.error.message if result.error else "",
        "rule": result.rule,
        "run_id": result.run_id,
        "judge_model": result.judge_model,
        "judge_trace_id": result.judge_trace_id,
        "input_tokens": result.usage.input_tokens,
        "output_tokens": result.usage.output_tokens,
        "cost_usd": result.usage.cost_usd,
        "latency_ms": result.usage.latency_ms,
        "outdated_time": result.outdated_time.isoformat() if result.outdated_time else "",
    }


def in_words(row: dict[str, Any]) -> dict[str, Any]:
    """A row of `result_row` for people: what was concluded in one column, why in another."""
    why = row["explanation"] or (row["error_code"] and f"{row['error_code']}: {row['error_message']}")
    if row["outdated_time"]:
        why = f"(stale: more came at {row['outdated_time']}) {why}"
    return row | {"label": row["label"] or ", ".join(row["labels"]) or row["text"], "why": why}


def print_results(results: list[Result], as_json: bool) -> None:
    """Results as a table or as JSON."""
    rows = [result_row(result) for result in results]
    if not as_json:
        for number, result in enumerate(results):
            target = (_SESSION if rows[number]["session_id"] else "") + result.target.key
            rows[number] = in_words(rows[number]) | {"target": target}
    columns = {
        "target": "target", "metric": "metric", "status": "status", "value": "value", "label": "label", "why": "why",
    }  # fmt: skip
    Printer(as_json).table(rows, columns, empty="no results")


@score.command("target")
def score_target(
    targets: Annotated[list[str], typer.Argument(help="TRACE:SPAN, TRACE or session:ID; several are allowed.")],
    metrics: MetricNames,
    wait: Annotated[float | None, typer.Option(help="Seconds to wait; what is not ready by then goes on.")] = None,
    reuse: Annotated[
        bool, typer.Option("--reuse", help="Take a stored score of the same content, do not pay again.")
    ] = False,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Score spans, traces or sessions now."""
    refs = [parse_target(text) for text in targets]
    with client(data_dir) as service:
        print_results(service.evaluate(refs, metrics, wait_seconds=wait, reuse=reuse), as_json)


@score.command("session")
def score_session(
    sessions: Annotated[list[str], typer.Argument(help="Session ids, as the application sent them.")],
    metrics: MetricNames,
    wait: Annotated[float | None, typer.Option(help="Seconds to wait; what is not ready by then goes on.")] = None,
    reuse: Annotated[
        bool, typer.Option("--reuse", help="Take a stored score of the same content, do not pay again.")
    ] = False,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Score whole sessions now."""
    refs = [parse_target(_SESSION + session) for session in sessions]
    with client(data_dir) as service:
        print_results(service.evaluate(refs, metrics, wait_seconds=wait, reuse=reuse), as_json)


@score.command("list")
def list_scores(
    metrics: Annotated[list[str] | None, typer.Option("--metric", help="Only these metrics.")] = None,
    target: Annotated[str | None, typer.Option(help="Only this target: TRACE:SPAN, TRACE or session:ID.")] = None,
    level: Annotated[Level | None, typer.Option(help="Only results of spans, traces or sessions.")] = None,
    rule: Annotated[str, typer.Option(help="Only results of this rule.")] = "",
    run: Annotated[str, typer.Option(help="Only results of this run, by its id.")] = "",
    status: Annotated[list[Status] | None, typer.Option(help="Only these; queued and computing ones too.")] = None,
    label: Annotated[list[str] | None, typer.Option(help="Only results with one of these labels.")] = None,
    minimum: Annotated[float | None, typer.Option("--min", help="Only values of at least this.")] = None,
    maximum: Annotated[float | None, typer.Option("--max", help="Only values of at most this.")] = None,
    order: Annotated[ListOrder, typer.Option(help="In which order.")] = ListOrder.NEWEST,
    worst: Annotated[bool, typer.Option("--worst", help="The worst first, by the metric's direction.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 20,
    superseded: Annotated[bool, typer.Option("--superseded", help="Also what newer results replaced.")] = False,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Results, newest first or by value."""
    if worst and len(metrics or ()) != 1:
        raise CommandFailed(
            "what is worst depends on the metric", "name one: --worst --metric correctness", exit_code=USAGE
        )
    where = ResultFilter(
        targets=(parse_target(target),) if target else (),
        metrics=tuple(metrics or ()),
        levels=(level,) if level else (),
        statuses=tuple(status or ()),
        rule=rule,
        run=run,
        labels=tuple(label or ()),
        minimum=minimum,
        maximum=maximum,
        include_superseded=superseded,
    )
    with client(data_dir) as service:
        listed = service.list_results(where, order="worst" if worst else order.value)
        found = [result for result, _ in zip(listed, range(limit), strict=False)]
    print_results(found, as_json)


@score.command("get")
def get_score(result_id: str, data_dir: DataDir = None, as_json: Json = False) -> None:
    """One result by its id."""
    with client(data_dir) as service:
        print_results([service.get_result(result_id)], as_json)


@score.command("watch")
def watch_scores(
    rule: Annotated[str, typer.Option(help="Only results of this rule.")] = "",
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """New results as they come, until Ctrl-C."""
    with client(data_dir) as service:
        for watched in service.watch_results(ResultFilter(rule=rule, include_superseded=True)):
            if watched.result is not None:
                print_results([watched.result], as_json)
