"""The vocabulary of alignment: rows, what judges say of them, and what a run has found.  Values without I/O.

An optimizer sees rows, a `Judge` and a `Reflector`; it knows neither the store nor a provider.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.guideline import Guideline
from storage.model import Outcome, Score, TargetRef


class Split(StrEnum):
    """What a row was used for."""

    TRAIN = "train"
    VALIDATION = "validation"
    HELD_OUT = "held_out"
    """Its predictions `after` were made by guidelines that were made without it."""
    AGREEING = "agreeing"
    EXCLUDED = "excluded"


class Verdict(StrEnum):
    """What the held-out rows say."""

    SUPPORTED = "supported"
    HARMFUL = "harmful"
    NO_CHANGE = "no_change"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A target with what people expect of it.

    Attributes:
        row_id: Stable over runs: a digest of metric and target.
        group: Rows of one group never lie on both sides of a split.
        rationales: Why, in people's words, one of each annotator; blank ones are left out.
        recorded: What the judge had concluded when they spoke, with its rationale; None = not known.
        inputs: What a judge reads, by name.
        segment: What to report by: `service`, `level`, ….
    """

    row_id: str
    target: TargetRef
    group: str
    expected: Score
    feedback_ids: tuple[str, ...]
    annotators: tuple[str, ...] = ()
    rationales: tuple[str, ...] = ()
    recorded: Score | None = None
    metric_version: int = 0
    inputs: Mapping[str, str]
    span_kind: str = ""
    segment: Mapping[str, str] = field(default_factory=dict)


class BudgetExhausted(Exception):
    """The caps of the run do not cover a further call.  What was found so far stands."""


class ReflectionUnparseable(Exception):
    """The reflection model's answers cannot be read, repeatedly; the message has the last one's beginning."""


class ModelUnavailable(Exception):
    """Judge or reflection model cannot be reached, repeatedly; the message says which, and what it answered."""


class Judge(Protocol):
    """The metric under alignment, asked with any guidelines.  Answers are remembered; a repeat is a fresh answer."""

    async def predict(self, guidelines: Sequence[Guideline], rows: Sequence[Row], *, repeat: int = 0) -> list[Outcome]:
        """What it concludes, in order of rows; guidelines are all that it is given, base prompt aside.

        Raises:
            BudgetExhausted, ModelUnavailable: As their names say.
            asyncio.CancelledError: The run was cancelled.
        """


class Reflector(Protocol):
    """The reflection model."""

    async def reflect(self, instructions: str, material: str, *, attempt: int = 0) -> str:
        """Its answer, held to `evaluator.alignment.optimizing.reading.SCHEMA` where the model can be; '' = none.

        The same question in the same attempt is not paid for twice.

        Raises:
            BudgetExhausted, ModelUnavailable: As their names say.
        """


class Steps(Protocol):
    """Whom an optimizer tells how far it is."""

    def report(self, done: int, total: int, what: str = "") -> None:
        """Steps of the phase that are done, of how many."""

    def finalizing(self) -> None:
        """Guidelines are distilled; from now on they are proved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowResult:
    """What became of a row.

    Attributes:
        before, after: What the judge concludes without and with the guidelines, one of each repeat.  Of a row that is
            held out, `after` comes from guidelines that were made without it.
        fold: Which part of a cross-fit it was held out in, from 0.
    """

    row: Row
    split: Split
    fold: int = 0
    before: tuple[Outcome, ...] = ()
    after: tuple[Outcome, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A guideline and what it alone does.

    Attributes:
        fixed, broken: Rows that are right, or wrong, because of it (one pass without it, over rows that flipped).
        needs_decision: Why it is not included by itself ('' = it is): the line that says the opposite, and its rows.
    """

    guideline: Guideline
    fixed: int = 0
    broken: int = 0
    needs_decision: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimized:
    """What an optimizer found.

    Attributes:
        lines: In the order in which the judge is given them; those that need a decision last.
        rows: Every row that it was given.
        design: How rows were held out: `cross-fit, 4 folds`, `sealed split`, `none`.
        in_sample_before, in_sample_after: Mean row score (0 to 1) of the rows that the guidelines were made of.
        candidates: How many sets of guidelines were tried.
        exhausted: Whether the caps ended it early.
    """

    lines: tuple[Line, ...]
    rows: tuple[RowResult, ...]
    design: str
    in_sample_before: float | None = None
    in_sample_after: float | None = None
    candidates: int = 0
    exhausted: bool = False
    warnings: tuple[str, ...] = ()

    @property
    def guidelines(self) -> tuple[Guideline, ...]:
        """Those that the judge is given."""
        return tuple(each.guideline for each in self.lines if not each.needs_decision)


class Optimizer(Protocol):
    """Finds guidelines.  There is one so far: distill, verify, gate."""

    async def optimize(
        self,
        definition: MetricDefinition,
        rows: Sequence[Row],
        *,
        delta: float | None,
        judge: Judge,
        reflector: Reflector,
        steps: Steps,
        seed: int,
    ) -> Optimized:
        """Guidelines for a metric, and what it concludes with them about rows that they were not made of.

        Args:
            delta: The smallest gap that is a disagreement; None = the default of the output type.

        Raises:
            ReflectionUnparseable, ModelUnavailable: As their names say.
        """
