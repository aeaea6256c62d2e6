"""SQL metrics on a real server: as the user that sees one view, through the engine, and kept in the catalogue."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from scoring_parts import Scoring, otlp, scoring
from storing import SentSpan, located, store

from evaluator.errors import InvalidDefinition
from evaluator.expressions.compiler import compile_expression
from evaluator.expressions.functions import AGGREGATES, PARAMETRIC, SCALARS, TIMES
from evaluator.metrics.definition import MetricDefinition
from evaluator.scoring.request import Answer, EvaluationRequest, InlineTarget, MetricRef, Target
from storage.clickhouse.client import Database
from storage.clickhouse.engine_config import EXPRESSION_USER
from storage.clickhouse.expressions import ClickHouseExpressions, too_much
from storage.clickhouse.migrate import migrate
from storage.clickhouse.server import EmbeddedServer, running
from storage.errors import StorageError, Unavailable
from storage.model import (
    Abstention,
    Evaluation,
    Failure,
    Level,
    MetricKind,
    Outcome,
    OutputType,
    Purpose,
    Score,
    TargetRef,
)

SECOND = 10**9
TRUE = Score(value=1.0, label="true")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """A server with Assay's tables, and its users as they are in an installation."""
    with running(tmp_path_factory.mktemp("clickhouse")) as started:

        async def prepare() -> None:
            async with Database(started.url()) as database:
                await migrate(database)

        asyncio.run(prepare())
        yield started


@dataclass(frozen=True, kw_only=True)
class Sql:
    """What a test holds of it."""

    scoring: Scoring
    database: Database
    store: ClickHouseExpressions


@pytest.fixture
async def restricted(server: EmbeddedServer) -> AsyncIterator[Database]:
    """A connection of the user that computes expressions."""
    async with Database(server.url(EXPRESSION_USER)) as opened:
        yield opened


@pytest.fixture
async def sql(server: EmbeddedServer, restricted: Database) -> AsyncIterator[Sql]:
    """An engine that computes SQL metrics, beside the service's connection."""
    async with Database(server.url()) as database:
        expressions = ClickHouseExpressions(restricted)
        async with scoring(database, expressions=expressions) as parts:
            yield Sql(scoring=parts, database=database, store=expressions)


def _metric(expression: str, output_type: OutputType = OutputType.NUMBER, **other: Any) -> MetricDefinition:
    fields: dict[str, Any] = {"name": "own", "kind": MetricKind.SQL, "levels": (Level.SPAN,)}
    return MetricDefinition(expression=expression, output_type=output_type, **fields | other)


async def _answers(sql: Sql, metric: MetricDefinition, *targets: Target, **other: Any) -> list[Answer]:
    ref = MetricRef(name=metric.name, definition=metric)
    request = EvaluationRequest(targets=targets, metrics=(ref,), origin="test", **other)
    return await sql.scoring.engine.evaluate(request)


async def _outcomes(sql: Sql, metric: MetricDefinition, *targets: Target, **other: Any) -> list[Outcome]:
    answers = await _answers(sql, metric, *targets, **other)
    assert all(isinstance(answer, Evaluation) for answer in answers)
    return [answer.outcome for answer in answers if isinstance(answer, Evaluation)]


@pytest.mark.parametrize(
    "query",
    [
        "SELECT count() FROM otel_traces",
        "SELECT count() FROM otel_logs",
        "SELECT count() FROM evaluations",
        "SELECT count() FROM judge_traces",
        "SELECT count() FROM control_docs",
        "SELECT count() FROM traces",
        "SELECT count() FROM spans_joined",
        "SELECT count() FROM system.users",
        "SELECT count() FROM system.processes",
        "SELECT count() FROM system.query_log",
        "SELECT * FROM url('http://127.0.0.1/', 'CSV', 'a String')",
        "SELECT * FROM file('/etc/passwd', 'CSV', 'a String')",
        "SELECT * FROM remote('127.0.0.1', 'assay', 'evaluations')",
        "SELECT 1 SETTINGS max_execution_time = 0",
        "INSERT INTO evaluations (MetricName) VALUES ('x')",
        "CREATE TABLE x (a Int8) ENGINE = Memory",
    ],
)
async def test_the_user_that_computes_expressions_sees_one_view_and_nothing_else(
    restricted: Database, query: str
) -> None:
    """What the compiler would let through by mistake still finds nothing: the server refuses this very user."""
    assert await restricted.query("SELECT count() AS n FROM spans WHERE ServiceName = 'nobody'") == [{"n": 0}]
    with pytest.raises(StorageError):
        await restricted.execute(query)


