"""How commands find a running installation: settings, else `endpoints.json` of the data directory."""

from __future__ import annotations

import json
from typing import Any

from assay.cli.console import CommandFailed
from assay.settings import Settings

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
                "start one with `assay up`, or name its data directory with --data-dir (ASSAY_DATA_DIR), or a ClickHouse "
                "with ASSAY_CLICKHOUSE_URL",
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
