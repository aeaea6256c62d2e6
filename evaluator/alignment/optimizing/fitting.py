"""One fit: rows in, the best set of lines that was found for them out.  It knows of no row that it was not given."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from evaluator.alignment.model import BudgetExhausted, Reflector, Row
from evaluator.alignment.optimizing.asking import Asking
from evaluator.alignment.optimizing.claim import Claim, of_guidelines, without_repeats
from evaluator.alignment.optimizing.contradicting import undecided
from evaluator.alignment.optimizing.design import REPEATS, ROUNDS
from evaluator.alignment.optimizing.sanitising import Refused, Sanitiser
from evaluator.alignment.optimizing.trying import Trial, Tried
from evaluator.alignment.optimizing.verbatim import sentences
from evaluator.metrics.guideline import MAX_GUIDELINES
from storage.model import Outcome, Score

BATCH = 6
"""Disagreements of one question."""
CONTRASTS = 3
"""Cases that the judge got right, beside them."""
MOST_BATCHES = 12
"""Of one round: more disagreements than those questions hold wait for the next."""
CONSOLIDATED_FROM = 5
"""Lines; fewer are left as they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """What a fit found.

    Attributes:
        claims: The best set; that of the metric where nothing beat it.
        before, after: Mean row scores of the rows that it was made of, without and with it.
        undecided: Lines that contradict another, each with that one; in no set.
        exhausted: Whether the caps ended it early.
    """

    claims: tuple[Claim, ...]
    before: float | None = None
    after: float | None = None
    undecided: tuple[tuple[Claim, Claim], ...] = ()
    refused: tuple[Refused, ...] = ()
    exhausted: bool = False
    changed: bool = False


