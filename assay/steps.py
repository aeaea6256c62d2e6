"""What a scorer sees: types for editors and type checkers.

The same names are there in the sandbox, where the values come from; the service never makes one of these.
docs/code-metrics.md says what `input` and `output` are per kind of span.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from assay.metric_names import GalileoMetrics
from storage.model import Level


class Metrics(Protocol):
    """Results of the required metrics on one step, by enum, display name or slug.

    A value is bool, float, int, str or a list of str, by the output type of the metric.
    """

    def __getitem__(self, name: str) -> Any: ...
    def __contains__(self, name: str) -> bool: ...
    def __iter__(self) -> Iterator[str]: ...
    def get(self, name: str, default: Any = None) -> Any:
        """The result, or `default` where the metric has none on this step."""


class Message:
    """One message of a conversation."""

    role: str
    content: str


class ToolCall:
    """A call that a model asked for."""

    id: str
    name: str
    arguments: Mapping[str, Any]


class Document:
    """What a retriever found."""

    content: str


class Content:
    """What went in or came out: `content` is its text."""

    content: str
    captured: bool


class _Step:
    """What every step has.  `metrics` holds results of this step alone."""

    input: Content
    output: Content
    metrics: Metrics
    start_time: datetime | None
    end_time: datetime | None
    duration_seconds: float
    session_id: str | None
    user_id: str | None
    tags: Sequence[str]
    metadata: Mapping[str, Any]
    input_tokens: int | None
    output_tokens: int | None
    total_tokens: int | None
    cost_usd: float | None


class Span(_Step):
    """One span; `type` is `llm`, `retriever`, `tool`, `agent`, …, `children` are the spans right below it."""

    type: str
    name: str
    id: str
    span_id: str
    trace_id: str
    parent_span_id: str | None
    status: str
    error: str | None
    model: str | None
    tool_name: str | None
    agent_name: str | None
    service_name: str
    expected: str | None
    children: Sequence[Span]


class LlmSpan(Span):
    """A model call."""


class RetrieverSpan(Span):
    """A retrieval."""


class ToolSpan(Span):
    """A tool at work."""


class AgentSpan(Span):
    """An agent's run."""


class WorkflowSpan(Span):
    """A step of a workflow."""


class Trace(_Step):
    """One trace.  `spans` is every span of it, flat, in order of their starts."""

    id: str
    trace_id: str
    spans: Sequence[Span]


class Session(_Step):
    """All traces that share a session id, in order of their starts."""

    id: str
    traces: Sequence[Trace]


PREDEFINED: Mapping[str, type] = {
    kind.__name__: kind
    for kind in (
        AgentSpan, Content, Document, GalileoMetrics, LlmSpan, Message, RetrieverSpan, Session, Span, ToolCall,
        ToolSpan, Trace, WorkflowSpan,
    )
}  # fmt: skip
"""What a scorer may name without an import."""

_ABOUT: Mapping[str, tuple[Level, tuple[str, ...]]] = {
    "Span": (Level.SPAN, ()),
    "LlmSpan": (Level.SPAN, ("llm",)),
    "RetrieverSpan": (Level.SPAN, ("retriever",)),
    "ToolSpan": (Level.SPAN, ("tool",)),
    "AgentSpan": (Level.SPAN, ("agent",)),
    "WorkflowSpan": (Level.SPAN, ("chain",)),
    "Trace": (Level.TRACE, ()),
    "Session": (Level.SESSION, ()),
}


def about(annotation: str) -> tuple[Level, tuple[str, ...]] | None:
    """Level and kinds of span that the annotation of `step_object` stands for; None where it says nothing."""
    return _ABOUT.get(annotation)
