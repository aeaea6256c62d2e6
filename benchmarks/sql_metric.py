"""CPU of SQL metrics: in the store for many spans, and through the engine, results kept.

    python -m benchmarks.sql_metric [--runs N] [--spans N] [--json]

Spans of 700 bytes in an embedded ClickHouse, computed as the user that sees view `spans` only.  Store: CPU of the
server; engine: CPU of this process for one call of 1,000 located targets, its query, ids and rows.  Medians.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from benchmarks.report import Row, show
from evaluator.expressions.compiler import compile_expression
from evaluator.judges.metering import Meter
from evaluator.metrics.conclude import Conclusion
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.material import Material
from evaluator.metrics.registry import Metrics
from evaluator.scoring.engine import Engine
from evaluator.scoring.request import EvaluationRequest, MetricRef
from storage.clickhouse.client import Database
from storage.clickhouse.definitions import ClickHouseDefinitions
from storage.clickhouse.engine_config import EXPRESSION_USER
from storage.clickhouse.expressions import ClickHouseExpressions
from storage.clickhouse.migrate import migrate
from storage.clickhouse.results import ClickHouseResults
from storage.clickhouse.server import EmbeddedServer, running
from storage.clickhouse.telemetry import ClickHouseTelemetry
from storage.model import Level, MetricKind, OutputType, Purpose, TargetRef
from storage.telemetry import TargetRecord

CHUNK = 1000
EXPRESSIONS = {
    "Duration / 1e9": Level.SPAN,
    "attributes['app.tier'] = 'gold' AND InputTokens > 100": Level.SPAN,
    "sum(InputTokens)": Level.TRACE,
}
_SPANS = """
INSERT INTO otel_traces (Timestamp, TraceId, SpanId, SpanName, ServiceName, SpanAttributes, Duration, StatusCode)
SELECT toDateTime64('2026-01-01 00:00:00', 9) + number / 100, lower(hex(sipHash128(intDiv(number, 10)))),
       leftPad(lower(hex(sipHash64(number))), 16, '0'), 'answer', 'shop',
       map('gen_ai.operation.name', 'chat', 'gen_ai.usage.input_tokens', toString(number % 1000), 'app.tier', 'gold',
           'gen_ai.output.messages', repeat('x', 500)), number % 5000000000, 'Unset'
FROM numbers({n:UInt64})
"""
_ALL_SPANS = (
    "SELECT TraceId, SpanId, ({}) AS value FROM spans ORDER BY IngestedAt LIMIT 1 BY TraceId, SpanId FORMAT Null"
)
_ALL_TRACES = (
    "SELECT TraceId, ({}) AS value FROM (SELECT * FROM spans ORDER BY IngestedAt LIMIT 1 BY TraceId, SpanId) "
    "GROUP BY TraceId FORMAT Null"
)


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description="CPU of SQL metrics")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--spans", type=int, default=1_000_000)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    found = asyncio.run(rows(asked.runs, asked.spans))
    show(f"SQL metrics over {asked.spans:,} spans, seconds of CPU", found, as_json=asked.json)


async def rows(runs: int, spans: int) -> list[Row]:
    """One row per expression, and one of the engine."""
    with tempfile.TemporaryDirectory(prefix="assay-bench-") as folder, running(Path(folder)) as server:
        async with (
            Database(server.url(), timeout_seconds=600) as database,
            Database(server.url(EXPRESSION_USER), timeout_seconds=600) as restricted,
        ):
            await migrate(database)
            await database.execute(_SPANS, {"n": spans})
            found = [await _in_store(server, restricted, text, level, runs) for text, level in EXPRESSIONS.items()]
            return [*found, await _through_engine(server, database, restricted, runs)]


async def _in_store(server: EmbeddedServer, restricted: Database, text: str, level: Level, runs: int) -> Row:
    compiled = compile_expression(text, level)
    query = (_ALL_SPANS if level is Level.SPAN else _ALL_TRACES).format(compiled.sql)
    cpu = [await _cpu(server, lambda: restricted.execute(query, compiled.parameters)) for _ in range(runs)]
    return {"what": f"store: {text}", "server": round(statistics.median(each for each, _ in cpu), 2), "process": ""}


async def _through_engine(server: EmbeddedServer, database: Database, restricted: Database, runs: int) -> Row:
    records = await _records(database)
    metric = MetricDefinition(
        name="seconds", kind=MetricKind.SQL, levels=(Level.SPAN,), output_type=OutputType.NUMBER,
        expression="Duration / 1e9",
    )  # fmt: skip
    engine = Engine(
        metrics=Metrics(ClickHouseDefinitions(database), builtin=()),
        telemetry=ClickHouseTelemetry(database),
        results=ClickHouseResults(database),
        apply=_nothing_else,
        expressions=ClickHouseExpressions(restricted),
    )
    cpu = []
    async with engine:
        for turn in range(runs + 1):
            request = EvaluationRequest(
                targets=(), metrics=(MetricRef(name="seconds", definition=metric),), origin=f"bench {turn}",
                purpose=Purpose.BACKFILL,
            )  # fmt: skip
            cpu.append(await _cpu(server, lambda request=request: engine.score(records, request)))
    return {
        "what": f"engine: {CHUNK:,} located spans scored and kept",
        "server": round(statistics.median(each for each, _ in cpu[1:]), 3),
        "process": round(statistics.median(each for _, each in cpu[1:]), 3),
    }


async def _nothing_else(
    definition: MetricDefinition,
    material: Material,
    *,
    repeat: int = 0,
    background: bool = False,
    meter: Meter | None = None,
) -> Conclusion:
    raise AssertionError(f"{definition.name} is no SQL metric")


async def _records(database: Database) -> list[TargetRecord]:
    found = await database.query(f"SELECT TraceId AS t, SpanId AS s FROM otel_traces ORDER BY Timestamp LIMIT {CHUNK}")
    refs = [TargetRef(level=Level.SPAN, trace_id=row["t"], span_id=row["s"]) for row in found]
    located = await ClickHouseTelemetry(database).locate(refs)
    return [located[ref] for ref in refs]


async def _cpu(server: EmbeddedServer, work: Callable[[], Awaitable[object]]) -> tuple[float, float]:
    """Seconds of CPU of the server and of this process."""
    before, own = _of(server.pid), time.process_time()
    await work()
    return _of(server.pid) - before, time.process_time() - own


def _of(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
