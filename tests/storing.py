"""Telemetry and results for tests of what is stored: rows in, by the shortest way that a writer could take."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from storage.clickhouse.client import Database
from storage.clickhouse.telemetry import ClickHouseTelemetry
from storage.model import (
    Anchor,
    Evaluation,
    Level,
    MetricKind,
    Outcome,
    OutputType,
    Purpose,
    Score,
    TargetRef,
)
from storage.telemetry import TargetRecord

SECOND_NS = 1_000_000_000
WAIT_SECONDS = 120.0
_SPAN_COLUMNS = (
    "Timestamp", "TraceId", "SpanId", "ParentSpanId", "SpanName", "ServiceName", "SpanAttributes", "Duration",
    "StatusCode",
)  # fmt: skip
_LOG_COLUMNS = ("Timestamp", "TraceId", "SpanId", "EventName", "LogAttributes", "ServiceName")


def new_trace_id() -> str:
    """A fresh one."""
    return uuid.uuid4().hex


def new_span_id() -> str:
    """A fresh one."""
    return uuid.uuid4().hex[:15] + "1"


@dataclass(frozen=True, kw_only=True)
class SentSpan:
    """A span as a writer sends it; a root unless it has a parent."""

    trace_id: str = field(default_factory=new_trace_id)
    span_id: str = field(default_factory=new_span_id)
    parent: str = ""
    service: str = "shop"
    name: str = "answer"
    start_ns: int = field(default_factory=time.time_ns)
    duration_ns: int = 1_000_000
    status: str = "Unset"
    attributes: Mapping[str, str] = field(default_factory=dict)

    @property
    def ref(self) -> TargetRef:
        """As a target."""
        return TargetRef(level=Level.SPAN, trace_id=self.trace_id, span_id=self.span_id)

    @property
    def trace(self) -> TargetRef:
        """Its trace as a target."""
        return TargetRef(level=Level.TRACE, trace_id=self.trace_id)

    @property
    def anchor(self) -> Anchor:
        """Where results of this span stand."""
        return Anchor(
            trace_id=self.trace_id,
            span_id=self.span_id,
            time_ns=self.start_ns,
            service_name=self.service,
            span_name=self.name,
        )


def a_chat(question: str = "What is the capital of France?", answer: str = "Paris.", **other: Any) -> SentSpan:
    """A model call with messages."""
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.input.messages": _messages("user", question),
        "gen_ai.output.messages": _messages("assistant", answer),
    }
    return SentSpan(attributes=attributes | other.pop("attributes", {}), **other)


def _messages(role: str, text: str) -> str:
    return json.dumps([{"role": role, "parts": [{"type": "text", "content": text}]}])


async def store(database: Database, *spans: SentSpan, ingested_ms: int | None = None) -> None:
    """One INSERT into `otel_traces`; `ingested_ms` = when it arrived (a test's way to the past)."""
    rows: list[tuple[object, ...]] = [
        (
            span.start_ns, span.trace_id, span.span_id, span.parent, span.name, span.service, dict(span.attributes),
            span.duration_ns, span.status,
        )
        for span in spans
    ]  # fmt: skip
    columns: tuple[str, ...] = _SPAN_COLUMNS
    if ingested_ms is not None:
        columns, rows = (*columns, "IngestedAt"), [(*row, ingested_ms) for row in rows]
    await database.insert_rows("otel_traces", columns, rows)


async def store_log(database: Database, span: SentSpan, *, event: str = "", time_ns: int | None = None) -> None:
    """One log record about a span."""
    row: tuple[object, ...] = (time_ns or span.start_ns, span.trace_id, span.span_id, event, {}, span.service)
    await database.insert_rows("otel_logs", _LOG_COLUMNS, [row])


async def located(database: Database, ref: TargetRef) -> TargetRecord:
    """Where a stored target stands."""
    return (await ClickHouseTelemetry(database).locate([ref]))[ref]


def a_result(span: SentSpan, outcome: Outcome | None = None, **other: Any) -> Evaluation:
    """A result about a span (its trace, with `target=span.trace`), anchored there."""
    now = datetime.now(UTC)
    fields: dict[str, Any] = {
        "evaluation_id": uuid.uuid4(),
        "target": span.ref,
        "target_time_ns": span.start_ns,
        "start_ns": span.start_ns,
        "anchor": span.anchor,
        "metric": "quality",
        "metric_version": 1,
        "metric_digest": "0" * 32,
        "kind": MetricKind.JUDGE,
        "purpose": Purpose.ONLINE,
        "output_type": OutputType.PERCENTAGE,
        "outcome": outcome or Score(value=0.5),
        "started": now.replace(microsecond=now.microsecond // 1000 * 1000),
        "evaluated": now,
    }
    return Evaluation(**fields | other)


async def until(condition: Callable[[], Awaitable[Any]], *, seconds: float = WAIT_SECONDS) -> Any:
    """What `condition` answers once that is true.  Fails when it never is."""
    limit = time.monotonic() + seconds
    while True:
        if found := await condition():
            return found
        if time.monotonic() > limit:
            raise AssertionError(f"not true within {seconds:g} s: {condition}")
        await asyncio.sleep(0.02)
