"""Stored spans per second, CPU per span and time to acknowledgement, beside Phoenix and MLflow as they ship.

    python -m benchmarks.ingest.servers [--runs N] [--json]

Four senders of 512-span requests of model calls (1.8 KB a span).  Ours stores into the full table in ClickHouse, they
into SQLite; CPU is that of all processes that receive and store.  Phoenix acknowledges into memory, so its rate is
until everything is stored.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit, urlunsplit

from benchmarks.ingest import tables
from benchmarks.ingest.contenders import Running, mlflow, ours, phoenix, wait_stored
from benchmarks.ingest.sender import bodies
from benchmarks.report import Row, arguments, percentile, process_cpu_seconds, show
from benchmarks.spans import SPANS
from storage.clickhouse.server import EmbeddedServer, running

SENDERS = 4
WARMING = 2
REQUESTS = {"assay": 160, "phoenix": 10, "mlflow": 10}
STORED_SECONDS = 600.0


class Run(NamedTuple):
    """One run of one server."""

    cpu_us: float
    spans_per_s: float
    acknowledged_s: list[float]


def main() -> None:
    """Measure and print."""
    asked = arguments("ingest beside Phoenix and MLflow", runs=3)
    bodies("llm", range(WARMING + max(REQUESTS.values())))
    runs: dict[str, list[Run]] = {name: [] for name in REQUESTS}
    with tempfile.TemporaryDirectory(prefix="assay-bench-") as folder, running(Path(folder)) as server:
        for number in range(asked.runs):
            runs["assay"].append(_assay(server, number))
            runs["phoenix"].append(_one_run("phoenix", phoenix))
            runs["mlflow"].append(_one_run("mlflow", mlflow))
    show("Ingest beside two servers, model calls, 4 senders", _rows(runs), as_json=asked.json)


def _rows(runs: dict[str, list[Run]]) -> list[Row]:
    own_us = statistics.median(run.cpu_us for run in runs["assay"])
    own_rate = statistics.median(run.spans_per_s for run in runs["assay"])
    rows: list[Row] = []
    for name, found in runs.items():
        cpu_us = statistics.median(run.cpu_us for run in found)
        rate = statistics.median(run.spans_per_s for run in found)
        waits = [seconds * 1000 for run in found for seconds in run.acknowledged_s]
        rows.append(
            {
                "server": name,
                "CPU us/span": cpu_us,
                "times ours": cpu_us / own_us,
                "stored spans/s": rate,
                "ours times": own_rate / rate,
                "ack p50 ms": percentile(waits, 0.5),
                "ack p99 ms": percentile(waits, 0.99),
                "spans a run": REQUESTS[name] * SPANS,
            }
        )
    return rows


def _assay(server: EmbeddedServer, number: int) -> Run:
    url = urlunsplit(urlsplit(server.url())._replace(path=f"/servers_{number}"))
    asyncio.run(tables.prepare(url, bare=False))
    run = _one_run(
        "assay",
        lambda: ours(url),
        stored=lambda: asyncio.run(tables.stored(url))[0],
        clickhouse_s=lambda: process_cpu_seconds(server.pid),
    )
    asyncio.run(tables.drop(url))
    return run


def _nothing() -> float:
    return 0.0


def _one_run(
    name: str,
    start: Callable[[], AbstractContextManager[Running]],
    *,
    stored: Callable[[], int] = int,
    clickhouse_s: Callable[[], float] = _nothing,
) -> Run:
    spans = REQUESTS[name] * SPANS
    with start() as receiver:
        _send(receiver, 0, WARMING)
        wait_stored(receiver, stored, WARMING * SPANS, STORED_SECONDS)
        cpu_s, began = receiver.cpu_seconds() + clickhouse_s(), time.monotonic()
        sent = _send(receiver, WARMING, REQUESTS[name])
        wait_stored(receiver, stored, WARMING * SPANS + spans, STORED_SECONDS)
        wall_s = time.monotonic() - began
        cpu_s = receiver.cpu_seconds() + clickhouse_s() - cpu_s
    run = Run(cpu_s * 1e6 / spans, spans / wall_s, sent["acknowledged_s"])
    print(f"{name}: {run.cpu_us:.0f} us a span, {run.spans_per_s:.0f} spans/s", file=sys.stderr)
    return run


def _send(receiver: Running, first: int, count: int) -> dict[str, list[float]]:
    words = [receiver.protocol, receiver.address, "llm", str(first), str(count), str(SENDERS)]
    headers = [f"{name}={value}" for name, value in receiver.headers.items()]
    answer = subprocess.run(
        [sys.executable, "-m", "benchmarks.ingest.sender", *words, *headers],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    found: dict[str, list[float]] = json.loads(answer.stdout)
    return found


if __name__ == "__main__":
    main()
