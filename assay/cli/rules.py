"""Commands for rules."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from assay.cli import rule_options as options
from assay.cli.connection import client
from assay.cli.console import USAGE, CommandFailed, Json, Printer
from assay.cli.main import DataDir, app
from evaluator.errors import InvalidDefinition
from evaluator.online.rules.definition import RuleDefinition
from evaluator.online.rules.policy import Budget, body_of
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
                "rate": _rates(row),
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


@rule.command("list")
def list_rules(data_dir: DataDir = None, as_json: Json = False) -> None:
    """All rules."""
    with client(data_dir) as service:
        _print_rules(list(service.list_rules()), as_json)


@rule.command("get")
def get_rule(name: Name, data_dir: DataDir = None, as_json: Json = False) -> None:
    """One rule, whole, and what was spent of its budget today (UTC)."""
    with client(data_dir) as service:
        record = service.get_rule(name)
        row = _rule_row(record)
        if record.definition.budget != Budget():
            now = datetime.now(UTC)
            row["spent_today"] = body_of(service.rule_funnel(name, since=now - timedelta(minutes=1), until=now).spent)
    Printer(as_json).value(row, json.dumps(row, indent=2, ensure_ascii=False))


@rule.command("create")
def create_rule(
    name: Name,
    metrics: Annotated[list[str], typer.Option("--metric", help="A metric; may be given several times.")],
    level: Annotated[str, typer.Option(help="span, trace or session.")] = "span",
    rate: options.Rate = None,
    source_rates: options.SourceRates = None,
    where: options.Filter = None,
    scope: options.Scope = None,
    when: options.WhenOption = None,
    late: options.LateOption = None,
    lookback: options.Lookback = None,
    session_idle: options.SessionIdle = None,
    attempts: options.Attempts = None,
    backoff: options.Backoff = None,
    max_age: options.MaxAge = None,
    budget_calls: options.BudgetCalls = None,
    budget_tokens: options.BudgetTokens = None,
    budget_usd: options.BudgetUsd = None,
    actions: options.Actions = None,
    description: options.Description = None,
    disabled: Annotated[bool, typer.Option("--disabled", help="Make it, but do not score yet.")] = False,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Score what arrives from now on (and what completed within --lookback, by default the last hour)."""
    body = options.changed(
        {"level": level, "enabled": not disabled},
        metrics=metrics, rate=rate, source_rates=source_rates, where=where, scope=scope, when=when, late=late,
        lookback=lookback, session_idle=session_idle, attempts=attempts, backoff=backoff, max_age=max_age,
        budget_calls=budget_calls, budget_tokens=budget_tokens, budget_usd=budget_usd, actions=actions,
        description=description,
    )  # fmt: skip
    with client(data_dir, rule_filter=where or "") as service:
        _print_rules([service.create_rule(_rule(name, body))], as_json)


@rule.command("update")
def update_rule(
    name: Name,
    metrics: Annotated[list[str] | None, typer.Option("--metric", help="Instead of those it has.")] = None,
    rate: options.Rate = None,
    source_rates: options.SourceRates = None,
    where: options.Filter = None,
    scope: options.Scope = None,
    when: options.WhenOption = None,
    late: options.LateOption = None,
    lookback: options.Lookback = None,
    session_idle: options.SessionIdle = None,
    attempts: options.Attempts = None,
    backoff: options.Backoff = None,
    max_age: options.MaxAge = None,
    budget_calls: options.BudgetCalls = None,
    budget_tokens: options.BudgetTokens = None,
    budget_usd: options.BudgetUsd = None,
    actions: options.Actions = None,
    description: options.Description = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Edit a rule, for what completes from now on; what is scored already is not scored again."""
    with client(data_dir, rule_filter=where or "") as service:
        current = service.get_rule(name).definition
        body = options.changed(
            current.to_body(),
            metrics=metrics, rate=rate, source_rates=source_rates, where=where, scope=scope, when=when, late=late,
            lookback=lookback, session_idle=session_idle, attempts=attempts, backoff=backoff, max_age=max_age,
            budget_calls=budget_calls, budget_tokens=budget_tokens, budget_usd=budget_usd, actions=actions,
            description=description,
        )  # fmt: skip
        _print_rules([service.update_rule(_rule(name, body), base_version=current.version)], as_json)


@rule.command("enable")
def enable_rule(name: Name, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Let a rule score again, from its --lookback before now on."""
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


def _rates(row: Mapping[str, Any]) -> str:
    """`10 %`, and where it is another for a source: `10 %, experiment 100 %`."""
    others = [f"{source} {rate * 100:g} %" for source, rate in row["source_rates"].items()]
    return ", ".join([f"{row['sample_rate'] * 100:g} %", *others])


def _rule(name: str, body: Mapping[str, Any]) -> RuleDefinition:
    try:
        return RuleDefinition.from_body(name, body)
    except InvalidDefinition as error:
        raise CommandFailed(str(error), "assay rule create --help", exit_code=USAGE) from error
