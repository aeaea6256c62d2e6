"""Commands for rules."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

import typer

from assay.cli.connection import client
from assay.cli.console import USAGE, CommandFailed, Json, Printer
from assay.cli.main import DataDir, app
from evaluator.errors import InvalidDefinition
from evaluator.online.rules.definition import RuleDefinition
from evaluator.online.rules.record import RuleRecord

DEFINE = "Define"
rule = typer.Typer(no_args_is_help=True, help="Rules: what is scored as it arrives.")
app.add_typer(rule, name="rule", rich_help_panel=DEFINE)

Name = Annotated[str, typer.Argument(help="Its name.")]


def _rule_row(record: RuleRecord) -> dict[str, Any]:
    definition = record.definition
    return {"name": definition.name, "version": definition.version, **definition.to_body()}


def _print_rules(records: list[RuleRecord], as_json: bool) -> None:
    rows = [_rule_row(record) for record in records]
    if not as_json:
        rows = [
            row
            | {
                "metrics": ", ".join(row["metrics"]),
                "rate": f"{row['sample_rate'] * 100:g} %",
                "state": "enabled" if row["enabled"] else "disabled",
            }
            for row in rows
        ]
    columns = {
        "name": "rule", "version": "version", "level": "level", "metrics": "metrics", "rate": "rate",
        "filter": "filter", "state": "state",
    }  # fmt: skip
    Printer(as_json).table(
        rows, columns, empty="no rules yet: assay rule create NAME --level span --metric correctness"
    )


Metrics = Annotated[list[str], typer.Option("--metric", help="A metric; may be given several times.")]
Rate = Annotated[float | None, typer.Option("--rate", min=0.0, max=1.0, help="Share of traces, 0.0 to 1.0.")]
Filter = Annotated[
    str | None, typer.Option("--filter", help="kind = 'llm' AND service = 'x'; docs/rules.md has all names.")
]


@rule.command("list")
def list_rules(data_dir: DataDir = None, as_json: Json = False) -> None:
    """All rules."""
    with client(data_dir) as service:
        _print_rules(list(service.list_rules()), as_json)


@rule.command("get")
def get_rule(name: Name, data_dir: DataDir = None, as_json: Json = False) -> None:
    """One rule, whole."""
    with client(data_dir) as service:
        row = _rule_row(service.get_rule(name))
    Printer(as_json).value(row, json.dumps(row, indent=2, ensure_ascii=False))


@rule.command("create")
def create_rule(
    name: Name,
    metrics: Metrics,
    level: Annotated[str, typer.Option(help="span or trace.")] = "span",
    rate: Rate = None,
    where: Filter = None,
    disabled: Annotated[bool, typer.Option("--disabled", help="Make it, but do not score yet.")] = False,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Score what arrives from now on (and what completed in the last hour)."""
    body: dict[str, Any] = {"level": level, "metrics": metrics, "enabled": not disabled}
    body |= {"sample_rate": 1.0 if rate is None else rate, "filter": where or ""}
    with client(data_dir, rule_filter=where or "") as service:
        _print_rules([service.create_rule(_rule(name, body))], as_json)


@rule.command("update")
def update_rule(
    name: Name,
    metrics: Annotated[list[str] | None, typer.Option("--metric", help="Instead of those it has.")] = None,
    rate: Rate = None,
    where: Filter = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Edit a rule; what is scored already is not scored again."""
    with client(data_dir, rule_filter=where or "") as service:
        current = service.get_rule(name).definition
        changed = replace(
            current,
            metrics=tuple(metrics) if metrics else current.metrics,
            sample_rate=current.sample_rate if rate is None else rate,
            filter=current.filter if where is None else where,
        )
        _print_rules([service.update_rule(changed, base_version=current.version)], as_json)


@rule.command("enable")
def enable_rule(name: Name, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Let a rule score again, from an hour ago on."""
    with client(data_dir) as service:
        _print_rules([service.enable_rule(name)], as_json)


@rule.command("disable")
def disable_rule(name: Name, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Stop a rule at once."""
    with client(data_dir) as service:
        _print_rules([service.disable_rule(name)], as_json)


@rule.command("delete")
def delete_rule(name: Name, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Delete a rule; its results stay."""
    with client(data_dir) as service:
        service.delete_rule(name)
    Printer(as_json).value({"deleted": name}, f"rule {name} is deleted; its results stay")


def _rule(name: str, body: Mapping[str, Any]) -> RuleDefinition:
    try:
        return RuleDefinition.from_body(name, body)
    except InvalidDefinition as error:
        raise CommandFailed(str(error), "assay rule create --help", exit_code=USAGE) from error
