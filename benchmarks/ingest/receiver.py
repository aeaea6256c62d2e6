"""Our receiver alone, over any database that has `otel_traces`: `python -m benchmarks.ingest.receiver URL`.

Prints its gRPC port when it listens; ends at SIGTERM or when its standard input closes.
"""

from __future__ import annotations

import asyncio
import signal
import sys

from assay.heap import collect_rarely, give_buffers_back
from exporter.server import Endpoints, ExporterSettings, serve
from storage.clickhouse.client import Database
from storage.clickhouse.telemetry import ClickHouseSink


async def main(url: str) -> None:
    """Serve until told to stop."""
    give_buffers_back()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)

    def on_ready(endpoints: Endpoints) -> None:
        collect_rarely()
        print(endpoints.grpc_port, endpoints.http_port, flush=True)

    async with Database(url) as database:
        settings = ExporterSettings(grpc="127.0.0.1:0", http="127.0.0.1:0")
        await serve(ClickHouseSink(database), settings, stop=stop, on_ready=on_ready)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
