"""Columns that ClickHouse derives, and the table of dialects that they come from."""

from __future__ import annotations

import uuid
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from evaluator.targets.normalise import normalise_span
from storage.clickhouse.client import Database, code_of
from storage.clickhouse.derived import statement
from storage.clickhouse.migrate import shipped
from storage.clickhouse.telemetry import ClickHouseSink
from storage.dialects.derive import Derived, Together
from storage.dialects.sql import derived_columns
from storage.errors import Rejected
from storage.model import StoredSpan
from storage.otlp import native
from storage.otlp.columns import TRACES
from storage.otlp.reference import span_rows, translate_traces
from storage.otlp.stored import stored_spans

CAPTURES = sorted((Path(__file__).parents[2] / "examples" / "captures").rglob("*.pb"))
SPANS = [path for path in CAPTURES if not path.name.endswith(".logs.pb")]


def test_the_newest_migration_of_derived_columns_is_what_the_table_of_dialects_says_now() -> None:
    """Whoever changes a dialect so that a column changes writes a migration."""
    newest = [migration for migration in shipped() if migration.name.startswith("derived_columns")][-1]
    assert newest.statement == statement(), "run `python -m storage.clickhouse.derived` into a new migration file"


KNOWN = {
    ("streaming response from {request_data[model]!r} took {duration:.2f}s", "ResponseModel"),
    ("OpenAI._prepare_chat_with_tools", "ObservationKind"),
}
"""(span name, column) where the record decodes messages to know better: a copied model, a prompt that is prepared."""


@pytest.mark.parametrize(
    "body", [path.read_bytes() for path in SPANS], ids=[f"{p.parent.name}-{p.stem}" for p in SPANS]
)
async def test_columns_of_real_captures_say_what_the_normalised_record_says(database: Database, body: bytes) -> None:
    """A column may lack what stands inside JSON; it never says anything else than the record.

    Sent by the receiver; `test_dialects_derive.py` shows that ClickHouse computes the same.
    """
    await ClickHouseSink(database).insert("otel_traces", [translate_traces(body).block], token="")
    spans = stored_spans(body)
    rows = await database.query(
        f"SELECT SpanId, {', '.join(_said(spans[0]))} FROM otel_traces WHERE TraceId IN {{ids:Array(String)}}",
        {"ids": sorted({span.trace_id for span in spans})},
    )
    found = {row.pop("SpanId"): row for row in rows}
    assert found.keys() == {span.span_id for span in spans}
    otherwise = {
        (span.name, column, found[span.span_id][column], said)
        for span in spans
        for column, said in _said(span).items()
        if found[span.span_id][column] not in ("", 0, said) and (span.name, column) not in KNOWN
    }
    assert otherwise == set()
    assert {span_id: row["SessionId"] for span_id, row in found.items()} == {
        span.span_id: _said(span)["SessionId"] for span in spans
    }


def _said(span: StoredSpan) -> dict[str, str | float]:
    """Column -> what the record says."""
    record = normalise_span(span)
    usage = record.usage or record.usage_aggregate
    return {
        "SessionId": record.session_id or "",
        "UserId": record.user_id or "",
        "ObservationKind": "" if record.kind == "other" else record.kind,
        "RequestModel": record.request_model or "",
        "ResponseModel": record.response_model or "",
        "Provider": record.provider or "",
        "InputTokens": usage.get("input_tokens", 0),
        "OutputTokens": usage.get("output_tokens", 0),
        "CacheReadInputTokens": usage.get("cache_read_input_tokens", 0),
        "ReasoningOutputTokens": usage.get("reasoning_output_tokens", 0),
        "CostUsd": record.cost_usd or 0.0,
        "AgentName": record.agent_name or "",
        "ToolName": record.tool_name or "",
        "ErrorType": record.error_type or "",
    }


SENT = {
    "SessionId": "sent-session", "UserId": "sent-user", "ObservationKind": "sent-kind", "Model": "sent-model",
    "InputTokens": 1, "OutputTokens": 2, "CostUsd": 0.5, "Environment": "sent-environment",
    "Operation": "sent-operation", "RequestModel": "asked", "ResponseModel": "answered", "Provider": "sent-provider",
    "ErrorType": "sent-error", "AgentName": "sent-agent", "CacheReadInputTokens": 3, "ReasoningOutputTokens": 4,
}  # fmt: skip


async def test_what_the_receiver_sends_is_stored_and_no_expression_is_asked(database: Database) -> None:
    """Values that no expression would give, and the rollups read them: that saves every INSERT 50 ms of CPU."""
    row = span_rows(next(path for path in SPANS if "openai" in path.parent.name).read_bytes())[0][0]
    derived = Derived(
        b"sent-session", b"sent-user", b"sent-kind", b"sent-model", 1, 2, 0.5, b"sent-environment",
        Together(
            b"sent-operation", b"asked", b"answered", b"sent-provider", b"sent-error", b"sent-agent", b"not shown", 3, 4
        ),
    )  # fmt: skip
    row = row._replace(trace_id=b"5e" * 16)
    block = native.block(TRACES, [(*row[:-2], *derived, *row[-2:])])
    await ClickHouseSink(database).insert("otel_traces", [block], token="")
    where = f"FROM otel_traces WHERE TraceId = '{'5e' * 16}'"
    assert await database.query(f"SELECT {', '.join(SENT)} {where}") == [SENT]
    sessions = await database.query(f"SELECT SessionId FROM session_traces WHERE TraceId = '{'5e' * 16}'")
    assert sessions == [{"SessionId": "sent-session"}]


async def test_the_receiver_needs_no_more_than_insert(database: Database, database_url: str) -> None:
    """As a user of its own, where the server lets one be made (the embedded one reads its users from a file)."""
    user = f"receiver_{uuid.uuid4().hex[:8]}"
    try:
        await database.execute(f"CREATE USER {user} IDENTIFIED BY 'Receiver-1234'")
    except Rejected as error:
        if code_of(error) != 514:
            raise
        pytest.skip("this server's users are a file")
    await database.execute(f"GRANT INSERT ON otel_traces TO {user}")
    own = urlsplit(database_url)
    url = urlunsplit(own._replace(netloc=f"{user}:Receiver-1234@{own.hostname}:{own.port}"))
    async with Database(url) as receiver:
        await ClickHouseSink(receiver).insert("otel_traces", [translate_traces(SPANS[0].read_bytes()).block], token="")
    await database.execute(f"DROP USER {user}")


async def test_rows_that_are_older_than_a_column_have_it_too(database: Database) -> None:
    """What was stored before the columns came is read through the same expression."""
    await database.execute("CREATE TABLE older AS otel_traces")
    newer = [column.name for column in derived_columns() if column.default == "ALIAS"]
    await database.execute(f"ALTER TABLE older {', '.join(f'DROP COLUMN {name}' for name in [*newer, 'Derived'])}")
    await database.insert_rows("older", ("Timestamp", "SpanAttributes"), [(1, {"gen_ai.system": "OpenAI"})])
    await database.execute(statement().replace("otel_traces", "older"))
    assert await database.query("SELECT Provider, Operation FROM older") == [{"Provider": "openai", "Operation": ""}]


async def test_the_migration_may_be_repeated(database: Database) -> None:
    """A crash between a statement and its record makes it run again."""
    before = await database.query("DESCRIBE TABLE otel_traces")
    await database.execute(statement())
    assert await database.query("DESCRIBE TABLE otel_traces") == before