async def test_the_limits_of_that_user_stand(restricted: Database) -> None:
    """So that an expression cannot take the machine."""
    names = ("readonly", "max_execution_time", "max_memory_usage", "max_result_rows")
    asked = ", ".join(f"toUInt64(getSetting('{name}'))" for name in names)
    rows = await restricted.query(f"SELECT [{asked}] AS found")
    assert rows == [{"found": [1, 60, 2_000_000_000, 1_000_000]}]


SCALAR_CALLS = {
    **{name: f"{name}(Duration)" for name in SCALARS},
    **{
        name: f"{name}(SpanName, 'a')"
        for name in (
            "startsWith", "endsWith", "position", "positionUTF8", "positionCaseInsensitive",
            "positionCaseInsensitiveUTF8", "countSubstrings", "countSubstringsCaseInsensitive", "match", "extract",
            "countMatches", "hasToken", "hasTokenCaseInsensitive", "editDistance", "editDistanceUTF8", "ngramDistance",
            "ngramDistanceUTF8", "JSONHas", "JSONLength", "JSONExtractString", "JSONExtractFloat", "JSONExtractInt",
            "JSONExtractUInt", "JSONExtractBool", "concat", "nullIf", "ifNull", "coalesce",
        )
    },
    **{
        name: f"{name}(SpanName)"
        for name in (
            "length", "lengthUTF8", "lower", "lowerUTF8", "upper", "upperUTF8", "empty", "notEmpty", "trimBoth",
            "trimLeft", "trimRight", "isValidJSON", "toFloat64OrNull", "toFloat64OrZero", "toInt64OrNull",
            "toInt64OrZero", "toUInt64OrNull", "toUInt64OrZero",
        )
    },
    **{name: f"{name}(Timestamp)" for name in TIMES},
    **{name: f"{name}(Duration, 0)" for name in ("moduloOrNull", "intDivOrNull", "divideOrNull", "pow")},
    **{name: f"{name}(SpanName, 1, 2)" for name in ("substring", "substringUTF8")},
    **{name: f"{name}(SpanName, 2)" for name in ("left", "right")},
    "if": "if(Duration > 1, 1, 0)",
    "multiIf": "multiIf(Duration > 1, 1, 0)",
    "xor": "xor(Duration > 1, Duration > 2)",
    "greatest": "greatest(Duration, 1)",
    "least": "least(Duration, 1)",
}  # fmt: skip


async def test_every_function_that_is_offered_works(sql: Sql) -> None:
    """In one query over a span whose texts are no numbers and whose divisors are 0: none of them throws."""
    span = SentSpan(name="añ🦊")
    await store(sql.database, span)
    record = await located(sql.database, span.ref)
    for name in (*SCALARS, *TIMES):
        compiled = compile_expression(f"toString({SCALAR_CALLS[name]})", Level.SPAN)
        assert list(await sql.store.values(compiled, [record])) == [span.ref], name


async def test_every_aggregate_that_is_offered_works(sql: Sql) -> None:
    """Each alone and with a condition."""
    span = SentSpan()
    await store(sql.database, span)
    record = await located(sql.database, span.trace)
    two = ("argMin", "argMax", "corr")
    for name in AGGREGATES:
        arguments = "Duration, OutputTokens" if name in two else "" if name == "count" else "Duration"
        constant = "(0.5)" if name in PARAMETRIC else ""
        condition = f"{arguments}, Duration > 0".removeprefix(", ")
        for call in (f"{name}{constant}({arguments})", f"{name}If{constant}({condition})"):
            compiled = compile_expression(f"toString({call})", Level.TRACE)
            assert list(await sql.store.values(compiled, [record])) == [span.trace], call


