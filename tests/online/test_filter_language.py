"""The forms of the filter language that go beyond one row: metadata, tags, the trace, results of metrics, sessions."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import pytest
from storing import SentSpan, a_result, located

from evaluator.online.rules.filters import compile_filter
from storage.clickhouse.client import Database
from storage.clickhouse.queue import ClickHouseQueue
from storage.clickhouse.results import ClickHouseResults
from storage.clickhouse.session_queue import session_ready
from storage.model import Abstention, Failure, Level, Outcome, OutputType, Score, Status, TargetRef
from storage.queue import Candidates, Ready

DAY_NS = 86_400_000_000_000
NOW_NS = time.time_ns() - DAY_NS
COLUMNS = (
    "Timestamp", "TraceId", "SpanId", "ParentSpanId", "SpanName", "ServiceName", "StatusCode", "Duration",
    "SpanAttributes", "ResourceAttributes",
)  # fmt: skip


def trace_id(name: str) -> str:
    """Of a trace that a test calls by a letter."""
    return f"{ord(name):032x}"


@dataclass(frozen=True, kw_only=True)
class Stored:
    """Three traces of a shop, and what rules select of them.

    a: a root without status, in production by the newer key, with metadata and tags; session S.
    b: a root that failed, in staging by the older key; session S, started before a.
    c: no root came; results of metrics stand on it.
    """

    database: Database

    async def ready(self, *names: str) -> list[Ready]:
        """A page of them."""
        refs = [TargetRef(level=Level.TRACE, trace_id=trace_id(name)) for name in names]
        return [Ready(record=await located(self.database, ref), ready_ms=0) for ref in refs]

    async def selected(self, level: Level, text: str) -> str:
        """Letters of what a filter lets through: of traces, of the traces of spans (one for each), of session `S`."""
        compiled = compile_filter(text, level)
        wanted = Candidates(
            level=level, sample_ppm=1_000_000, filter_sql=compiled.sql, filter_parameters=compiled.parameters
        )
        ready = await self.ready(*"abc")
        if level is Level.SESSION:
            session = TargetRef(level=Level.SESSION, session_id="S")
            ready = [session_ready(await located(self.database, session))]
        found = await ClickHouseQueue(self.database).candidates(ready, [wanted])
        refs = [each.record.ref for each in found]
        return "".join(sorted(ref.session_id or chr(int(ref.trace_id, 16)) for ref in refs))


def row(
    name: str, number: int, *, parent: str = "", status: str = "Unset", attributes: Mapping[str, str] | None = None,
    resource: Mapping[str, str] | None = None, start_ns: int = 0,
) -> tuple[object, ...]:  # fmt: skip
    """A span of `otel_traces`."""
    return (
        NOW_NS + start_ns, trace_id(name), f"{number:016x}", parent, f"step {number}", "shop", status, 2_000_000_000,
        dict(attributes or {}), dict(resource or {}),
    )  # fmt: skip


ROWS = (
    row(
        "a",
        1,
        start_ns=1_000_000_000,
        attributes={
            "session.id": "S",
            "metadata": '{"tenant": "acme", "tries": 3, "none": null, "nested": {"x": 1}}',
            "langfuse.trace.metadata.team": "blue",
            "some.vendor.metadata.plan": "gold",
            "team": "red",
            "only.span": "x",
            "langfuse.trace.tags": '["vip", "beta user"]',
            "tag.colour": "green",
        },
        resource={"deployment.environment.name": "production", "only.resource": "y"},
    ),
    row("a", 2, parent=f"{1:016x}", start_ns=1_100_000_000, attributes={"team": "green"}),
    row(
        "b",
        3,
        status="Error",
        attributes={"session.id": "S", "tags": "trial, vip2", "environment": "mine"},
        resource={"deployment.environment": "staging"},
    ),
    row("c", 4, parent=f"{9:016x}", start_ns=2_000_000_000, status="Ok"),
)


async def judged(database: Database, target: TargetRef, metric: str, outcome: Outcome, **other: object) -> None:
    """One result."""
    span = SentSpan(trace_id=target.trace_id or trace_id("b"), span_id=target.span_id or f"{1:016x}", start_ns=NOW_NS)
    await ClickHouseResults(database).append([a_result(span, outcome, target=target, metric=metric, **other)])


def on_trace(name: str) -> TargetRef:
    """A trace as a target."""
    return TargetRef(level=Level.TRACE, trace_id=trace_id(name))


@pytest.fixture
async def stored(database: Database) -> Stored:
    """Once for the module."""
    held = Stored(database=database)
    if await database.query("SELECT 1 FROM otel_traces LIMIT 1"):
        return held
    await database.insert_rows("otel_traces", COLUMNS, list(ROWS))
    spans = TargetRef(level=Level.SPAN, trace_id=trace_id("a"), span_id=f"{2:016x}")
    session = TargetRef(level=Level.SESSION, session_id="S")
    await judged(database, on_trace("a"), "toxicity", Score(value=0.75))
    await judged(database, on_trace("b"), "toxicity", Failure(code="JUDGE_UNAVAILABLE", message="429"))
    await judged(database, on_trace("a"), "mood", Score(value=None, label="angry"), output_type=OutputType.CATEGORICAL)
    await judged(database, on_trace("c"), "mood", Abstention(reason="nothing said", status=Status.NOT_APPLICABLE))
    await judged(database, on_trace("b"), "toxicity", Score(value=0.9), kind="human")
    await judged(database, spans, "toxicity", Score(value=0.1))
    await judged(database, session, "toxicity", Score(value=0.4))
    await judged(database, on_trace("a"), "raised", Score(value=0.9), metric_version=1)
    await judged(database, on_trace("a"), "raised", Score(value=0.1), metric_version=2)
    return held


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("trace.status = 'OK'", "a"),
        ("trace.status = 'error'", "b"),
        ("trace.status = 'IN_PROGRESS'", "c"),
        ("trace.status != 'OK'", "bc"),
        ("TRACE.Status IN ('OK', 'IN_PROGRESS')", "ac"),
        ("trace.status_code = 'Unset'", "a"),
        ("trace.spans = 2 AND trace.name = 'step 1'", "a"),
        ("trace.execution_time_ms >= 2000", "abc"),
        ("metadata.environment = 'production'", "a"),
        ("metadata.environment = 'mine'", "b"),
        ("environment = 'staging'", "b"),
        ("environment IN ('staging', 'production')", "ab"),
        ("metadata.tenant = 'acme'", "a"),
        ("metadata['tenant'] = 'acme'", "a"),
        ("metadata.`tenant` = 'acme'", "a"),
        ('metadata."tenant" = \'acme\'', "a"),
        ("metadata.tries > 2", "a"),
        ("metadata.tries = '3'", "a"),
        ("metadata.nested = '{\"x\":1}' OR metadata.nested LIKE '%1%'", "a"),
        ("metadata.none IS NULL AND metadata.tenant IS NOT NULL", "a"),
        ("metadata.team = 'blue'", "a"),
        ("attributes.team = 'red'", "a"),
        ("metadata.plan = 'gold'", "a"),
        ("metadata.only.span = 'x'", "a"),
        ("metadata.only.resource = 'y'", "a"),
        ("resource.only.resource = 'y'", "a"),
        ("attributes.only.span = 'x'", "a"),
        ("attributes.`only.span` = 'x'", "a"),
        ("attributes.only.`span` IS NOT NULL", "a"),
        ("attributes.langfuse.trace.metadata.team = 'blue'", "a"),
        ("has(tags, 'vip')", "a"),
        ("tags = 'beta user'", "a"),
        ("tags != 'vip'", "bc"),
        ("'vip2' IN tags", "b"),
        ("tags IN ('vip', 'trial')", "ab"),
        ("tags NOT IN ('vip', 'trial')", "c"),
        ("tags IS NULL", "c"),
        ("tags.colour = 'green'", "a"),
        ("tags.team = 'blue'", "a"),
        ("metric.toxicity.value > 0.5", "a"),
        ("NOT metric.toxicity.value > 0.5", ""),
        ("metric.toxicity.value <= 0.75 AND 0.5 < metric.toxicity.value", "a"),
        ("metric.toxicity.value * 2 = 1.5", "a"),
        ("metric.toxicity.value BETWEEN 0.7 AND 0.8", "a"),
        ("metric.toxicity.value IN (0.75, 1)", "a"),
        ("metric.toxicity.value IS NULL", "bc"),
        ("metric.toxicity.status = 'failed'", "b"),
        ("metric.toxicity.status IN ('success', 'failed')", "ab"),
        ("metric.toxicity.status IS NULL", "c"),
        ("metric.mood.label = 'angry'", "a"),
        ("metric.mood.label != 'angry'", ""),
        ("NOT metric.mood.label LIKE 'ang%' OR metric.mood.status = 'not_applicable'", "c"),
        ("metric.mood.label ILIKE 'AN%'", "a"),
        ("lower(metric.mood.label) = 'angry'", "a"),
        ("metric.raised.value < 0.5", "a"),
        ("metric.never_heard_of.value > 0", ""),
        ("metric.toxicity.value > duration_ms", ""),
    ],
)  # fmt: skip
async def test_a_filter_of_traces_selects_what_it_says(stored: Stored, text: str, names: str) -> None:
    """Seed 002's forms, and results of metrics: by the query that rules run."""
    assert await stored.selected(Level.TRACE, text) == names


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("trace.status = 'OK'", "aa"),
        ("trace.status = 'ERROR'", "b"),
        ("trace.status = 'IN_PROGRESS'", "c"),
        ("trace.status = 'OK' AND name = 'step 2'", "a"),
        ("trace.spans = 2", "aa"),
        ("trace.name = 'step 1' AND span.name = 'step 2'", "a"),
        ("trace.environment = 'production'", "aa"),
        ("trace.kind = ''", "aabc"),
        ("trace.start_time > '2020-01-01'", "aabc"),
        ("metadata.environment = 'production'", "a"),
        ("attributes.team = 'green'", "a"),
        ("metric.toxicity.value < 0.5", "a"),
        ("metric.toxicity.status IS NULL", "abc"),
    ],
)
async def test_a_filter_of_spans_reads_the_trace_and_results_of_spans(stored: Stored, text: str, names: str) -> None:
    """A result counts on the target itself: that of the trace is not the span's."""
    assert await stored.selected(Level.SPAN, text) == names


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("trace.status = 'ERROR'", "S"),
        ("trace.status = 'OK'", ""),
        ("name = 'step 3'", "S"),
        ("metadata.environment = 'mine' AND environment = 'staging'", "S"),
        ("tags = 'trial'", "S"),
        ("session_id = 'S'", "S"),
        ("metric.toxicity.value = 0.4", "S"),
        ("metric.toxicity.value > 0.4", ""),
    ],
)
async def test_a_filter_of_sessions_tests_the_trace_that_started_first(stored: Stored, text: str, names: str) -> None:
    """Results are those of the session itself."""
    assert await stored.selected(Level.SESSION, text) == names
