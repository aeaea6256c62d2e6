"""Exchanges with judges, and their answers kept for equal questions: the ports `JudgeTraces` and `JudgeAnswers`."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence

from storage.clickhouse.client import Database
from storage.model import JudgeAnswer, JudgeTrace, StoredSpan, storable

MAX_KEYS = 1000
"""Keys in one parameter: ClickHouse refuses form values over 128 KiB."""
_SPAN_COLUMNS = (
    "Timestamp", "TraceId", "SpanId", "ParentSpanId", "SpanName", "SpanKind", "ServiceName", "ScopeName",
    "ResourceAttributes", "SpanAttributes", "Duration", "StatusCode", "StatusMessage",
    "Links.TraceId", "Links.SpanId", "Links.TraceState", "Links.Attributes",
)  # fmt: skip
_ANSWER_COLUMNS = ("Key", "TraceId", "SessionId", "Response")


class ClickHouseJudgeTraces:
    """`storage.judging.JudgeTraces` over ClickHouse."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def append(self, traces: Sequence[JudgeTrace]) -> None:
        """Store exchanges; see the port."""
        if not traces:
            return
        rows = [row for trace in traces for row in _rows(trace)]
        token = hashlib.blake2b(",".join(trace.trace_id for trace in traces).encode(), digest_size=16).hexdigest()
        await self._database.insert_rows("judge_traces", _SPAN_COLUMNS, rows, token=token)

    async def get(self, trace_id: str) -> list[StoredSpan]:
        """One exchange; see the port."""
        return [StoredSpan(**row) for row in await self._database.rows("judge_trace", {"trace_id": trace_id})]


class ClickHouseJudgeAnswers:
    """`storage.judging.JudgeAnswers` over ClickHouse."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, keys: Collection[bytes]) -> Mapping[bytes, JudgeAnswer]:
        """Those that are there; see the port."""
        wanted = [key.hex() for key in keys]
        found: dict[bytes, JudgeAnswer] = {}
        for start in range(0, len(wanted), MAX_KEYS):
            for row in await self._database.rows("judge_answers", {"keys": wanted[start : start + MAX_KEYS]}):
                key = bytes.fromhex(row.pop("key"))
                found[key] = JudgeAnswer(key=key, **row)
        return found

    async def keep(self, answers: Sequence[JudgeAnswer]) -> None:
        """Store answers; see the port."""
        if answers:
            rows = [(each.key, each.trace_id, each.session_id, storable(each.response)) for each in answers]
            await self._database.insert_rows("judge_cache", _ANSWER_COLUMNS, rows)


def _rows(trace: JudgeTrace) -> Iterator[tuple[object, ...]]:
    """Every row carries the link and the session: `erase` goes row by row."""
    session = {"session.id": trace.session_id} if trace.session_id else {}
    for span in trace.spans:
        yield (
            span.start_ns,
            trace.trace_id,
            span.span_id,
            span.parent_span_id,
            span.name,
            span.kind,
            span.service_name,
            span.scope_name,
            dict(span.resource_attributes),
            {storable(key): storable(text) for key, text in (*span.attributes.items(), *session.items())},
            span.duration_ns,
            span.status_code,
            storable(span.status_message),
            [trace.about[0]],
            [trace.about[1]],
            [""],
            [{}],
        )
