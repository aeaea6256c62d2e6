"""Memory of the receiver at many large requests in flight, over both fronts, plain and gzip'd, and with a frozen store.

python -m benchmarks.receiver_memory [--clients 192] [--seconds 15] [--only "HTTP gzip"]

Every client sends a request of about 1 MB (512 LLM spans), and the next when it is answered.  The clients share
the machine with the receiver and ClickHouse; sizes are VmHWM, the greatest resident set since the process began.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import gzip
import itertools
import os
import signal
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import aiohttp
import grpc
import grpc.aio
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from benchmarks.report import process_cpu_seconds, process_rss_mb, show
from benchmarks.spans import request
from benchmarks.start import start, stop

METHOD = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
Send: TypeAlias = Callable[[int, bytes], Awaitable[str]]
WAYS = {
    "gRPC": ("gRPC", False, False),
    "gRPC gzip": ("gRPC", True, False),
    "HTTP": ("HTTP", False, False),
    "HTTP gzip": ("HTTP", True, False),
    "gRPC, ClickHouse frozen": ("gRPC", False, True),
    "HTTP, ClickHouse frozen": ("HTTP", False, True),
}


def bodies(load: list[bytes]) -> Iterator[bytes]:
    """The same large requests, each with one span that no other has: a repeated request would not be stored again."""
    for number in itertools.count(time.time_ns()):
        extra = ExportTraceServiceRequest()
        extra.resource_spans.add().scope_spans.add().spans.add(
            trace_id=number.to_bytes(16, "big"), span_id=b"12345678", start_time_unix_nano=time.time_ns()
        )
        yield load[number % len(load)] + extra.SerializeToString()


@asynccontextmanager
async def grpc_sender(address: str, clients: int, *, compressed: bool) -> Any:
    """One connection per client, as many processes have."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    channels = [grpc.aio.insecure_channel(address, options=options) for _ in range(clients)]
    compression = grpc.Compression.Gzip if compressed else None

    async def send(client: int, body: bytes) -> str:
        try:
            await channels[client].unary_unary(METHOD)(body, timeout=60, compression=compression)
        except grpc.aio.AioRpcError as error:
            return str(error.code().name)
        return "stored"

    try:
        yield send
    finally:
        for channel in channels:
            await channel.close()


@asynccontextmanager
async def http_sender(address: str, clients: int, *, compressed: bool) -> Any:
    """One connection per client."""
    headers = {"Content-Type": "application/x-protobuf"} | ({"Content-Encoding": "gzip"} if compressed else {})
    connector = aiohttp.TCPConnector(limit=clients)
    async with aiohttp.ClientSession(f"http://{address}", connector=connector, headers=headers) as session:

        async def send(_: int, body: bytes) -> str:
            async with session.post("/v1/traces", data=gzip.compress(body, 1) if compressed else body) as answer:
                await answer.read()
            return "stored" if answer.status == 200 else str(answer.status)

        yield send


async def drive(send: Send, load: list[bytes], *, clients: int, seconds: float) -> collections.Counter[str]:
    """All clients at once; how their requests were answered."""
    answers: collections.Counter[str] = collections.Counter()
    unique, until = bodies(load), time.monotonic() + seconds

    async def client(number: int) -> None:
        while time.monotonic() < until:
            answer = await send(number, next(unique))
            answers[answer] += 1
            if answer != "stored":
                await asyncio.sleep(1)

    async with asyncio.TaskGroup() as tasks:
        for number in range(clients):
            tasks.create_task(client(number))
    return answers


def peak_mb(pid: int) -> float:
    """The greatest resident set of a process since it began."""
    with open(f"/proc/{pid}/status") as status:
        return int(next(line for line in status if line.startswith("VmHWM")).split()[1]) / 1024


def measure(way: str, load: list[bytes], *, clients: int, seconds: float) -> dict[str, Any]:
    """One installation, one way of sending."""
    front, compressed, frozen = WAYS[way]
    with tempfile.TemporaryDirectory(prefix="assay-bench-") as folder:
        process, endpoints, _ = start(folder)
        pids: Any = endpoints["pids"]
        exporter = pids["exporters"][0]
        before = process_rss_mb(exporter)
        sender = grpc_sender if front == "gRPC" else http_sender
        address = str(endpoints["otlp_grpc" if front == "gRPC" else "otlp_http"])

        async def run() -> collections.Counter[str]:
            async with sender(address, clients, compressed=compressed) as send:
                return await drive(send, load, clients=clients, seconds=seconds)

        if frozen:
            os.kill(pids["clickhouse"], signal.SIGSTOP)
        try:
            answers = asyncio.run(run())
        finally:
            os.kill(pids["clickhouse"], signal.SIGCONT)
        row = {
            "way": way,
            "idle, MB": before,
            "peak, MB": peak_mb(exporter),
            "afterwards, MB": process_rss_mb(exporter),
            "stored": answers.pop("stored", 0),
            "retryably refused": dict(answers) or "",
            "CPU s": process_cpu_seconds(exporter),
        }
        stop(process)
    return row


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=192)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--only", choices=tuple(WAYS))
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    load = [request("llm", seed) for seed in range(16)]
    ways = [chosen.only] if chosen.only else list(WAYS)
    rows = [measure(way, load, clients=chosen.clients, seconds=chosen.seconds) for way in ways]
    title = f"Receiver at {chosen.clients} requests of {len(load[0]) / 1e6:.2f} MB in flight"
    show(title, rows, as_json=chosen.json)


if __name__ == "__main__":
    main()