async def test_an_expression_becomes_a_result_of_the_output_type(sql: Sql) -> None:
    """A number, a condition, a label, a count and a share, with attributes that are there and that are not."""
    span = SentSpan(
        duration_ns=2 * SECOND, name="añ 🦊", status="Error",
        attributes={
            "gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": "12", "app.tier": "gold", "app.score": "0.25",
        },
    )  # fmt: skip
    await store(sql.database, span)
    cases: list[tuple[str, OutputType, Outcome]] = [
        ("Duration / 1e9", OutputType.NUMBER, Score(value=2.0)),
        ("duration_ms > 1000 AND status = 'Error'", OutputType.BOOLEAN, Score(value=1.0, label="true")),
        ("if(attributes['app.tier'] = 'gold', 'best', 'rest')", OutputType.CATEGORICAL, Score(label="best")),
        ("InputTokens + OutputTokens", OutputType.COUNT, Score(value=12.0)),
        ("toFloat64OrNull(attributes['app.score'])", OutputType.PERCENTAGE, Score(value=0.25)),
        ("name", OutputType.TEXT, Score(text="añ 🦊")),
        ("name = 'añ 🦊'", OutputType.BOOLEAN, Score(value=1.0, label="true")),
        ("attributes['it''s -- not /* there']", OutputType.TEXT, Abstention(reason="no value")),
        ("toFloat64OrNull(attributes['app.tier'])", OutputType.NUMBER, Abstention(reason="no value")),
        ("attributes['app.score'] * 4 > 0.5 AND attributes['app.score'] <= 0.25", OutputType.BOOLEAN, TRUE),
        ("attributes['app.tier'] > 3", OutputType.BOOLEAN, Abstention(reason="no value")),
        ("attributes['app.score'] BETWEEN 0 AND 1 AND attributes['app.score'] IN (0.25, 1)", OutputType.BOOLEAN, TRUE),
        ("CASE kind WHEN 'llm' THEN 1 ELSE 0 END", OutputType.COUNT, Score(value=1.0)),
        ("Duration BETWEEN 1 AND 3e9 AND model IS NOT NULL", OutputType.BOOLEAN, Score(value=1.0, label="true")),
    ]
    for expression, output_type, expected in cases:
        assert await _outcomes(sql, _metric(expression, output_type, name="case"), span.ref, store=False) == [expected]


@pytest.mark.parametrize(
    "expression", ["Duration / 0", "0 / 0", "log(-1)", "9223372036854775807 * 1e300", "if(Duration > 1, 1 / 0, 1)"]
)
async def test_what_is_not_finite_or_does_not_fit_is_a_failure_and_never_a_zero(sql: Sql, expression: str) -> None:
    """On this target only: its neighbours get their results."""
    span = SentSpan(duration_ns=SECOND)
    await store(sql.database, span)
    [outcome] = await _outcomes(sql, _metric(expression, OutputType.PERCENTAGE), span.ref)
    assert isinstance(outcome, Failure)
    assert outcome.code == "SQL_BAD_RESULT"


async def test_a_trace_and_a_session_are_concluded_on_by_aggregates(sql: Sql) -> None:
    """Each span counts once, also where a client sent it twice."""
    attributes = {"session.id": "s-1", "gen_ai.usage.input_tokens": "10"}
    first = SentSpan(attributes=attributes, duration_ns=1 * SECOND)
    child = SentSpan(trace_id=first.trace_id, parent=first.span_id, attributes=attributes, duration_ns=3 * SECOND)
    second = SentSpan(attributes=attributes, duration_ns=5 * SECOND, status="Error")
    await store(sql.database, first, child, second)
    await store(sql.database, first)
    session = TargetRef(level=Level.SESSION, session_id="s-1")
    both = (Level.TRACE, Level.SESSION)
    tokens = _metric("sum(InputTokens)", OutputType.COUNT, levels=both)
    assert await _outcomes(sql, tokens, first.trace, second.trace, session) == [
        Score(value=20.0), Score(value=10.0), Score(value=30.0),
    ]  # fmt: skip
    errors = _metric("countIf(status = 'Error') / count()", OutputType.PERCENTAGE, levels=both, name="errors")
    assert await _outcomes(sql, errors, first.trace, session) == [Score(value=0.0), Score(value=1 / 3)]
    slow = _metric("quantileExact(0.5)(Duration) / 1e9", levels=both, name="slow")
    assert await _outcomes(sql, slow, session) == [Score(value=3.0)]
    none = _metric("maxIf(CostUsd, kind = 'nothing') / 0", levels=both, name="none")
    [failed] = await _outcomes(sql, none, session)
    assert isinstance(failed, Failure)


