"""A rule's filter: what it selects in a real ClickHouse, and everything that it refuses."""

from __future__ import annotations

import pytest
from storing import located

from evaluator.errors import InvalidFilter
from evaluator.expressions.columns import SPAN_COLUMNS, TRACE_COLUMNS
from evaluator.online.rules.filter_sql import Clause
from evaluator.online.rules.filters import CompiledFilter, compile_filter
from storage.clickhouse.client import Database
from storage.clickhouse.queue import ClickHouseQueue
from storage.model import Level, TargetRef
from storage.queue import Candidates, Ready

INSERT = """
INSERT INTO otel_traces (Timestamp, TraceId, SpanId, ParentSpanId, SpanName, SpanKind, ServiceName, ResourceAttributes,
                         ScopeName, SpanAttributes, Duration, StatusCode, StatusMessage)
VALUES
 ('2026-01-01 10:00:00', {trace:String}, 'a', '', 'chat gpt', 'Client', 'shop', {'deployment.environment': 'prod'}, 's',
  {'gen_ai.operation.name': 'chat', 'gen_ai.request.model': 'gpt-4o', 'gen_ai.usage.input_tokens': '120', 'n': '7',
   'flag': 'true', 'session.id': 'S1', 'user.id': 'it''s'}, 2500000000, 'Ok', ''),
 ('2026-01-01 10:00:01', {trace:String}, 'b', 'a', 'search', 'Internal', 'shop', {'deployment.environment': 'prod'},
  's', {'openinference.span.kind': 'RETRIEVER', 'n': 'many', 'path': 'C:\\\\temp', 'empty': ''}, 40000000,
  'Error', 'no index'),
 ('2026-01-02 10:00:00', {trace:String}, 'c', 'a', 'Élan 100%', 'Server', 'billing', {}, 's',
  {'n': '12.5', 'text': 'tab\\there'}, 18446744073709551000, 'Unset', '')
"""
TRACE = "f" * 31 + "1"


async def selected(database: Database, text: str) -> str:
    """Ids of the three spans that a filter lets through, in order."""
    compiled = compile_filter(text, Level.SPAN)
    where = f"t.TraceId = {{trace:String}} AND ({compiled.sql})"
    sql = f"SELECT t.SpanId AS id FROM otel_traces AS t WHERE {where} ORDER BY id"
    return "".join(row["id"] for row in await database.query(sql, {**compiled.parameters, "trace": TRACE}))


