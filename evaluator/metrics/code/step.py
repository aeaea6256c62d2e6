"""A target as a scorer sees it, `step_object`: only what its source names crosses into the sandbox."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias

from evaluator.metrics.code import step_classes
from evaluator.metrics.code.step_content import input_of, output_of, plain, said
from evaluator.metrics.material import Material, ResultKey
from evaluator.sandbox.absent import Absent
from evaluator.sandbox.source import Scorer
from evaluator.targets.record import SessionRecord, SpanRecord, TraceRecord
from storage.model import Evaluation, OutputType, Score

Facts: TypeAlias = Mapping[str, Callable[[Any], object]]
Shape: TypeAlias = Any
"""A plain value, or a tuple of what a thing is and its attributes (`step_classes.py`)."""

SPAN_CLASSES: Final[Mapping[str, str]] = {
    "llm": "LlmSpan", "retriever": "RetrieverSpan", "tool": "ToolSpan", "agent": "AgentSpan", "chain": "ChainSpan",
    "embedding": "EmbeddingSpan", "reranker": "RerankerSpan", "guardrail": "GuardrailSpan",
    "evaluator": "EvaluatorSpan", "other": "OtherSpan",
}  # fmt: skip
"""Kind of a span -> its type in the sandbox."""
EXPORTS: Final = frozenset(SPAN_CLASSES.values()) | {
    "Content", "Document", "GalileoMetrics", "Message", "Session", "Span", "Step", "ToolCall", "Trace", "WorkflowSpan",
}  # fmt: skip
"""What `from galileo import …` and `from assay import …` find; predefined without an import, too."""

WHOLE: Final = Scorer(code="", shims=frozenset(), words=None, constants=frozenset())
"""Reads everything that a step has."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NONE: Final[Mapping[str, object]] = {}
_NOT_ITS_OWN: Final = ("metrics", None)
"""A span sees no results but its own."""


class _Shaper:
    """Shapes the steps of one target for one scorer."""

    def __init__(self, wants: Callable[[str], bool], results: Mapping[ResultKey, Evaluation]) -> None:
        self.wants = wants
        self.wants_said = wants("input") or wants("output")
        self.lacks = False
        every: dict[str, Facts] = {"span": _SPAN, "trace": _TRACE, "session": _SESSION}
        self._facts_of = {
            kind: [(name, fact) for name, fact in facts.items() if wants(name)] for kind, facts in every.items()
        }
        self._values: defaultdict[str, dict[str, object]] = defaultdict(dict)
        for (ref, slug), evaluation in results.items():
            if isinstance(evaluation.outcome, Score):
                self._values[ref.key][slug] = value_of(evaluation.outcome, evaluation.output_type)

    def span(self, record: SpanRecord, *, own: bool = True) -> Shape:
        """One span; `own` = its results are the scorer's to read."""
        held = self._facts("span", record)
        if self.wants_said:
            self._said(held, input_of(record, self.wants), output_of(record, self.wants))
        if self.wants("metrics"):
            held["metrics"] = self._metrics(f"{record.trace_id}:{record.span_id}") if own else _NOT_ITS_OWN
        return record.kind if record.kind in SPAN_CLASSES else "other", held

    def span_with_children(self, record: SpanRecord, trace: TraceRecord | None) -> Shape:
        """One span that is the target."""
        if not self.wants("children"):
            return self.span(record)
        tree = _Tree(trace) if trace is not None else None
        below = [each for each in tree.below(record.span_id) if each is not record] if tree is not None else []
        spans = [record, *below]
        shapes = [self.span(each, own=each is record) for each in spans]
        return "tree", (shapes, _indices(spans, tree))

    def trace(self, record: TraceRecord) -> Shape:
        """One trace."""
        held = self._facts("trace", record)
        self._said(held, said("input", record.input_text), said("output", record.output_text))
        if self.wants("spans") or self.wants("children"):
            spans = [each for each in record.spans if each.duplicate_of is None]
            held["spans"] = ("list", [self.span(each) for each in spans])
            if self.wants("children"):
                tree = _Tree(record)
                at = {span.span_id: index for index, span in enumerate(spans)}
                held["tree"] = ([at[each] for each in tree.roots], _indices(spans, tree))
        if self.wants("metrics"):
            held["metrics"] = self._metrics(record.trace_id)
        return "trace", held

    def session(self, record: SessionRecord) -> Shape:
        """One session."""
        held = self._facts("session", record)
        asked = next((each.input_text for each in record.traces if each.input_text), None)
        answered = next((each.output_text for each in reversed(record.traces) if each.output_text), None)
        self._said(held, said("input", asked), said("output", answered))
        if self.wants("traces"):
            held["traces"] = ("list", [self.trace(each) for each in record.traces])
        if self.wants("metrics"):
            held["metrics"] = self._metrics(record.session_id)
        return "session", held

    def _facts(self, kind: str, record: object) -> dict[str, Shape]:
        held: dict[str, Shape] = {}
        for name, fact in self._facts_of[kind]:
            value = fact(record)
            held[name] = plain(value) if isinstance(value, str) else value
        return held

    def _said(self, held: dict[str, Shape], asked: Shape, answered: Shape) -> None:
        for side, content in (("input", asked), ("output", answered)):
            if self.wants(side):
                held[side] = content
                self.lacks = self.lacks or content[0] == "absent"

    def _metrics(self, key: str) -> Shape:
        return "metrics", self._values.get(key, _NONE)