class Fit:
    """One run of distil, try and choose.

    Args:
        train: Rows that lines are made of.
        validation: Rows that they are only tried on, beside those.
        on_step: Called with rounds done, of ROUNDS.
    """

    def __init__(
        self,
        trial: Trial,
        reflector: Reflector,
        train: Sequence[Row],
        validation: Sequence[Row],
        *,
        rng: random.Random,
        on_step: Callable[[int], None] = lambda done: None,
    ) -> None:
        self._trial = trial
        self._asking = Asking(trial.definition, reflector)
        self._train = list(train)
        self._rows = [*train, *validation]
        self._rng = rng
        self._on_step = on_step
        self._sanitiser = Sanitiser(self._rows, trial.definition.labels)
        self._undecided: list[tuple[Claim, Claim]] = []
        self._refused: list[Refused] = []
        self._base = of_guidelines(trial.definition.guidelines)
        self._best: Tried | None = None

    async def run(self) -> Fitted:
        """Raises: ReflectionUnparseable, ModelUnavailable."""
        before: float | None = None
        exhausted = False
        try:
            first = [
                await self._trial.of(self._base, self._rows, repeat=number, counts=False) for number in range(REPEATS)
            ]
            before = sum(each.score for each in first) / len(first)
            self._best = replace(first[0], score=before)
            await self._rounds(self._missed(first))
        except BudgetExhausted:
            exhausted = True
        self._asking.check()
        best = self._best
        return Fitted(
            claims=self._base if best is None else best.claims,
            before=before,
            after=None if best is None else best.score,
            undecided=tuple(self._undecided),
            refused=tuple(self._refused),
            exhausted=exhausted,
            changed=best is not None and best.claims != self._base,
        )

    async def _rounds(self, wrong: list[tuple[Row, Outcome]]) -> None:
        for number in range(ROUNDS):
            if not wrong:
                break
            new = await self._distilled(wrong)
            better = await self._better(new, first=number == 0)
            self._on_step(number + 1)
            if not better:
                break
            assert self._best is not None
            wrong = self._missed([self._best])

    def _missed(self, said: Sequence[Tried]) -> list[tuple[Row, Outcome]]:
        """Rows that one of the verdicts is wrong about, each with the first such; from none nothing can be learnt."""
        found = []
        for row in self._train:
            verdicts = [each.outcomes[row.row_id] for each in said if isinstance(each.outcomes[row.row_id], Score)]
            wrong = next((verdict for verdict in verdicts if self._trial.is_wrong(row, verdict)), None)
            if wrong is not None:
                found.append((row, wrong))
        return found

    async def _distilled(self, wrong: list[tuple[Row, Outcome]]) -> list[Claim]:
        assert self._best is not None
        best, outcomes = self._best, self._best.outcomes
        missed = {row.row_id for row, _ in wrong}
        right = [row for row in self._train if row.row_id not in missed]
        self._rng.shuffle(wrong)
        self._rng.shuffle(right)
        right.sort(key=lambda row: not row.rationales)  # those that somebody explained come first
        new: list[Claim] = []
        for number, at in enumerate(range(0, min(len(wrong), BATCH * MOST_BATCHES), BATCH)):
            contrast = right[number * CONTRASTS : (number + 1) * CONTRASTS]
            batch = wrong[at : at + BATCH]
            found = await self._asking.distilled(
                batch, [(row, outcomes[row.row_id]) for row in contrast], [*best.claims, *new]
            )
            new += self._clean(found, [*(row for row, _ in batch), *contrast])
        return new

    async def _better(self, new: Sequence[Claim], *, first: bool) -> bool:
        assert self._best is not None
        pool = self._settled([*self._best.claims, *new])
        sets = [pool, await self._consolidated(pool)]
        if first:
            own = self._settled([*self._base, *self._clean(sentences(self._train))])
            sets += [own, await self._consolidated(own)]
        better = False
        known: set[tuple[str, ...]] = {tuple(each.text for each in self._best.claims)}
        for claims in map(_within, sets):
            texts = tuple(each.text for each in claims)
            if texts in known:
                continue
            known.add(texts)
            tried = await self._trial.of(claims, self._rows)
            if tried.rank > self._best.rank and not self._trial.says_one_thing(self._rows, tried):
                self._best, better = tried, True
        return better

    async def _consolidated(self, claims: Sequence[Claim]) -> list[Claim]:
        """Fewer lines; those of people stay, those of earlier runs too as long as there is room."""
        crowded = len(claims) > MAX_GUIDELINES
        stays = [each for each in claims if each.is_fixed or (each.kept is not None and not crowded)]
        rest = [each for each in claims if each not in stays]
        if len(rest) < CONSOLIDATED_FROM:
            return list(claims)
        return self._settled([*stays, *self._clean(await self._asking.consolidated(rest))])

    def _clean(self, claims: Sequence[Claim], shown: Sequence[Row] = ()) -> list[Claim]:
        accepted, refused = self._sanitiser.cleaned(claims, shown)
        self._refused += refused
        return accepted

    def _settled(self, claims: Sequence[Claim]) -> list[Claim]:
        """Without repeats, and without those that contradict one another, or one that did before."""
        once = list(without_repeats(claims))
        aside = [claim for pair in self._undecided for claim in pair]
        against = undecided([*once, *aside])
        together = [*once, *aside]
        for place, other in against.items():
            if place < len(once) and not once[place].is_fixed:
                pair = (once[place], together[other])
                if pair[0].text not in {each.text for each, _ in self._undecided}:
                    self._undecided.append(pair)
        barred = {each.text for each, _ in self._undecided}
        return [each for each in once if each.text not in barred]


def _within(claims: Sequence[Claim]) -> tuple[Claim, ...]:
    """At most as many as a metric may have: what it has already, then those with the most rows."""
    if len(claims) <= MAX_GUIDELINES:
        return tuple(claims)
    order = {id(each): number for number, each in enumerate(claims)}
    ranked = sorted(claims, key=lambda each: (each.kept is None, -len(each.row_ids), order[id(each)]))
    return tuple(sorted(ranked[:MAX_GUIDELINES], key=lambda each: order[id(each)]))
