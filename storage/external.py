"""Results that others concluded and sent with their telemetry: what was found, waits, was refused; and the ports."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
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


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingResult:
    """A statement whose target is not there yet.

    Attributes:
        key: The same statement has the same.
        subjects: `trace:ID`, `session:ID`, `response:ID`: it is looked at again when something of one of these arrives.
        arrived_ms: When the statement itself did.
        body: JSON.
    """

    key: str
    subjects: tuple[str, ...]
    arrived_ms: int
    trace_id: str
    session_id: str
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedResult:
    """A statement of which nothing was made, and why.  Ids as they were sent, cut to what an id can be."""

    key: str
    reason: str
    name: str
    trace_id: str
    span_id: str
    session_id: str
    service: str
    arrived_ms: int


class WaitingResults(Protocol):
    """Keeps them.  What a look costs depends on what arrived, not on how much waits."""

    async def put(self, waiting: Sequence[WaitingResult]) -> None:
        """Let these wait; again is harmless."""

    async def settle(self, waiting: Sequence[WaitingResult]) -> None:
        """These wait no more."""

    async def touched(
        self, *, since_ms: int, until_ms: int, responses: bool, after_key: str, limit: int
    ) -> list[WaitingResult]:
        """Those of whose subjects spans arrived in (since, until], in order of their keys, after `after_key`.

        Args:
            responses: Whether completions are looked for: that reads the attributes of every new span.
        """

    async def expired(self, *, after_ms: int, until_ms: int, limit: int) -> list[WaitingResult]:
        """Those that arrived in (after, until] and wait still, earliest first."""

    async def kinds(self) -> set[str]:
        """Kinds of subjects that anything waits for: `trace`, `session`, `response`.  Costs more the more there is."""

    async def refuse(self, refused: Sequence[RefusedResult]) -> None:
        """Remember what was refused; again is harmless."""

    async def refusals(self, *, hours: int) -> dict[str, int]:
        """How many were refused lately, by reason, the most frequent first."""
