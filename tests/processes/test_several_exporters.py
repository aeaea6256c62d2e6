"""Several receiver processes behind the same ports: load spreads, what dies comes back, the ports stay ours."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from running_installation import (
    ASSAY,
    FREE_PORTS,
    MARK,
    PATIENCE_SECONDS,
    Installation,
    Said,
    assay,
    command_environment,
    installation,
    marked,
    wait_until,
)
from sent_spans import Load, chat_spans, ids_of, send, stored_ids

CONNECTIONS = 16
TWO = {"ASSAY_EXPORTERS": "2"}


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One `assay up` with two exporters; every test leaves two behind."""
    with installation(tmp_path_factory.mktemp("two"), TWO) as place:
        yield place


@contextmanager
def _frozen(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_connections_spread_over_the_processes_and_each_of_them_stores(two: Installation) -> None:
    """While one is frozen, only the other can have acknowledged what was; so it is with either."""
    found = two.endpoints
    for number, pid in enumerate(found["pids"]["exporters"]):
        requests = [chat_spans(random.Random(f"{number} {client}"), 1) for client in range(CONNECTIONS)]
        acknowledged: list[tuple[str, str]] = []

        def deliver(request: ExportTraceServiceRequest, acknowledged: list[tuple[str, str]] = acknowledged) -> None:
            send(found["otlp_grpc"], request)  # over a connection of its own
            acknowledged.extend(ids_of(request))

        with ThreadPoolExecutor(CONNECTIONS) as clients:
            with _frozen(pid):
                answers = [clients.submit(deliver, request) for request in requests]
                wait_until("the other process to acknowledge something", lambda found=acknowledged: bool(found))
            for answer in answers:
                answer.result()
        assert set(acknowledged) - stored_ids(two) == set()


def test_kill_9_of_one_of_two_under_load_loses_nothing_and_it_comes_back(two: Installation) -> None:
    """Its clients go on with the other one; the ports stay the same."""
    before = two.endpoints
    load = Load(address=before["otlp_grpc"], seed=77, clients=4)
    with load.running():
        for victim in range(2):
            load.wait_for_more(200)
            pid = two.endpoints["pids"]["exporters"][victim]
            os.kill(pid, signal.SIGKILL)
            wait_until(f"another process in place of {pid}", lambda pid=pid: _replaced(two, pid))
        load.wait_for_more(200)
    after = two.endpoints
    assert load.broken == []
    assert load.acknowledged - stored_ids(two) == set()
    assert {**after, "pids": {**after["pids"], "exporters": []}} == {
        **before,
        "pids": {**before["pids"], "exporters": []},
    }
    assert set(after["pids"]["exporters"]) & set(before["pids"]["exporters"]) == set()


def _replaced(place: Installation, pid: int) -> bool:
    pids = place.endpoints["pids"]["exporters"]
    return len(pids) == 2 and pid not in pids and 0 not in pids and set(pids) <= place.left()


def test_a_port_that_another_installation_shares_is_refused(two: Installation, tmp_path: Path) -> None:
    """Two installations of one user on one port would each get a part of the telemetry, in silence."""
    address = two.endpoints["otlp_http"]
    refused = _up(tmp_path, "--otlp-http", address, "--json")
    assert (refused.code, refused.json["error"]) == (
        1,
        f"cannot listen for OTLP/HTTP on {address} (Address already in use): the port is in use or not ours. Stop what "
        "listens there, or set ASSAY_OTLP_HTTP to another address (port 0 = any free one)",
    )
    assert marked(tmp_path.name) == set()


def _up(folder: Path, *arguments: str) -> Said:
    return assay("up", *FREE_PORTS, *arguments, cwd=folder, **TWO, **{MARK: folder.name})


def _open_files(pid: int) -> tuple[str, str]:
    """Soft and hard limit of a process; a connection is an open file."""
    lines = Path(f"/proc/{pid}/limits").read_text().splitlines()
    words = next(line for line in lines if line.startswith("Max open files")).split()
    return words[3], words[4]


def test_exporters_can_run_without_the_rest_and_a_stop_drains_all_of_them(two: Installation, tmp_path: Path) -> None:
    """`assay exporter` beside a ClickHouse that runs; SIGTERM under load loses nothing that was acknowledged."""
    process = subprocess.Popen(
        ["sh", "-c", 'ulimit -S -n 256 && exec "$@"', "sh", ASSAY, "exporter",
         "--exporters", "2", "--clickhouse-url", two.endpoints["clickhouse_url"],
         "--otlp-grpc", "127.0.0.1:0", "--otlp-http", "127.0.0.1:0"],
        cwd=tmp_path,
        env=command_environment(**{MARK: tmp_path.name}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )  # fmt: skip
    assert process.stdout is not None
    with process.stdout:
        said = json.loads(process.stdout.readline())
        pids = said["pids"]
        assert {pids["up"], *pids["exporters"]} == marked(tmp_path.name)
        assert (pids["up"], len(pids["exporters"])) == (process.pid, 2)
        assert [_open_files(pid)[0] for pid in pids["exporters"]] == [_open_files(pids["up"])[1]] * 2
        load = Load(address=said["otlp_grpc"], seed=5, clients=4)
        with load.running():
            load.wait_for_more(200)
            process.terminate()
            assert process.wait(PATIENCE_SECONDS) == 0
            load.wait_for_refusal()
    assert marked(tmp_path.name) == set()
    assert load.broken == []
    assert load.acknowledged - stored_ids(two) == set()
