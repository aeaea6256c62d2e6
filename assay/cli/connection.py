"""How commands find a running installation: settings, else `endpoints.json` of the data directory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.cli.console import CommandFailed
from assay.settings import Settings, load

if TYPE_CHECKING:  # gRPC is imported by the commands that use it
    from assay.client import CallFailed, Client

_DEFAULT_GRPC = Settings.__dataclass_fields__["grpc"].default


def endpoints(chosen: Settings) -> dict[str, Any]:
    """Addresses of the installation that runs on this data directory, with explicit settings on top.

    Raises:
        CommandFailed: None runs there, and ASSAY_CLICKHOUSE_URL is not set either.
    """
    path = chosen.data_dir / "endpoints.json"
    try:
        found: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError):
        if not chosen.clickhouse_url:
            raise CommandFailed(
                f"no Assay runs on the data directory {chosen.data_dir}",
                "start one with `assay up`, or name its data directory with --data-dir (ASSAY_DATA_DIR), or a "
                "ClickHouse with ASSAY_CLICKHOUSE_URL",
            ) from None
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


@contextmanager
def client(data_dir: Path | None) -> Iterator[Client]:
    """A client of the evaluator that runs; what the service refuses comes out with the next step."""
    from assay.client import CallFailed, Client

    chosen = load({"data_dir": data_dir})
    path = chosen.data_dir / "endpoints.json"
    address = str(endpoints(chosen)["grpc"]) if path.exists() else chosen.grpc
    with Client(address) as service:
        try:
            yield service
        except CallFailed as error:
            raise CommandFailed(error.message or error.code, _next_step(error, address)) from error


def _next_step(error: CallFailed, address: str) -> str:
    if error.code == "UNAVAILABLE" and not error.reason:
        return f"nothing answers at {address}: start it with `assay up`, or name its data directory with --data-dir"
    fields = "; ".join(f"{violation.field}: {violation.description}" for violation in error.field_violations)
    if "position" in error.metadata:
        fields = f"at character {error.metadata['position']} of the filter"
    steps = {
        "NOT_FOUND": "`assay metric list`, `assay rule list` and `assay sql` show what there is",
        "ABORTED": "read it again and repeat the edit",
        "ALREADY_EXISTS": "choose another name, or use `update`",
    }
    return fields or steps.get(error.code, "")
