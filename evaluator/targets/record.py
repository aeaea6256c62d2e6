"""What can be scored, whoever emitted it: one span, one trace, one session, normalised."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from storage.dialects.documents import Document
from storage.dialects.message import Message, ToolCall
from storage.dialects.values import encode

MODEL_KINDS: Final = frozenset({"llm", "embedding", "reranker"})
"""Kinds of spans that are themselves a call of a model."""

_SOURCES: Final = frozenset({"retriever", "reranker", "tool"})
_NOT_SHOWN: Final = frozenset({"output_messages", "filled", "session_id_generated"})


@dataclass(frozen=True, kw_only=True)
class SpanRecord:
    """One span.  What was not sent is absent: None, an empty tuple, an empty map.  Nothing is guessed.

    Attributes:
        kind: llm, retriever, tool, agent, chain, embedding, reranker, guardrail, evaluator or other.
        input_messages: user, assistant and tool messages; the system prompt stands apart.
        output_text, output_reasoning, output_tool_calls: what the model answered.
        input_text, output_text: question and answer of anything that is no model call, unwrapped.
        tool_arguments, tool_result: decoded JSON where they parse, else text.
        usage: token counts of this call; input includes cached, output includes reasoning.
        usage_aggregate: sums that an agent or root span repeats for its children: never added to a total.
        cost_usd: As sent; None when unknown.
        metadata: What people set, for the trace; span_metadata what they set for this span alone.
        duplicate_of: Span id of the same call, which is the one that counts.
        filled: Fields that this span did not carry itself, but that its trace tells (session, tool results, …).
        notes: What could not be read whole, for people.
    """

    trace_id: str
    span_id: str
    parent_span_id: str = ""
    name: str = ""
    scope: str = ""
    service_name: str = ""
    start_ns: int = 0
    duration_ns: int = 0
    kind: str = "other"
    system_prompt: str | None = None
    input_messages: tuple[Message, ...] = ()
    output_messages: tuple[Message, ...] = ()
    output_reasoning: str | None = None
    output_tool_calls: tuple[ToolCall, ...] = ()
    input_text: str | None = None
    output_text: str | None = None
    tool_name: str | None = None
    tool_call_id: str | None = None
    tool_arguments: object = None
    tool_result: object = None
    tool_error: str | None = None
    query: str | None = None
    documents: tuple[Document, ...] = ()
    input_documents: tuple[Document, ...] = ()
    input_texts: tuple[str, ...] = ()
    request_model: str | None = None
    response_model: str | None = None
    provider: str | None = None
    params: Mapping[str, object] = field(default_factory=dict)
    usage: Mapping[str, int] = field(default_factory=dict)
    usage_aggregate: Mapping[str, int] = field(default_factory=dict)
    cost_usd: float | None = None
    session_id: str | None = None
    session_id_generated: bool = False
    user_id: str | None = None
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, object] = field(default_factory=dict)
    span_metadata: Mapping[str, object] = field(default_factory=dict)
    agent_name: str | None = None
    status: str = "unset"
    error_type: str | None = None
    error_message: str | None = None
    response_id: str | None = None
    finish_reasons: tuple[str, ...] = ()
    duplicate_of: str | None = None
    tools: object = None
    prompt_variables: Mapping[str, object] = field(default_factory=dict)
    expected: str | None = None
    filled: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, **fields: Any) -> SpanRecord:
        """As the constructor, which sets every field with a call of its own: an eighth of what reading a span costs.

        Fields that hold maps must be given.
        """
        record = object.__new__(cls)
        record.__dict__.update(fields)
        return record

    def changed(self, **fields: Any) -> SpanRecord:
        """A copy with other values for some fields."""
        return SpanRecord.of(**{**self.__dict__, **fields})

    def outcome(self) -> str:
        """What a tool returned, or why it failed, as text; '' when neither was sent."""
        if self.tool_error:
            return f"error: {self.tool_error}"
        if self.tool_result is not None:
            return encode(self.tool_result)
        return "error" if self.status == "error" else ""

    def to_dict(self) -> dict[str, object]:
        """JSON-ready, absent fields left out; what only the trace tells stands apart under `from_trace`."""
        own: dict[str, object] = {}
        told: dict[str, object] = {}
        for name in self.__dataclass_fields__:
            value = getattr(self, name)
            if name in _NOT_SHOWN or value is None or value == "" or value == () or value == {}:
                continue
            (told if name in self.filled else own)[name] = _plain(value)
        if self.session_id_generated:
            own["session_id_generated_by_emitter"] = True
        if told:
            own["from_trace"] = told
        return own


class Brought(NamedTuple):
    """What one retriever or tool brought into a run: a text for each document, or the outcome of the tool."""

    span_id: str
    end_ns: int
    texts: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class TraceRecord:
    """One trace.

    Attributes:
        spans: Every span, flat, in start order.
        children: Span id -> ids of its children in start order; '' -> the roots, and spans whose parent never came.
        llm_calls, usage_total: Every model call once; embeddings and rerankings are no model calls here.
        input_text, output_text: The question that the trace was started with, and its final answer.
    """

    trace_id: str
    spans: tuple[SpanRecord, ...] = ()
    children: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    root_span: str | None = None
    llm_calls: int = 0
    usage_total: Mapping[str, int] = field(default_factory=dict)
    cost_usd: float | None = None
    session_id: str | None = None
    user_id: str | None = None
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, object] = field(default_factory=dict)
    input_text: str | None = None
    output_text: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def start_ns(self) -> int:
        """Start of its earliest span; 0 when it has none."""
        return self.spans[0].start_ns if self.spans else 0

    def span(self, span_id: str) -> SpanRecord | None:
        """One of its spans."""
        return self._by_id.get(span_id)

    @functools.cached_property
    def _by_id(self) -> Mapping[str, SpanRecord]:
        return {span.span_id: span for span in self.spans}

    @functools.cached_property
    def brought(self) -> Sequence[Brought]:
        """What its retrievers and tools brought, in start order; each call once."""
        return [
            Brought(span.span_id, span.start_ns + span.duration_ns, tuple(_texts(span)))
            for span in self.spans
            if span.kind in _SOURCES and span.duplicate_of is None
        ]

    def to_dict(self) -> dict[str, object]:
        """JSON-ready, absent fields left out."""
        shown: dict[str, object] = {
            "trace_id": self.trace_id, "n_spans": len(self.spans), "root_span": self.root_span,
            "llm_calls": self.llm_calls, "usage_total": dict(self.usage_total), "cost_usd": self.cost_usd,
            "session_id": self.session_id, "user_id": self.user_id, "tags": list(self.tags),
            "metadata": dict(self.metadata), "input_text": self.input_text, "output_text": self.output_text,
            "notes": list(self.notes), "spans": [span.to_dict() for span in self.spans],
        }  # fmt: skip
        return {name: value for name, value in shown.items() if value not in (None, "", [], {})}


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRecord:
    """The traces of one session, in order of their start."""

    session_id: str
    traces: tuple[TraceRecord, ...] = ()

    def to_dict(self) -> dict[str, object]:
        """JSON-ready."""
        return {
            "session_id": self.session_id,
            "n_traces": len(self.traces),
            "traces": [trace.to_dict() for trace in self.traces],
        }


def _texts(span: SpanRecord) -> Iterator[str]:
    if span.kind != "tool":
        yield from (document.content for document in span.documents if document.content)
    elif outcome := span.outcome():
        yield f"{span.tool_name or span.name} returned: {outcome}"


def _plain(value: object) -> object:
    match value:
        case Message():
            return _without_empty(
                {
                    "role": value.role, "content": value.content,
                    "tool_calls": [_plain(call) for call in value.tool_calls], "tool_call_id": value.tool_call_id,
                    "name": value.name, "media": list(value.media), "reasoning": value.reasoning,
                },
                keep="content",
            )  # fmt: skip
        case ToolCall():
            return _without_empty({"id": value.id, "name": value.name, "arguments": value.arguments}, keep="arguments")
        case Document():
            return _without_empty(
                {"content": value.content, "id": value.id, "score": value.score, "metadata": dict(value.metadata)}
            )
        case tuple():
            return [_plain(item) for item in value]
        case Mapping():
            return dict(value)
        case _:
            return value


def _without_empty(shown: dict[str, object], *, keep: str = "") -> dict[str, object]:
    return {name: value for name, value in shown.items() if name == keep or value not in (None, "", [], {})}
