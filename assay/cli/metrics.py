"""Commands for metrics."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli.connection import client
from assay.cli.console import USAGE, CommandFailed, Json, Printer
from assay.cli.main import DataDir, app
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.record import MetricRecord
from storage.model import Level, TargetRef

if TYPE_CHECKING:
    from assay.client import Trial

DEFINE = "Define"
HELP = "docs/metrics.md shows the fields"
metric = typer.Typer(no_args_is_help=True, help="Metrics: what is measured.")
app.add_typer(metric, name="metric", rich_help_panel=DEFINE)

Name = Annotated[str, typer.Argument(help="Its slug or display name; builtin/NAME is the one that ships.")]
File = Annotated[Path, typer.Option("-f", "--file", help="A YAML file with one metric; docs/metrics-as-code.md.")]
Version = Annotated[int, typer.Option(min=1, help="The version.")]


def _row(record: MetricRecord) -> dict[str, Any]:
    definition = record.definition
    return {
        **definition.to_body(),
        "version": definition.version,
        "digest": definition.digest,
        "builtin": definition.builtin,
        "shadowed": record.shadowed,
        "create_time": record.create_time.isoformat() if record.create_time else None,
    }


def _print_metrics(records: list[MetricRecord], as_json: bool) -> None:
    rows = [_row(record) for record in records]
    if not as_json:
        for row, record in zip(rows, records, strict=True):
            row["name"] = record.key
            row["levels"] = " ".join(row["levels"])
            row["version"] = "built in" if row["builtin"] else row["version"]
            row["description"] = record.definition.description.partition(". ")[0]
    columns = {
        "name": "metric", "version": "version", "kind": "kind", "levels": "levels", "output_type": "gives",
        "description": "what it measures",
    }  # fmt: skip
    Printer(as_json).table(rows, columns, empty="no metrics", cut="description")


def _print_metric(record: MetricRecord, as_json: bool) -> None:
    from assay.documents import dumped, metric_body

    row = _row(record)
    if record.warnings:
        row["warnings"] = list(record.warnings)
    named = ("version", "digest", "builtin", "create_time", "alignment_id")
    facts = {key: row[key] for key in named if row.get(key) is not None}
    text = dumped([metric_body(record.definition) | facts]).removeprefix("---\n").rstrip()
    Printer(as_json).value(row, "\n".join([text, *(f"warning: {each}" for each in record.warnings)]))


def _one_metric(path: Path) -> MetricDefinition:
    from assay.documents import Unreadable, read

    try:
        found = read([path])
    except Unreadable as error:
        raise CommandFailed(str(error), HELP, exit_code=USAGE) from error
    if len(found.metrics) != 1 or found.rules:
        raise CommandFailed(
            f"{path} holds {len(found.metrics)} metrics and {len(found.rules)} rules, not one metric",
            "`assay apply -f` takes any number of both",
            exit_code=USAGE,
        )
    return found.metrics[0]


@metric.command("list")
def list_metrics(data_dir: DataDir = None, as_json: Json = False) -> None:
    """All metrics, built in and yours."""
    with client(data_dir) as service:
        _print_metrics(list(service.list_metrics()), as_json)


@metric.command("show")
def show_metric(
    name: Name,
    version: Annotated[int | None, typer.Option(help="A version; the active one unless said.")] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """One metric, whole."""
    with client(data_dir) as service:
        _print_metric(service.get_metric(name, version), as_json)


metric.command("get", hidden=True)(show_metric)  # what it was called first


@metric.command("versions")
def metric_versions(name: Name, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Every version of a metric, newest first."""
    with client(data_dir) as service:
        _print_metrics(list(service.list_metric_versions(name)), as_json)