@pytest.fixture
async def spans(database: Database) -> Database:
    """A database with three spans of one trace: a model call, a retriever, and one of another service."""
    if not await database.query("SELECT 1 FROM otel_traces WHERE TraceId = {trace:String}", {"trace": TRACE}):
        await database.execute(INSERT, {"trace": TRACE})
    return database


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("", "abc"),
        ("   ", "abc"),
        ("true", "abc"),
        ("NOT true", ""),
        ("service = 'shop'", "ab"),
        ("ServiceName = 'shop' AND NOT name = 'search'", "a"),
        ("service != 'shop'", "c"),
        ("SERVICE <> 'shop' or KIND = 'llm'", "ac"),
        ("kind = 'LLM'", "a"),
        ("kind in ('llm', 'retriever')", "ab"),
        ("kind is null", "c"),
        ("kind IS NOT NULL", "ab"),
        ("status = 'ERROR'", "b"),
        ("status in ('ok', 'unset')", "ac"),
        ("span_kind = 'client'", "a"),
        ("environment = 'prod'", "ab"),
        ("resource['deployment.environment'] = 'prod'", "ab"),
        ("ResourceAttributes['deployment.environment'] IS NULL", "c"),
        ("model LIKE 'gpt-%'", "a"),
        ("model NOT LIKE 'gpt-%'", "bc"),
        ("name ILIKE '%CHAT%'", "a"),
        ("name like '%100\\\\%'", "c"),
        ("lower(name) = 'élan 100%'", "c"),
        ("upper(service) = 'SHOP'", "ab"),
        ("length(name) = 9", "c"),
        ("startsWith(name, 'sea') OR endsWith(name, 'gpt')", "ab"),
        ("duration_ms > 1000", "a"),
        ("duration_ms between 30 and 3000", "ab"),
        ("1000 < duration_ms", "a"),
        ("duration_ns >= 2.5e9", "ac"),
        ("input_tokens + output_tokens > 100", "a"),
        ("(input_tokens - 20) / 2 = 50", "a"),
        ("input_tokens * 2 = 240 AND cost_usd = 0", "a"),
        ("attributes['n'] > 5", "ac"),
        ("attributes['n'] = 7", "a"),
        ("NOT attributes['n'] > 5", ""),
        ("attributes['n'] in (7, 12.5)", "ac"),
        ("attributes['n'] in ('7', 'many')", "ab"),
        ("attributes['n'] = 'many'", "b"),
        ("attributes['flag'] = true", "a"),
        ("attributes['flag'] != 'true'", "bc"),
        ("attributes['empty'] IS NOT NULL", "b"),
        ("attributes['missing'] IS NULL", "abc"),
        ("attributes['missing'] = ''", "abc"),
        ("attributes['missing'] > 0", ""),
        ("SpanAttributes['session.id'] = session_id AND session_id = 'S1'", "a"),
        ("start_time >= '2026-01-02'", "c"),
        ("start_time < '2026-01-01T11:00:01+01:00'", "a"),
        ("start_time = '2026-01-01T10:00:01Z'", "b"),
        ("start_time in ('2026-01-01 10:00:00', '2026-01-02 10:00:00')", "ac"),
        ("parent_span_id = ''", "a"),
        ("status_message = 'no index'", "b"),
        ("user_id = 'it''s'", "a"),
        (r"user_id = 'it\'s'", "a"),
        (r"attributes['path'] = 'C:\\temp'", "b"),
        (r"attributes['text'] = 'tab\there'", "c"),
        ("service = 'x' OR service = 'shop' AND kind = 'llm'", "a"),
        ("(service = 'billing' OR service = 'shop') AND kind = 'llm'", "a"),
        (" AND ".join(["service='shop'"] * 200), "ab"),
        ("name in (" + ", ".join(f"'{number}'" for number in range(400)) + ", 'search')", "b"),
    ],
)
async def test_a_filter_selects_what_it_says(spans: Database, text: str, ids: str) -> None:
    """Against real rows: spelling of names and enumerations does not matter, that of values does."""
    assert await selected(spans, text) == ids


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("name = 'x'' OR 1=1 --'", ""),
        (r"name = 'x\' OR 1=1 --'", ""),
        ("name = '); DROP TABLE otel_traces; --'", ""),
        ("attributes[''' OR 1=1 --'] = 'x'", ""),
        ("attributes['{trace:String}'] = 'x'", ""),
        ("name = '{f0:String}'", ""),
        ("name = '/*filter*/'", ""),
        ("name = 'search' OR name = '\\n\\t\\r\\0 \\x41'", "b"),
        ("name LIKE '%'' OR ''1''=''1'", ""),
    ],
)
async def test_text_that_looks_like_sql_is_only_text(spans: Database, text: str, ids: str) -> None:
    """Literals are bound: whatever they hold, they select by being equal."""
    assert await selected(spans, text) == ids
    assert await selected(spans, "") == "abc"


