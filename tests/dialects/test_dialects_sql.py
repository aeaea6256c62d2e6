"""The derived columns: what SQL reads is what the table says."""

from __future__ import annotations

import json
import re

import pytest

from evaluator.targets.normalise import normalise_span
from storage.clickhouse.client import Database
from storage.dialects.sql import column_expressions
from storage.model import StoredSpan

REPRESENTATIVE = {
    "SessionId": ["session.id", "gen_ai.conversation.id", "traceloop.association.properties.session_id"],
    "UserId": ["user.id", "traceloop.association.properties.user_id"],
    "ObservationKind": ["openinference.span.kind", "gen_ai.operation.name", "traceloop.span.kind", "llm.request.type"],
    "Model": ["gen_ai.response.model", "gen_ai.request.model", "llm.model_name"],
    "InputTokens": ["gen_ai.usage.input_tokens", "llm.token_count.prompt", "gen_ai.usage.prompt_tokens"],
    "OutputTokens": ["gen_ai.usage.output_tokens", "llm.token_count.completion", "gen_ai.usage.completion_tokens"],
    "CostUsd": ["llm.cost.total", "gen_ai.usage.cost"],
    "Environment": ["deployment.environment.name", "deployment.environment"],
}
"""Keys of the expressions that the first migration has."""


def test_every_key_of_the_first_migration_is_read() -> None:
    """The generated columns may know more, never less."""
    expressions = column_expressions()
    read = {
        column: {key for text in re.findall(r"'([^']*)'", expression) for key in text.split("|")}
        for column, expression in expressions.items()
    }
    assert {column: sorted(set(keys) - read[column]) for column, keys in REPRESENTATIVE.items()} == {
        column: [] for column in REPRESENTATIVE
    }


SPANS = (
    {
        "openinference.span.kind": "LLM",
        "llm.model_name": "m",
        "llm.token_count.prompt": "7",
        "session.id": "s",
        "user.id": "u",
    },
    {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "a",
        "gen_ai.response.model": "b",
        "gen_ai.usage.output_tokens": "3",
    },
    {"traceloop.span.kind": "workflow", "traceloop.association.properties.session_id": "s2"},
    {"gen_ai.operation.name": "create_agent"},
    {"mlflow.spanType": '"RETRIEVER"'},
    {"haystack.component.type": "OpenAIChatGenerator"},
    {"gen_ai.tool.name": "f"},
    {"gen_ai.tool.name": "f", "gen_ai.operation.name": "chat"},
    {"session.id": "[Scrubbed due to 'session']"},
    {"http.method": "POST"},
)


@pytest.mark.parametrize("attributes", SPANS, ids=lambda attributes: next(iter(attributes)))
async def test_sql_and_python_read_the_same(attributes: dict[str, str], database: Database) -> None:
    """The generated expressions run on the real engine and agree with the records."""
    record = normalise_span(StoredSpan(trace_id="a" * 32, span_id="b" * 16, name="x", attributes=attributes))
    expressions = column_expressions()
    literal = ", ".join(f"{_quoted(key)}, {_quoted(value)}" for key, value in attributes.items())
    wanted = ("SessionId", "UserId", "ObservationKind", "InputTokens", "OutputTokens")
    columns = ", ".join(f"{expressions[column]} AS {column}" for column in wanted)
    sql = (
        f"SELECT {columns} FROM (SELECT map({literal}) AS SpanAttributes, "
        "CAST(map(), 'Map(String, String)') AS ResourceAttributes, 'x' AS SpanName, 'demo' AS ScopeName)"
    )
    row = json.loads(await database.text(sql, output_format="JSONEachRow"))
    usage = record.usage or record.usage_aggregate
    assert {**row, "InputTokens": int(row["InputTokens"]), "OutputTokens": int(row["OutputTokens"])} == {
        "SessionId": record.session_id or "",
        "UserId": record.user_id or "",
        "ObservationKind": "" if record.kind == "other" else record.kind,
        "InputTokens": usage.get("input_tokens", 0),
        "OutputTokens": usage.get("output_tokens", 0),
    }


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
