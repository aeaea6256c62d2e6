"""What a metric may read of one target: its named inputs, its normalised record, and results of other metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from evaluator.metrics.definition import MetricDefinition
from evaluator.targets.record import SessionRecord, SpanRecord, TraceRecord
from storage.model import Evaluation, TargetRef

ResultKey: TypeAlias = tuple[TargetRef, str]
"""A target and the slug of a metric."""
Record: TypeAlias = SpanRecord | TraceRecord | SessionRecord


class Content(Protocol):
    """What was said in a target.  Nothing is normalised before it is asked for, and nothing twice."""

    @property
    def inputs(self) -> Mapping[str, str]:
        """Text by name (`evaluator.targets.inputs.INPUT_NAMES`); what the target lacks is absent."""

    @property
    def record(self) -> Record:
        """The target, normalised."""

    @property
    def light(self) -> Record:
        """The target without what was said: ids, kinds, names, services, times, status and shape; else `record`."""

    @property
    def trace(self) -> TraceRecord | None:
        """The trace of a span; None for others, and where it is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """Content that is there already."""

    inputs: Mapping[str, str]
    record: Record
    trace: TraceRecord | None = None

    @property
    def light(self) -> Record:
        """The record."""
        return self.record


@dataclass(frozen=True, slots=True, init=False)
class Material:
    """One target, as metrics read it.  `inputs`, `record` and `trace` are those of `content`: reading them may cost.

    Attributes:
        kind: That of a span; '' for traces and sessions.
        content: See `Content`; built of `inputs`, `record` and `trace` where these are given instead.
        results: Composite metrics: final results of their required metrics on this target and, for a trace or session,
            below it.
        required: Composite metrics: every name that code may use for a required metric (as written in
            `required_metrics`, its display name, its slug), with that metric; `results` has it under its slug.
    """

    ref: TargetRef
    kind: str
    content: Content
    results: Mapping[ResultKey, Evaluation] = field(default_factory=dict)
    required: Mapping[str, MetricDefinition] = field(default_factory=dict)

    def __init__(
        self,
        *,
        ref: TargetRef,
        kind: str,
        content: Content | None = None,
        inputs: Mapping[str, str] | None = None,
        record: Record | None = None,
        trace: TraceRecord | None = None,
        results: Mapping[ResultKey, Evaluation] | None = None,
        required: Mapping[str, MetricDefinition] | None = None,
    ) -> None:
        if content is None:
            if record is None:
                raise TypeError("a material has a content, or a record")
            content = Given(inputs=inputs or {}, record=record, trace=trace)
        set_field = object.__setattr__
        set_field(self, "ref", ref)
        set_field(self, "kind", kind)
        set_field(self, "content", content)
        set_field(self, "results", {} if results is None else results)
        set_field(self, "required", {} if required is None else required)

    @property
    def inputs(self) -> Mapping[str, str]:
        """Text by name (`evaluator.targets.inputs.INPUT_NAMES`); what the target lacks is absent."""
        return self.content.inputs

    @property
    def record(self) -> Record:
        """The target, normalised."""
        return self.content.record

    @property
    def light(self) -> Record:
        """The target without what was said; for those who read ids, kinds, names, times, status and shape only."""
        return self.content.light

    @property
    def trace(self) -> TraceRecord | None:
        """The trace of a span."""
        return self.content.trace
