"""The exporter process: OTLP in, rows in ClickHouse out."""

from __future__ import annotations

import asyncio
import resource
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from assay.heap import collect_rarely, give_buffers_back
from assay.own.metering import metering
from assay.roles.process import run_as_child
from assay.settings import OFF, Settings
from exporter.counting import Counts
from exporter.disk import DiskLimits
from exporter.redaction import Redaction
from exporter.server import Endpoints, ExporterSettings, serve
from storage.clickhouse.client import Database
from storage.clickhouse.schema import check_schema
from storage.clickhouse.telemetry import ClickHouseSink

if TYPE_CHECKING:
    from opentelemetry.metrics import Meter


async def serve_exporter(settings: Settings, stop: asyncio.Event, ready: Callable[[dict[str, Any]], None]) -> None:
    """Serve until `stop`; reports `otlp_grpc` and `otlp_http`."""
    give_buffers_back()
    _raise_file_limit()
    hosts = {name: getattr(settings, name).rpartition(":")[0] for name in ("otlp_grpc", "otlp_http")}

    def on_ready(ports: Endpoints) -> None:
        collect_rarely()
        ready(
            {
                "otlp_grpc": f"{hosts['otlp_grpc']}:{ports.grpc_port}",
                "otlp_http": f"{hosts['otlp_http']}:{ports.http_port}",
            }
        )

    with metering(settings, "exporter") as meter:
        await _serve(settings, meter, stop, on_ready)


async def _serve(
    settings: Settings, meter: Meter | None, stop: asyncio.Event, on_ready: Callable[[Endpoints], None]
) -> None:
    counts, redaction = Counts(), _redaction(settings)
    async with Database(settings.clickhouse_url, database=settings.database) as database:
        await check_schema(database)
        await serve(
            _sink(database, meter, counts),
            ExporterSettings(
                grpc=settings.otlp_grpc,
                http=settings.otlp_http,
                shared_ports=settings.exporters > 1,
                cors_origins=settings.web_origins,
                disk=DiskLimits(min_free_bytes=settings.min_free_disk_mb << 20),
            ),
            stop=stop,
            on_ready=on_ready,
            redaction=redaction,
            counts=counts,
        )


def _sink(database: Database, meter: Meter | None, counts: Counts) -> ClickHouseSink:
    if meter is None:
        return ClickHouseSink(database)
    from assay.own.of_exporter import MeasuredSink, tell  # where nobody listens, nothing of it is loaded

    tell(meter, counts)
    return MeasuredSink(database, meter)


def _redaction(settings: Settings) -> Redaction | None:
    if settings.redaction == OFF:
        return None
    from storage.redaction.load import redactor  # where it is off, nothing of it is loaded

    return Redaction(redactor(settings.redaction, settings.data_dir))


def _raise_file_limit() -> None:
    """Every connection is a file; the soft limit is often 1,024 for programs that use select()."""
    if sys.platform == "linux":  # elsewhere the hard limit is not always one that may be set
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


if __name__ == "__main__":
    sys.exit(run_as_child(serve_exporter))
