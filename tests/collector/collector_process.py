"""Runs a built Collector with the shipped otel-collector.yaml."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast
from urllib.parse import urlsplit, urlunsplit

import grpc
import yaml

SHIPPED = Path(__file__).parents[2] / "otel-collector.yaml"
COMMENTED = "#| "
READY_SECONDS = 30.0
DRAIN_SECONDS = 30.0
Signal = Literal["trace", "logs"]
"""As OTLP's gRPC packages and services spell them."""


def shipped() -> str:
    """The configuration as it is shipped: one way out, through Assay's exporter."""
    return SHIPPED.read_text(encoding="utf-8")


def with_both_ways() -> str:
    """The shipped file with its commented parts uncommented, and nothing else changed."""
    return "".join(line.removeprefix(COMMENTED) for line in shipped().splitlines(keepends=True))


def with_the_other_way() -> dict[str, Any]:
    """What the shipped file tells its reader to do: uncomment the second way, remove the first."""
    config = cast(dict[str, Any], yaml.safe_load(with_both_ways()))
    del config["service"]["pipelines"]["traces"], config["service"]["pipelines"]["logs"]
    return config


def free_address() -> str:
    """A loopback address that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Collector:
    """A running Collector: where it takes OTLP, and how it ends."""

    otlp_grpc: str
    otlp_http: str
    process: subprocess.Popen[bytes]
    log: Path

    def export(self, signal: Signal, body: bytes) -> None:
        """Send the bytes of one OTLP request over gRPC, as they are.  Raises `grpc.RpcError` when it is refused."""
        method = f"/opentelemetry.proto.collector.{signal}.v1.{signal.capitalize()}Service/Export"
        with grpc.insecure_channel(self.otlp_grpc) as channel:
            channel.unary_unary(method, bytes, bytes)(body, timeout=READY_SECONDS)

    def drain(self) -> None:
        """Stop it as a deployment does.  Afterwards all that it took has been delivered, or given up."""
        self.process.terminate()
        code = self.process.wait(DRAIN_SECONDS)
        assert code == 0, self.log.read_text()


def environment(**variables: str) -> dict[str, str]:
    """Free ports for the shipped file's variables, and `variables` over them."""
    ports = {
        "COLLECTOR_OTLP_GRPC": free_address(),
        "COLLECTOR_OTLP_HTTP": free_address(),
        "COLLECTOR_METRICS_PORT": free_address().rpartition(":")[2],
    }
    return dict(os.environ) | ports | variables


def writing_to(database_url: str) -> dict[str, str]:
    """The environment of a Collector whose clickhouseexporter writes to a database."""
    address = urlsplit(database_url)
    server = urlunsplit(address._replace(path=""))
    return {"COLLECTOR_CLICKHOUSE_URL": server, "ASSAY_DATABASE": address.path.strip("/")}


def refusal(binary: Path, config: str, folder: Path, **variables: str) -> str:
    """What `validate` has against a configuration; '' when it is valid."""
    file = folder / "validated.yaml"
    file.write_text(config, encoding="utf-8")
    command = [str(binary), "validate", "--config", str(file)]
    done = subprocess.run(command, env=environment(**variables), capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stderr or f"exit code {done.returncode}"


@contextmanager
def collecting(binary: Path, config: str | Mapping[str, Any], folder: Path, **variables: str) -> Iterator[Collector]:
    """A Collector that takes OTLP, for the length of a `with` block; killed at its end unless it was drained."""
    file, log = folder / "otel-collector.yaml", folder / "collector.log"
    file.write_text(config if isinstance(config, str) else yaml.safe_dump(dict(config)), encoding="utf-8")
    settings = environment(**variables)
    with open(log, "wb") as stderr:
        process = subprocess.Popen([str(binary), "--config", str(file)], env=settings, stderr=stderr)
    try:
        _wait_until_ready(settings["COLLECTOR_OTLP_GRPC"], log)
        yield Collector(
            otlp_grpc=settings["COLLECTOR_OTLP_GRPC"],
            otlp_http=settings["COLLECTOR_OTLP_HTTP"],
            process=process,
            log=log,
        )
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def _wait_until_ready(address: str, log: Path) -> None:
    """Receivers start last: one that answers has everything behind it."""
    with grpc.insecure_channel(address) as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=READY_SECONDS)
        except grpc.FutureTimeoutError:
            raise AssertionError(f"the Collector takes nothing on {address}:\n{log.read_text()}") from None
