"""`EvaluateStream`: judged targets a second with a judge that answers at once, and the CPU that each takes.

    python -m benchmarks.evaluate_stream [--runs N]

An installation of its own, a scripted judge in a process of its own, and this process as the caller: all on the same
cores.  Targets are model calls in traces of two spans, each with another question; half of the time they come inline,
half of the time by reference with their time.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence

import grpc

from assay.client_calls import CHANNEL_OPTIONS
from benchmarks.evaluate import Sent, a_trace, send_all
from benchmarks.report import Row, arguments, process_cpu_seconds, show
from benchmarks.start import start, stop
from evaluator.scoring.request import InlineTarget
from evaluator.server.convert_targets import target_to_proto
from evaluator.v1 import evaluator_pb2 as pb
from evaluator.v1 import vocabulary_pb2
from evaluator.v1.evaluator_pb2_grpc import EvaluatorStub
from storage.model import Level, TargetRef

TARGETS = 2000
WARM = 100
JUDGE = """
import asyncio
from evaluator.judges.scripted import ScriptedJudge
async def main():
    async with ScriptedJudge() as judge:
        print(judge.base_url, flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""
METRIC = vocabulary_pb2.MetricRef(name="correctness")


def _ref(one: Sent) -> TargetRef:
    return TargetRef(level=Level.SPAN, trace_id=one.trace_id, span_id=one.span_id)


def inline(one: Sent) -> pb.EvaluateStreamRequest:
    """The target with the request."""
    target = target_to_proto(InlineTarget(ref=_ref(one), otlp=one.body.SerializeToString()))
    return pb.EvaluateStreamRequest(client_id=one.span_id, target=target, metrics=[METRIC])


def stored(one: Sent) -> pb.EvaluateStreamRequest:
    """The target by reference, with its time."""
    target = target_to_proto(_ref(one))
    target.approximate_start_time.FromDatetime(one.start)
    return pb.EvaluateStreamRequest(client_id=one.span_id, target=target, metrics=[METRIC])


async def streamed(address: str, requests: Sequence[pb.EvaluateStreamRequest]) -> float:
    """Send everything on one stream; seconds until the last answer.  Every one must be judged."""

    async def sending() -> AsyncIterator[pb.EvaluateStreamRequest]:
        for request in requests:
            yield request

    async with grpc.aio.insecure_channel(address, options=CHANNEL_OPTIONS) as channel:
        began = time.perf_counter()
        call = EvaluatorStub(channel).EvaluateStream(sending())  # type: ignore[no-untyped-call]
        judged = 0
        async for answer in call:
            assert [result.status for result in answer.results] == [pb.RESULT_STATUS_SUCCESS], answer
            judged += 1
        assert judged == len(requests)
        return time.perf_counter() - began


def measure() -> list[Row]:
    """One run."""
    with (
        tempfile.TemporaryDirectory(prefix="assay-bench-") as folder,
        subprocess.Popen([sys.executable, "-c", JUDGE], stdout=subprocess.PIPE, text=True) as judge,
    ):
        assert judge.stdout is not None
        os.environ.update(
            ASSAY_JUDGE_MODEL="openai/scripted", ASSAY_JUDGE_BASE_URL=judge.stdout.readline().strip(),
            ASSAY_JUDGE_API_KEY="k",
        )  # fmt: skip
        process, endpoints, _ = start(folder)
        try:
            pids = endpoints["pids"]
            assert isinstance(pids, dict)
            parts = {"evaluator": pids["evaluator"], "ClickHouse": pids["clickhouse"], "judge": judge.pid}
            parts["caller"] = os.getpid()
            send = send_all(str(endpoints["otlp_grpc"]), [a_trace(number) for number in range(TARGETS + WARM)])
            fresh = [a_trace(number + 10**6) for number in range(TARGETS + WARM)]
            return [
                _row("inline", str(endpoints["grpc"]), fresh, inline, parts),
                _row("stored, with their time", str(endpoints["grpc"]), send, stored, parts),
            ]
        finally:
            stop(process)
            judge.terminate()


def _row(
    name: str,
    address: str,
    targets: Sequence[Sent],
    request: Callable[[Sent], pb.EvaluateStreamRequest],
    parts: dict[str, int],
) -> Row:
    requests = [request(one) for one in targets]
    asyncio.run(streamed(address, requests[:WARM]))
    before = {part: process_cpu_seconds(pid) for part, pid in parts.items()}
    seconds = asyncio.run(streamed(address, requests[WARM:]))
    cpu = {part: (process_cpu_seconds(pid) - before[part]) * 1000 / TARGETS for part, pid in parts.items()}
    return {"targets": name, "judged/s": TARGETS / seconds, **{f"{part} CPU ms": spent for part, spent in cpu.items()}}


def main() -> None:
    """Print the run with the middle rate."""
    chosen = arguments(__doc__ or "", runs=3)
    runs = sorted((measure() for _ in range(chosen.runs)), key=lambda run: sum(float(row["judged/s"]) for row in run))
    show(f"EvaluateStream (the middle one of {chosen.runs} runs)", runs[len(runs) // 2], as_json=chosen.json)


if __name__ == "__main__":
    main()
