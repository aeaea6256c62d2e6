"""Memory of the evaluator while a run scores many targets by a code metric: it must not grow with them.

    python -m benchmarks.run_memory [--targets N]

An installation of its own.  Resident memory is read whenever another tenth is done; CPU is that of the evaluator and
of ClickHouse, per result.
"""

from __future__ import annotations

import argparse
import tempfile
import time

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub

from assay.client import Client, Level
from benchmarks.evaluate import a_trace
from benchmarks.report import Row, process_cpu_seconds, process_rss_mb, show
from benchmarks.start import start, stop
from evaluator.runs.definition import Where

METRIC = "response_length"


def send(address: str, targets: int) -> None:
    """Traces of one model call each, a thousand to a request."""
    with grpc.insecure_channel(address) as channel:
        stub = TraceServiceStub(channel)  # type: ignore[no-untyped-call]  # generated
        for first in range(0, targets, 1000):
            body = ExportTraceServiceRequest()
            for number in range(1000):
                body.resource_spans.extend(a_trace(first + number).body.resource_spans)
            stub.Export(body, timeout=120)


def measure(targets: int) -> list[Row]:
    """One run."""
    with tempfile.TemporaryDirectory(prefix="assay-bench-") as folder:
        process, endpoints, _ = start(folder)
        try:
            pids = endpoints["pids"]
            assert isinstance(pids, dict)
            send(str(endpoints["otlp_grpc"]), targets)
            with Client(str(endpoints["grpc"])) as client:
                return _watched(client, pids["evaluator"], pids["clickhouse"], targets)
        finally:
            stop(process)


def _watched(client: Client, evaluator: int, clickhouse: int, targets: int) -> list[Row]:
    rows: list[Row] = []
    run_id = client.create_run(Where(level=Level.SPAN, filter="kind = 'llm'"), [METRIC]).run_id
    done, began = 0, time.monotonic()
    spent = [process_cpu_seconds(evaluator), process_cpu_seconds(clickhouse)]
    for run in client.watch_run(run_id):
        if run.done - done >= targets // 10 or run.state.is_final:
            now = [process_cpu_seconds(evaluator), process_cpu_seconds(clickhouse)]
            each = max(1, run.done - done)
            rows.append(
                {
                    "results": run.done, "evaluator MB": process_rss_mb(evaluator),
                    "results/s": each / (time.monotonic() - began),
                    "evaluator CPU ms": (now[0] - spent[0]) * 1000 / each,
                    "ClickHouse CPU ms": (now[1] - spent[1]) * 1000 / each,
                }
            )  # fmt: skip
            done, began, spent = run.done, time.monotonic(), now
    assert done == targets
    return rows


def main() -> None:
    """Print memory and CPU by tenths."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--targets", type=int, default=100_000, help="how many (default 100,000; thousands)")
    parser.add_argument("--runs", type=int, default=1, help="taken for the sake of the others; one is made")
    parser.add_argument("--json", action="store_true", help="print JSON")
    chosen = parser.parse_args()
    show(f"A run over {chosen.targets} targets", measure(chosen.targets), as_json=chosen.json)


if __name__ == "__main__":
    main()
