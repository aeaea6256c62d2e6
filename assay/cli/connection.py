"""How commands find a running installation: settings, else `endpoints.json` of the data directory."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.cli.console import CommandFailed
from assay.cli.main import settings
from assay.settings import Settings

if TYPE_CHECKING:  # gRPC is imported by the commands that use it
    from assay.client import CallFailed, Client

_DEFAULT_GRPC = Settings.__dataclass_fields__["grpc"].default


def endpoints(chosen: Settings) -> dict[str, Any]:
    """Addresses of the installation that runs on this data directory, with explicit settings on top.

    Raises:
        CommandFailed: None runs there, and ASSAY_CLICKHOUSE_URL is not set either.
    """
    found = _running(chosen.data_dir)
    if found is None:
        if not chosen.clickhouse_url:
            raise CommandFailed(
                f"no Assay runs on the data directory {chosen.data_dir}",
                "start one with `assay up`, or name its data directory with --data-dir (ASSAY_DATA_DIR), or a "
                "ClickHouse with ASSAY_CLICKHOUSE_URL",
            )
        found = {
            "otlp_grpc": chosen.otlp_grpc,
            "otlp_http": chosen.otlp_http,
            "grpc": chosen.grpc,
            "clickhouse_http": "",
            "analyst_url": "",
            "database": chosen.database,
            "pids": {},
        }
    if chosen.clickhouse_url:
        found["clickhouse_url"] = chosen.clickhouse_url
    if chosen.grpc != _DEFAULT_GRPC:
        found["grpc"] = chosen.grpc
    return found


def _running(data_dir: Path) -> dict[str, Any] | None:
    """What `assay up` wrote about itself, if that process still lives: a killed one leaves its file behind."""
    try:
        found: dict[str, Any] = json.loads((data_dir / "endpoints.json").read_text())
        os.kill(found["pids"]["up"], 0)
    except PermissionError:  # it lives, and belongs to another user
        return found
    except (OSError, ValueError, KeyError):
        return None
    return found


def address_of(data_dir: Path | None = None) -> str:
    """Where the evaluator listens: as set, else as the installation on this data directory says."""
    chosen = settings(data_dir=data_dir)
    found = _running(chosen.data_dir)
    return str(found["grpc"]) if found and chosen.grpc == _DEFAULT_GRPC else chosen.grpc


@contextmanager
def client(data_dir: Path | None, *, rule_filter: str = "") -> Iterator[Client]:
    """A client of the evaluator that runs; what the service refuses comes out with the next step.

    Args:
        rule_filter: What is sent as a rule's filter, to point at the place that is refused.
    """
    from assay.client import CallFailed, Client

    address = address_of(data_dir)
    with Client(address) as service:
        try:
            yield service
        except CallFailed as error:
            raise CommandFailed(error.message or error.code, _next_step(error, address, rule_filter)) from error


def _next_step(error: CallFailed, address: str, rule_filter: str) -> str:
    if error.code == "UNAVAILABLE" and not error.reason:
        return f"nothing answers at {address}: start it with `assay up`, or name its data directory with --data-dir"
    if "position" in error.metadata:
        place = next((violation.field for violation in error.field_violations), "")
        if place.endswith(".when"):  # the condition of an action
            return f"at character {error.metadata['position']} of {place}"
        return point_at(rule_filter, int(error.metadata["position"]))
    said = [violation for violation in error.field_violations if violation.description not in error.message]
    if said:
        return "; ".join(f"{violation.field}: {violation.description}" for violation in said)
    return _STEPS.get(error.reason) or _STEPS.get(error.code, "")


_STEPS = {
    "METRIC_NOT_FOUND": "`assay metric list` shows what there is",
    "RULE_NOT_FOUND": "`assay rule list` shows what there is",
    "ALERT_NOT_FOUND": "`assay alert list` shows what there is",
    "DELIVERY_NOT_FOUND": "`assay rule deliveries RULE` shows what there is",
    "TARGET_NOT_FOUND": 'copy ids from `assay sql "SELECT TraceId, SpanId FROM spans"`; it may not have arrived yet',
    "RUN_NOT_FOUND": "`assay run list` shows what there is",
    "RESULT_NOT_FOUND": "`assay score list` shows what there is",
    "ALIGNMENT_NOT_FOUND": "`assay align history` shows what there is",
    "ALIGNMENT_NOT_ENDED": "`assay align watch RUN` waits for its end; `assay align cancel RUN` stops it",
    "NO_RESOLVED_ANNOTATIONS": "correct results first: `assay feedback add`, or `assay review` with a queue",
    "SOURCE_NOT_FOUND": "`assay align sources METRIC` shows what there is",
    "NOT_A_JUDGE": "only judges learn from people; `assay metric list` shows the kind of each metric",
    "BASE_MOVED": "the metric changed meanwhile: `assay align report RUN --rebase` verifies on its active version",
    "NOT_SUPPORTED": "`assay align report RUN` says what is missing; --override with --reason accepts all the same",
    "FEEDBACK_NOT_FOUND": "`assay feedback list` shows what there is",
    "BULK_NOT_FOUND": "`assay feedback list --json` shows the bulk_id of what was given together",
    "NAME_TAKEN": "choose another name with --name",
    "ALREADY_ACCEPTED": "`assay metric restore METRIC VERSION` goes back to an earlier version",
    "QUEUE_NOT_FOUND": "`assay queue list` shows what there is",
    "LEVEL_MISMATCH": "write TRACE:SPAN for a span, TRACE for a trace",
    "ABORTED": "read it again and repeat the edit",
    "ALREADY_EXISTS": "choose another name, or use `update`",
}


def point_at(text: str, position: int) -> str:
    """The line of a text that holds the character `position` (from 0), with a caret under it."""
    start = text.rfind("\n", 0, position) + 1
    line = text[start:].partition("\n")[0]
    return f"at character {position} of the filter:\n      {line}\n      {' ' * (position - start)}^"
