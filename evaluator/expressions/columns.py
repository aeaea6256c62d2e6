"""What users' SQL may name: columns per level, their aliases, maps of attributes.  SQL comes only from here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from storage.model import Level


class Type(StrEnum):
    """Type of an expression."""

    CONDITION = "a condition"
    TEXT = "text"
    NUMBER = "a number"
    TIME = "a time"
    ATTRIBUTE = "an attribute"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column: its SQL, its type, the friendly names it goes by, and its values where there are only a few."""

    name: str
    sql: str
    type: Type
    aliases: tuple[str, ...] = ()
    values: tuple[str, ...] = ()


STATUS_CODES = ("Unset", "Ok", "Error")
SPAN_KINDS = ("Unspecified", "Internal", "Server", "Client", "Producer", "Consumer")
OBSERVATION_KINDS = (
    "llm", "retriever", "tool", "agent", "chain", "embedding", "reranker", "guardrail", "evaluator", "other", "",
)  # fmt: skip

ATTRIBUTE_MAPS: Mapping[str, str] = {
    "attributes": "`SpanAttributes`",
    "spanattributes": "`SpanAttributes`",
    "resource": "`ResourceAttributes`",
    "resourceattributes": "`ResourceAttributes`",
}


def _text(name: str, *aliases: str, values: tuple[str, ...] = ()) -> Column:
    return Column(name=name, sql=f"`{name}`", type=Type.TEXT, aliases=aliases, values=values)


def _number(name: str, *aliases: str, sql: str = "") -> Column:
    return Column(name=name, sql=sql or f"`{name}`", type=Type.NUMBER, aliases=aliases)


# A Duration near 2^64 is an end before the start: 0, as in the rollup of traces.
_DURATION_MS = "(if(`Duration` < 2592000000000000, `Duration`, 0) / 1000000)"

SPAN_COLUMNS = (
    Column(name="Timestamp", sql="`Timestamp`", type=Type.TIME, aliases=("start_time",)),
    _text("TraceId", "trace_id"),
    _text("SpanId", "span_id"),
    _text("ParentSpanId", "parent_span_id"),
    _text("SpanName", "name", "span_name"),
    _text("SpanKind", "span_kind", values=SPAN_KINDS),
    _text("ServiceName", "service", "service_name"),
    _number("Duration", "duration_ns"),
    _number("DurationMs", "duration_ms", sql=_DURATION_MS),
    _text("StatusCode", "status", "status_code", values=STATUS_CODES),
    _text("StatusMessage", "status_message"),
    _text("ScopeName", "scope", "scope_name"),
    _text("SessionId", "session_id"),
    _text("UserId", "user_id"),
    _text("ObservationKind", "kind", "observation_kind", values=OBSERVATION_KINDS),
    _text("Model", "model"),
    _number("InputTokens", "input_tokens"),
    _number("OutputTokens", "output_tokens"),
    _number("CostUsd", "cost_usd"),
    _text("Environment", "environment"),
    _text("Operation", "operation"),
    _text("RequestModel", "request_model"),
    _text("ResponseModel", "response_model"),
    _text("Provider", "provider"),
    _text("ErrorType", "error_type"),
    _text("AgentName", "agent_name"),
    _text("ToolName", "tool_name"),
    _number("CacheReadInputTokens", "cache_read_input_tokens"),
    _number("ReasoningOutputTokens", "reasoning_output_tokens"),
)

# The last group is the root span's (the earliest span where no root came), and so are the attributes.
TRACE_COLUMNS = (
    Column(name="Start", sql="`Start`", type=Type.TIME, aliases=("start_time",)),
    _text("TraceId", "trace_id"),
    _number("Spans"),
    _number("Roots"),
    _number("Services"),
    _number("ErrorSpans", "error_spans"),
    _number("LlmSpansReported", "llm_spans"),
    _number("InputTokensReported", "input_tokens"),
    _number("OutputTokensReported", "output_tokens"),
    _number("CostUsdReported", "cost_usd"),
    _number("DurationMs", "duration_ms"),
    _text("Environment", "environment"),
    _text("SessionId", "session_id"),
    _text("UserId", "user_id"),
    _text("RootService", "service", "service_name", "root_service"),
    _text("RootName", "name", "root_name"),
    _text("StatusCode", "status", "status_code", values=STATUS_CODES),
    _text("StatusMessage", "status_message"),
    _text("SpanKind", "span_kind", values=SPAN_KINDS),
    _text("ObservationKind", "kind", "observation_kind", values=OBSERVATION_KINDS),
    _text("ScopeName", "scope", "scope_name"),
    _text("Model", "model"),
)


def columns_of(level: Level) -> Mapping[str, Column]:
    """Every name that may be used at a level, in lower case: names do not depend on case."""
    columns = SPAN_COLUMNS if level is Level.SPAN else TRACE_COLUMNS
    return {name.lower(): column for column in columns for name in (column.name, *column.aliases)}
