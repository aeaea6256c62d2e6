"""Results that others concluded and sent with their telemetry: what was found, and the port."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from storage.model import TargetRef


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultEvent:
    """One place of the telemetry where somebody states results.

    Attributes:
        form: `event` (a log record or span event `gen_ai.evaluation.result`), `annotations` (attributes of a span, as
            OpenInference writes them), or `case` (a case of pydantic-evals).
        time_ns: When it was said, by the sender's clock; 0 = not said.
        trace_id, span_id: Of the span that the event belongs to, as sent: they may be '' or no ids at all.
        session_id: Of that span, or what the event itself says; '' = none.
        attributes: Those that bear on results, each value cut to the length that the port was asked for.
    """

    form: str
    ingested_ms: int
    time_ns: int
    trace_id: str
    span_id: str
    session_id: str = ""
    service: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Responder:
    """A span that reports the id of a completion."""

    response_id: str
    ref: TargetRef
    kind: str
    start_ns: int


class ResultEvents(Protocol):
    """Finds them in what was stored."""

    async def arrived(self, *, since_ms: int, until_ms: int, limit: int, max_characters: int) -> list[ResultEvent]:
        """What arrived in (since, until], in order of arrival; from `limit` on all of the same millisecond still."""

    async def responders(
        self, response_ids: Collection[str], *, trace_ids: Collection[str], first_ns: int, last_ns: int
    ) -> list[Responder]:
        """Spans that start in [first, last] and report one of these ids; only of these traces, unless none is named."""
