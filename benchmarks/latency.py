"""From a span to its row, from its row to a score, from the score to the span's attributes.

    python -m benchmarks.latency

One trace of two spans every 50 ms over OTLP/gRPC; a rule scores the model call by a scripted judge that answers at
once.
A trace is complete one second after its last arrival; that second is in the second figure.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import tempfile
import time
from collections.abc import Callable

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub

from assay.client import Client, Level, RuleDefinition
from benchmarks.report import Row, arguments, percentile, process_cpu_seconds, show
from benchmarks.start import start, stop
from evaluator.judges.scripted import ScriptedJudge
from storage.clickhouse.client import Database

TRACES = 300
PAUSE_SECONDS = 0.05
LATENCIES = """
SELECT toUnixTimestamp64Micro(e.InsertedAt) / 1000 - toUnixTimestamp64Milli(t.IngestedAt) AS row_to_score_ms,
       toUnixTimestamp64Milli(b.VerifiedAt) - toUnixTimestamp64Micro(e.InsertedAt) / 1000 AS score_to_attribute_ms
FROM evaluations AS e
INNER JOIN otel_traces AS t ON e.TraceId = t.TraceId AND e.SpanId = t.SpanId
INNER JOIN writeback AS w ON e.EvaluationId = w.EvaluationId
INNER JOIN writeback_batches AS b ON w.BatchId = b.BatchId
"""


def request(number: int) -> ExportTraceServiceRequest:
    """One trace: an agent and its model call."""
    message = ExportTraceServiceRequest()
    resource = message.resource_spans.add()
    service = resource.resource.attributes.add(key="service.name")
    service.value.string_value = "bench"
    spans = resource.scope_spans.add().spans
    trace_id, root_id, now = secrets.token_bytes(16), secrets.token_bytes(8), time.time_ns()
    common = {"trace_id": trace_id, "start_time_unix_nano": now, "end_time_unix_nano": now + 1000}
    spans.add(span_id=root_id, name="agent", **common)
    call = spans.add(span_id=secrets.token_bytes(8), parent_span_id=root_id, name="chat", **common)
    for key, value in {
        "gen_ai.operation.name": "chat",
        "gen_ai.input.messages": f'[{{"role":"user","parts":[{{"type":"text","content":"question {number}"}}]}}]',
        "gen_ai.output.messages": f'[{{"role":"assistant","parts":[{{"type":"text","content":"answer {number}"}}]}}]',
    }.items():
        call.attributes.add(key=key).value.string_value = value
    return message


def send(address: str) -> list[float]:
    """Send the traces; milliseconds until each was acknowledged, which is when its rows are committed."""
    acknowledged: list[float] = []
    with grpc.insecure_channel(address) as channel:
        stub = TraceServiceStub(channel)  # type: ignore[no-untyped-call]  # generated
        stub.Export(request(-1), timeout=30)  # connects
        for number in range(TRACES):
            began = time.perf_counter()
            stub.Export(request(number), timeout=30)
            acknowledged.append((time.perf_counter() - began) * 1000)
            time.sleep(PAUSE_SECONDS)
    return acknowledged


async def wait_for_attributes(url: str, count: int) -> list[dict[str, float]]:
    """Latencies of all scores, once they stand on their spans."""
    async with Database(url) as database, asyncio.timeout(120):
        while True:
            rows = await database.query(LATENCIES)
            if len(rows) >= count:
                return rows
            await asyncio.sleep(0.5)


async def measure() -> list[Row]:
    """One run."""
    async with ScriptedJudge() as judge:
        os.environ |= {
            "ASSAY_JUDGE_MODEL": "openai/scripted",
            "ASSAY_JUDGE_BASE_URL": judge.base_url,
            "ASSAY_JUDGE_API_KEY": "scripted",
        }
        with tempfile.TemporaryDirectory(prefix="assay-bench-") as folder:
            process, endpoints, _ = await asyncio.to_thread(start, folder)
            try:
                with Client(str(endpoints["grpc"])) as client:
                    client.create_rule(RuleDefinition(name="bench", level=Level.SPAN, metrics=("correctness",)))
                pids = endpoints["pids"]
                assert isinstance(pids, dict)
                evaluator = pids["evaluator"]
                cpu = process_cpu_seconds(evaluator)
                acknowledged = await asyncio.to_thread(send, str(endpoints["otlp_grpc"]))
                rows = await wait_for_attributes(str(endpoints["clickhouse_url"]), TRACES)
                cpu = process_cpu_seconds(evaluator) - cpu
            finally:
                await asyncio.to_thread(stop, process)
    figures: dict[str, list[float]] = {
        "span to row (acknowledged), ms": acknowledged,
        "row to score, ms": [row["row_to_score_ms"] for row in rows],
        "score to span attribute, ms": [row["score_to_attribute_ms"] for row in rows],
    }
    table: list[Row] = [{"figure": name, **_spread(values)} for name, values in figures.items()]
    return [*table, {"figure": "evaluator, CPU ms per score", "p50": cpu * 1000 / TRACES, "p99": "", "max": ""}]


def _spread(values: list[float]) -> dict[str, float]:
    pick: Callable[[float], float] = lambda share: percentile(values, share)  # noqa: E731
    return {"p50": pick(0.5), "p99": pick(0.99), "max": max(values)}


def main() -> None:
    """Print the figures of the run whose median is the median of all."""
    chosen = arguments(__doc__ or "", runs=5)
    runs = [asyncio.run(measure()) for _ in range(chosen.runs)]
    runs.sort(key=lambda run: float(run[1]["p50"]))
    show(f"Latency (the middle one of {chosen.runs} runs)", runs[len(runs) // 2], as_json=chosen.json)


if __name__ == "__main__":
    main()
