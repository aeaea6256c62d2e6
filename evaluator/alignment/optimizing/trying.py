"""Sets of lines, tried on rows: what the judge concludes with them, and how right that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evaluator.alignment.model import Judge, Row
from evaluator.alignment.optimizing.claim import Claim
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.gaps import default_delta, disagrees, gap, row_score
from storage.model import Outcome, Score

FEWEST_ROWS = 5
"""Of fewer rows nobody says that they are all judged the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """A set of lines and what it does.

    Attributes:
        outcomes: By row id.
        score: Mean row score, 0.0 to 1.0.
    """

    claims: tuple[Claim, ...]
    outcomes: Mapping[str, Outcome]
    score: float

    @property
    def rank(self) -> tuple[float, int]:
        """More is better; of two that are equally right, the shorter one."""
        return self.score, -len(self.claims)


class Trial:
    """A metric and its judge; counts what it tries."""

    def __init__(self, definition: MetricDefinition, judge: Judge, delta: float | None) -> None:
        self.definition = definition
        self.judge = judge
        self.delta = default_delta(definition) if delta is None else delta
        self.tried = 0

    async def of(self, claims: Sequence[Claim], rows: Sequence[Row], *, repeat: int = 0, counts: bool = True) -> Tried:
        """A set, tried on rows.

        Args:
            counts: Whether it is a candidate.

        Raises:
            BudgetExhausted, ModelUnavailable: As the judge says.
        """
        by_id = {row.row_id: row for row in rows}
        guidelines = [claim.guideline(by_id) for claim in claims]
        outcomes = await self.judge.predict(guidelines, rows, repeat=repeat)
        self.tried += counts
        found = {row.row_id: outcome for row, outcome in zip(rows, outcomes, strict=True)}
        return Tried(claims=tuple(claims), outcomes=found, score=self.mean(rows, found))

    def mean(self, rows: Sequence[Row], outcomes: Mapping[str, Outcome]) -> float:
        """Mean row score; 0.0 of no rows."""
        scores = [row_score(self.definition, row.expected, outcomes[row.row_id]) for row in rows]
        return sum(scores) / len(scores) if scores else 0.0

    def is_wrong(self, row: Row, outcome: Outcome) -> bool:
        """Whether it differs from what people expect, or is no verdict at all."""
        distance = gap(self.definition, row.expected, outcome)
        return distance is None or disagrees(distance, self.delta)

    def says_one_thing(self, rows: Sequence[Row], tried: Tried) -> bool:
        """Whether every row gets the same verdict although people expect several: such lines judge nothing."""
        said = {_said(tried.outcomes[row.row_id]) for row in rows}
        return len(rows) >= FEWEST_ROWS and len(said) == 1 and len({_said(row.expected) for row in rows}) > 1


def _said(outcome: Outcome) -> object:
    return (outcome.value, outcome.label, outcome.labels) if isinstance(outcome, Score) else None
