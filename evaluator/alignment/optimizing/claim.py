"""A line on its way to become a guideline, with the rows that it comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from evaluator.alignment.model import Row
from evaluator.metrics.guideline import Guideline, Origin


class Direction(StrEnum):
    """What a line does to a verdict."""

    BETTER = "better"
    """More cases are fine by it."""
    WORSE = "worse"
    """Fewer are."""
    NEITHER = "neither"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One line.

    Attributes:
        row_ids: Rows that it was made of.
        criterion: What it is about, in a few words; '' = nobody said.
        kept: The guideline that it was before this run; None = it is new.
    """

    text: str
    row_ids: tuple[str, ...] = ()
    direction: Direction = Direction.NEITHER
    criterion: str = ""
    kept: Guideline | None = None

    @property
    def is_fixed(self) -> bool:
        """A person wrote it: nothing here rewords or drops it."""
        return self.kept is not None and self.kept.origin is Origin.HUMAN

    def guideline(self, rows: Mapping[str, Row]) -> Guideline:
        """As the judge is given it; `rows` by id."""
        if self.kept is not None:
            return self.kept
        sources = [rows[row_id] for row_id in self.row_ids if row_id in rows]
        feedback = dict.fromkeys(feedback_id for row in sources for feedback_id in row.feedback_ids)
        return Guideline(text=self.text, feedback_ids=tuple(feedback), support=len(sources), origin=Origin.RUN)


def of_guidelines(guidelines: Sequence[Guideline]) -> tuple[Claim, ...]:
    """Those that a metric has already."""
    return tuple(Claim(text=each.text, kept=each) for each in guidelines)


def without_repeats(claims: Sequence[Claim]) -> tuple[Claim, ...]:
    """Each text once, spaces, case and the final full stop aside; the first of them takes over the others' rows."""
    found: dict[str, Claim] = {}
    for each in claims:
        key = " ".join(each.text.lower().split()).rstrip(".")
        first = found.get(key)
        if first is None:
            found[key] = each
        elif first.kept is None:
            rows = tuple(dict.fromkeys((*first.row_ids, *each.row_ids)))
            found[key] = Claim(text=first.text, row_ids=rows, direction=first.direction, criterion=first.criterion)
    return tuple(found.values())
