"""Commands for alerts, and for what actions send out."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from assay.cli import rule_options as options
from assay.cli.connection import client
from assay.cli.console import USAGE, CommandFailed, Json, Printer
from assay.cli.main import DataDir, app
from assay.cli.rules import rule
from evaluator.errors import InvalidDefinition
from evaluator.online.alerts.definition import AlertDefinition
from storage.deliveries import DeliveryState

DEFINE = "Define"
alert = typer.Typer(no_args_is_help=True, help="Alerts: what is watched over many results.")
app.add_typer(alert, name="alert", rich_help_panel=DEFINE)

Name = Annotated[str, typer.Argument(help="Its name.")]
_COLUMNS = {
    "name": "alert", "kind": "kind", "of": "of", "state": "state", "since": "since", "value": "value", "bound": "bound",
    "reason": "reason",
}  # fmt: skip
_SENT = {
    "delivery_id": "delivery", "action": "action", "state": "state", "attempts": "attempts", "created": "since",
    "next_attempt": "next", "last_error": "last error",
}  # fmt: skip


def _row(found: Any) -> dict[str, Any]:
    definition, standing = found.record.definition, found.standing
    return {
        "name": definition.name,
        "version": definition.version,
        **definition.to_body(),
        "state": str(found.state) if definition.enabled else "disabled",
        "since": standing and standing.since,
        "value": standing and standing.value,
        "bound": standing and standing.bound,
        "samples": standing and standing.samples,
        "reason": standing.reason if standing else "",
    }


def _print(rows: list[dict[str, Any]], as_json: bool) -> None:
    if not as_json:
        rows = [row | {"of": row["metric"] or row["rule"] or "everything"} for row in rows]
    empty = "no alerts yet: assay alert create NAME --kind error_share --threshold 0.1"
    Printer(as_json).table(rows, _COLUMNS, empty=empty, cut="reason")


@alert.command("list")
def list_alerts(data_dir: DataDir = None, as_json: Json = False) -> None:
    """All alerts, and how each stands."""
    with client(data_dir) as service:
        _print([_row(found) for found in service.list_alerts()], as_json)


@alert.command("get")
def get_alert(name: Name, data_dir: DataDir = None, as_json: Json = False) -> None:
    """One alert, whole, and how it stands."""
    with client(data_dir) as service:
        row = _row(service.get_alert(name))
    Printer(as_json).value(row, json.dumps(row, indent=2, ensure_ascii=False, default=str))


@alert.command("create")
def create_alert(
    name: Name,
    kind: Annotated[str, typer.Option(help="error_share, queue_age, drift or agreement.")],
    threshold: Annotated[
        float, typer.Option(help="It fires above: a share, seconds, a change of the mean; agreement: below.")
    ] = 0.0,
    rule_name: Annotated[str, typer.Option("--rule", help="Only results of this rule.")] = "",
    metric: Annotated[str, typer.Option(help="Only results of this metric; drift needs one.")] = "",
    clear: Annotated[float | None, typer.Option(help="It is over at or below; 0.8 of the threshold.")] = None,
    window: Annotated[int, typer.Option(help="Seconds of results that are looked at.")] = 3600,
    reference: Annotated[int, typer.Option(help="Drift: windows before it to compare with.")] = 7,
    false_alarms: Annotated[float, typer.Option(help="Drift: share of windows that may alarm by chance.")] = 0.001,
    min_samples: Annotated[int, typer.Option(help="Fewer results say nothing.")] = 30,
    hold: Annotated[float, typer.Option(help="Seconds that it must hold before it fires.")] = 0.0,
    actions: options.Actions = None,
    description: Annotated[str, typer.Option(help="What it is for.")] = "",
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Watch something from now on."""
    body = {
        "kind": kind, "threshold": threshold, "rule": rule_name, "metric": metric, "clear": clear,
        "window_seconds": window, "reference_windows": reference, "false_alarms": false_alarms,
        "min_samples": min_samples, "for_seconds": hold, "actions": options.actions_of(actions),
        "description": description,
    }  # fmt: skip
    try:
        stated = AlertDefinition.from_body(name, body)
    except InvalidDefinition as error:
        raise CommandFailed(str(error), "assay alert create --help", exit_code=USAGE) from error
    with client(data_dir) as service:
        _print([_row(service.create_alert(stated))], as_json)


@alert.command("delete")
def delete_alert(name: Name, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Delete an alert; its history stays."""
    with client(data_dir) as service:
        service.delete_alert(name)
    Printer(as_json).value({"deleted": name}, f"alert {name} is deleted; its history stays")


@alert.command("history")
def alert_history(name: Name, data_dir: DataDir = None, as_json: Json = False) -> None:
    """How an alert turned, newest first."""
    with client(data_dir) as service:
        rows = [
            {
                "time": turn.time, "state": str(turn.state), "since": turn.since, "value": turn.value,
                "bound": turn.bound, "samples": turn.samples, "version": turn.version, "reason": turn.reason,
            }
            for turn in service.alert_history(name)
        ]  # fmt: skip
    columns = {"time": "time", "state": "state", "value": "value", "bound": "bound", "reason": "reason"}
    Printer(as_json).table(rows, columns, empty="it never turned", cut="reason")


States = Annotated[
    list[DeliveryState] | None, typer.Option("--state", help="Only of this state; may be given several times.")
]


@rule.command("deliveries")
def rule_deliveries(name: Name, states: States = None, data_dir: DataDir = None, as_json: Json = False) -> None:
    """What the actions of a rule send, newest first, and how far each came."""
    _deliveries(data_dir, as_json, rule=name, states=states or [])


@alert.command("deliveries")
def alert_deliveries(name: Name, states: States = None, data_dir: DataDir = None, as_json: Json = False) -> None:
    """What an alert sends, newest first, and how far each came."""
    _deliveries(data_dir, as_json, alert=name, states=states or [])


@rule.command("redeliver")
def redeliver(
    delivery: Annotated[str, typer.Argument(help="Id of the delivery.")],
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Send a message of a rule or alert again, with the same id, within half a minute."""
    with client(data_dir) as service:
        sent = service.retry_delivery(delivery)
    row = {"delivery_id": sent.delivery_id, "owner": sent.owner, "action": sent.action, "state": str(sent.state)}
    Printer(as_json).value(row, f"{sent.owner}/{sent.action} sends it again: {sent.delivery_id}")


def _deliveries(data_dir: Any, as_json: bool, **which: Any) -> None:
    with client(data_dir) as service:
        found = list(service.list_deliveries(**which))
    rows = [
        {
            "delivery_id": each.delivery_id, "owner": each.owner, "action": each.action, "state": str(each.state),
            "attempts": each.attempts, "created": each.created, "next_attempt": each.next_attempt,
            "give_up": each.give_up, "last_error": each.last_error, "result_id": each.result_id,
            "body": json.loads(each.body),
        }
        for each in found
    ]  # fmt: skip
    Printer(as_json).table(rows, _SENT, empty="nothing was sent yet", cut="last_error")
