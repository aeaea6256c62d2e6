"""A composite over a session of 50 traces × 40 spans: what it takes when everything that it requires is there.

    python -m benchmarks.composite [--runs N]

The engine in this process, a ClickHouse of its own, code in the sandbox.  Every call is about another session, so that
nothing is remembered of it.  CPU is that of this process, of the sandbox's workers and of ClickHouse, per call.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from assay.heap import collect_rarely
from benchmarks.report import Row, arguments, process_cpu_seconds, show
from evaluator.judges.choose import Judges
from evaluator.judges.metering import Meter
from evaluator.metrics.conclude import Conclusion, Instruments, conclude
from evaluator.metrics.definition import MetricDefinition, RollUp, Statistic
from evaluator.metrics.directory import Directory
from evaluator.metrics.material import Material
from evaluator.sandbox.sandbox import Sandbox
from evaluator.scoring.engine import Engine
from evaluator.scoring.request import EvaluationRequest, MetricRef
from storage.clickhouse.client import Database
from storage.clickhouse.migrate import migrate
from storage.clickhouse.results import ClickHouseResults
from storage.clickhouse.server import running
from storage.clickhouse.telemetry import ClickHouseTelemetry
from storage.model import Evaluation, Level, MetricKind, OutputType, Score, TargetRef

TRACES, SPANS, SESSIONS = 50, 40, 8
COLUMNS = ("Timestamp", "TraceId", "SpanId", "ParentSpanId", "SpanName", "ServiceName", "SpanAttributes", "Duration")
SOURCE = """
def scorer_fn(*, step_object, **kwargs):
    llm, tools = [], []
    for trace in step_object.traces:
        for span in trace.spans:
            if span.type == "llm":
                llm.append(span.metrics["graded"])
            elif span.type == "tool":
                tools.append(1 - span.metrics["errors"])
    own = step_object.metrics["spoken"]
    return (own + sum(llm) / len(llm) + sum(tools) / len(tools)) / 3
"""


def definitions() -> dict[str, MetricDefinition]:
    """Two span metrics, one of the session, a composite with code and one without."""
    leaves = {"graded": (Level.SPAN, "llm"), "errors": (Level.SPAN, "tool"), "spoken": (Level.SESSION, "")}
    metrics = [
        MetricDefinition(
            name=name, kind=MetricKind.CODE, levels=(level,), span_kinds=(kind,) if kind else (),
            output_type=OutputType.PERCENTAGE, function="response_length",
        )
        for name, (level, kind) in leaves.items()
    ]  # fmt: skip
    shared: Mapping[str, Any] = {
        "kind": MetricKind.COMPOSITE, "levels": (Level.SESSION,), "output_type": OutputType.PERCENTAGE,
    }  # fmt: skip
    metrics += [
        MetricDefinition(name="with_code", source=SOURCE, required_metrics=tuple(leaves), **shared),
        MetricDefinition(
            name="roll_up", roll_up=RollUp(statistic=Statistic.MEAN), required_metrics=("graded@span",), **shared
        ),
    ]
    return {metric.name: metric for metric in metrics}


def rows(session: str) -> list[tuple[object, ...]]:
    """The spans of a session: of each trace a root, and model calls and tools in turn, with 2 KB of messages."""
    now, made = time.time_ns(), []
    for _ in range(TRACES):
        trace_id, root = secrets.token_hex(16), secrets.token_hex(8)
        for number in range(SPANS):
            operation = ("chat", "execute_tool")[number % 2]
            said = json.dumps([{"role": "user", "parts": [{"type": "text", "content": secrets.token_hex(500)}]}])
            attributes = {"session.id": session}
            if number:
                attributes |= {
                    "gen_ai.operation.name": operation, "gen_ai.input.messages": said, "gen_ai.output.messages": said,
                }  # fmt: skip
            own = secrets.token_hex(8) if number else root
            made.append(
                (now + number, trace_id, own, root if number else "", operation, "bench", attributes, 5_000_000)
            )
    return made


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What is measured: `engine`.  `other` computed what is required, so that `engine` has read nothing before."""

    engine: Engine
    other: Engine
    database: Database
    clickhouse: int


