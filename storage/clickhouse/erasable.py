"""Which rows of every table belong to what is erased.  A migration that makes a table adds it here, or a test fails.

Conditions are ClickHouse's, over the plan of one erasure: rows (Request, Kind, Id) of the table `erasing`, which this
module's texts name as `{traces}`, `{sessions}` and so on.  Ids stand in no statement, because statements are kept:
mutations in files of the table, all others in the server's query log.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from storage.dialects.table import keys_of

PLANNED: Final[Mapping[str, str]] = {
    "traces": "trace",  # everything about them goes
    "sessions": "session",  # what was concluded about them as a whole goes: they lose a trace
    "neighbours": "neighbour",  # traces of those sessions that stay: results of the session may stand on their spans
    "evaluations": "evaluation",  # results about those sessions
}
"""Name in a condition -> Kind in the plan."""
FURTHER_KEYS: Final = {
    "user": r"(?i)(^|[._:])(end)?user[._]?id$",
    "session": r"(?i)(^|[._:])(session|conversation)[._]?id$|(^|[._:])thread(_id|Id)$",
}
"""Senders' own keys, which the derived columns do not read; `thread.id` is a number of the operating system."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasable:
    """How one table forgets.

    Attributes:
        rows: Condition of the rows that go.
        assignments, changed: Rows that stay and lose a part: what is assigned, on which condition.
        source: It holds telemetry, from which results are made: it goes first, so that no new ones begin.
    """

    rows: str
    assignments: str = ""
    changed: str = ""
    source: bool = False


def names_root(kind: str, attributes: str) -> str:
    """Whether a map of attributes names the asked session or user, under any key that says so.

    Args:
        kind: `session` or `user`; the condition is false where the other was asked for.
        attributes: A column of attributes; its index over values is used.
    """
    root = f"{{root_{kind}}}"
    keys = ", ".join(f"'{key}'" for key in dict.fromkeys(key for _, key in keys_of(f"{kind}_id")))
    wanted = f"has([{keys}], k) OR match(k, '{FURTHER_KEYS[kind]}')"
    return (
        f"({root} != '' AND has(mapValues({attributes}), {root}) "
        f"AND arrayExists((k, v) -> v = {root} AND ({wanted}), mapKeys({attributes}), mapValues({attributes})))"
    )


def _untraced(*attributes: str) -> str:
    """Rows without a trace id that name the asked session or user themselves."""
    named = " OR ".join(names_root(kind, column) for kind in ("session", "user") for column in attributes)
    return f"(TraceId = '' AND ({named}))"


_SESSION_RESULT = "startsWith(k, 'gen_ai.evaluation.session.')"
_RESULT = "TraceId IN {traces} OR AnchorTraceId IN {traces} OR (Level = 'session' AND SessionId IN {sessions})"

ERASED: Final[Mapping[str, Erasable]] = {
    "otel_traces": Erasable(
        rows=f"TraceId IN {{traces}} OR {_untraced('SpanAttributes', 'ResourceAttributes')}",
        assignments=(
            f"EvalKeys = arrayFilter(k -> NOT {_SESSION_RESULT}, EvalKeys), "
            f"EvalValues = arrayFilter((v, k) -> NOT {_SESSION_RESULT}, EvalValues, EvalKeys)"
        ),
        changed=f"TraceId IN {{neighbours}} AND arrayExists(k -> {_SESSION_RESULT}, EvalKeys)",
        source=True,
    ),
    "otel_logs": Erasable(
        rows=f"TraceId IN {{traces}} OR {_untraced('LogAttributes', 'ResourceAttributes')}", source=True
    ),
    "trace_events": Erasable(rows="TraceId IN {traces}", source=True),
    "traces_rollup": Erasable(rows="TraceId IN {traces}", source=True),
    "session_traces": Erasable(rows="TraceId IN {traces}", source=True),
    "external_waiting": Erasable(rows="TraceId IN {traces} OR SessionId IN {sessions}", source=True),
    "external_refused": Erasable(rows="TraceId IN {traces} OR SessionId IN {sessions}"),
    "decisions": Erasable(
        rows="if(Level = 'session', TargetId IN {sessions}, substring(TargetId, 1, 32) IN {traces})",
    ),
    "judge_traces": Erasable(rows="hasAny({all_traces}, Links.TraceId) OR SpanAttributes['session.id'] IN {sessions}"),
    "feedback": Erasable(rows="TraceId IN {traces} OR (SessionId != '' AND SessionId IN {sessions})"),
    "resolutions": Erasable(rows="TraceId IN {traces} OR (SessionId != '' AND SessionId IN {sessions})"),
    "judge_cache": Erasable(rows="TraceId IN {traces} OR SessionId IN {sessions}"),
    "alignment_calls": Erasable(rows="hasAny({all_traces}, TraceIds) OR hasAny({all_sessions}, SessionIds)"),
    "review_items": Erasable(rows="TraceId IN {traces} OR (SessionId != '' AND SessionId IN {sessions})"),
    "alignment_rows": Erasable(rows="TraceId IN {traces} OR (SessionId != '' AND SessionId IN {sessions})"),
    "rechecked_rows": Erasable(rows="TraceId IN {traces} OR (SessionId != '' AND SessionId IN {sessions})"),
    "evaluations": Erasable(rows=_RESULT),
    "evaluations_current": Erasable(rows=_RESULT),
    "run_events": Erasable(  # a checkpoint names the last target before it; the one before that serves as well
        rows="Event = 'checkpoint' AND (substring(JSONExtractString(Detail, 2), 1, 32) IN {traces} "
        "OR JSONExtractString(Detail, 2) IN {sessions})"
    ),
    "action_deliveries": Erasable(  # what was sent is gone; what is still to be sent goes to nobody
        rows="TraceId IN {traces} OR (SessionId != '' AND SessionId IN {sessions}) "
        "OR toString(EvaluationId) IN {evaluations}"
    ),
    "completions": Erasable(
        rows="(Level = 'trace' AND TargetId IN {traces}) OR (Level = 'session' AND TargetId IN {sessions})"
    ),
    "writeback": Erasable(rows="TraceId IN {traces} OR toString(EvaluationId) IN {evaluations}"),
    "writeback_batches": Erasable(
        rows="0",  # the proof of a batch stays; only what it names goes
        assignments="Missing = arrayFilter(m -> NOT has({all_traces}, m.1), Missing)",
        changed="notEmpty(Missing) AND arrayExists(m -> has({all_traces}, m.1), Missing)",
    ),
}
"""Every table that holds content or ids of telemetry, in the order in which it is erased."""

KEPT: Final[Mapping[str, str]] = {
    "control_docs": "definitions that people wrote; one that quotes a trace is theirs to edit",
    "control_claims": "names and versions of definitions",
    "budget_grants": "names of rules, days, and sums",
    "cursors": "names and times",
    "runs": "what people asked to be scored: filters, which are theirs to edit, and names; targets stand in decisions",
    "shard_leases": "owners and times",
    "rechecks": "names of metrics, and counts",
    "alert_events": "names, times, and numbers over many results",
    "maintenance_rounds": "counts, times, and the names of processes",
    "schema_migrations": "this program's own record",
    "erasures": "the proof: digests, counts and times",
    "erasing": "the plan of erasures under way; emptied as their last step",
}
"""Every other table, and why it need not forget."""
