"""What is measured: the floor, our receiver, and its peers, each behind one interface."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from benchmarks.report import process_cpu_seconds

ENVIRONMENTS = Path(".build/bench-peers")
PEERS = {"rotel": "rotel==0.0.1a15", "phoenix": "arize-phoenix==20.26.1", "mlflow": "mlflow==3.17.2"}
START_SECONDS = 180.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A receiver that listens.

    Attributes:
        protocol: `grpc` or `http`.
        address: host:port, or the URL to post to.
        pid: The process; it and its children are its CPU.
        headers: What its HTTP needs on top.
        stored: Spans stored so far; None = ask ClickHouse.
    """

    protocol: str
    address: str
    pid: int
    headers: dict[str, str] = field(default_factory=dict)
    stored: Callable[[], int] | None = None

    def cpu_seconds(self) -> float:
        """Of the process and all its living descendants."""
        return sum(process_cpu_seconds(pid) for pid in family(self.pid))


def family(pid: int) -> list[int]:
    """A process and its descendants."""
    children: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        children += [int(child) for child in (task / "children").read_text().split()]
    return [pid, *(descendant for child in children for descendant in family(child))]


@contextmanager
def ours(url: str) -> Iterator[Running]:
    """Our receiver over `url`."""
    command = [sys.executable, "-m", "benchmarks.ingest.receiver", url]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        grpc_port, _ = process.stdout.readline().split()
        yield Running(protocol="grpc", address=f"127.0.0.1:{grpc_port}", pid=process.pid)
    finally:
        _end(process)


@contextmanager
def rotel(url: str, *, batch: int) -> Iterator[Running]:
    """rotel, a compiled collector, into the same table; it acknowledges before it inserts."""
    parts = urlsplit(url)
    grpc_port, http_port = _free_port(), _free_port()
    (program,) = (_environment("rotel") / "lib").glob("python*/site-packages/rotel/rotel-agent")
    command = [
        str(program), "start",
        "--otlp-grpc-endpoint", f"127.0.0.1:{grpc_port}", "--otlp-http-endpoint", f"127.0.0.1:{http_port}",
        "--exporter", "clickhouse", "--clickhouse-exporter-endpoint", f"http://127.0.0.1:{parts.port}",
        "--clickhouse-exporter-database", parts.path.lstrip("/"), "--clickhouse-exporter-async-insert", "false",
        "--clickhouse-exporter-user", unquote(parts.username or ""),
        "--clickhouse-exporter-password", unquote(parts.password or ""),
        "--batch-max-size", str(batch),
    ]  # fmt: skip
    with _peer(command, grpc_port) as process:
        yield Running(protocol="grpc", address=f"127.0.0.1:{grpc_port}", pid=process.pid)


@contextmanager
def phoenix() -> Iterator[Running]:
    """Phoenix as it ships: SQLite, OTLP/gRPC."""
    with tempfile.TemporaryDirectory(prefix="bench-phoenix-") as folder:
        http_port, grpc_port = _free_port(), _free_port()
        settings = {
            "PHOENIX_WORKING_DIR": folder,
            "PHOENIX_PORT": str(http_port),
            "PHOENIX_GRPC_PORT": str(grpc_port),
            "PHOENIX_HOST": "127.0.0.1",
            "PHOENIX_TELEMETRY_ENABLED": "false",
        }
        with _peer([str(_environment("phoenix") / "bin" / "phoenix"), "serve"], grpc_port, settings) as process:
            yield Running(
                protocol="grpc",
                address=f"127.0.0.1:{grpc_port}",
                pid=process.pid,
                stored=lambda: _sqlite_count(Path(folder) / "phoenix.db"),
            )


@contextmanager
def mlflow() -> Iterator[Running]:
    """MLflow's server as it ships: SQLite, OTLP/HTTP."""
    with tempfile.TemporaryDirectory(prefix="bench-mlflow-") as folder:
        port = _free_port()
        command = [
            str(_environment("mlflow") / "bin" / "mlflow"), "server", "--port", str(port), "--host", "127.0.0.1",
            "--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", folder,
        ]  # fmt: skip
        with _peer(command, port) as process:
            yield Running(
                protocol="http",
                address=f"http://127.0.0.1:{port}/v1/traces",
                pid=process.pid,
                headers={"x-mlflow-experiment-id": "0"},
                stored=lambda: _sqlite_count(Path(folder) / "mlflow.db"),
            )


def _sqlite_count(file: Path) -> int:
    import sqlite3

    with sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=30) as connection:
        return int(connection.execute("SELECT count(*) FROM spans").fetchone()[0])


def _environment(peer: str) -> Path:
    """The peer's own virtual environment, made at the first use."""
    folder = ENVIRONMENTS / peer
    done = folder / ".ready"
    if not done.exists():
        print(f"installing {PEERS[peer]} into {folder} …", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([folder / "bin" / "pip", "install", "--quiet", PEERS[peer]], check=True)
        done.touch()
    return folder


@contextmanager
def _peer(command: list[str], port: int, settings: dict[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, env=os.environ | (settings or {}), start_new_session=True
        )
        try:
            limit = time.monotonic() + START_SECONDS
            while not _listens(port):
                if process.poll() is not None or time.monotonic() > limit:
                    output.seek(0)
                    raise RuntimeError(f"{command[0]} did not start: {output.read()[-2000:].decode()}")
                time.sleep(0.2)
            yield process
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            _end(process)


def _end(process: subprocess.Popen[bytes] | subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def wait_stored(running: Running, count: Callable[[], int], wanted: int, seconds: float) -> float:
    """Seconds until `wanted` spans are stored (some acknowledge before that)."""
    counted = running.stored or count
    began = time.monotonic()
    while counted() < wanted:
        if time.monotonic() > began + seconds:
            raise RuntimeError(f"{counted()} of {wanted} spans stored after {seconds:.0f} s")
        time.sleep(0.05)
    return time.monotonic() - began
