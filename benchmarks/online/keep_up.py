"""Whether rules keep up with what arrives: share of the sample that is scored, lag, CPU, memory.

    python -m benchmarks.online keep-up [--rate 1000] [--seconds 600] [--latency-ms 0]

An installation of its own; a judge rule and a code rule at 10 %, a `sql` rule at 100 %, all over traces.  The judge is
the scripted one, in a process of its own and not counted.  Lag is from the moment a trace is complete (its last arrival
and the second of grace) to its result in `evaluations`.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from assay.client import Client, Level, MetricDefinition, MetricKind, OutputType, RuleDefinition
from benchmarks.online import load
from benchmarks.report import process_cpu_seconds, process_rss_mb
from benchmarks.start import start, stop
from storage.clickhouse.client import Database

PATIENCE_SECONDS = 600.0
RULES = {"judged": ("correctness", 0.1), "coded": ("response_length", 0.1), "by_sql": ("many_tokens", 1.0)}
OUTCOME = """
SELECT e.RuleId AS rule, uniqExact(e.TraceId) AS scored, count() AS results,
       quantiles(0.5, 0.99)(dateDiff('microsecond', t.Complete, e.InsertedAt) / 1e6) AS lag
FROM evaluations AS e
INNER JOIN (SELECT TraceId, max(LastIngested) + INTERVAL 1 SECOND AS Complete FROM traces_rollup GROUP BY TraceId) AS t
  ON e.TraceId = t.TraceId
GROUP BY rule
"""


@contextmanager
def judge(latency_ms: float) -> Iterator[str]:
    """A scripted judge in a process of its own; its base URL."""
    command = [sys.executable, "-m", "benchmarks.judges.server", str(latency_ms), "0", "0"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.stdin.close()
        process.wait()


@contextmanager
def environment(**values: str) -> Iterator[None]:
    """Variables that the processes started in the block have."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name)
            else:
                os.environ[name] = value


def make_rules(client: Client, rules: dict[str, tuple[str, float]] = RULES) -> None:
    """The `sql` metric, and the rules over traces."""
    client.create_metric(
        MetricDefinition(
            name="many_tokens",
            kind=MetricKind.SQL,
            levels=(Level.TRACE,),
            output_type=OutputType.BOOLEAN,
            expression="sum(InputTokens + OutputTokens) > 1000",
        )
    )
    for name, (metric, rate) in rules.items():
        client.create_rule(RuleDefinition(name=name, level=Level.TRACE, metrics=(metric,), sample_rate=rate))


def measure(rate: float, seconds: float, latency_ms: float, rules: dict[str, tuple[str, float]]) -> dict[str, Any]:
    """One installation, one rate."""
    with tempfile.TemporaryDirectory(prefix="assay-bench-") as folder, judge(latency_ms) as url:
        settings = {"ASSAY_JUDGE_MODEL": "openai/scripted", "ASSAY_JUDGE_BASE_URL": url, "ASSAY_JUDGE_API_KEY": "none",
                    "ASSAY_JUDGE_CACHE": "off"}  # fmt: skip
        with environment(**settings):
            process, endpoints, _ = start(folder)
        pids: Any = endpoints["pids"]
        try:
            with Client(str(endpoints["grpc"])) as client:
                make_rules(client, rules)
            before = {role: process_cpu_seconds(pid) for role, pid in _pids(pids).items()}
            memory: list[float] = []
            ended = threading.Event()
            watching = threading.Thread(target=_watch, args=(pids["evaluator"], memory, ended))
            watching.start()
            sent = load.send(str(endpoints["otlp_grpc"]), traces_per_second=rate, seconds=seconds, progress=_say)
            rows, caught_up = asyncio.run(_settled(str(endpoints["clickhouse_url"])))
            ended.set()
            watching.join()
            cpu = {role: process_cpu_seconds(pid) - before[role] for role, pid in _pids(pids).items()}
        finally:
            stop(process)
    return _row(rate, seconds, sent, rows, caught_up, cpu, memory)


def _pids(pids: Any) -> dict[str, int]:
    return {"evaluator": pids["evaluator"], "ClickHouse": pids["clickhouse"], "exporter": pids["exporters"][0]}


def _say(seconds: float) -> None:
    print(f"  {seconds:.0f} s sent", file=sys.stderr, flush=True)


def _watch(pid: int, memory: list[float], ended: threading.Event) -> None:
    while not ended.wait(2.0):
        memory.append(process_rss_mb(pid))


async def _settled(url: str) -> tuple[list[dict[str, Any]], float]:
    """Results once they grow no more, and the seconds until then."""
    began = time.monotonic()
    async with Database(url) as database:
        seen, still = -1, 0
        while still < 5 and time.monotonic() - began < PATIENCE_SECONDS:
            count = (await database.query("SELECT count() AS n FROM evaluations"))[0]["n"]
            still = still + 1 if count == seen else 0
            seen = count
            await asyncio.sleep(2)
        caught_up = time.monotonic() - began - 10
        wanted = await database.query(
            "SELECT uniqExactIf(TraceId, cityHash64(TraceId, 'assay') % 1000000 < 100000) AS tenth, "
            "uniqExact(TraceId) AS all FROM otel_traces"
        )
        rows = await database.query(OUTCOME)
    return [{**row, "wanted": wanted[0]["all" if row["rule"] == "by_sql" else "tenth"]} for row in rows], caught_up


def _row(
    rate: float,
    seconds: float,
    sent: int,
    rows: list[dict[str, Any]],
    caught_up: float,
    cpu: dict[str, float],
    memory: list[float],
) -> dict[str, Any]:
    found: dict[str, Any] = {"traces/s": rate, "seconds": seconds, "traces": sent}
    for row in sorted(rows, key=lambda each: str(each["rule"])):
        found[f"{row['rule']}: scored"] = f"{row['scored'] / row['wanted']:.2%} of {row['wanted']}"
        found[f"{row['rule']}: lag p50, p99, s"] = " / ".join(f"{lag:.1f}" for lag in row["lag"])
    thousands = sent / 1000
    found["caught up after, s"] = caught_up
    for role, used in cpu.items():
        found[f"CPU s per 1,000 traces, {role}"] = used / thousands
    quarter = max(1, len(memory) // 4)
    found["evaluator MB, first and last quarter"] = (
        f"{sum(memory[:quarter]) / quarter:.0f} / {sum(memory[-quarter:]) / quarter:.0f}"
    )
    return found
