"""A judge against resolved labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from evaluator.feedback.agreed import AgreementGroup
from evaluator.feedback.measured import ALL, confusion_of, cut
from evaluator.metrics.agreeing import STATISTICS, sample, word
from evaluator.metrics.definition import MetricDefinition
from evaluator.statistics.resampling import estimates
from storage.agreement import LabelledTarget
from storage.model import Score

OF_ONE_CLASS = ("agreement", "within_1", "mae", "bias", "jaccard")
"""What rows of one class have: chance is no measure where only one thing is right.  `agreement` is its recall."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A resolved target and what one version of the metric concluded about it."""

    labelled: LabelledTarget
    version: int
    expected: Score
    concluded: Score


def against_people(
    definition: MetricDefinition, judged: Sequence[Judged], *, by: Sequence[str]
) -> tuple[AgreementGroup, ...]:
    """All rows of the metric's own version first, then groups.  By annotator: the judge against that person's own word.
    By version: every version that has a verdict."""
    own = [each for each in judged if each.version == definition.version]
    found = [_group(definition, ALL, own)]
    for dimension in by:
        rows = judged if dimension == "version" else own
        rows = [each for row in rows for each in _by_annotator(row)] if dimension == "annotator" else rows
        found += [_group(definition, name, part) for name, part in _cut(definition, rows, dimension)]
    return tuple(found)


def _by_annotator(row: Judged) -> Iterator[Judged]:
    for label in row.labelled.labels:
        yield replace(row, expected=label.expected, labelled=replace(row.labelled, labels=(label,)))


def _cut(definition: MetricDefinition, rows: Sequence[Judged], dimension: str) -> Iterator[tuple[str, list[Judged]]]:
    def values(row: Judged) -> Iterable[str]:
        match dimension:
            case "class":
                return (word(definition, row.expected),)
            case "level":
                return (str(row.labelled.target.level),)
            case "version":
                return (str(row.version),)
            case "annotator":
                return (row.labelled.labels[0].annotator,)
            case "queue":
                return sorted({label.queue for label in row.labelled.labels if label.queue})
            case attribute:
                return tuple(filter(None, (row.labelled.segment.get(attribute),)))

    return cut(rows, dimension, values)


def _group(definition: MetricDefinition, name: str, rows: Sequence[Judged]) -> AgreementGroup:
    expected, concluded = [each.expected for each in rows], [each.concluded for each in rows]
    keys = [each.labelled.group_key for each in rows]
    measured = estimates(sample(definition, expected, concluded), keys)
    names = OF_ONE_CLASS if name.startswith("class=") else STATISTICS[definition.output_type]
    return AgreementGroup(
        group=name,
        statistics={each: measured[each] for each in names if each in measured},
        confusion=confusion_of(definition, expected, concluded),
    )
