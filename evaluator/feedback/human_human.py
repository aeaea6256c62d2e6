"""People against each other, on targets that two or more of them have labelled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import permutations

from evaluator.feedback.agreed import AgreementGroup
from evaluator.feedback.measured import ALL, confusion_of, cut
from evaluator.metrics.agreeing import classes, sample, word
from evaluator.metrics.definition import MetricDefinition
from evaluator.statistics.estimate import Cell, Estimate
from evaluator.statistics.resampling import estimates
from evaluator.statistics.sample import Means, Repeated, Sample
from evaluator.statistics.units import NumberUnits, Scale, Units
from storage.agreement import Label, LabelledTarget
from storage.model import OutputType

TOLD: Mapping[OutputType, tuple[str, ...]] = {
    OutputType.BOOLEAN: ("agreement", "cohen_kappa", "fleiss_kappa", "krippendorff_alpha", "gwet_ac1"),
    OutputType.CATEGORICAL: ("agreement", "cohen_kappa", "fleiss_kappa", "krippendorff_alpha", "gwet_ac1"),
    OutputType.DISCRETE: ("krippendorff_alpha", "weighted_kappa", "agreement", "within_1", "mae"),
    OutputType.PERCENTAGE: ("krippendorff_alpha", "ccc", "mae"),
    OutputType.COUNT: ("krippendorff_alpha", "weighted_kappa", "agreement", "mae"),
    OutputType.NUMBER: ("krippendorff_alpha", "ccc", "mae"),
    OutputType.MULTILABEL: ("agreement", "jaccard", "krippendorff_alpha"),
}
"""What is told of each type.  Cohen's kappa takes two raters: it is told of pairs, and where there are just two people.
Krippendorff's alpha is ordinal on discrete scales, interval on other numbers, nominal on the rest."""
_LABELLED = frozenset({OutputType.BOOLEAN, OutputType.CATEGORICAL})
MAX_CLASSES = 500
"""Different values beyond which there is no alpha of labels."""
MAX_PAIRS = 28
"""Pairs of annotators that are told one by one: of eight people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rated:
    """A target and the last word of each of its annotators."""

    labelled: LabelledTarget
    said: Mapping[str, Label]


def between_people(
    definition: MetricDefinition, rated: Sequence[Rated], *, by: Sequence[str]
) -> tuple[AgreementGroup, ...]:
    """All first, then groups.  By annotator: each person against the others, and each two of them (`pair=ann,bob`).
    By version: the version that the first of them spoke about."""
    found = [_group(definition, ALL, rated)]
    for dimension in by:
        if dimension == "annotator":
            found += _by_annotator(definition, rated)
        elif dimension != "class":  # of what is right only one class is left: nothing to agree on beyond chance
            found += [_group(definition, name, part) for name, part in _cut(definition, rated, dimension)]
    return tuple(found)


def _cut(definition: MetricDefinition, rated: Sequence[Rated], dimension: str) -> Iterable[tuple[str, list[Rated]]]:
    def values(row: Rated) -> Iterable[str]:
        match dimension:
            case "level":
                return (str(row.labelled.target.level),)
            case "version":
                return (str(row.labelled.labels[0].metric_version),)
            case "queue":
                return sorted({label.queue for label in row.said.values() if label.queue})
            case attribute:
                return tuple(filter(None, (row.labelled.segment.get(attribute),)))

    return cut(rated, dimension, values)


def _group(definition: MetricDefinition, name: str, rated: Sequence[Rated]) -> AgreementGroup:
    """Coefficients for any number of raters; where there are just two people, Cohen's kappa and their table also."""
    people = sorted({annotator for each in rated for annotator in each.said})
    statistics = estimates(_units(definition, rated), [each.labelled.group_key for each in rated])
    if len(people) == 2:
        pair = _pair(definition, name, rated, people[0], people[1])
        return _told(definition, name, pair.statistics | statistics, pair.confusion)
    if definition.output_type not in _LABELLED:
        flat = [(row, *pair) for row, each in enumerate(rated) for pair in permutations(each.said.values(), 2)]
        statistics = _every(definition, rated, flat) | statistics
    return _told(definition, name, statistics)


def _units(definition: MetricDefinition, rated: Sequence[Rated]) -> Sample:
    labels = [list(each.said.values()) for each in rated]
    if definition.output_type in (OutputType.PERCENTAGE, OutputType.COUNT, OutputType.NUMBER):
        return NumberUnits([[label.expected.value or 0.0 for label in each] for each in labels])
    if definition.output_type is OutputType.DISCRETE:
        return Units([[label.expected.value or 0.0 for label in each] for each in labels], scale=Scale.ORDINAL)
    words = [[word(definition, label.expected) for label in each] for each in labels]
    if len({each for unit in words for each in unit}) > MAX_CLASSES:
        return Means()
    return Units(words, classes=classes(definition))


def _every(
    definition: MetricDefinition, rated: Sequence[Rated], flat: Sequence[tuple[int, Label, Label]]
) -> dict[str, Estimate]:
    """Pairs of labels of one row (its place comes first); a row counts once, however many pairs it has."""
    of_row = Counter(row for row, _, _ in flat)
    pairs = sample(
        definition,
        [one.expected for _, one, _ in flat],
        [other.expected for _, _, other in flat],
        shares=[1 / of_row[row] for row, _, _ in flat],
    )
    keys = [each.labelled.group_key for each in rated]
    return estimates(Repeated(pairs, [row for row, _, _ in flat]), keys)


def _by_annotator(definition: MetricDefinition, rated: Sequence[Rated]) -> list[AgreementGroup]:
    people = sorted({annotator for each in rated for annotator in each.said})
    found = []
    for name, part in cut(rated, "annotator", lambda row: row.said):
        ann = name.removeprefix("annotator=")
        found.append(_against_others(definition, name, part, ann))
    pairs = [(one, other) for i, one in enumerate(people) for other in people[i + 1 :]]
    for one, other in pairs if len(pairs) <= MAX_PAIRS else ():
        if shared := [_only(each, one, other) for each in rated if one in each.said and other in each.said]:
            found.append(_pair(definition, f"pair={one},{other}", shared, one, other))
    return found


def _only(rated: Rated, *people: str) -> Rated:
    return replace(rated, said={annotator: rated.said[annotator] for annotator in people})


def _pair(definition: MetricDefinition, name: str, rated: Sequence[Rated], one: str, other: str) -> AgreementGroup:
    """Two people: in the table `expected` is what the first one said."""
    flat = [(row, each.said[one], each.said[other]) for row, each in enumerate(rated)]
    statistics = _every(definition, rated, flat)
    if definition.output_type is OutputType.DISCRETE:
        statistics |= estimates(_units(definition, rated), [each.labelled.group_key for each in rated])
    first, second = [label.expected for _, label, _ in flat], [label.expected for _, _, label in flat]
    return _told(definition, name, statistics, confusion_of(definition, first, second))


def _against_others(definition: MetricDefinition, name: str, rated: Sequence[Rated], annotator: str) -> AgreementGroup:
    """One person against each of the others on the same targets."""
    flat = [
        (row, each.said[annotator], label)
        for row, each in enumerate(rated)
        for who, label in each.said.items()
        if who != annotator
    ]
    return _told(definition, name, _every(definition, rated, flat))


def _told(
    definition: MetricDefinition, name: str, statistics: Mapping[str, Estimate], confusion: tuple[Cell, ...] = ()
) -> AgreementGroup:
    wanted = TOLD[definition.output_type]
    return AgreementGroup(
        group=name,
        statistics={each: statistics[each] for each in wanted if each in statistics},
        confusion=confusion,
    )
