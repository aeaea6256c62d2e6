"""Results of other metrics in a filter: those that count for the target itself, as its attributes show them."""

from __future__ import annotations

from collections.abc import Mapping

from evaluator.expressions.columns import Type
from evaluator.online.rules.filter_sql import Sql
from storage.model import Level, Status

RESULT_FIELDS: Mapping[str, tuple[str, Type]] = {
    "value": ("`Value`", Type.NUMBER),
    "label": (
        "nullIf(multiIf(`Label` != '', toString(`Label`), notEmpty(`Labels`), toJSONString(`Labels`), `Text`), '')",
        Type.TEXT,
    ),
    "status": ("toString(`Status`)", Type.TEXT),
    "explanation": ("nullIf(`Explanation`, '')", Type.TEXT),
}
"""What a filter may read of a result, its SQL over `evaluations_current`, and its type."""

_STATUSES = tuple(map(str, (Status.SUCCESS, Status.FAILED, Status.NOT_COMPUTED, Status.NOT_APPLICABLE)))
_KEYS: Mapping[Level, tuple[str, str]] = {
    Level.SPAN: ("concat(`TraceId`, ':', `SpanId`)", "`TraceId` IN {trace_ids:Array(String)}"),
    Level.TRACE: ("`TraceId`", "`TraceId` IN {trace_ids:Array(String)}"),
    Level.SESSION: ("`SessionId`", "`SessionId` IN {session_ids:Array(String)}"),
}
"""The target as a text, and how a page of targets bounds what is read: the query that runs the filter binds it."""


def result_sql(metric: str, what: str, level: Level, *, shown: str) -> Sql:
    """A field of the automatic result of a metric on the target; NULL where there is none.

    The newest version that has an outcome counts, as on the target's attributes.  The set is read once per query:
    `transform` with constant arrays looks up in a hash table.

    Args:
        metric: Its slug as a parameter.
    """
    sql, type_ = RESULT_FIELDS[what]
    key, page = _KEYS[level]
    rows = (
        f"(SELECT groupArray((k, r.1)) FROM (SELECT {key} AS k, "
        f"argMax(tuple({sql}), (`Status` != 'failed', `MetricVersion`, `Rank`)) AS r FROM evaluations_current "
        f"WHERE `MetricName` = {metric} AND `Level` = '{level}' AND `SourceClass` = 'auto' AND {page} GROUP BY k))"
    )
    text = f"transform({key}, arrayMap(row -> row.1, {rows}), arrayMap(row -> row.2, {rows}), NULL)"
    values = _STATUSES if what == "status" else ()
    return Sql(text, type_, nullable=True, missing=f"isNull({text})", name=shown, values=values)