async def test_many_targets_of_one_call_are_one_query(sql: Sql) -> None:
    """Told by the server's own log of this user's queries."""
    spans = [SentSpan(duration_ns=number) for number in range(300)]
    await store(sql.database, *spans)
    marked = _metric("Duration + 0 * length('one query for all of them')", OutputType.COUNT)
    outcomes = await _outcomes(sql, marked, *(span.ref for span in spans))
    assert outcomes == [Score(value=float(number)) for number in range(300)]
    await sql.database.execute("SYSTEM FLUSH LOGS")
    asked = await sql.database.query(
        "SELECT count() AS n FROM system.query_log WHERE type = 'QueryFinish' AND user = {user:String} "
        "AND position(query, {text:String}) > 0",
        {"user": EXPRESSION_USER, "text": "one query for all of them"},
    )
    assert asked == [{"n": 1}]


async def test_rules_and_runs_score_without_reading_what_was_said(sql: Sql) -> None:
    """`Engine.score` on located records; asking again gives the same ids and no further row."""
    spans = [SentSpan(duration_ns=number) for number in range(20)]
    await store(sql.database, *spans)
    made = await sql.scoring.metrics.create(_metric("Duration", OutputType.COUNT, name="nanoseconds"))
    records = [await located(sql.database, span.ref) for span in spans]
    request = EvaluationRequest(
        targets=(), metrics=(MetricRef(name=made.definition.name),), origin="r", purpose=Purpose.ONLINE, rule="r",
        deduplicate=True,
    )  # fmt: skip
    first = await sql.scoring.engine.score(records, request)
    again = await sql.scoring.engine.score(records, request)
    assert [each.outcome for each in first if isinstance(each, Evaluation)] == [
        Score(value=float(n)) for n in range(20)
    ]
    assert [each.evaluation_id for each in again if isinstance(each, Evaluation)] == [
        each.evaluation_id for each in first if isinstance(each, Evaluation)
    ]
    rows = await sql.database.query("SELECT count() AS n FROM evaluations WHERE MetricName = 'nanoseconds'")
    assert rows == [{"n": 20}]


async def test_a_target_that_came_with_the_request_is_not_in_the_store(sql: Sql) -> None:
    """Said so, instead of the value of a stored span that has the same ids."""
    span = SentSpan()
    await store(sql.database, span)
    [outcome] = await _outcomes(sql, _metric("Duration"), InlineTarget(ref=span.ref, otlp=otlp(span)))
    assert outcome == Abstention(
        reason="not stored: an sql metric reads the store, not spans that come with the request"
    )


@pytest.mark.parametrize(
    ("expression", "output_type", "reason"),
    [
        ("Model > 3", OutputType.BOOLEAN, "ClickHouse refuses it"),
        ("lower(Duration)", OutputType.TEXT, "ClickHouse refuses it"),
        ("length(Model, Model)", OutputType.COUNT, "ClickHouse refuses it"),
        (
            "attributes['a']",
            OutputType.NUMBER,
            "is of type String; a number metric takes a number",
        ),
        ("NULL", OutputType.NUMBER, "is always NULL"),
        ("Timestamp", OutputType.NUMBER, "is of type DateTime64(9)"),
        ("Duration", OutputType.BOOLEAN, "is of type UInt64; a boolean metric takes a condition"),
    ],
)
async def test_saving_asks_the_server_for_the_type(
    sql: Sql, expression: str, output_type: OutputType, reason: str
) -> None:
    """What can never be a result is refused before anything is computed."""
    with pytest.raises(InvalidDefinition) as refused:
        await sql.scoring.metrics.create(_metric(expression, output_type))
    assert refused.value.field == "metric.expression"
    assert refused.value.reason.startswith(reason)


