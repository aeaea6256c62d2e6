"""What of people's word can be used: does it fit the metric as it is, who contradicts whom, which rows are alike."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

from evaluator.alignment.model import Row
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.gaps import disagrees, gap, scale_ends, truth
from storage.feedback import FeedbackRow, Resolution, ResolutionMethod
from storage.model import OutputType, Score

_WORD = re.compile(r"\w+")
_DECIDED = frozenset({ResolutionMethod.QUORUM, ResolutionMethod.ADJUDICATED})


def fits(definition: MetricDefinition, expected: Score) -> bool:
    """Whether a verdict is one that the metric, as it is now, can give: its labels, its scale."""
    match definition.output_type:
        case OutputType.BOOLEAN:
            return truth(expected) is not None
        case OutputType.MULTILABEL:
            return set(expected.labels) <= set(definition.labels)
        case OutputType.CATEGORICAL:
            return bool(expected.label) and (not definition.labels or expected.label in definition.labels)
        case _:
            if expected.value is None:
                return False
            if definition.labels and expected.label and expected.label not in definition.labels:
                return False
            low, high = scale_ends(definition) or (float("-inf"), float("inf"))
            return low <= expected.value <= high


def newest_of_each(said: Sequence[FeedbackRow]) -> list[FeedbackRow]:
    """The last word of each annotator, oldest first; `said` is oldest first."""
    last = {row.annotator: row for row in said}
    return [row for row in said if last[row.annotator] is row]


def contradicted(
    definition: MetricDefinition, resolution: Resolution, said: Sequence[FeedbackRow], delta: float
) -> bool:
    """Whether annotators differ by the threshold or more, and nobody has decided between them."""
    if resolution.method in _DECIDED:
        return False
    return any(
        disagrees(gap(definition, one.expected, other.expected), delta)
        for one, other in combinations(newest_of_each(said), 2)
    )


def likeness(row: Row) -> str:
    """The same for inputs that differ in case, spaces and punctuation only."""
    parts = [f"{name}={' '.join(_WORD.findall(text.lower()))}" for name, text in sorted(row.inputs.items())]
    return hashlib.blake2b("\x1f".join(parts).encode("utf-8", "replace"), digest_size=16).hexdigest()


def at_odds(definition: MetricDefinition, rows: Sequence[Row], likenesses: Sequence[str], delta: float) -> set[str]:
    """Ids of rows with equal inputs of which people expect different things."""
    alike: defaultdict[str, list[Row]] = defaultdict(list)
    for row, like in zip(rows, likenesses, strict=True):
        alike[like].append(row)
    return {
        row.row_id
        for group in alike.values()
        if len(group) > 1 and _differ(definition, [row.expected for row in group], delta)
        for row in group
    }


def _differ(definition: MetricDefinition, expected: Sequence[Score], delta: float) -> bool:
    """Each verdict that occurs is compared once: a thousand copies of a target are no million pairs."""
    distinct = list({(each.value, each.label, each.labels): each for each in expected}.values())
    return any(disagrees(gap(definition, one, other), delta) for one, other in combinations(distinct, 2))


def grouped(rows: Sequence[Row], likenesses: Sequence[str]) -> list[Row]:
    """Rows whose groups also hold those that are alike: a split must not show the test what it was trained on."""
    parent: dict[tuple[str, str], tuple[str, str]] = {}

    def root(key: tuple[str, str]) -> tuple[str, str]:
        while (above := parent.setdefault(key, key)) != key:
            parent[key] = parent[above]
            key = above
        return key

    for row, like in zip(rows, likenesses, strict=True):
        parent[root(("like", like))] = root(("group", row.group))
    names: dict[tuple[str, str], str] = {}
    for row in rows:
        names.setdefault(root(("group", row.group)), row.group)
    return [replace(row, group=names[root(("group", row.group))]) for row in rows]