@metric.command("create")
def create_metric(file: File, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Make a metric of a YAML file."""
    with client(data_dir) as service:
        _print_metric(service.create_metric(_one_metric(file)), as_json)


@metric.command("check")
def check_metric(file: File, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Whether a file would be accepted; nothing is written."""
    with client(data_dir) as service:
        (applied,) = service.apply([_one_metric(file)], validate_only=True)
    text = "\n".join([f"metric {applied.name} is acceptable", *(f"warning: {each}" for each in applied.warnings)])
    Printer(as_json).value({"name": applied.name, "warnings": list(applied.warnings)}, text)


@metric.command("update")
def update_metric(
    file: File,
    base_version: Annotated[int, typer.Option(help="The version that you edited; refused if it moved on.")],
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Make a new version of a metric of a YAML file."""
    with client(data_dir) as service:
        _print_metric(service.update_metric(_one_metric(file), base_version=base_version), as_json)


@metric.command("edit")
def edit_metric(name: Name, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Make a new version of a metric in your editor (EDITOR)."""
    import click

    from assay.documents import dumped, metric_body

    with client(data_dir) as service:
        current = service.get_metric(name).definition
        with tempfile.NamedTemporaryFile("w", prefix=f"{current.name}-", suffix=".yaml", delete=False) as written:
            written.write(dumped([metric_body(current)]))
        path = Path(written.name)
        try:
            click.edit(filename=written.name)
            edited = _one_metric(path)
            changed = metric_body(edited) != metric_body(current)
            record = service.update_metric(edited, base_version=current.version) if changed else None
        except Exception as error:
            raise CommandFailed(f"{error}", f"what you wrote is kept in {path}") from error
    path.unlink()
    if record is None:
        Printer(as_json).value({"changed": False}, "nothing changed")
    else:
        _print_metric(record, as_json)


@metric.command("restore")
def restore_metric(name: Name, version: Version, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Make an old version's content the newest version; also of a deleted metric."""
    with client(data_dir) as service:
        _print_metric(service.restore_metric(name, version), as_json)


@metric.command("delete")
def delete_metric(name: Name, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Delete a metric of yours; its results stay."""
    with client(data_dir) as service:
        service.delete_metric(name)
    Printer(as_json).value({"deleted": name}, f"metric {name} is deleted; its results stay")


@metric.command("test")
def try_metric(
    name: Annotated[str | None, typer.Argument(help="A metric that is there; or name a file.")] = None,
    file: Annotated[Path | None, typer.Option("-f", "--file", help="A YAML file; it need not be saved.")] = None,
    span: Annotated[str, typer.Option(help="The target: TRACE:SPAN.")] = "",
    trace: Annotated[str, typer.Option(help="The target: a trace id.")] = "",
    session: Annotated[str, typer.Option(help="The target: a session id.")] = "",
    repeats: Annotated[int, typer.Option(min=1, max=50, help="How often it is asked.")] = 1,
    wait: Annotated[float | None, typer.Option(help="Seconds to wait at most.")] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Try a metric on one target, as often as you like; nothing is stored."""
    if (name is None) is (file is None):
        raise CommandFailed("name a metric, or a file with -f", "assay metric test --help", exit_code=USAGE)
    tried = _one_metric(file) if file is not None else name or ""
    target = _target(span, trace, session)
    with client(data_dir) as service:
        print_trial(service.test_metric(tried, target, repeats=repeats, wait_seconds=wait), as_json)


def _target(span: str, trace: str, session: str) -> TargetRef:
    if sum(map(bool, (span, trace, session))) != 1:
        raise CommandFailed("name one of --span, --trace, --session", "assay metric test --help", exit_code=USAGE)
    trace_id, _, span_id = (span or trace).strip().lower().partition(":")
    try:
        if session:
            return TargetRef(level=Level.SESSION, session_id=session)
        return TargetRef(level=Level.SPAN if span else Level.TRACE, trace_id=trace_id, span_id=span_id)
    except ValueError as error:
        raise CommandFailed(str(error), "write --span TRACE:SPAN, or --trace TRACE", exit_code=USAGE) from error


def print_trial(trial: Trial, as_json: bool) -> None:
    """What became of a trial."""
    from assay.cli.scores import in_words, result_row

    rows = [result_row(result) for result in trial.results]
    if as_json:
        spread = None
        if trial.spread is not None:
            names = ("mean", "standard_deviation", "minimum", "maximum", "agreement", "successes")
            spread = {name: getattr(trial.spread, name) for name in names}
        usage = trial.usage
        cost = {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens, "cost_usd": usage.cost_usd}
        value = {"results": rows, "spread": spread, "usage": cost, "warnings": list(trial.warnings)}
        Printer(as_json=True).value(value, "")
        return
    numbered = [in_words(row) | {"number": number} for number, row in enumerate(rows, 1)]
    columns = {"number": "", "status": "status", "value": "value", "label": "label", "why": "why"}
    Printer().table(numbered, columns, empty="no results")
    print()
    print("\n".join(_summary(trial)))


def _summary(trial: Trial) -> list[str]:
    lines = []
    if (spread := trial.spread) is not None:
        if spread.mean is not None:
            deviation = "" if spread.standard_deviation is None else f" ± {spread.standard_deviation:.3g}"
            lines.append(f"mean {spread.mean:.4g}{deviation}, from {spread.minimum:.4g} to {spread.maximum:.4g}")
        lines.append(f"{spread.successes} of {len(trial.results)} scored; {spread.agreement:.0%} of these agree")
    else:
        lines.append(f"none of {len(trial.results)} scored")
    usage = trial.usage
    if usage.input_tokens or usage.output_tokens:
        cost = "unknown price" if usage.cost_usd is None else f"{usage.cost_usd:.6g} USD"
        lines.append(f"{usage.input_tokens} tokens in, {usage.output_tokens} out, {cost}")
    else:
        lines.append("no judge was asked")
    return lines + [f"warning: {each}" for each in trial.warnings]
