"""What the telemetry itself says of a target: time, tokens, money, errors of tools."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from evaluator.metrics.functions.function import Arguments, CodeFunction
from evaluator.metrics.material import Material
from evaluator.targets.record import SessionRecord, SpanRecord, TraceRecord
from storage.model import Abstention, Outcome, OutputType, Score

NANOSECONDS = 1_000_000_000


def latency(material: Material, arguments: Arguments) -> Outcome:
    """Seconds: of a span, from start to end; of a trace, from its first start to its last end; of a session, the sum
    over its traces: how long its user waited."""
    return Score(value=_latency_ns(material) / NANOSECONDS)


def tokens(material: Material, arguments: Arguments) -> Outcome:
    """Tokens in and out of the model calls of the target, each call once.  Abstains where none was sent."""
    count = _tokens(material)
    return Abstention(reason="no tokens") if count is None else Score(value=float(count))


def cost(material: Material, arguments: Arguments) -> Outcome:
    """USD, as the application sent it.  Abstains where it sent none."""
    usd = _cost(material)
    return Abstention(reason="no cost") if usd is None else Score(value=usd)


def tool_error_rate(material: Material, arguments: Arguments) -> Outcome:
    """1 where the call of a tool failed, else 0: its mean over spans is the rate."""
    span = material.record
    if not isinstance(span, SpanRecord):
        return Abstention(reason="no tool call")
    said = span.tool_error or (span.error_message or span.error_type or "error" if span.status == "error" else "")
    return Score(value=float(bool(said)), explanation=said[:300])


def _latency_ns(material: Material) -> int:
    match material.record:
        case SpanRecord() as span:
            return span.duration_ns
        case TraceRecord() as trace:
            return _waited_ns(trace)
        case SessionRecord() as session:
            return sum(_waited_ns(trace) for trace in session.traces)


def _waited_ns(trace: TraceRecord) -> int:
    return max((span.start_ns + span.duration_ns for span in trace.spans), default=0) - trace.start_ns


def _tokens(material: Material) -> int | None:
    match material.record:
        case SpanRecord() as span:
            usages = [span.usage]
        case TraceRecord() as trace:
            usages = [trace.usage_total]
        case SessionRecord() as session:
            usages = [trace.usage_total for trace in session.traces]
    counts = [usage.get("input_tokens", 0) + usage.get("output_tokens", 0) for usage in usages]
    return sum(counts) or None


def _cost(material: Material) -> float | None:
    match material.record:
        case SpanRecord() as span:
            known = [span.cost_usd]
        case TraceRecord() as trace:
            known = [trace.cost_usd]
        case SessionRecord() as session:
            known = [trace.cost_usd for trace in session.traces]
    sums = [usd for usd in known if usd is not None]
    return sum(sums) if sums else None


def _text(read: Callable[[Material], object]) -> Callable[[Material], str]:
    return lambda material: repr(read(material))


def _error(material: Material) -> object:
    span = material.record
    return (span.tool_error, span.status, span.error_message, span.error_type) if isinstance(span, SpanRecord) else None


MEASURED: Mapping[str, CodeFunction] = {
    "latency": CodeFunction(facts=_text(_latency_ns), output_type=OutputType.NUMBER, score=latency),
    "tokens": CodeFunction(facts=_text(_tokens), output_type=OutputType.COUNT, score=tokens),
    "cost": CodeFunction(facts=_text(_cost), output_type=OutputType.NUMBER, score=cost),
    "tool_error_rate": CodeFunction(facts=_text(_error), output_type=OutputType.PERCENTAGE, score=tool_error_rate),
}
