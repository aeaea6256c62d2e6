"""Options of `assay rule create` and `update`, with a real server behind them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from running_front import running_front
from typer.testing import CliRunner

from assay.cli import rules
from assay.cli.console import USAGE, CommandFailed
from assay.cli.main import app
from storage.clickhouse.client import Database

REGISTERS = rules
"""Imported, it registers its commands."""


@pytest.fixture
async def served(database: Database, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """A server that the settings name."""
    async with running_front(database) as front:
        monkeypatch.setenv("ASSAY_GRPC", front.address)
        yield


async def run(*arguments: str) -> Any:
    """The JSON that a command prints.

    Raises:
        CommandFailed: As the command.
    """
    result = await asyncio.to_thread(CliRunner().invoke, app, [*arguments, "--json"])
    if result.exception is not None:
        raise result.exception
    return json.loads(result.stdout)


CREATE = (
    "rule", "create", "all", "--metric", "toxicity", "--metric", "correctness", "--level", "span", "--rate", "0.25",
    "--source-rate", "production=0.1", "--source-rate", "experiment=1", "--filter", "trace.status = 'OK'", "--scope",
    "checkout", "--when", "complete", "--late", "ignore", "--lookback", "30m", "--session-idle", "2h", "--attempts",
    "3", "--retry-backoff", "90", "--retry-max-age", "1.5d", "--budget-calls", "1000", "--budget-tokens", "2000000",
    "--budget-usd", "12.5", "--action", "{name: told, kind: event, when: value < 0.5}", "--description", "for people",
    "--disabled",
)  # fmt: skip
MADE = {
    "name": "all", "version": 1, "level": "span", "metrics": ["toxicity", "correctness"], "sample_rate": 0.25,
    "source_rates": {"production": 0.1, "experiment": 1.0}, "filter": "trace.status = 'OK'", "scope": "checkout",
    "when": "complete", "late": "ignore", "lookback_seconds": 1800.0, "session_idle_seconds": 7200.0,
    "retries": {"attempts": 3, "backoff_seconds": 90.0, "max_age_seconds": 129_600.0},
    "budget": {"calls": 1000, "tokens": 2_000_000, "usd": 12.5},
    "actions": [{"name": "told", "kind": "event", "when": "value < 0.5", "metric": "", "target": ""}],
    "description": "for people", "enabled": False, "enable_time": "",
}  # fmt: skip


async def test_every_field_of_a_rule_is_an_option_and_what_is_not_given_stays(served: None) -> None:
    """Made with all of them, edited by one, and by those that take things away."""
    assert await run(*CREATE) == [MADE]
    (edited,) = await run("rule", "update", "all", "--attempts", "2")
    retries = {"attempts": 2, "backoff_seconds": 90.0, "max_age_seconds": 129_600.0}
    assert edited == MADE | {"version": 2, "retries": retries}
    cleared = ("--source-rate", "", "--action", "", "--filter", "", "--scope", "", "--description", "")
    (edited,) = await run("rule", "update", "all", *cleared, "--budget-usd", "0", "--lookback", "0")
    assert edited == MADE | {
        "version": 3, "retries": retries, "source_rates": {}, "actions": [], "filter": "", "scope": "",
        "description": "", "budget": {"calls": 1000, "tokens": 2_000_000, "usd": 0.0}, "lookback_seconds": 0.0,
    }  # fmt: skip
    assert await run("rule", "get", "all") == edited | {"spent_today": {"calls": 0, "tokens": 0, "usd": 0.0}}


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--source-rate", "production", "'production' is no SOURCE=RATE"),
        ("--source-rate", "staging=0.5", "rule.source_rates: no source 'staging'; there are production, experiment"),
        ("--lookback", "1 hour", "--lookback: '1 hour' is no duration"),
        ("--session-idle", "8d", "rule.session_idle_seconds: must be in [1, 604,800], got 691200.0"),
        ("--action", "{name: x", "--action: '{name: x' is no mapping"),
        ("--action", "event", "rule.actions: must be a map, got 'event'"),
        ("--when", "ingest", "rule.when: ingest is for spans; a trace is known when it is complete"),
        ("--late", "never", "rule.late: must be one of rescore, ignore, got 'never'"),
        ("--attempts", "11", "rule.retries.attempts: must be in [1, 10], got 11"),
    ],
)
async def test_an_option_that_is_not_acceptable_is_refused_before_anything_is_sent(
    served: None, option: str, value: str, message: str
) -> None:
    """With what is wrong, and exit code 2."""
    with pytest.raises(CommandFailed) as refused:
        await run("rule", "create", "bad", "--metric", "toxicity", "--level", "trace", option, value)
    assert (str(refused.value), refused.value.exit_code) == (message, USAGE)