async def test_a_pattern_that_is_none_fails_and_says_why(sql: Sql) -> None:
    """Known when it first runs."""
    span = SentSpan()
    await store(sql.database, span)
    [outcome] = await _outcomes(sql, _metric("match(SpanName, '(')", OutputType.BOOLEAN), span.ref)
    assert isinstance(outcome, Failure)
    assert outcome.code == "SQL_FAILED"
    assert "cannot compile re2" in outcome.message


@pytest.mark.parametrize("limit", [{"max_execution_time": 0.05}, {"max_memory_usage": 20_000_000}])
async def test_an_expression_that_takes_too_much_is_not_asked_again(sql: Sql, limit: dict[str, object]) -> None:
    """A run would wait for ever for a query that ends at its user's limits every time."""
    with pytest.raises(Unavailable) as refused:
        await sql.database.query("SELECT uniqExact(number) FROM numbers(1000000000)", settings=limit)
    assert too_much(refused.value)


async def test_while_the_store_is_away_nothing_is_concluded(sql: Sql, restricted: Database) -> None:
    """The call fails and may be repeated; nothing that is no result is kept."""
    span = SentSpan()
    await store(sql.database, span)
    await restricted.close()
    with pytest.raises(Unavailable):
        await _answers(sql, _metric("Duration", name="away"), span.ref)
    rows = await sql.database.query("SELECT count() AS n FROM evaluations WHERE MetricName = 'away'")
    assert rows == [{"n": 0}]


async def test_without_the_user_an_sql_metric_fails_and_says_what_to_set(database: Database) -> None:
    """A server of one's own has that user only when its operator made it."""
    span = SentSpan()
    await store(database, span)
    async with scoring(database) as parts:
        request = EvaluationRequest(
            targets=(span.ref,), metrics=(MetricRef(name="own", definition=_metric("Duration")),), origin="test"
        )
        [answer] = await parts.engine.evaluate(request)
    assert isinstance(answer, Evaluation)
    assert answer.outcome == Failure(
        code="SQL_UNAVAILABLE", message="sql metrics do not run here: set ASSAY_EXPRESSIONS_URL", retryable=True
    )


@pytest.mark.parametrize("spans", [20_000, pytest.param(1_000_000, marks=pytest.mark.soak)])
async def test_many_spans_are_computed_in_the_store(
    sql: Sql, restricted: Database, server: EmbeddedServer, spans: int
) -> None:
    """The server's own CPU for all of them, as the restricted user, is within the figure for a million: 5 s."""
    await sql.database.execute(
        "INSERT INTO otel_traces (Timestamp, TraceId, SpanId, SpanName, ServiceName, SpanAttributes, Duration) "
        "SELECT toDateTime64('2026-01-01 00:00:00', 9) + number / 1000, lower(hex(sipHash128(intDiv(number, 10)))), "
        "leftPad(lower(hex(sipHash64(number))), 16, '0'), 'answer', {service:String}, "
        "map('app.tier', if(number % 4 = 0, 'gold', 'free')), number FROM numbers({spans:UInt64})",
        {"spans": spans, "service": f"many {spans}"},
    )
    compiled = compile_expression("attributes['app.tier'] = 'gold' AND Duration >= 0", Level.SPAN)
    before = _cpu_seconds(server.pid)
    rows = await restricted.query(
        f"SELECT count() AS n, countIf({compiled.sql}) AS gold FROM spans WHERE ServiceName = {{service:String}}",
        {**compiled.parameters, "service": f"many {spans}"},
    )
    assert rows == [{"n": spans, "gold": spans // 4}]
    assert _cpu_seconds(server.pid) - before < 5.0


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
