"""The load: ready requests over OTLP, from a process of its own whose CPU is not counted.

    python -m benchmarks.ingest.sender grpc|http ADDRESS LOAD FIRST REQUESTS IN_FLIGHT

Sends requests number FIRST to FIRST + REQUESTS - 1 of a load; what is refused is sent again as SDKs do, with a pause
that doubles.  Prints one JSON line: how long acknowledgements took, and how often a request was refused.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import aiohttp
import grpc
import grpc.aio

from benchmarks.spans import request

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
FOLDER = Path(".build/bench-load")
CONNECTIONS = 4
LONGEST_PAUSE_SECONDS = 5.0
AGAIN = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED)

Send = Callable[[int, bytes], Awaitable[bool]]
"""Sends a body over one of the connections; False = refused, may come again."""


def bodies(load: str, numbers: Iterable[int]) -> list[bytes]:
    """Requests of a load by number, made once and kept on disk."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    files = [(FOLDER / f"{load}-{number}.pb", number) for number in numbers]
    missing = [(load, file, number) for file, number in files if not file.exists()]
    if missing:
        with ProcessPoolExecutor() as workers:
            list(workers.map(_make, missing, chunksize=4))
    return [file.read_bytes() for file, _ in files]


def _make(wanted: tuple[str, Path, int]) -> None:
    load, file, number = wanted
    unfinished = file.with_suffix(".part")
    unfinished.write_bytes(request(load, number))
    unfinished.rename(file)


async def send(to: Send, requests: list[bytes], in_flight: int) -> dict[str, object]:
    """Send all, `in_flight` at a time."""
    waiting = iter(enumerate(requests))
    seconds: list[float] = []
    refused = 0

    async def one_after_the_other() -> None:
        nonlocal refused
        for number, body in waiting:
            began, pause = time.perf_counter(), 0.1
            while not await to(number, body):
                refused += 1
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
            seconds.append(time.perf_counter() - began)

    began = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(in_flight):
            tasks.create_task(one_after_the_other())
    return {"acknowledged_s": seconds, "refused": refused, "wall_s": time.perf_counter() - began}


async def over_grpc(address: str, requests: list[bytes], in_flight: int) -> dict[str, object]:
    """Over several connections, as several applications would."""
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_send_message_length", -1)]
    channels = [grpc.aio.insecure_channel(address, options=options) for _ in range(CONNECTIONS)]
    calls = [channel.unary_unary(EXPORT) for channel in channels]

    async def to(number: int, body: bytes) -> bool:
        try:
            await calls[number % CONNECTIONS](body, timeout=120)
        except grpc.aio.AioRpcError as error:
            if error.code() not in AGAIN:
                raise
            return False
        return True

    try:
        return await send(to, requests, in_flight)
    finally:
        for channel in channels:
            await channel.close()


async def over_http(address: str, requests: list[bytes], in_flight: int, headers: dict[str, str]) -> dict[str, object]:
    """To a URL; 429, 502, 503 and 504 are sent again."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=in_flight)) as session:

        async def to(number: int, body: bytes) -> bool:
            async with session.post(
                address, data=body, headers={"Content-Type": "application/x-protobuf", **headers}
            ) as answer:
                if answer.status not in (200, 429, 502, 503, 504):
                    raise RuntimeError(f"{answer.status} {await answer.text()}")
                return answer.status == 200

        return await send(to, requests, in_flight)


def main(protocol: str, address: str, load: str, first: str, count: str, in_flight: str, *headers: str) -> None:
    """As the command line says; further arguments are HTTP headers, `name=value`."""
    requests = bodies(load, range(int(first), int(first) + int(count)))
    if protocol == "grpc":
        found = asyncio.run(over_grpc(address, requests, int(in_flight)))
    else:
        fields = dict(header.split("=", 1) for header in headers)
        found = asyncio.run(over_http(address, requests, int(in_flight), fields))
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