def reads_content(scorer: Scorer) -> bool:
    """Whether it may read more of its target than what is known without normalising it."""
    return any(map(scorer.names, _CONTENT))


def step_shape(material: Material, scorer: Scorer) -> tuple[Shape, bool]:
    """The target, as far as the scorer reads it, and whether any content in it was not captured."""
    shaper = _Shaper(scorer.names, material.results)
    match material.record if reads_content(scorer) else material.light:
        case SpanRecord() as record:
            shape = shaper.span_with_children(record, material.trace if scorer.names("children") else None)
        case TraceRecord() as record:
            shape = shaper.trace(record)
        case SessionRecord() as record:
            shape = shaper.session(record)
    return shape, shaper.lacks


def whole_step(material: Material, spellings: Mapping[str, str], absent: Mapping[str, Absent]) -> object:
    """The target with everything that it has, as an object of this process.

    Args:
        spellings: Everything that `.metrics[…]` takes, each with its slug.
        absent: What stands for an input or output that was not captured.
    """
    return step_classes.made(step_shape(material, WHOLE)[0], spellings, absent)


def value_of(score: Score, output_type: OutputType) -> object:
    """A result as `.metrics[…]` gives it: bool, float, int, str or list, by the output type of its metric."""
    match output_type:
        case OutputType.BOOLEAN:
            return bool(score.value)
        case OutputType.COUNT | OutputType.DISCRETE if score.value is not None:
            return int(score.value)
        case OutputType.PERCENTAGE | OutputType.NUMBER if score.value is not None:
            return score.value
        case OutputType.MULTILABEL:
            return list(score.labels)
        case OutputType.TEXT:
            return score.text
    return score.label


class _Tree:
    """The spans of a trace without repeated calls; what stands below one of these stands below the next above it."""

    def __init__(self, trace: TraceRecord) -> None:
        self._trace = trace
        self._kept: dict[str, list[str]] = {}
        hidden = {span.span_id for span in trace.spans if span.duplicate_of is not None}
        waiting = [("", child) for child in reversed(trace.children.get("", ()))]
        while waiting:
            above, span_id = waiting.pop()
            if span_id not in hidden:
                self._kept.setdefault(above, []).append(span_id)
            inner = above if span_id in hidden else span_id
            waiting += [(inner, child) for child in reversed(trace.children.get(span_id, ()))]

    @property
    def roots(self) -> list[str]:
        """Spans without a parent here, in start order."""
        return self.children("")

    def children(self, span_id: str) -> list[str]:
        """Ids of the spans right below one."""
        return self._kept.get(span_id, [])

    def below(self, span_id: str) -> list[SpanRecord]:
        """Every span below one, at any depth."""
        found: list[SpanRecord] = []
        waiting = list(reversed(self.children(span_id)))
        while waiting:
            each = waiting.pop()
            if (record := self._trace.span(each)) is not None:
                found.append(record)
            waiting += reversed(self.children(each))
        return found


def _indices(spans: Sequence[SpanRecord], tree: _Tree | None) -> list[list[int]]:
    at = {span.span_id: index for index, span in enumerate(spans)}
    return [[at[each] for each in tree.children(span.span_id)] if tree is not None else [] for span in spans]


