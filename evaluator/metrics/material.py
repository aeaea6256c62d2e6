"""What a metric may read of one target: its named inputs, its normalised record, and results of other metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from evaluator.targets.record import SessionRecord, SpanRecord, TraceRecord
from storage.model import Evaluation, TargetRef

ResultKey: TypeAlias = tuple[TargetRef, str]
"""A target and the slug of a metric."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """One target, as metrics read it.

    Attributes:
        kind: That of a span; '' for traces and sessions.
        inputs: Text by name (`evaluator.targets.inputs.INPUT_NAMES`); what the target lacks is absent.
        record: The target, normalised.
        trace: The trace of a span.
        results: Composite metrics: final results of their required metrics on this target and, for a trace or session,
            below it.
    """

    ref: TargetRef
    kind: str
    inputs: Mapping[str, str]
    record: SpanRecord | TraceRecord | SessionRecord
    trace: TraceRecord | None = None
    results: Mapping[ResultKey, Evaluation] = field(default_factory=dict)
