"""Questions to the reflection model: lines out of cases, and fewer lines out of many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from evaluator.alignment.model import ReflectionUnparseable, Reflector, Row
from evaluator.alignment.optimizing import wording
from evaluator.alignment.optimizing.claim import Claim
from evaluator.alignment.optimizing.contradicting import own_words
from evaluator.alignment.optimizing.reading import Unreadable, claims_of
from evaluator.metrics.definition import MetricDefinition
from storage.model import Outcome

ALIKE = 0.34
"""Share of all words of two lines that both have: from here on one may be the other, reworded."""


class Asking:
    """Asks one reflection model about one metric; counts answers that could and could not be read."""

    def __init__(self, definition: MetricDefinition, reflector: Reflector) -> None:
        self._definition = definition
        self._reflector = reflector
        self.read = 0
        self.unread: list[str] = []

    async def distilled(
        self,
        wrong: Sequence[tuple[Row, Outcome]],
        right: Sequence[tuple[Row, Outcome]],
        told: Sequence[Claim],
    ) -> list[Claim]:
        """Lines that would have led to the reviewers' verdicts; empty where no answer could be read."""
        nonce, material = wording.cases(self._definition, wrong, right, told)
        sources = [(row.row_id,) for row, _ in (*wrong, *right)]
        return await self._ask(wording.trust(wording.DISTILL, nonce), material, sources) or []

    async def consolidated(self, claims: Sequence[Claim]) -> list[Claim]:
        """Fewer lines that say the same; empty where no answer could be read."""
        nonce, material = wording.lines(claims)
        sources = [(str(number),) for number in range(len(claims))]
        found = await self._ask(wording.trust(wording.CONSOLIDATE, nonce), material, sources)
        return [_inherited(claim, claims) for claim in found or []]

    def check(self) -> None:
        """After some questions.

        Raises:
            ReflectionUnparseable: None of the answers could be read.
        """
        if self.unread and not self.read:
            raise ReflectionUnparseable(f"none of {len(self.unread)} answers could be read: {self.unread[-1]}")

    async def _ask(self, instructions: str, material: str, sources: Sequence[tuple[str, ...]]) -> list[Claim] | None:
        answer = await self._reflector.reflect(instructions, material)
        try:
            found = claims_of(answer, sources)
        except Unreadable as error:
            again = wording.unreadable(instructions, "it was not the JSON object that is asked for")
            answer = await self._reflector.reflect(again, material, attempt=1)
            try:
                found = claims_of(answer, sources)
            except Unreadable as second:
                self.unread.append(str(second) or str(error))
                return None
        self.read += 1
        return found


def _inherited(claim: Claim, among: Sequence[Claim]) -> Claim:
    """A reworded line with the rows of the lines that it was made of.

    Those that share words with it are; what the model names counts where none does.
    """
    words = own_words(claim.text)
    alike = [each for each in among if _share(words, own_words(each.text)) >= ALIKE]
    named = [among[int(number)] for number in claim.row_ids]
    sources = alike or named
    rows = tuple(dict.fromkeys(row_id for each in sources for row_id in each.row_ids))
    kept = next((each.kept for each in sources if each.kept is not None and each.text == claim.text), None)
    return replace(claim, row_ids=rows, kept=kept)


def _share(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / len(one | other) if one | other else 0.0