def _time(ns: int) -> datetime | None:
    return _EPOCH + timedelta(microseconds=ns // 1000) if 0 < ns < 2**63 else None


def _ends(spans: Iterable[SpanRecord]) -> int:
    return max((span.start_ns + span.duration_ns for span in spans), default=0)


def _root(trace: TraceRecord) -> SpanRecord | None:
    return trace.span(trace.root_span or "") or (trace.spans[0] if trace.spans else None)


def _total(usage: Mapping[str, int]) -> int | None:
    if "total_tokens" in usage:
        return usage["total_tokens"]
    counts = [usage[name] for name in ("input_tokens", "output_tokens") if name in usage]
    return sum(counts) if counts else None


def _spans(session: SessionRecord) -> Iterable[SpanRecord]:
    return (span for trace in session.traces for span in trace.spans)


def _error(record: SpanRecord) -> str | None:
    return record.tool_error or record.error_message or (record.error_type if record.status == "error" else None)


def _sum(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


_SPAN: Final[Facts] = {
    "type": lambda span: span.kind,
    "name": lambda span: span.name,
    "id": lambda span: span.span_id,
    "span_id": lambda span: span.span_id,
    "trace_id": lambda span: span.trace_id,
    "parent_span_id": lambda span: span.parent_span_id or None,
    "session_id": lambda span: span.session_id,
    "user_id": lambda span: span.user_id,
    "start_time": lambda span: _time(span.start_ns),
    "end_time": lambda span: _time(span.start_ns + span.duration_ns),
    "duration_seconds": lambda span: span.duration_ns / 1e9,
    "status": lambda span: span.status,
    "error": _error,
    "model": lambda span: span.response_model or span.request_model,
    "provider": lambda span: span.provider,
    "params": lambda span: plain(span.params),
    "input_tokens": lambda span: span.usage.get("input_tokens"),
    "output_tokens": lambda span: span.usage.get("output_tokens"),
    "total_tokens": lambda span: _total(span.usage),
    "cost_usd": lambda span: span.cost_usd,
    "tags": lambda span: plain(span.tags),
    "metadata": lambda span: plain({**span.metadata, **span.span_metadata}),
    "tool_name": lambda span: span.tool_name,
    "agent_name": lambda span: span.agent_name,
    "service_name": lambda span: span.service_name,
    "finish_reasons": lambda span: plain(span.finish_reasons),
    "tools": lambda span: plain(span.tools),
    "expected": lambda span: span.expected,
    "children": lambda _: [],  # where the trace is known, these are set when all are made
}
_TRACE: Final[Facts] = {
    "type": lambda _: "trace",
    "name": lambda trace: root.name if (root := _root(trace)) else "",
    "id": lambda trace: trace.trace_id,
    "trace_id": lambda trace: trace.trace_id,
    "session_id": lambda trace: trace.session_id,
    "user_id": lambda trace: trace.user_id,
    "start_time": lambda trace: _time(trace.start_ns),
    "end_time": lambda trace: _time(_ends(trace.spans)),
    "duration_seconds": lambda trace: max(0, _ends(trace.spans) - trace.start_ns) / 1e9,
    "status": lambda trace: root.status if (root := _root(trace)) else "unset",
    "error": lambda trace: _error(root) if (root := _root(trace)) else None,
    "input_tokens": lambda trace: trace.usage_total.get("input_tokens"),
    "output_tokens": lambda trace: trace.usage_total.get("output_tokens"),
    "total_tokens": lambda trace: _total(trace.usage_total),
    "cost_usd": lambda trace: trace.cost_usd,
    "tags": lambda trace: plain(trace.tags),
    "metadata": lambda trace: plain(trace.metadata),
    "llm_calls": lambda trace: trace.llm_calls,
    "expected": lambda trace: next((span.expected for span in trace.spans if span.expected), None),
}
_SESSION: Final[Facts] = {
    "type": lambda _: "session",
    "name": lambda session: session.session_id,
    "id": lambda session: session.session_id,
    "session_id": lambda session: session.session_id,
    "user_id": lambda session: next((trace.user_id for trace in session.traces if trace.user_id), None),
    "start_time": lambda session: _time(session.traces[0].start_ns) if session.traces else None,
    "end_time": lambda session: _time(_ends(_spans(session))),
    "duration_seconds": lambda session: (
        max(0, _ends(_spans(session)) - session.traces[0].start_ns) / 1e9 if session.traces else 0.0
    ),
    "status": lambda session: "error" if any(_TRACE["status"](each) == "error" for each in session.traces) else "ok",
    "error": lambda session: next((error for each in session.traces if (error := _TRACE["error"](each))), None),
    "input_tokens": lambda session: _sum(trace.usage_total.get("input_tokens") for trace in session.traces),
    "output_tokens": lambda session: _sum(trace.usage_total.get("output_tokens") for trace in session.traces),
    "total_tokens": lambda session: _sum(_total(trace.usage_total) for trace in session.traces),
    "cost_usd": lambda session: _sum(trace.cost_usd for trace in session.traces),
    "tags": lambda session: plain(tuple(dict.fromkeys(tag for trace in session.traces for tag in trace.tags))),
    "metadata": lambda session: plain(next((trace.metadata for trace in session.traces if trace.metadata), {})),
    "llm_calls": lambda session: sum(trace.llm_calls for trace in session.traces),
}
_LIGHT: Final = frozenset({
    "type", "name", "id", "span_id", "trace_id", "parent_span_id", "start_time", "end_time", "duration_seconds",
    "status", "service_name", "children",
})  # fmt: skip
"""What a record without content has, too."""
_CONTENT: Final = ({"input", "output"} | _SPAN.keys() | _TRACE.keys() | _SESSION.keys()) - _LIGHT
