"""What a composite metric requires: names as written, the metrics they stand for, and where these are due."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Protocol, TypeAlias

from evaluator.errors import InvalidDefinition, MetricNotFound, RequiredMetricMissing
from evaluator.metrics.composite.reading import BELOW, levels_read, reads_of
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.naming import BUILTIN, slug_of
from storage.model import Level, MetricKind

BY_OTHERS = frozenset({MetricKind.EXTERNAL, MetricKind.HUMAN})
"""Kinds whose results somebody else sends: they are waited for, never computed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """One entry of `required_metrics`.

    Attributes:
        entry: As written: `name`, or `name@level`.
        metric: What it stands for: the active version.
        level: The one after the `@`; None = a bare name.
    """

    entry: str
    metric: MetricDefinition
    level: Level | None = None


MetricKey: TypeAlias = tuple[str, int]
"""Slug and version."""
Closure: TypeAlias = Mapping[MetricKey, Sequence[Requirement]]
"""What every metric of a wish requires, and what these require, and so on; of most it is nothing."""


class Knows(Protocol):
    """Resolves names to definitions."""

    async def get(self, name: str, version: int | None = None) -> MetricDefinition:
        """The active version of a metric.

        Raises:
            MetricNotFound: There is none.
        """


async def closure(known: Knows, metrics: Iterable[MetricDefinition]) -> Closure:
    """Everything that is needed for `metrics`; what is required is always the active version.

    Raises:
        RequiredMetricMissing: A required metric does not exist, or requires itself through others.
    """
    required: dict[MetricKey, list[Requirement]] = {}
    todo = list(metrics)
    while todo:
        metric = todo.pop()
        key = metric.name, metric.version
        if key in required:
            continue
        required[key] = await _all_resolved(known, metric)
        todo += [each.metric for each in required[key]]
    graph = {key: {(each.metric.name, each.metric.version) for each in needs} for key, needs in required.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        circle = " → ".join(name for name, _ in error.args[1])
        raise RequiredMetricMissing(f"metrics require each other in a circle: {circle}") from error
    return required


async def _all_resolved(known: Knows, metric: MetricDefinition) -> list[Requirement]:
    found: list[Requirement] = []
    missing: list[str] = []
    for entry in metric.required_metrics:
        name, level = parsed(entry)
        try:
            found.append(Requirement(entry=entry, metric=await known.get(name), level=level))
        except MetricNotFound:
            missing.append(repr(name))
    if missing:
        does = "does" if len(missing) == 1 else "do"
        raise RequiredMetricMissing(f"metric {metric.name!r} requires {', '.join(missing)}, which {does} not exist")
    return found


def parsed(entry: str) -> tuple[str, Level | None]:
    """Name and level of an entry.

    Raises:
        InvalidDefinition: What follows the last `@` is no level, or there is no name.
    """
    name, at, level = entry.strip().rpartition("@")
    if not at:
        name, level = level, ""
    if not name.strip():
        raise InvalidDefinition("metric.required_metrics", f"{entry!r} names no metric")
    if level and level not in {str(each) for each in Level}:
        raise InvalidDefinition(
            "metric.required_metrics", f"{entry!r} must be `name` or `name@span`, `name@trace`, `name@session`"
        )
    return name.strip(), Level(level) if level else None


def due_levels(composite: MetricDefinition, level: Level, required: Requirement) -> frozenset[Level]:
    """The levels at which a required metric is due for a target of this level.

    `name@level`: that level.  A bare name: the metric's levels among the target's own and those below; where there are
    several, those at which the source reads it (`reads_of`), or all of them where that cannot be seen.  A roll-up reads
    a bare name below its target only (on a span: on the span).
    """
    possible = [each for each in BELOW[level] if each in required.metric.levels]
    if required.level is not None:
        return frozenset({required.level} & set(possible))
    if composite.roll_up is not None and level is not Level.SPAN:
        return frozenset(each for each in possible if each is not level)
    if len(possible) < 2 or not composite.source:
        return frozenset(possible)
    return frozenset(levels_read(reads_of(composite.source, level), names_of(required), possible))


def names_of(required: Requirement) -> Collection[str]:
    """What a source may call a required metric: its entry, its slug, its display name."""
    written, _ = parsed(required.entry)
    metric = required.metric
    return {written, written.removeprefix(BUILTIN), slug_of(written), metric.name, metric.display_name} - {""}


def applies_to(metric: MetricDefinition, level: Level, kind: str) -> bool:
    """Whether a metric has a result on a target: it works at its level and, of a span, on its kind."""
    return level in metric.levels and (level is not Level.SPAN or not metric.span_kinds or kind in metric.span_kinds)


def spellings(requirements: Sequence[Requirement]) -> Mapping[str, MetricDefinition]:
    """Everything that `step_object.metrics[…]` takes, each with the metric it stands for."""
    return {name: required.metric for required in requirements for name in names_of(required)}
