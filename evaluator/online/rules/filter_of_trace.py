"""`trace.…` in a filter: of a trace or session rule the trace itself, of a span rule the one that it belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from evaluator.expressions.columns import TRACE_COLUMNS, Column, Type

TRACE_STATUSES = ("OK", "ERROR", "IN_PROGRESS")
_ANCHOR = "if(sum(x.Roots) > 0, min(x.Root), min(x.LocalRoot))"
_ROLLED_UP: Mapping[str, str] = {
    "Start": "min(x.Start)",
    "TraceId": "TraceId",
    "Spans": "sum(x.Spans)",
    "Roots": "sum(x.Roots)",
    "Services": "length(groupUniqArrayArray(x.ServiceNames))",
    "ErrorSpans": "sum(x.ErrorSpans)",
    "LlmSpansReported": "sum(x.LlmSpansReported)",
    "InputTokensReported": "sum(x.InputTokensReported)",
    "OutputTokensReported": "sum(x.OutputTokensReported)",
    "CostUsdReported": "sum(x.CostUsdReported)",
    "DurationMs": "dateDiff('millisecond', min(x.Start), max(x.End))",
    "Environment": "toString(max(x.Environment))",
    "SessionId": "max(x.SessionId)",
    "UserId": "max(x.UserId)",
    "RootService": f"toString(tupleElement({_ANCHOR}, 3))",
    "RootName": f"toString(tupleElement({_ANCHOR}, 4))",
}
"""Columns of a trace that its rollup has; the others are its root span's."""
_DEFAULTS: Mapping[Type, str] = {Type.TEXT: "''", Type.NUMBER: "0", Type.TIME: "toDateTime64(0, 9, 'UTC')"}
_TRACES = "{trace_ids:Array(String)}"


@cache
def trace_columns() -> Mapping[str, Column]:
    """What may follow `trace.`, in lower case.

    `status` is not the code of the root span but what became of the trace, and there are two names of MLflow's search.
    """
    columns = {name.lower(): each for each in TRACE_COLUMNS for name in (each.name, *each.aliases)}
    return columns | {
        "status": Column(name="status", sql="", type=Type.TEXT, values=TRACE_STATUSES),
        "execution_time_ms": columns["durationms"],
    }


def of_trace_itself(column: Column) -> str:
    """SQL of a column of a trace, where that is what the filter is about."""
    return _status("`Roots`", "`StatusCode`") if column.name == "status" else column.sql


def of_trace(column: Column) -> str:
    """SQL of a column of the trace of a span; it is looked up in what is read once for the page of traces."""
    if column.name == "status":
        return _status(_looked_up("Roots", Type.NUMBER), _looked_up("StatusCode", Type.TEXT))
    return _looked_up(column.name, column.type)


def _status(roots: str, code: str) -> str:
    """An error of the root span is the trace's; a root that says nothing (`Unset`) ended without one."""
    return f"multiIf({roots} = 0, 'IN_PROGRESS', {code} = 'Error', 'ERROR', 'OK')"


def _looked_up(name: str, type_: Type) -> str:
    rows = f"(SELECT groupArray((k, v)) FROM ({_of_rollup(name) if name in _ROLLED_UP else _of_root(name)}))"
    keys, values = (f"arrayMap(row -> row.{place}, {rows})" for place in (1, 2))
    return f"transform(`TraceId`, {keys}, {values}, {_DEFAULTS[type_]})"


def _of_rollup(name: str) -> str:
    return (
        f"SELECT TraceId AS k, {_ROLLED_UP[name]} AS v FROM traces_rollup AS x WHERE TraceId IN {_TRACES} GROUP BY k "
        "HAVING sum(x.Spans) > 0"
    )


def _of_root(name: str) -> str:
    """Of the root span, or of the earliest where no root came; of several copies the first that arrived."""
    return (
        f"SELECT TraceId AS k, argMin(toString(`{name}`), `IngestedAt`) AS v FROM otel_traces "
        f"WHERE TraceId IN {_TRACES} "
        "AND `Timestamp` >= fromUnixTimestamp64Nano({first_ns:Int64}) "
        "AND `Timestamp` <= fromUnixTimestamp64Nano({last_ns:Int64}) AND (TraceId, SpanId) IN ("
        f"SELECT TraceId, tupleElement({_ANCHOR}, 2) FROM traces_rollup AS x "
        f"WHERE TraceId IN {_TRACES} GROUP BY TraceId) GROUP BY k"
    )
