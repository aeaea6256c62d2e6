"""Whose feedback a run takes: completed evaluations, and the targets of them that people have spoken about."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evaluator.alignment.running.outcome import Source
from evaluator.errors import SourceNotFound
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.gaps import disagrees, gap
from storage.alignments import Alignments, ResolvedTarget, SourcedResult
from storage.model import Score, TargetRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What sources have.

    Attributes:
        resolved: Targets with resolved feedback, in order.
        sources: Those that were asked for, with their counts; () where all feedback is taken.
        results: What these sources have concluded, by target.
        within: Targets that the sources evaluated and people spoke about; None = no source was asked for, all count.
    """

    resolved: Sequence[ResolvedTarget]
    sources: tuple[Source, ...] = ()
    results: Mapping[TargetRef, Score]
    within: frozenset[TargetRef] | None = None


async def list_sources(alignments: Alignments, definition: MetricDefinition, delta: float) -> list[Source]:
    """Completed evaluations that have resolved feedback for a metric, newest first."""
    expected = {each.target: each.expected for each in await alignments.resolved(definition.name)}
    return _sources(definition, delta, expected, await alignments.sourced(definition.name))


async def choose(
    alignments: Alignments, definition: MetricDefinition, source_ids: Sequence[str], delta: float
) -> Chosen:
    """The targets with resolved feedback of these sources; none = of all.

    Raises:
        SourceNotFound: One of the sources has none.
    """
    resolved = await alignments.resolved(definition.name)
    if not source_ids:
        return Chosen(resolved=resolved, results={})
    sourced = await alignments.sourced(definition.name, source_ids)
    sources = _sources(definition, delta, {each.target: each.expected for each in resolved}, sourced)
    known = {source.source_id for source in sources}
    for source_id in source_ids:
        if source_id not in known:
            raise SourceNotFound(
                f"{source_id} is no completed evaluation with resolved feedback for {definition.name!r}; "
                "ListSources names those that are"
            )
    within = frozenset(each.target for each in sourced)
    return Chosen(
        resolved=[each for each in resolved if each.target in within],
        sources=tuple(sources),
        results={each.target: each.score for each in sourced},
        within=within,
    )


def _sources(
    definition: MetricDefinition,
    delta: float,
    expected: Mapping[TargetRef, Score],
    sourced: Sequence[SourcedResult],
) -> list[Source]:
    by_id: defaultdict[str, list[SourcedResult]] = defaultdict(list)
    for each in sourced:
        if each.target in expected:
            by_id[each.source_id].append(each)
    found = [
        Source(
            source_id=source_id,
            kind=results[0].kind,
            name=results[0].name,
            created_us=min(each.created_us for each in results),
            resolved=len(results),
            disagreements=sum(disagrees(gap(definition, expected[each.target], each.score), delta) for each in results),
        )
        for source_id, results in by_id.items()
    ]
    return sorted(found, key=lambda source: (-source.created_us, source.source_id))
