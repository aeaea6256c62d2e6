"""What is known of one target: the port `storage.explaining.Inquiries`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from storage.clickhouse.candidates import GROUPS, candidates
from storage.clickhouse.client import Database, statement
from storage.clickhouse.session_queue import candidate_sessions, session_ready
from storage.clickhouse.telemetry import MAX_NS
from storage.explaining import LedgerEntry
from storage.model import Level, TargetRef
from storage.queue import Candidates, Decision, Ready
from storage.telemetry import TargetRecord

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CANDIDATES = {
    Level.SPAN: "candidate_spans",
    Level.TRACE: "candidate_traces",
    Level.SESSION: "candidate_sessions",
}
"""The polls' own statements: what is shown is what was looked at."""


class ClickHouseInquiries:
    """`storage.explaining.Inquiries` over ClickHouse."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def ledger(self, target: TargetRef, *, rule: str = "") -> list[LedgerEntry]:
        """See the port."""
        rows = await self._database.rows(
            "ledger_of_target", {"rule": rule, "level": str(target.level), "target_id": target.key}
        )
        return [
            LedgerEntry(
                decision=Decision(
                    rule=row["rule"],
                    rule_version=row["rule_version"],
                    metric=row["metric"],
                    target=target,
                    watermark_ms=row["watermark_ms"],
                    decision=row["decision"],
                    reason=row["reason"],
                    attempt=row["attempt"],
                    tries=row["tries"],
                    next_attempt_ms=row["next_attempt_ms"],
                    first_attempt_ms=row["first_attempt_ms"],
                ),
                alive=bool(row["alive"]),
                decided=_EPOCH + timedelta(microseconds=row["decided_us"]),
            )
            for row in rows
        ]

    async def met(self, record: TargetRecord, wished: Sequence[Candidates]) -> frozenset[int]:
        """See the port."""
        if not wished:
            return frozenset()
        if record.ref.level is Level.SESSION:
            found = await candidate_sessions(self._database, [session_ready(record)], wished)
        else:
            trace = record.traces[0] if record.traces else record
            trace = replace(trace, first_ns=max(0, trace.first_ns), last_ns=min(MAX_NS, trace.last_ns))
            found = await candidates(self._database, [Ready(record=trace, ready_ms=0)], wished)
        return frozenset(place for each in found if each.record.ref == record.ref for place in each.wanted)

    async def values(
        self, record: TargetRecord, expressions: Mapping[str, str], parameters: Mapping[str, object]
    ) -> Mapping[str, str]:
        """See the port."""
        shown = ", ".join(f"ifNull(toString({sql}), 'NULL')" for sql in expressions.values())
        ref = record.ref
        of_span = ref.level is Level.SPAN  # whose statement is about every span of a trace
        shown = f"if(SpanId = {{explained:String}}, [{shown}], [])" if of_span else f"[{shown}]"
        rows = await self._database.query(
            statement(_CANDIDATES[ref.level]).replace(GROUPS, shown),
            {**parameters, **_page(record), "most_ppm": 1_000_000, "explained": ref.span_id},
        )
        return dict(zip(expressions, rows[0]["wanted"], strict=True)) if rows else {}


def _page(record: TargetRecord) -> dict[str, object]:
    """A page of one target, as the statements of polls take it."""
    page: dict[str, object] = {
        "trace_ids": list(record.trace_ids),
        "first_ns": max(0, record.first_ns),
        "last_ns": min(MAX_NS, record.last_ns),
    }
    if record.ref.level is Level.SPAN:
        page |= {"log_trace_ids": [], "first_s": 0}
    if record.ref.level is Level.SESSION:
        first = min(record.traces, key=lambda trace: (trace.start_ns, trace.ref.trace_id))
        page |= {"session_ids": [record.ref.session_id], "first_trace_ids": [first.ref.trace_id]}
        page |= {"trace_ids": [first.ref.trace_id], "first_ns": first.first_ns, "last_ns": first.last_ns}
    return page
