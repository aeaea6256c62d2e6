"""CPU per span from OTLP bytes to committed rows, beside a physical floor and beside peers, in one run.

    python -m benchmarks.ingest [--runs N] [--json] [--only NAME …]

floor   the same rows as ready Native blocks, posted to ClickHouse: nobody can be cheaper on this table
assay   our receiver over OTLP/gRPC, 96 requests of 512 spans in flight; acknowledges when rows are committed
rotel   a collector in Rust, at its default batch and at its largest; acknowledges before it inserts

bare = the Collector exporter's own table, with what our receiver writes as plain columns (rotel leaves them empty);
full = ours, with expressions, arrival journal and rollups.  Contenders
take turns within a run; CPU is that of receiver and ClickHouse; merges are stopped.  Ratios are medians of the ratios
within the runs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit, urlunsplit

from benchmarks.ingest import tables
from benchmarks.ingest.contenders import Running, ours, rotel, wait_stored
from benchmarks.ingest.sender import bodies
from benchmarks.report import Row, process_cpu_seconds, show
from benchmarks.spans import LOADS, SPANS
from exporter.commit import CommitLimits
from storage.clickhouse.client import Database
from storage.clickhouse.server import EmbeddedServer, running
from storage.clickhouse.telemetry import ClickHouseSink
from storage.otlp.encode import Encoder

WARMING = 16
REQUESTS = {"small": 256, "llm": 160}
IN_FLIGHT = 96


class Contender(NamedTuple):
    """Who receives, and into which table."""

    name: str
    bare: bool
    receiver: Callable[[str], AbstractContextManager[Running]] | None


CONTENDERS = (
    Contender("floor, bare", True, None),
    Contender("assay, bare", True, ours),
    Contender("rotel 8192, bare", True, partial(rotel, batch=8192)),
    Contender("rotel 32768, bare", True, partial(rotel, batch=32768)),
    Contender("floor, full", False, None),
    Contender("assay, full", False, ours),
)


class Cost(NamedTuple):
    """Microseconds of CPU per span, rows per part, and spans per second of wall time."""

    receiver_us: float
    clickhouse_us: float
    rows_per_part: float
    spans_per_s: float

    @property
    def total_us(self) -> float:
        """Receiver and ClickHouse."""
        return self.receiver_us + self.clickhouse_us


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="CPU per ingested span")
    parser.add_argument("--runs", type=int, default=5, help="repetitions (default 5)")
    parser.add_argument("--only", nargs="*", default=[], help="names of contenders (default all)")
    parser.add_argument("--load", nargs="*", default=LOADS, choices=LOADS, help="loads (default both)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    asked = parser.parse_args()
    chosen = [entry for entry in CONTENDERS if not asked.only or entry.name in asked.only]
    with tempfile.TemporaryDirectory(prefix="assay-bench-") as folder, running(Path(folder)) as server:
        rows = [row for load in asked.load for row in measure(server, load, chosen, asked.runs)]
    show("Ingest, microseconds of CPU per span", rows, as_json=asked.json)


def measure(server: EmbeddedServer, load: str, chosen: Sequence[Contender], runs: int) -> list[Row]:
    """One row per contender."""
    bodies(load, range(WARMING + REQUESTS[load]))  # made before the clock starts
    costs: dict[str, list[Cost]] = {contender.name: [] for contender in chosen}
    for number in range(runs):
        for place, contender in enumerate(chosen):
            url = urlunsplit(urlsplit(server.url())._replace(path=f"/bench_{load}_{number}_{place}"))
            asyncio.run(tables.prepare(url, bare=contender.bare))
            cost = _one_run(server, url, load, contender)
            print(f"{load} run {number} {contender.name}: {cost}", file=sys.stderr)
            costs[contender.name].append(cost)
            asyncio.run(tables.drop(url))
    return [_row(load, contender, costs) for contender in chosen]


def _row(load: str, contender: Contender, costs: dict[str, list[Cost]]) -> Row:
    mine = costs[contender.name]
    totals = [cost.total_us for cost in mine]
    shown: dict[str, object] = {
        "load": load,
        "contender": contender.name,
        "receiver": statistics.median(cost.receiver_us for cost in mine),
        "ClickHouse": statistics.median(cost.clickhouse_us for cost in mine),
        "total": statistics.median(totals),
        "min": min(totals),
        "max": max(totals),
    }
    for other in ("floor, bare", "floor, full", "assay, bare"):
        ratios = [cost.total_us / their.total_us for cost, their in zip(mine, costs.get(other, ()), strict=False)]
        shown[f"/ {other}"] = round(statistics.median(ratios), 2) if ratios else ""
    shown["rows/part"] = round(statistics.median(cost.rows_per_part for cost in mine))
    shown["spans/s"] = round(statistics.median(cost.spans_per_s for cost in mine))
    return shown


def _one_run(server: EmbeddedServer, url: str, load: str, contender: Contender) -> Cost:
    if contender.receiver is None:
        return asyncio.run(_floor(server, url, load))
    with contender.receiver(url) as receiver:
        _send(receiver, load, 0, WARMING)
        _wait(receiver, url, WARMING)
        receiver_s, clickhouse_s = receiver.cpu_seconds(), process_cpu_seconds(server.pid)
        began = time.perf_counter()
        _send(receiver, load, WARMING, REQUESTS[load])
        _wait(receiver, url, WARMING + REQUESTS[load])
        wall_s = time.perf_counter() - began
        receiver_s, clickhouse_s = receiver.cpu_seconds() - receiver_s, process_cpu_seconds(server.pid) - clickhouse_s
    return _cost(receiver_s, clickhouse_s, asyncio.run(tables.stored(url))[1], load, wall_s)


def _cost(receiver_s: float, clickhouse_s: float, rows_per_part: float, load: str, wall_s: float) -> Cost:
    spans = REQUESTS[load] * SPANS
    return Cost(receiver_s * 1e6 / spans, clickhouse_s * 1e6 / spans, rows_per_part, spans / wall_s)


def _send(receiver: Running, load: str, first: int, count: int) -> None:
    words = [receiver.protocol, receiver.address, load, str(first), str(count), str(IN_FLIGHT)]
    answer = subprocess.run(
        [sys.executable, "-m", "benchmarks.ingest.sender", *words], check=True, capture_output=True, text=True
    )
    if json.loads(answer.stdout)["refused"]:
        raise RuntimeError(f"requests were refused: {answer.stdout[-200:]}")


def _wait(receiver: Running, url: str, requests: int) -> None:
    wait_stored(receiver, lambda: asyncio.run(tables.stored(url))[0], requests * SPANS, 60.0)


async def _floor(server: EmbeddedServer, url: str, load: str) -> Cost:
    encoder = Encoder()
    requests = bodies(load, range(WARMING + REQUESTS[load]))
    blocks = [encoder.encode_traces(body).block for body in requests]
    async with Database(url) as database:
        sink = ClickHouseSink(database)
        await sink.insert("otel_traces", blocks[:WARMING], token="warming")
        groups = list(_groups(blocks[WARMING:]))
        own_s, clickhouse_s = time.process_time(), process_cpu_seconds(server.pid)
        began = time.perf_counter()
        for number, group in enumerate(groups):
            await sink.insert("otel_traces", group, token=str(number))
        wall_s = time.perf_counter() - began
        own_s, clickhouse_s = time.process_time() - own_s, process_cpu_seconds(server.pid) - clickhouse_s
    return _cost(own_s, clickhouse_s, (await tables.stored(url))[1], load, wall_s)


def _groups(blocks: Sequence[bytes]) -> Iterator[list[bytes]]:
    """As our committer would group them if all were there at once."""
    limits = CommitLimits()
    group: list[bytes] = []
    for block in blocks:
        full = len(group) == limits.group_requests or sum(map(len, group)) + len(block) > limits.group_bytes
        if group and full:
            yield group
            group = []
        group.append(block)
    yield group


if __name__ == "__main__":
    main()
