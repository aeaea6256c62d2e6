"""Obvious-case packs: for every built-in metric, targets of which the right result is plain to anybody.

The files are data (`catalogue/packs/NAME.yaml`); a variant of a metric has the pack of that metric.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from evaluator.errors import InvalidDefinition
from evaluator.metrics.catalogue import LOADER, folder, variants
from evaluator.metrics.material import Material, Record
from evaluator.targets.record import SessionRecord, SpanRecord, TraceRecord
from storage.dialects.message import ToolCall
from storage.model import Abstention, Level, Outcome, Score, TargetRef

TRACE_ID: Final = "0" * 31 + "1"
_MILLISECOND: Final = 1_000_000
_EPSILON: Final = 1e-9
_CASE: Final = frozenset(
    {"name", "expected", "abstains", "arguments", "inputs", "level", "kind", "span", "spans", "traces"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One target and what a metric must conclude on it.

    Attributes:
        expected: The label, the truth, or the value; None where the metric must abstain.
        abstains: Instead: how the reason of the abstention begins.
        arguments: In place of those of the definition.
        record: The target, for metrics that read more than named inputs.
    """

    name: str
    expected: str | bool | float | None = None
    abstains: str = ""
    arguments: Mapping[str, object] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    level: Level | None = None
    kind: str = "llm"
    record: Record | None = None

    def material(self, level: Level) -> Material:
        """The case as a metric reads it, at its own level or else at `level`."""
        level = self.level or level
        ref = TargetRef(
            level=level,
            trace_id="" if level is Level.SESSION else TRACE_ID,
            span_id=f"{1:016x}" if level is Level.SPAN else "",
            session_id="case" if level is Level.SESSION else "",
        )
        kind = self.kind if level is Level.SPAN else ""
        return Material(ref=ref, kind=kind, inputs=self.inputs, record=self.record or _empty(level, self.kind))

    def agrees(self, outcome: Outcome, *, tolerance: float) -> bool:
        """Whether a metric concluded what is plain."""
        match outcome:
            case Abstention():
                return bool(self.abstains) and outcome.reason.startswith(self.abstains)
            case Score() if isinstance(self.expected, bool):
                return outcome.label == str(self.expected).lower()
            case Score() if isinstance(self.expected, str):
                return outcome.label == self.expected
            case Score(value=float(value)) if isinstance(self.expected, float):
                return abs(value - self.expected) <= tolerance + _EPSILON
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """The cases of one metric.

    Attributes:
        tolerance: How far a value may be from the expected one; labels and truths have none.
    """

    metric: str
    cases: tuple[Case, ...]
    tolerance: float = 0.0


def load(name: str) -> Pack:
    """The pack of a built-in metric, by its slug.

    Raises:
        InvalidDefinition: There is none, or it is not acceptable.
    """
    file = folder().joinpath("packs", f"{variants().get(name, name)}.yaml")
    if not file.is_file():
        raise InvalidDefinition("pack", f"there is no pack for {name!r}")
    body = yaml.load(file.read_text(encoding="utf-8"), Loader=LOADER)
    cases = tuple(_case(name, entry) for entry in body["cases"])
    return Pack(metric=name, cases=cases, tolerance=float(body.get("tolerance", 0.0)))


def _case(name: str, entry: Mapping[str, Any]) -> Case:
    if unknown := set(entry) - _CASE:
        raise InvalidDefinition("pack", f"{name}: a case has no {min(unknown)!r}; known are {sorted(_CASE)}")
    record = _record(entry)
    level = Level(entry["level"]) if "level" in entry else _level_of(record)
    expected = entry.get("expected")
    return Case(
        name=entry["name"],
        expected=float(expected) if isinstance(expected, int) and not isinstance(expected, bool) else expected,
        abstains=entry.get("abstains", ""),
        arguments=entry.get("arguments", {}),
        inputs=entry.get("inputs", {}),
        level=level,
        kind=record.kind if isinstance(record, SpanRecord) else entry.get("kind", "llm"),
        record=record,
    )


def _record(entry: Mapping[str, Any]) -> Record | None:
    if "span" in entry:
        return _span(entry["span"], 1)
    if "spans" in entry:
        return _trace(entry["spans"], 1)
    if "traces" in entry:
        traces = tuple(_trace(spans, number) for number, spans in enumerate(entry["traces"], 1))
        return SessionRecord(session_id="case", traces=traces)
    return None


def _level_of(record: Record | None) -> Level | None:
    match record:
        case SpanRecord():
            return Level.SPAN
        case TraceRecord():
            return Level.TRACE
        case SessionRecord():
            return Level.SESSION
        case None:
            return None


def _trace(spans: Sequence[Mapping[str, Any]], number: int) -> TraceRecord:
    records = tuple(_span(fields, at) for at, fields in enumerate(spans, 1))
    calls = [record.usage for record in records if record.kind == "llm" and record.duplicate_of is None]
    costs = [record.cost_usd for record in records if record.cost_usd is not None]
    return TraceRecord(
        trace_id=f"{number:032x}",
        spans=records,
        usage_total={name: sum(usage.get(name, 0) for usage in calls) for name in ("input_tokens", "output_tokens")},
        cost_usd=sum(costs) if costs else None,
    )


def _span(fields: Mapping[str, Any], number: int) -> SpanRecord:
    """Times are in milliseconds: `start_ms`, `duration_ms`."""
    given = dict(fields)
    calls = tuple(ToolCall(name=call["name"], arguments=call.get("arguments")) for call in given.pop("calls", ()))
    start, duration = given.pop("start_ms", 0), given.pop("duration_ms", 0)
    return SpanRecord(
        trace_id=TRACE_ID,
        span_id=f"{number:016x}",
        start_ns=start * _MILLISECOND,
        duration_ns=duration * _MILLISECOND,
        output_tool_calls=calls,
        **given,
    )


def _empty(level: Level, kind: str) -> Record:
    if level is Level.SPAN:
        return SpanRecord(trace_id=TRACE_ID, span_id=f"{1:016x}", kind=kind)
    return TraceRecord(trace_id=TRACE_ID) if level is Level.TRACE else SessionRecord(session_id="case")
