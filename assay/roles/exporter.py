"""The exporter process: OTLP in, rows in ClickHouse out."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Any

from assay.roles.process import run_as_child
from assay.settings import Settings
from exporter.disk import DiskLimits
from exporter.server import Endpoints, ExporterSettings, serve
from storage.clickhouse.client import Database
from storage.clickhouse.schema import check_schema
from storage.clickhouse.telemetry import ClickHouseSink


async def serve_exporter(settings: Settings, stop: asyncio.Event, ready: Callable[[dict[str, Any]], None]) -> None:
    """Serve until `stop`; reports `otlp_grpc` and `otlp_http`."""
    hosts = {name: getattr(settings, name).rpartition(":")[0] for name in ("otlp_grpc", "otlp_http")}

    def on_ready(ports: Endpoints) -> None:
        ready(
            {
                "otlp_grpc": f"{hosts['otlp_grpc']}:{ports.grpc_port}",
                "otlp_http": f"{hosts['otlp_http']}:{ports.http_port}",
            }
        )

    async with Database(settings.clickhouse_url, database=settings.database) as database:
        await check_schema(database)
        await serve(
            ClickHouseSink(database),
            ExporterSettings(
                grpc=settings.otlp_grpc,
                http=settings.otlp_http,
                disk=DiskLimits(min_free_bytes=settings.min_free_disk_mb << 20),
            ),
            stop=stop,
            on_ready=on_ready,
        )


if __name__ == "__main__":
    sys.exit(run_as_child(serve_exporter))
