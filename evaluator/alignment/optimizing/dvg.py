"""Distill, verify, gate: lines out of what reviewers wrote, kept where the judge is more right with them.

How much more is told by rows that the lines were not made of.  Below 200 rows each is held out once, by a fit of its
own; above, a part is sealed away from the beginning.  ALIGNMENT §3 and §5 of the design have the measurements.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from statistics import median

from evaluator.alignment.model import (
    BudgetExhausted,
    Judge,
    Line,
    Optimized,
    ReflectionUnparseable,
    Reflector,
    Row,
    RowResult,
    Split,
    Steps,
)
from evaluator.alignment.optimizing.ablating import Effect, effects
from evaluator.alignment.optimizing.cards import cards, refusals
from evaluator.alignment.optimizing.claim import Claim, of_guidelines
from evaluator.alignment.optimizing.design import (
    REPEATS,
    ROUNDS,
    SHARES,
    VALIDATED_FROM,
    VALIDATION,
    Design,
    Holding,
    design_for,
)
from evaluator.alignment.optimizing.fitting import Fit, Fitted
from evaluator.alignment.optimizing.splitting import grouped, partition
from evaluator.alignment.optimizing.trying import Trial
from evaluator.metrics.definition import MetricDefinition
from storage.model import Outcome, Score


class DistillVerifyGate:
    """The optimizer.

    Args:
        max_calls: What the judge may be asked at most, for the choice of a design that is not cut short; None = as
            often as need be.  Whoever asks the judge enforces it.
    """

    def __init__(self, *, max_calls: int | None = None) -> None:
        self._max_calls = max_calls

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

        Under caps that end it early, what was found so far; rows that were not yet held out then have no `after`.

        Raises:
            ReflectionUnparseable, ModelUnavailable: As their names say.
        """
        design = design_for(len(rows), len(grouped(rows)), max_calls=self._max_calls)
        run = _Run(Trial(definition, judge, delta), reflector, steps, rows, design, seed)
        return await run.optimized()


@dataclass(slots=True)
class _Answers:
    """What the judge concluded of rows, by row id, one of each repeat."""

    before: dict[str, tuple[Outcome, ...]] = field(default_factory=dict)
    after: dict[str, tuple[Outcome, ...]] = field(default_factory=dict)


