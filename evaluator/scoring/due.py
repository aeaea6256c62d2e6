"""Which results a composite needs: its required metrics on its target and below, where they are due."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from evaluator.metrics.composite.requirements import Closure, MetricKey, applies_to, due_levels
from evaluator.metrics.definition import MetricDefinition
from evaluator.scoring.subject import Subject, spans_below
from storage.model import Level, MetricKind, TargetRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """One required metric, as the composite names it, and the subjects on which it is due."""

    entry: str
    metric: MetricDefinition
    subjects: Sequence[Subject]


class Due:
    """What the composites of one call need, each worked out once.

    A call that instrumentations report twice is there once: nothing is due on the other spans of it.
    """

    def __init__(self, required: Closure) -> None:
        self._required = required
        self._below: dict[tuple[TargetRef, str], list[Subject]] = {}
        self._needs: dict[tuple[TargetRef, str, MetricKey], list[Need]] = {}

    async def prepare(self, subjects: Sequence[Subject]) -> None:
        """Read the shape of large targets beside the event loop."""
        if any(self._required.values()):
            reads = [
                read for subject in subjects if subject.record.ref.level is not Level.SPAN for read in subject.read
            ]
            await asyncio.to_thread(lambda: [read.light for read in reads])

    def of(self, subject: Subject, metric: MetricDefinition) -> Sequence[Need]:
        """In the order of `required_metrics`; a need without subjects does not gate."""
        key = subject.record.ref, subject.inline, (metric.name, metric.version)
        if key not in self._needs:
            self._needs[key] = list(self._worked_out(subject, metric))
        return self._needs[key]

    def composites(self, subject: Subject, metric: MetricDefinition) -> Iterator[tuple[Subject, MetricDefinition]]:
        """A composite, and every composite that it needs, itself or through others."""
        if metric.kind is MetricKind.COMPOSITE:
            yield subject, metric
            for need in self.of(subject, metric):
                for each in need.subjects if need.metric.kind is MetricKind.COMPOSITE else ():
                    yield from self.composites(each, need.metric)

    def _worked_out(self, subject: Subject, metric: MetricDefinition) -> Iterator[Need]:
        level = subject.record.ref.level
        for required in self._required[metric.name, metric.version]:
            levels = due_levels(metric, level, required)
            candidates = [subject] if level in levels else []
            if levels - {level}:
                candidates += [each for each in self._family(subject) if each.record.ref.level in levels]
            yield Need(
                entry=required.entry,
                metric=required.metric,
                subjects=[
                    each
                    for each in candidates
                    if applies_to(required.metric, each.record.ref.level, each.material.kind)
                ],
            )

    def _family(self, subject: Subject) -> list[Subject]:
        key = subject.record.ref, subject.inline
        if subject.record.ref.level is Level.SPAN:
            return []
        if key not in self._below:
            repeated = {
                (span.trace_id, span.span_id)
                for read in subject.read
                for span in read.light.spans
                if span.duplicate_of is not None
            }
            below = spans_below(subject)
            self._below[key] = [
                each for each in below if (each.record.ref.trace_id, each.record.ref.span_id) not in repeated
            ]
        return self._below[key]