@pytest.mark.parametrize(
    ("text", "position", "message"),
    [
        ("servic = 'x'", 0, "unknown name 'servic'; did you mean 'service'?"),
        ("kind = 'llm' AND durationms_ > 5", 17, "unknown name 'durationms_'; did you mean 'DurationMs'?"),
        ("name = 'é🌍' AND nme = 'x'", 16, "unknown name 'nme'; did you mean 'name'?"),
        ("status = 'eror'", 9, "status is never 'eror'; did you mean 'Error'?"),
        ('service = "shop"', 10, "write columns alone and unquoted"),
        ("service", 0, "a condition is needed here, this is text"),
        ("service = 'x' AND 1", 18, "a condition is needed here, this is a number"),
        ("duration_ms > '5'", 14, "a number cannot be compared with text"),
        ("service = 5", 10, "text cannot be compared with a number"),
        ("kind = 'llm' AND service = true", 17, "not allowed in a filter (boolean)"),
        ("lower(duration_ms) = 'x'", 6, "text is needed here, this is a number"),
        ("service + 1 > 2", 0, "arithmetic is for numbers"),
        ("duration_ms IS NULL", 0, "a number is never NULL here"),
        ("kind = 'llm' AND name = NULL", 17, "NULL equals nothing"),
        ("start_time > 'yesterday'", 13, "a time is written like"),
        ("start_time > '0001-01-01'", 13, "times are between 1970 and 2261"),
        ("duration_ms > 1e999", 14, "this number is too large"),
        ("name LIKE 'x\\\\'", 10, "a pattern cannot end in a single backslash"),
        ("name LIKE service", 10, "LIKE takes a pattern"),
        ("name IN ()", 0, "IN takes a list of literals"),
        ("name IN (service)", 9, "IN takes a list of literals"),
        ("attributes = 'x'", 0, "name one attribute"),
        ("attribute.x = 'x'", 0, "'attribute' has no parts; did you mean 'attributes'?"),
        ("name = 'x' AND `attributes`.x = 'x'", 15, "only what follows the first dot may be quoted"),
        ("metadata = 'x'", 0, "name one entry: metadata.environment"),
        ("metdata.environment = 'x'", 0, "'metdata' has no parts; did you mean 'metadata'?"),
        ("metdata['environment'] = 'x'", 0, "'metdata' has no keys; did you mean 'metadata'?"),
        ("name = 'x' AND trace.statsu = 'OK'", 21, "a trace has no 'statsu'; did you mean 'status'?"),
        ("trace.status = 'DONE'", 15, "trace.status is never 'DONE'; known are ERROR, IN_PROGRESS, OK"),
        ("trace = 'x'", 0, "name something of the trace: trace.status"),
        ("trace.a.b = 'x'", 0, "'trace' has no parts"),
        ("metric.toxicity > 0.5", 0, "write metric.NAME.value, or one of value, label, status, explanation"),
        ("metric.toxicity.valu > 0.5", 16, "a result has no 'valu'; did you mean 'value'?"),
        ("metric.toxicity.a.b > 0.5", 0, "write metric.NAME.value"),
        ("metric > 0.5", 0, "name a metric and what of its result: metric.toxicity.value"),
        ("metric.toxicity.value > 'x'", 24, "a number cannot be compared with text"),
        ("metric.toxicity.status = 'fail'", 25, "metric.toxicity.status is never 'fail'; did you mean 'failed'?"),
        ("tags > 'x'", 0, "write has(tags, 'x'), tags = 'x' or tags IN ('x', 'y')"),
        ("has(tags, name)", 10, "write has(tags, 'x')"),
        ("has(name, 'x')", 4, "write has(tags, 'x')"),
        ("tags LIKE 'x%'", 0, "write has(tags, 'x')"),
        ("'x' IN name", 7, "IN takes a list of literals"),
        ("attributes[1] = 'x'", 0, "an attribute's key is one text"),
        ("attribute['x'] = 'x'", 0, "'attribute' has no keys; did you mean 'attributes'?"),
        ("service = 'x' AND", 14, "something is missing after this"),
        ("service =\n\n= 'x'", 11, "something is missing after this"),
        ("service = 'x", 10, "a quote or comment is not closed"),
        ("service 'x'", 8, "this was not expected here"),
        ("a" * 5000, 4096, "is 5000 characters long; at most 4096"),
        ("(" * 40 + "true" + ")" * 40, 32, "nested more than 32 deep"),
        ("NOT " * 40 + "true", 128, "nested more than 32 deep"),
        ("- " * 40 + "1 > 0", 64, "nested more than 32 deep"),
        ("lower(" * 33 + "name" + ")" * 33, 197, "nested more than 32 deep"),
        ("case when " * 400, 0, "nested too deeply"),
        ("x=1 or " * 500 + "x=1", 1750, "more than 1000 words"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(text: str, position: int, message: str) -> None:
    """Positions count characters from 0, so that a caret can be drawn."""
    with pytest.raises(InvalidFilter) as raised:
        compile_filter(text, Level.SPAN)
    assert (raised.value.position, raised.value.field) == (position, "rule.filter")
    assert raised.value.reason.startswith(message)


@pytest.mark.parametrize(
    "text",
    [
        "1; DROP TABLE otel_traces",
        "true; SELECT 1",
        ";",
        "DROP TABLE otel_traces",
        "SELECT 1",
        "(SELECT 1)",
        "(SELECT count() FROM system.users) > 0",
        "name IN (SELECT name FROM system.tables)",
        "name = ANY (SELECT 1)",
        "EXISTS (SELECT 1)",
        "true UNION ALL SELECT 1",
        "true UNION SELECT 1",
        "true) UNION ALL (SELECT 1",
        "true) OR (1=1",
        "true INTERSECT SELECT 1",
        "true SETTINGS readonly = 0",
        "true FORMAT JSON",
        "true INTO OUTFILE '/tmp/x'",
        "true LIMIT 1",
        "true -- rest",
        "true /* rest */",
        "/* all */",
        "-- all",
        "# all",
        "true # rest",
        "/* open",
        "file('/etc/passwd') = 'x'",
        "url('http://127.0.0.1') = 'x'",
        "remote('127.0.0.1', system.one) = 1",
        "sleep(3) = 0",
        "sleepEachRow(3) = 0",
        "dictGet('d', 'a', 1) = 1",
        "currentUser() = 'x'",
        "getSetting('x') = 'x'",
        "generateRandomStructure(1) = 'x'",
        "throwIf(1) = 0",
        "count() > 1",
        "any(name) = 'x'",
        "row_number() OVER () > 1",
        "arrayExists(x -> 1, [1]) = 1",
        "x -> 1",
        "cast(name AS UInt64) = 1",
        "name::UInt64 = 1",
        "CASE WHEN true THEN true ELSE false END",
        "true ? true : false",
        "`ServiceName` = 'x'",
        "\"ServiceName\" = 'x'",
        "`x` OR 1=1",
        "system.users.name = 'x'",
        "otel_traces.ServiceName = 'x'",
        "IngestedAt > '2026-01-01'",
        "EvalKeys = 'x'",
        "_part = 'x'",
        "{f0:String} = 'x'",
        "{name:Identifier} = 'x'",
        "name = ?",
        "name = @x",
        "@@version = 'x'",
        "name = $$x$$",
        "name = 'a' 'b'",
        "name = x'41'",
        "name = 0x41",
        "name || 'x' = 'x'",
        "name REGEXP 'x'",
        "name LIKE 'x' ESCAPE '#'",
        "name GLOBAL IN ('x')",
        "name IN 'x'",
        "name IN tuple('x')",
        "(name, service) = ('a', 'b')",
        "[1] = 1",
        "* = 1",
        "name = 'x' AS y",
        "name COLLATE 'en' = 'x'",
        "INTERVAL 1 DAY > 3",
        "duration_ms % 0 = 1",
        "duration_ms DIV 0 = 1",
        "attributes['a']['b'] = 'x'",
        "attributes[name] = 'x'",
        "attributes['a', 'b'] = 'x'",
        "Events.Name['x'] = 'x'",
        "true\x00",
        "\x00",
        "\ud800",
    ],
)
@pytest.mark.parametrize("level", list(Level))
def test_whatever_is_not_on_the_list_is_refused(text: str, level: Level) -> None:
    """Statements, sub-queries, functions, other columns, placeholders, comments: none of it is compiled."""
    with pytest.raises(InvalidFilter) as raised:
        compile_filter(text, level)
    assert 0 <= raised.value.position <= len(text)


def test_nothing_of_the_text_reaches_the_sql() -> None:
    """Names come from our table in our spelling, literals are parameters, keywords are ours."""
    text = "sErViCe = 'xyzzy' and AtTributes['plugh'] > 4711 or lOwer(NAME) like '%plover%'"
    sql = (
        "ifNull((((`ServiceName` = {f0:String}) AND (toFloat64OrNull(`SpanAttributes`[{f1:String}]) > {f2:Int64})) "
        "OR (lowerUTF8(`SpanName`) LIKE {f3:String})), 0)"
    )
    reads = {"sErViCe": "`ServiceName`", "AtTributes['plugh']": "`SpanAttributes`[{f1:String}]", "NAME": "`SpanName`"}
    assert compile_filter(text, Level.SPAN) == CompiledFilter(
        sql=sql,
        parameters={"f0": "xyzzy", "f1": "plugh", "f2": 4711, "f3": "%plover%"},
        before_sql=sql,
        clauses=(Clause(text=text, sql=sql, reads=reads),),
    )


async def test_every_documented_span_column_exists(spans: Database) -> None:
    """Each in a comparison of its type, over the table that the rules read."""
    for column in SPAN_COLUMNS:
        for name in (column.name, *column.aliases):
            literal = {"text": f"'{next(iter(column.values), 'x')}'", "a number": "1", "a time": "'2026-01-01'"}
            await selected(spans, f"{name} = {literal[column.type]}")


async def test_every_documented_trace_column_exists_in_the_query_of_rules(spans: Database) -> None:
    """In the query that selects candidates: one trace of three spans, two services, one error, rooted at `chat gpt`."""
    for column in TRACE_COLUMNS:
        for name in (column.name, *column.aliases):
            literal = {"text": f"'{next(iter(column.values), 'x')}'", "a number": "1", "a time": "'2026-01-01'"}
            await candidates(spans, f"{name} = {literal[column.type]}")
    shape = "spans = 3 AND roots = 1 AND services = 2 AND error_spans = 1 AND llm_spans = 1 AND input_tokens = 120"
    root = (
        "name = 'chat gpt' AND service = 'shop' AND status = 'ok' AND attributes['n'] = 7 AND start_time < '2026-01-02'"
    )
    assert await candidates(spans, f"{shape} AND {root}") == [TRACE]
    assert await candidates(spans, "error_spans = 0") == []


async def candidates(database: Database, text: str) -> list[str]:
    """Traces that a trace rule with this filter would take."""
    compiled = compile_filter(text, Level.TRACE)
    wanted = Candidates(
        level=Level.TRACE, sample_ppm=1_000_000, filter_sql=compiled.sql, filter_parameters=compiled.parameters
    )
    record = await located(database, TargetRef(level=Level.TRACE, trace_id=TRACE))
    found = await ClickHouseQueue(database).candidates([Ready(record=record, ready_ms=0)], [wanted])
    return [each.record.ref.trace_id for each in found]
