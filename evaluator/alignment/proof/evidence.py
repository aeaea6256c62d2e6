"""Held-out rows as numbers: scores of each row, flips, samples that can be resampled."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations

from evaluator.alignment.model import Optimized, RowResult, Split
from evaluator.alignment.optimizing.splitting import grouped
from evaluator.metrics.agreeing import sample
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.gaps import disagrees, gap, row_score
from evaluator.statistics.sample import Means, Repeated, Sample, Together
from storage.model import Outcome, Score

HALF = 0.5


class Turned(StrEnum):
    """What guidelines do to the verdict on a row."""

    FIXED = "fixed"
    BROKEN = "broken"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The held-out rows, and the group that each is of."""

    definition: MetricDefinition
    rows: tuple[RowResult, ...]
    groups: tuple[int, ...]
    delta: float

    @property
    def before(self) -> tuple[float, ...]:
        """Mean score of each row's answers without the guidelines."""
        return tuple(_mean_score(self.definition, each, each.before) for each in self.rows)

    @property
    def after(self) -> tuple[float, ...]:
        """Mean score of each row's answers with them."""
        return tuple(_mean_score(self.definition, each, each.after) for each in self.rows)

    def samples(self, chosen: Sequence[int] | None = None) -> tuple[Sample, Sample]:
        """Everything that is told of the rows (of some), without and with the guidelines."""
        rows = [self.rows[i] for i in (range(len(self.rows)) if chosen is None else chosen)]
        return (
            _sample(self.definition, rows, [each.before for each in rows]),
            _sample(self.definition, rows, [each.after for each in rows]),
        )

    def turned(self, which: Turned) -> int:
        """Rows that turned so."""
        return sum(turned(self.definition, each, delta=self.delta) is which for each in self.rows)


def evidence(definition: MetricDefinition, optimized: Optimized, *, delta: float) -> Evidence:
    """What was held out and answered both without and with the guidelines."""
    rows = [each for each in optimized.rows if each.split is Split.HELD_OUT and each.before and each.after]
    together = grouped([each.row for each in rows])
    number = {row.row_id: place for place, rows_of in enumerate(together) for row in rows_of}
    return Evidence(
        definition=definition, rows=tuple(rows), groups=tuple(number[each.row.row_id] for each in rows), delta=delta
    )


def turned(definition: MetricDefinition, result: RowResult, *, delta: float) -> Turned:
    """Whether guidelines turned the verdict on a row: the share of answers that agree moved by more than half.

    With one answer each, that is any change; with more, answers that merely vary turn nothing.
    """
    if not result.before or not result.after:
        return Turned.NONE
    moved = agreeing(definition, result, result.after, delta=delta) - agreeing(
        definition, result, result.before, delta=delta
    )
    if abs(moved) <= HALF:
        return Turned.NONE
    return Turned.FIXED if moved > 0 else Turned.BROKEN


def agreeing(definition: MetricDefinition, result: RowResult, answers: Sequence[Outcome], *, delta: float) -> float:
    """Share of answers that agree with what is expected; one that is no verdict does not."""
    expected = result.row.expected
    distances = [gap(definition, expected, each) for each in answers]
    return sum(each is not None and not disagrees(each, delta) for each in distances) / len(answers)


def apart(definition: MetricDefinition, results: Iterable[RowResult]) -> list[tuple[int, float]]:
    """How far repeated answers without the guidelines lie apart, of each row (by place) that has some, in row score."""
    found = []
    for place, each in enumerate(results):
        pairs = list(combinations(each.before, 2))
        if pairs:
            found.append((place, sum(_apart(definition, one, other) for one, other in pairs) / len(pairs)))
    return found


def _apart(definition: MetricDefinition, one: Outcome, other: Outcome) -> float:
    if isinstance(one, Score):
        return 1.0 - row_score(definition, one, other)
    return float(isinstance(other, Score))


def _mean_score(definition: MetricDefinition, result: RowResult, answers: Sequence[Outcome]) -> float:
    return sum(row_score(definition, result.row.expected, each) for each in answers) / len(answers)


def _sample(definition: MetricDefinition, rows: Sequence[RowResult], answers: Sequence[Sequence[Outcome]]) -> Sample:
    of_row = [row for row, each in enumerate(answers) for _ in each]
    pairs = sample(
        definition,
        [rows[row].row.expected for row in of_row],
        [answer for each in answers for answer in each],
        shares=[1 / len(answers[row]) for row in of_row],
    )
    scores = [_mean_score(definition, row, each) for row, each in zip(rows, answers, strict=True)]
    return Together(Repeated(pairs, of_row), Means(row_score=scores))
