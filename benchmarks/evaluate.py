"""`Evaluate` of one target by a code metric: what the service itself takes, with no judge to wait for.

    python -m benchmarks.evaluate [--runs N]

An installation of its own; calls one after the other over gRPC, each about another target, so that nothing is
remembered.  The kinds of calls take turns.  CPU is that of the evaluator and of ClickHouse together, per call.
"""

from __future__ import annotations

import secrets
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub

from assay.client import Client, InlineTarget, Level, MetricDefinition, MetricKind, OutputType, TargetRef
from benchmarks.latency import request
from benchmarks.report import Row, arguments, percentile, process_cpu_seconds, show
from benchmarks.start import start, stop

TRACES = 400
CALLS = 60
LENGTH = "response_length"
SESSION_LENGTH = "session_response_length"


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A trace of an agent and its model call, in a session of its own."""

    body: ExportTraceServiceRequest
    trace_id: str
    span_id: str
    session_id: str
    start: datetime


def a_trace(number: int) -> Sent:
    """One trace."""
    body = request(number)
    agent, call = body.resource_spans[0].scope_spans[0].spans
    session_id = secrets.token_hex(8)
    agent.attributes.add(key="session.id").value.string_value = session_id
    return Sent(
        body=body,
        trace_id=call.trace_id.hex(),
        span_id=call.span_id.hex(),
        session_id=session_id,
        start=datetime.fromtimestamp(call.start_time_unix_nano / 1e9, UTC),
    )


def send_all(address: str, sent: list[Sent]) -> list[Sent]:
    """Send traces, ten to a request."""
    with grpc.insecure_channel(address) as channel:
        stub = TraceServiceStub(channel)  # type: ignore[no-untyped-call]  # generated
        for first in range(0, len(sent), 10):
            body = ExportTraceServiceRequest()
            for each in sent[first : first + 10]:
                body.resource_spans.extend(each.body.resource_spans)
            stub.Export(body, timeout=30)
    return sent


def calls(client: Client) -> dict[str, Callable[[Sent], Any]]:
    """The kinds of calls."""

    def span(one: Sent) -> TargetRef:
        return TargetRef(level=Level.SPAN, trace_id=one.trace_id, span_id=one.span_id)

    def inline(one: Sent) -> InlineTarget:
        return InlineTarget(ref=span(one), otlp=one.body.SerializeToString())

    return {
        "inline span": lambda one: client.evaluate([inline(one)], [LENGTH]),
        "stored span, with its time": lambda one: client.evaluate([span(one)], [LENGTH], start_time=one.start),
        "stored span": lambda one: client.evaluate([span(one)], [LENGTH]),
        "stored trace": lambda one: client.evaluate([TargetRef(level=Level.TRACE, trace_id=one.trace_id)], [LENGTH]),
        "stored session": lambda one: client.evaluate(
            [TargetRef(level=Level.SESSION, session_id=one.session_id)], [SESSION_LENGTH]
        ),
    }


def measure() -> list[Row]:
    """One run."""
    with tempfile.TemporaryDirectory(prefix="assay-bench-") as folder:
        process, endpoints, _ = start(folder)
        try:
            pids = endpoints["pids"]
            assert isinstance(pids, dict)
            served = (pids["evaluator"], pids["clickhouse"])
            sent = send_all(str(endpoints["otlp_grpc"]), [a_trace(number) for number in range(TRACES)])
            with Client(str(endpoints["grpc"])) as client:
                client.create_metric(
                    MetricDefinition(
                        name=SESSION_LENGTH, levels=(Level.SESSION,), kind=MetricKind.CODE,
                        output_type=OutputType.COUNT, function=LENGTH,
                    )
                )  # fmt: skip
                return _timed(calls(client), sent, served)
        finally:
            stop(process)


def _timed(kinds: dict[str, Callable[[Sent], Any]], sent: list[Sent], served: tuple[int, ...]) -> list[Row]:
    took: dict[str, list[float]] = {name: [] for name in kinds}
    cpu: dict[str, float] = dict.fromkeys(kinds, 0.0)
    waiting = iter(sent)
    for turn in range(6):
        for name, call in kinds.items():
            before = sum(map(process_cpu_seconds, served))
            for _ in range(CALLS // 6):
                one = next(waiting)
                began = time.perf_counter()
                [result] = call(one)
                took[name].append((time.perf_counter() - began) * 1000)
                assert result.value is not None, result
            cpu[name] += sum(map(process_cpu_seconds, served)) - before
            if not turn:  # the first ones warm connections and caches
                took[name].clear()
    return [
        {
            "target": name, "p50 ms": percentile(took[name], 0.5), "p90 ms": percentile(took[name], 0.9),
            "min ms": min(took[name]), "CPU ms": cpu[name] * 1000 / CALLS,
        }
        for name in kinds
    ]  # fmt: skip


def main() -> None:
    """Print the run whose medians are the middle ones."""
    chosen = arguments(__doc__ or "", runs=3)
    runs = [measure() for _ in range(chosen.runs)]
    runs.sort(key=lambda run: sum(float(row["p50 ms"]) for row in run))
    show(f"Evaluate, one target (the middle one of {chosen.runs} runs)", runs[len(runs) // 2], as_json=chosen.json)


if __name__ == "__main__":
    main()