@asynccontextmanager
async def parts(folder: str) -> AsyncIterator[Parts]:
    """An engine on a ClickHouse of its own; leaves conclude at once, composites for real."""
    with running(Path(folder)) as server:
        async with (
            Database(server.url()) as database,
            Judges(model="", base_url="", api_key="") as judges,
            Sandbox() as box,
        ):
            await migrate(database)
            using = Instruments(judges=judges, secret=b"s", sandbox=box)

            async def apply(
                definition: MetricDefinition,
                material: Material,
                *,
                repeat: int = 0,
                background: bool = False,
                meter: Meter | None = None,
            ) -> Conclusion:
                if definition.kind is MetricKind.COMPOSITE:
                    return await conclude(definition, material, using=using, repeat=repeat)
                return Conclusion(outcome=Score(value=0.5))

            metrics = Directory(builtin=definitions(), custom={}, aliases={})
            telemetry, results = ClickHouseTelemetry(database), ClickHouseResults(database)
            async with (
                Engine(metrics=metrics, telemetry=telemetry, results=results, apply=apply) as engine,
                Engine(metrics=metrics, telemetry=telemetry, results=results, apply=apply) as other,
            ):
                yield Parts(engine=engine, other=other, database=database, clickhouse=server.pid)


def workers() -> float:
    """CPU seconds of this process's children but ClickHouse: the sandbox."""
    children = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    pids = {int(pid) for file in children for pid in file.read_text().split()}
    return sum(process_cpu_seconds(pid) for pid in pids)


async def measure() -> list[Row]:
    """One run: the first sessions warm up."""
    with tempfile.TemporaryDirectory(prefix="assay-bench-") as folder:
        async with parts(folder) as ready:
            took: dict[str, list[tuple[float, float, float]]] = {"with_code": [], "roll_up": []}
            for number in range(2 * SESSIONS):
                session, name = f"session-{number}", tuple(took)[number % 2]
                await ready.database.insert_rows("otel_traces", COLUMNS, rows(session))
                await evaluate(ready.other, session, name)
                engine, clickhouse = time.process_time(), process_cpu_seconds(ready.clickhouse)
                sandbox = workers() - clickhouse
                await evaluate(ready.engine, session, name)
                own, server = time.process_time() - engine, process_cpu_seconds(ready.clickhouse)
                if number < 2:
                    collect_rarely()  # as the evaluator does when it is ready
                else:
                    took[name].append((own, workers() - server - sandbox, server - clickhouse))
            return [
                {
                    "composite": name,
                    "engine CPU ms": 1000 * median(each[0] for each in times),
                    "sandbox CPU ms": 1000 * median(each[1] for each in times),
                    "ClickHouse CPU ms": 1000 * median(each[2] for each in times),
                }
                for name, times in took.items()
            ]


async def evaluate(engine: Engine, session: str, *names: str) -> None:
    """One call, checked."""
    target = TargetRef(level=Level.SESSION, session_id=session)
    refs = tuple(MetricRef(name=name) for name in names)
    request = EvaluationRequest(targets=(target,), metrics=refs, origin=uuid.uuid4().hex)
    for answer in await engine.evaluate(request):
        if not isinstance(answer, Evaluation) or answer.outcome.value != 0.5:  # type: ignore[union-attr]
            raise AssertionError(answer)


def main() -> None:
    """Print it."""
    wanted = arguments(__doc__ or "", runs=3)
    found = [row for _ in range(wanted.runs) for row in asyncio.run(measure())]
    show("A composite over a session of 50 traces × 40 spans", found, as_json=wanted.json)


if __name__ == "__main__":
    main()
