"""Assay's exporter in this process, over a real ClickHouse."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from exporter.server import Endpoints, ExporterSettings, serve
from storage.clickhouse.client import Database
from storage.clickhouse.telemetry import ClickHouseSink


@asynccontextmanager
async def exporting(database: Database, *, grpc: str = "127.0.0.1:0") -> AsyncIterator[Endpoints]:
    """A listening exporter for the length of an `async with` block.  Run what blocks in a thread meanwhile."""
    stop, ready = asyncio.Event(), asyncio.get_running_loop().create_future()
    settings = ExporterSettings(grpc=grpc, http="127.0.0.1:0")
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(serve(ClickHouseSink(database), settings, stop=stop, on_ready=ready.set_result))
        try:
            yield await ready
        finally:
            stop.set()
