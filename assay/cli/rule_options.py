"""Options of `assay rule create` and `assay rule update`: every field of a rule; what is not given stays as it is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import typer
import yaml

from assay.cli.console import USAGE, CommandFailed

Metrics = Annotated[list[str] | None, typer.Option("--metric", help="A metric; may be given several times.")]
Rate = Annotated[float | None, typer.Option("--rate", min=0.0, max=1.0, help="Share of targets, 0.0 to 1.0.")]
SourceRates = Annotated[
    list[str] | None,
    typer.Option("--source-rate", help="production=0.1 or experiment=1: the share of that; '' = none."),
]
Filter = Annotated[
    str | None, typer.Option("--filter", help="trace.status = 'OK' AND service = 'x'; docs/rules.md has all names.")
]
Scope = Annotated[
    str | None, typer.Option("--scope", help="Only this application: its service.name, or assay.project.")
]
WhenOption = Annotated[
    str | None, typer.Option("--when", help="complete: spans with their trace; ingest: as they arrive.")
]
LateOption = Annotated[
    str | None, typer.Option("--late", help="rescore or ignore: what becomes of a target that grows after its score.")
]
Lookback = Annotated[
    str | None, typer.Option("--lookback", help="How far enabling looks back: 0, 30m, 1h, … up to 24h.")
]
SessionIdle = Annotated[
    str | None, typer.Option("--session-idle", help="After so much quiet a session is over: 5m, 1h, … up to 7d.")
]
Attempts = Annotated[
    int | None, typer.Option("--attempts", help="Evaluations of a target whose result is a failure, 1 to 10.")
]
Backoff = Annotated[
    str | None, typer.Option("--retry-backoff", help="Pause before the second attempt; doubles each time.")
]
MaxAge = Annotated[str | None, typer.Option("--retry-max-age", help="No attempt later than this after the first.")]
BudgetCalls = Annotated[int | None, typer.Option("--budget-calls", help="Judge calls per UTC day; 0 = no limit.")]
BudgetTokens = Annotated[int | None, typer.Option("--budget-tokens", help="Tokens per UTC day; 0 = no limit.")]
BudgetUsd = Annotated[float | None, typer.Option("--budget-usd", help="US dollars per UTC day; 0 = no limit.")]
Actions = Annotated[
    list[str] | None,
    typer.Option(
        "--action", help="{name: alarm, kind: webhook, when: value < 0.5, target: 'https://…'}; '' alone = none."
    ),
]
Description = Annotated[str | None, typer.Option("--description", help="What it is for.")]

_UNITS: Mapping[str, float] = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([smhd]?)")


def changed(
    body: Mapping[str, Any],
    *,
    metrics: list[str] | None,
    rate: float | None,
    source_rates: list[str] | None,
    where: str | None,
    scope: str | None,
    when: str | None,
    late: str | None,
    lookback: str | None,
    session_idle: str | None,
    attempts: int | None,
    backoff: str | None,
    max_age: str | None,
    budget_calls: int | None,
    budget_tokens: int | None,
    budget_usd: float | None,
    actions: list[str] | None,
    description: str | None,
) -> dict[str, Any]:
    """The body of a rule with what was given in place of what it has.

    Raises:
        CommandFailed: An option is not written as it should be.
    """
    given: dict[str, Any] = {
        "metrics": metrics or None,
        "sample_rate": rate,
        "source_rates": _rates(source_rates) if source_rates else None,
        "filter": where,
        "scope": scope,
        "when": when,
        "late": late,
        "lookback_seconds": _seconds("--lookback", lookback),
        "session_idle_seconds": _seconds("--session-idle", session_idle),
        "retries": _over(
            body.get("retries"),
            attempts=attempts,
            backoff_seconds=_seconds("--retry-backoff", backoff),
            max_age_seconds=_seconds("--retry-max-age", max_age),
        ),
        "budget": _over(body.get("budget"), calls=budget_calls, tokens=budget_tokens, usd=budget_usd),
        "actions": actions_of(actions) if actions else None,
        "description": description,
    }
    return {**body, **_given(given)}


def _over(body: object, **given: object) -> dict[str, Any] | None:
    found = _given(given)
    return {**(body if isinstance(body, Mapping) else {}), **found} if found else None


def _given(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _rates(texts: Iterable[str]) -> dict[str, float]:
    rates: dict[str, float] = {}
    for text in filter(None, texts):  # '' alone takes all of them away
        source, _, rate = text.partition("=")
        try:
            rates[source.strip()] = float(rate)
        except ValueError:
            raise CommandFailed(
                f"{text!r} is no SOURCE=RATE", "write production=0.1, for example", exit_code=USAGE
            ) from None
    return rates


def _seconds(option: str, text: str | None) -> float | None:
    if text is None:
        return None
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise CommandFailed(f"{option}: {text!r} is no duration", "write 90s, 5m, 1h or 2d", exit_code=USAGE)
    return float(found[1]) * _UNITS[found[2]]


def actions_of(texts: list[str] | None) -> list[object]:
    """The actions that `--action` gives, each as a map; '' is none."""
    return [_action(text) for text in texts or () if text]


def _action(text: str) -> object:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise CommandFailed(
            f"--action: {text!r} is no mapping",
            "{name: alarm, kind: webhook, when: value < 0.5, target: 'https://…'}, for example",
            exit_code=USAGE,
        ) from error
