"""Column names, types and order of what the receiver writes, in one place.  `verify` compares them with a server's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from storage.errors import SchemaError
from storage.telemetry import TelemetryTable

STRING = "String"
WORD = "LowCardinality(String)"
MAP = "Map(LowCardinality(String), String)"
TIME = "DateTime64(9)"


class Column(NamedTuple):
    """A column as ClickHouse names and types it; nested columns travel flattened."""

    name: str
    type: str


_REQUEST = (Column("RequestDigest", "FixedString(16)"), Column("RequestRows", "UInt32"))

# MATERIALIZED columns: ClickHouse computes them where they are not sent (ADR 0010), and a test compares the two.
DERIVED = (
    Column("SessionId", STRING),
    Column("UserId", STRING),
    Column("ObservationKind", WORD),
    Column("Model", WORD),
    Column("InputTokens", "UInt64"),
    Column("OutputTokens", "UInt64"),
    Column("CostUsd", "Float64"),
    Column("Environment", WORD),
    Column(
        "Derived",
        f"Tuple(Operation {WORD}, RequestModel {WORD}, ResponseModel {WORD}, Provider {WORD}, ErrorType {WORD}, "
        f"AgentName {WORD}, ToolName {WORD}, CacheReadInputTokens UInt64, ReasoningOutputTokens UInt64)",
    ),
)

TRACES = (
    Column("Timestamp", TIME),
    Column("TraceId", STRING),
    Column("SpanId", STRING),
    Column("ParentSpanId", STRING),
    Column("TraceState", STRING),
    Column("SpanName", WORD),
    Column("SpanKind", WORD),
    Column("ServiceName", WORD),
    Column("ResourceAttributes", MAP),
    Column("ScopeName", STRING),
    Column("ScopeVersion", STRING),
    Column("SpanAttributes", MAP),
    Column("Duration", "UInt64"),
    Column("StatusCode", WORD),
    Column("StatusMessage", STRING),
    Column("Events.Timestamp", f"Array({TIME})"),
    Column("Events.Name", f"Array({WORD})"),
    Column("Events.Attributes", f"Array({MAP})"),
    Column("Links.TraceId", f"Array({STRING})"),
    Column("Links.SpanId", f"Array({STRING})"),
    Column("Links.TraceState", f"Array({STRING})"),
    Column("Links.Attributes", f"Array({MAP})"),
    *DERIVED,
    *_REQUEST,
)

# TimestampTime is left to its default, toDateTime(Timestamp), as the Collector's exporter leaves it.
LOGS = (
    Column("Timestamp", TIME),
    Column("TraceId", STRING),
    Column("SpanId", STRING),
    Column("TraceFlags", "UInt8"),
    Column("SeverityText", WORD),
    Column("SeverityNumber", "UInt8"),
    Column("ServiceName", WORD),
    Column("Body", STRING),
    Column("ResourceSchemaUrl", WORD),
    Column("ResourceAttributes", MAP),
    Column("ScopeSchemaUrl", WORD),
    Column("ScopeName", STRING),
    Column("ScopeVersion", WORD),
    Column("ScopeAttributes", MAP),
    Column("LogAttributes", MAP),
    Column("EventName", STRING),
    *_REQUEST,
)

TABLES: Mapping[TelemetryTable, tuple[Column, ...]] = {"otel_traces": TRACES, "otel_logs": LOGS}


def verify(table: TelemetryTable, described: Mapping[str, str]) -> None:
    """Compare with name -> type of `DESCRIBE TABLE`; columns that we do not write are no concern of ours.

    Raises:
        SchemaError: Columns are missing or of another type; names all of them.
    """
    # Tuples come on a line for each element.
    types = {name: " ".join(shown.split()).replace("( ", "(") for name, shown in described.items()}
    wrong = [
        f"{column.name} {column.type} (the server has {types.get(column.name, 'no such column')})"
        for column in TABLES[table]
        if types.get(column.name) != column.type
    ]
    if wrong:
        raise SchemaError(f"{table} lacks what the receiver writes: {'; '.join(wrong)}. Run `assay migrate`.")
