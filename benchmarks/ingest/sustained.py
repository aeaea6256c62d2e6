"""What a machine takes for minutes on end: receiver, ClickHouse and load generator on the same cores, merges on.

    python -m benchmarks.ingest.sustained [--minutes N] [--gigabytes N] [--json]

First as fast as 32 requests in flight go, until the minutes are over or the table has the size; then a fifth of the
time at 80 % of that rate, where nothing may be refused.  Every request has trace ids and times of its own.  Printed for
each ten seconds: spans per second, memory of receiver and ClickHouse, parts.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import struct
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit, urlunsplit

import grpc
import grpc.aio
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from benchmarks.ingest.contenders import ours
from benchmarks.ingest.sender import AGAIN, EXPORT, bodies
from benchmarks.report import Row, percentile, process_cpu_seconds, process_rss_mb, show
from benchmarks.spans import SPANS
from storage.clickhouse.client import Database
from storage.clickhouse.migrate import migrate
from storage.clickhouse.server import running

TEMPLATES = 32
IN_FLIGHT = 32
WINDOW_SECONDS = 10.0
SIZE = (
    "SELECT sum(bytes_on_disk) / 1e9 AS gb, count() AS parts, sum(rows) AS spans FROM system.parts "
    "WHERE active AND database = currentDatabase() AND table = 'otel_traces'"
)


class Template:
    """A request whose trace ids and times can be written over."""

    def __init__(self, body: bytes) -> None:
        self._body = bytearray(body)
        self._places: list[tuple[int, int, int]] = []
        at = 0
        message = ExportTraceServiceRequest.FromString(body)
        for number, span in enumerate(message.resource_spans[0].scope_spans[0].spans):
            at = body.index(b"\x0a\x10" + span.trace_id, at) + 2
            start = body.index(b"\x39" + struct.pack("<Q", span.start_time_unix_nano), at) + 1
            self._places.append((at, start, number))

    def request(self, number: int) -> bytes:
        """Request `number`: the first half of each trace id is the number, spans start now."""
        prefix, now, body = struct.pack("<Q", number), time.time_ns(), self._body
        for trace_at, start_at, place in self._places:
            body[trace_at : trace_at + 8] = prefix
            struct.pack_into("<Q", body, start_at, now + place)
            struct.pack_into("<Q", body, start_at + 9, now + place + 1_000_000)  # the end's tag lies between
        return bytes(body)


class Window(NamedTuple):
    """Ten seconds."""

    phase: str
    second: float
    spans_per_s: float
    refused: int
    receiver_mb: float
    clickhouse_mb: float
    parts: int
    gigabytes: float


class Load:
    """Sends until told to stop; counts."""

    def __init__(self, address: str) -> None:
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_send_message_length", -1)]
        self.channels = [grpc.aio.insecure_channel(address, options=options) for _ in range(4)]
        self._calls = itertools.cycle([channel.unary_unary(EXPORT) for channel in self.channels])
        templates = itertools.cycle([Template(body) for body in bodies("llm", range(TEMPLATES))])
        self._requests: Iterator[bytes] = (next(templates).request(number) for number in itertools.count(1))
        self.acknowledged = 0
        self.refused = 0
        self.seconds: list[float] = []

    async def send_one(self) -> None:
        """One request, until it is acknowledged."""
        body, call, began = next(self._requests), next(self._calls), time.perf_counter()
        while True:
            try:
                await call(body, timeout=120)
            except grpc.aio.AioRpcError as error:
                if error.code() not in AGAIN:
                    raise
                self.refused += 1
                await asyncio.sleep(0.2)
            else:
                self.acknowledged += 1
                self.seconds.append(time.perf_counter() - began)
                return

    async def as_fast_as_possible(self, stop: asyncio.Event) -> None:
        """IN_FLIGHT at a time."""

        async def one_after_the_other() -> None:
            while not stop.is_set():
                await self.send_one()

        async with asyncio.TaskGroup() as tasks:
            for _ in range(IN_FLIGHT):
                tasks.create_task(one_after_the_other())

    async def paced(self, stop: asyncio.Event, spans_per_s: float) -> None:
        """One request every so often, whether or not the earlier ones are done."""
        pause, due = SPANS / spans_per_s, time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            while not stop.is_set():
                tasks.create_task(self.send_one())
                due += pause
                await asyncio.sleep(max(0.0, due - time.monotonic()))


async def observe(
    phase: str, load: Load, database: Database, pids: tuple[int, int], minutes: float, gigabytes: float
) -> list[Window]:
    """A window every ten seconds until time or size is reached."""
    windows: list[Window] = []
    began = last = time.monotonic()
    counted, refused = load.acknowledged, load.refused
    while time.monotonic() - began < minutes * 60:
        await asyncio.sleep(WINDOW_SECONDS)
        size = (await database.query(SIZE))[0]
        now = time.monotonic()
        windows.append(
            Window(
                phase, now - began, (load.acknowledged - counted) * SPANS / (now - last), load.refused - refused,
                process_rss_mb(pids[0]), process_rss_mb(pids[1]), size["parts"], size["gb"],
            )
        )  # fmt: skip
        print(windows[-1], file=sys.stderr, flush=True)
        last, counted, refused = now, load.acknowledged, load.refused
        if size["gb"] >= gigabytes:
            break
    return windows


async def measure(url: str, address: str, pids: tuple[int, int], minutes: float, gigabytes: float) -> list[Row]:
    """Both phases."""
    load = Load(address)
    async with Database(url) as database:
        rows = []
        for phase in ("maximum", "80 %"):
            stop = asyncio.Event()
            cpu = [process_cpu_seconds(pid) for pid in pids]
            load.seconds, before, began = [], load.acknowledged, time.monotonic()
            sending = load.as_fast_as_possible(stop) if not rows else load.paced(stop, 0.8 * rows[0]["spans/s"])
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(sending)
                share = minutes if not rows else minutes / 5
                windows = await observe(phase, load, database, pids, share, gigabytes if not rows else 1e9)
                stop.set()
            spans, wall = (load.acknowledged - before) * SPANS, time.monotonic() - began
            cpu = [process_cpu_seconds(pid) - was for pid, was in zip(pids, cpu, strict=True)]
            rows.append(_row(phase, windows, spans, wall, cpu, load.seconds))
        stored = (await database.query("SELECT count() AS n FROM otel_traces"))[0]["n"]
        if stored != load.acknowledged * SPANS:
            raise RuntimeError(f"{load.acknowledged * SPANS} spans acknowledged, {stored} stored")
    for channel in load.channels:
        await channel.close()
    return list(rows)


def _row(
    phase: str, windows: list[Window], spans: int, wall: float, cpu: list[float], acknowledged: list[float]
) -> dict[str, float]:
    halves = windows[: len(windows) // 2 or 1], windows[len(windows) // 2 :]
    first, second = ([max(w.receiver_mb for w in half), max(w.clickhouse_mb for w in half)] for half in halves)
    return {
        "phase": phase,  # type: ignore[dict-item]
        "minutes": wall / 60,
        "spans/s": spans / wall,
        "slowest 10 s": min(window.spans_per_s for window in windows),
        "refused": sum(window.refused for window in windows),
        "ack p99 s": percentile(acknowledged, 0.99),
        "receiver us": cpu[0] * 1e6 / spans,
        "ClickHouse us": cpu[1] * 1e6 / spans,
        "receiver MB, halves": f"{first[0]:.0f} {second[0]:.0f}",  # type: ignore[dict-item]
        "ClickHouse MB": f"{first[1]:.0f} {second[1]:.0f}",  # type: ignore[dict-item]
        "parts": windows[-1].parts,
        "GB": windows[-1].gigabytes,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="sustained ingest on one machine")
    parser.add_argument("--minutes", type=float, default=10.0, help="of the first phase (default 10)")
    parser.add_argument("--gigabytes", type=float, default=5.0, help="on disk, ends the first phase (default 5)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="assay-bench-") as folder, running(Path(folder)) as server:
        url = urlunsplit(urlsplit(server.url())._replace(path="/sustained"))
        asyncio.run(_create(url))
        with ours(url) as receiver:
            pids = (receiver.pid, server.pid)
            rows = asyncio.run(measure(url, receiver.address, pids, asked.minutes, asked.gigabytes))
    show("Sustained ingest of model calls, merges on", rows, as_json=asked.json)


async def _create(url: str) -> None:
    async with Database(url) as database:
        await migrate(database)


if __name__ == "__main__":
    main()
