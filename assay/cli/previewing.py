"""What a rule would do, before it does it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli import rule_options as options
from assay.cli.connection import client
from assay.cli.console import USAGE, CommandFailed, Json, Printer
from assay.cli.main import DataDir
from assay.cli.rules import rule
from evaluator.errors import InvalidDefinition
from evaluator.online.rules.definition import RuleDefinition

if TYPE_CHECKING:  # gRPC is imported by the commands that use it
    from assay.client import Client, RulePreview

UNNAMED = "preview"


@rule.command("preview")
def preview(
    name: Annotated[str, typer.Argument(help="A rule that there is; none = what the options say.")] = "",
    metrics: options.Metrics = None,
    level: Annotated[str | None, typer.Option(help="span, trace or session.")] = None,
    rate: options.Rate = None,
    source_rates: options.SourceRates = None,
    where: options.Filter = None,
    scope: options.Scope = None,
    session_idle: options.SessionIdle = None,
    samples: Annotated[int, typer.Option(min=0, max=100, help="How many targets to name.")] = 10,
    scored: Annotated[int, typer.Option(min=0, max=10, help="How many of them to score now; this asks judges.")] = 0,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """What a rule would have scored in the last 24 hours, and its cost a day.  Options change what the rule says."""
    if not name and not metrics:
        raise CommandFailed("name a rule, or metrics by --metric", "assay rule preview --help", exit_code=USAGE)
    with client(data_dir, rule_filter=where or "") as service:
        body = options.changed(
            _stated(service, name, level),
            metrics=metrics, rate=rate, source_rates=source_rates, where=where, scope=scope, when=None, late=None,
            lookback=None, session_idle=session_idle, attempts=None, backoff=None, max_age=None, budget_calls=None,
            budget_tokens=None, budget_usd=None, actions=None, description=None,
        )  # fmt: skip
        try:
            definition = RuleDefinition.from_body(name or UNNAMED, body)
        except InvalidDefinition as error:
            raise CommandFailed(str(error), "assay rule preview --help", exit_code=USAGE) from error
        found = service.preview_rule(definition, samples=max(samples, scored), scored=scored)
    _print(found, as_json)


def _stated(service: Client, name: str, level: str | None) -> dict[str, Any]:
    body: dict[str, Any] = {"level": level or "span"}
    if name:
        body = service.get_rule(name).definition.to_body() | ({"level": level} if level else {})
    return body


def _print(found: RulePreview, as_json: bool) -> None:
    row = asdict(found)
    row["samples"] = [ref.key for ref in found.samples]
    row["results"] = [_result(each) for each in found.results]
    Printer(as_json).value(row, "\n".join(_lines(found)))


def _result(result: Any) -> dict[str, Any]:
    return {
        "target": result.target.key,
        "metric": result.metric,
        "status": str(result.status),
        "value": result.value,
        "label": result.label,
        "cost_usd": result.usage.cost_usd,
    }


def _lines(found: RulePreview) -> list[str]:
    about = "" if found.exact else "about "
    lines = [
        f"in the last 24 hours {about}{found.targets:,} complete, {found.matches:,} of them pass the filter, "
        f"{found.sampled:,} are in the sample",
        f"a day like that: {found.calls_per_day:,.0f} calls to judges, {found.tokens_per_day:,.0f} tokens, "
        + ("USD unknown" if found.usd_per_day is None else f"{found.usd_per_day:,.4g} USD"),
    ]
    if found.unpriced_models:
        lines.append(f"no known price: {', '.join(found.unpriced_models)} (docs/budgets.md says where to set it)")
    lines += [f"  {ref.level} {ref.key}" for ref in found.samples]
    for result in found.results:
        value = result.label or ("" if result.value is None else f"{result.value:g}")
        cost = "" if result.usage.cost_usd is None else f"  {result.usage.cost_usd:.4g} USD"
        lines.append(f"  {result.target.key}  {result.metric}  {value or result.status}{cost}")
    return lines