class _Run:
    """One optimization."""

    def __init__(
        self, trial: Trial, reflector: Reflector, steps: Steps, rows: Sequence[Row], design: Design, seed: int
    ) -> None:
        self._trial = trial
        self._reflector = reflector
        self._steps = steps
        self._rows = list(rows)
        self._by_id = {row.row_id: row for row in rows}
        self._design = design
        self._seed = seed
        self._base = of_guidelines(trial.definition.guidelines)
        self._answers = _Answers()
        self._splits: dict[str, tuple[Split, int]] = {row.row_id: (Split.TRAIN, 0) for row in rows}
        self._exhausted = False
        self._warnings: list[str] = []
        self._wrong: frozenset[str] = frozenset()
        self._middle = median(row.expected.value or 0.0 for row in rows) if rows else 0.0

    async def optimized(self) -> Optimized:
        """Fit, prove, and say what each line does."""
        self._steps.report(0, ROUNDS, "rounds")
        await self._unless_exhausted(self._ask_before())
        if not self._wrong or self._exhausted:
            self._steps.finalizing()
            return self._unchanged()
        train, validation, sealed = self._parts()
        fitted = await self._fit("all", train, validation, tell=True)
        self._steps.report(ROUNDS, ROUNDS, "rounds")
        self._steps.finalizing()
        if not fitted.changed:
            return self._unchanged(fitted)
        if self._exhausted:
            self._warnings.append("the caps ended it before anything could be held out")
        else:
            await self._unless_exhausted(self._hold_out(fitted, sealed))
        return self._told(fitted, await self._lines(fitted, [*train, *validation]))

    # -- before ---------------------------------------------------------------------------------------------------

    async def _ask_before(self) -> None:
        for repeat in range(REPEATS):
            tried = await self._trial.of(self._base, self._rows, repeat=repeat, counts=False)
            for row_id, outcome in tried.outcomes.items():
                self._answers.before[row_id] = (*self._answers.before.get(row_id, ()), outcome)
        self._wrong = frozenset(
            row.row_id
            for row in self._rows
            if any(
                isinstance(each, Score) and self._trial.is_wrong(row, each) for each in self._answers.before[row.row_id]
            )
        )

    def _parts(self) -> tuple[list[Row], list[Row], list[Row]]:
        if self._design.holding is not Holding.SEALED:
            return (*self._tried_only(self._rows, "parts"), [])
        parts = partition(self._rows, SHARES, stratum=self._stratum, rng=random.Random(f"{self._seed} parts"))
        for split, part in zip((Split.TRAIN, Split.VALIDATION, Split.HELD_OUT), parts, strict=True):
            self._splits.update({row.row_id: (split, 0) for row in part})
        train, validation, sealed = parts
        return train, validation, sealed

    def _tried_only(self, rows: Sequence[Row], name: str) -> tuple[list[Row], list[Row]]:
        """Rows to make lines of, and, where there are enough, rows that lines are only tried on."""
        if len(rows) < VALIDATED_FROM:
            return list(rows), []
        shares = (1.0 - VALIDATION, VALIDATION)
        train, validation = partition(
            rows, shares, stratum=self._stratum, rng=random.Random(f"{self._seed} {name} tried only")
        )
        return train, validation

    def _stratum(self, row: Row) -> str:
        """Label, and whether the judge was wrong; numbers are high or low."""
        expected = row.expected
        if expected.labels or expected.label:
            said = ",".join(expected.labels) or expected.label
        else:
            said = "high" if (expected.value or 0.0) > self._middle else "low"
        return f"{said} {row.row_id in self._wrong}"

    # -- fits -----------------------------------------------------------------------------------------------------

    async def _fit(self, name: str, train: Sequence[Row], validation: Sequence[Row], *, tell: bool = False) -> Fitted:
        fit = Fit(
            self._trial,
            self._reflector,
            train,
            validation,
            rng=random.Random(f"{self._seed} {name}"),
            on_step=(lambda done: self._steps.report(done, ROUNDS, "rounds")) if tell else (lambda done: None),
        )
        fitted = await fit.run()
        self._exhausted = self._exhausted or fitted.exhausted
        return fitted

    async def _hold_out(self, fitted: Fitted, sealed: Sequence[Row]) -> None:
        match self._design.holding:
            case Holding.NONE:
                await self._ask_after(fitted.claims, self._rows)
            case Holding.SEALED:
                self._steps.report(0, 1, "sealed rows")
                await self._ask_after(fitted.claims, sealed)
                self._steps.report(1, 1, "sealed rows")
            case Holding.CROSS_FIT:
                await self._cross_fit()

    async def _cross_fit(self) -> None:
        """Every row is held out once, by a fit that knows nothing of it: the whole procedure, not the lines alone."""
        parts = partition(
            self._rows, [1.0] * self._design.folds, stratum=self._stratum, rng=random.Random(f"{self._seed} folds")
        )
        done = 0
        self._steps.report(done, len(parts), "folds")

        async def fold(number: int, part: Sequence[Row]) -> None:
            nonlocal done
            out = {row.row_id for row in part}
            try:
                name, inside = f"fold {number}", [row for row in self._rows if row.row_id not in out]
                fitted = await self._fit(name, *self._tried_only(inside, name))
                claims = fitted.claims
            except ReflectionUnparseable as error:
                self._warnings.append(f"fold {number + 1} keeps what the metric has: {error}")
                claims = self._base
            await self._unless_exhausted(self._ask_after(claims, part))
            self._splits.update({row_id: (Split.HELD_OUT, number) for row_id in out if row_id in self._answers.after})
            done += 1
            self._steps.report(done, len(parts), "folds")

        try:
            async with asyncio.TaskGroup() as group:
                for number, part in enumerate(parts):
                    group.create_task(fold(number, part))
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None

    async def _ask_after(self, claims: Sequence[Claim], rows: Sequence[Row]) -> None:
        """All repeats, or none: a row with half of its answers proves less than it seems to."""
        answers: dict[str, tuple[Outcome, ...]] = {}
        for repeat in range(REPEATS):
            tried = await self._trial.of(claims, rows, repeat=repeat, counts=False)
            for row_id, outcome in tried.outcomes.items():
                answers[row_id] = (*answers.get(row_id, ()), outcome)
        self._answers.after.update(answers)

    async def _unless_exhausted(self, work: Awaitable[None]) -> None:
        try:
            await work
        except BudgetExhausted:
            self._exhausted = True

    # -- what is told ---------------------------------------------------------------------------------------------

    async def _lines(self, fitted: Fitted, in_sample: Sequence[Row]) -> tuple[Line, ...]:
        found = [Effect() for _ in fitted.claims]
        if not self._exhausted:
            before = {row_id: said[0] for row_id, said in self._answers.before.items()}
            try:
                after = await self._trial.of(fitted.claims, in_sample, counts=False)
                found = await effects(self._trial, fitted.claims, in_sample, before, after.outcomes)
            except BudgetExhausted:
                self._exhausted = True
        chosen = [
            Line(guideline=claim.guideline(self._by_id), fixed=effect.fixed, broken=effect.broken)
            for claim, effect in zip(fitted.claims, found, strict=True)
        ]
        return (*chosen, *cards(fitted, self._by_id))

    def _unchanged(self, fitted: Fitted | None = None) -> Optimized:
        """What the metric has stays: whatever is asked of it, it answers as before."""
        asked = cards(fitted, self._by_id) if fitted is not None else ()
        if fitted is not None and not self._exhausted:
            self._warnings.append("no set of guidelines made the judge more right than it is")
        self._answers.after.update(self._answers.before)
        if self._design.holding is not Holding.NONE and not self._exhausted:
            self._splits = {row.row_id: (Split.HELD_OUT, 0) for row in self._rows}
        score = self._in_sample()
        kept = tuple(Line(guideline=claim.guideline(self._by_id)) for claim in self._base)
        return self._result((*kept, *asked), score, score, fitted)

    def _told(self, fitted: Fitted, lines: tuple[Line, ...]) -> Optimized:
        claimed = self._design.holding is not Holding.NONE
        if not claimed:
            self._warnings.append(f"{len(self._rows)} rows: the guidelines are a draft, and no score is claimed")
        return self._result(lines, fitted.before if claimed else None, fitted.after if claimed else None, fitted)

    def _result(
        self, lines: tuple[Line, ...], before: float | None, after: float | None, fitted: Fitted | None
    ) -> Optimized:
        return Optimized(
            lines=lines,
            rows=tuple(self._row(row) for row in self._rows),
            design=str(self._design),
            in_sample_before=before,
            in_sample_after=after,
            candidates=self._trial.tried,
            exhausted=self._exhausted,
            warnings=(*self._warnings, *refusals(fitted)),
        )

    def _row(self, row: Row) -> RowResult:
        split, fold = self._splits[row.row_id]
        return RowResult(
            row=row,
            split=split,
            fold=fold,
            before=self._answers.before.get(row.row_id, ()),
            after=self._answers.after.get(row.row_id, ()),
        )

    def _in_sample(self) -> float | None:
        if self._design.holding is Holding.NONE or any(row.row_id not in self._answers.before for row in self._rows):
            return None
        means = [
            self._trial.mean(self._rows, {row_id: said[repeat] for row_id, said in self._answers.before.items()})
            for repeat in range(REPEATS)
        ]
        return sum(means) / len(means)
