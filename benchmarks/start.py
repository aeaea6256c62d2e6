"""Cold start of `assay up` to ready, its imports, and resident memory per role.

python -m benchmarks.start
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.report import arguments, children_cpu_seconds, process_rss_mb, repeated, show
from storage.clickhouse.server import EmbeddedServer

PORTS = ("--otlp-grpc", "--otlp-http", "--grpc", "--clickhouse-http")
ROLES = {
    "import supervisor": "assay.cli.main, assay.cli.running, assay.up",
    "import exporter": "assay.roles.exporter",
    "import evaluator": "assay.roles.evaluator",
    "import litellm (not at start)": "litellm",
}


def start(data_dir: str) -> tuple[subprocess.Popen[str], dict[str, object], float]:
    """Start an installation; the process, its endpoints, and the seconds until it was ready."""
    ports = [part for name in PORTS for part in (name, "127.0.0.1:0")]
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "assay", "up", "--json", "--data-dir", data_dir, *ports],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    endpoints = json.loads(process.stdout.readline())
    return process, endpoints, time.monotonic() - began


def stop(process: subprocess.Popen[str]) -> float:
    """Stop it; seconds until it was gone."""
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    process.wait()
    return time.monotonic() - began


def measure() -> dict[str, float]:
    """One first start, one second start on the same data."""
    with tempfile.TemporaryDirectory(prefix="assay-bench-") as folder:
        before = children_cpu_seconds()
        process, _, first = start(folder)
        stop(process)
        first_cpu = children_cpu_seconds() - before
        process, endpoints, second = start(folder)
        pids = endpoints["pids"]
        assert isinstance(pids, dict)
        memory = {
            "supervisor MB": process_rss_mb(pids["up"]),
            "exporter MB": process_rss_mb(pids["exporters"][0]),
            "evaluator MB": process_rss_mb(pids["evaluator"]),
            "ClickHouse MB": process_rss_mb(pids["clickhouse"]),
        }
        stopped = stop(process)
        server = EmbeddedServer(Path(folder), http="127.0.0.1:0")
        began = time.monotonic()
        server.start()
        alone = time.monotonic() - began
        server.stop()
    return {
        "ClickHouse alone to ready, s": alone,
        "first start to ready, s": first,
        "first start and stop, CPU s": first_cpu,
        "start to ready, s": second,
        "stop, s": stopped,
        **memory,
    }


def import_seconds() -> dict[str, float]:
    """CPU seconds of each role's imports in a fresh interpreter."""
    found: dict[str, float] = {}
    for name, modules in ROLES.items():
        code = (
            "import os, time; os.environ['LITELLM_LOCAL_MODEL_COST_MAP'] = 'True'; before = time.process_time(); "
            f"import {modules}; print(time.process_time() - before)"
        )
        answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        found[f"{name}, CPU s"] = float(answer.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Print the figures."""
    chosen = arguments(__doc__ or "")
    figures = repeated(chosen.runs, lambda: measure() | import_seconds())
    rows = [{"figure": name, **values} for name, values in figures.items()]
    show("Start and memory", rows, as_json=chosen.json)


if __name__ == "__main__":
    main()
