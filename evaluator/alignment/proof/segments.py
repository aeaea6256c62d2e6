"""Statistics before and after, of all rows and by class, level, annotator and segment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from evaluator.alignment.model import RowResult
from evaluator.alignment.proof.evidence import Evidence
from evaluator.alignment.proof.proof import ALL, Comparison
from evaluator.metrics.agreeing import RECALL_OF, STATISTICS, headline
from evaluator.statistics.resampling import Paired, compared

SCORE = "row_score"
FEWEST_OF_SEGMENT = 5
MAX_VALUES = 12
"""Values of one dimension that are told, those with most rows first."""


def comparisons(found: Evidence, *, seed: int, replicates: int) -> tuple[Comparison, ...]:
    """The headline first; of segments the headline and the row score."""
    before, after = found.samples()
    every = compared(before, after, found.groups, seed=seed, replicates=replicates)
    names = (*STATISTICS[found.definition.output_type], SCORE)
    told = [_comparison(name, ALL, every[name]) for name in names if name in every]
    told += [
        _comparison("recall", f"class={name.removeprefix(RECALL_OF)}", each)
        for name, each in every.items()
        if name.startswith(RECALL_OF)
    ]
    for segment, chosen in segments(found.rows):
        part_before, part_after = found.samples(chosen)
        groups = [found.groups[i] for i in chosen]
        part = compared(part_before, part_after, groups, seed=seed, replicates=replicates)
        told += [_comparison(name, segment, part[name]) for name in (headline(found.definition), SCORE)]
    return tuple(told)


def segments(rows: Sequence[RowResult]) -> Iterator[tuple[str, list[int]]]:
    """Segments that have rows enough, and are not all of them: `dimension=value` and the places of its rows."""
    places: dict[str, dict[str, list[int]]] = {}
    for place, each in enumerate(rows):
        for dimension, values in _dimensions(each).items():
            for value in values:
                places.setdefault(dimension, {}).setdefault(value, []).append(place)
    for dimension, of_value in sorted(places.items()):
        sizes = Counter({value: len(chosen) for value, chosen in of_value.items()})
        largest = sorted(sizes, key=lambda value: (-sizes[value], value))[:MAX_VALUES]
        for value in largest:
            if FEWEST_OF_SEGMENT <= sizes[value] < len(rows):
                yield f"{dimension}={value}", of_value[value]


def _dimensions(result: RowResult) -> Mapping[str, Sequence[str]]:
    row = result.row
    own = {name: [value] for name, value in row.segment.items() if value}
    return own | {"level": [str(row.target.level)], "annotator": sorted(set(row.annotators))}


def _comparison(name: str, group: str, paired: Paired) -> Comparison:
    return Comparison(name=name, group=group, before=paired.before, after=paired.after, difference=paired.difference)
