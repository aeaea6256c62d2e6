"""What people are shown beside the lines that a judge is given: contradictions to decide, and what was refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from evaluator.alignment.model import Line, Row
from evaluator.alignment.optimizing.claim import Claim
from evaluator.alignment.optimizing.fitting import Fitted

MOST_CARDS = 6
"""Contradictions that people are asked to decide at once."""
MOST_REASONS = 5
SHOWN_CHARACTERS = 200


def cards(fitted: Fitted, rows: Mapping[str, Row]) -> tuple[Line, ...]:
    """Lines that contradict another, those with the most rows first; `rows` by id."""
    pairs = sorted(fitted.undecided, key=lambda pair: -len(pair[0].row_ids))[: 2 * MOST_CARDS]
    chosen = {claim.text for claim in fitted.claims}
    return tuple(
        Line(guideline=claim.guideline(rows), needs_decision=_opposed(other, rows))
        for claim, other in pairs
        if claim.text not in chosen
    )


def refusals(fitted: Fitted | None) -> tuple[str, ...]:
    """How many lines were refused, by reason, the most frequent first."""
    counted = Counter(each.reason for each in fitted.refused) if fitted is not None else Counter[str]()
    return tuple(
        f"{number} proposed {'lines were' if number > 1 else 'line was'} refused: {reason}"
        for reason, number in counted.most_common(MOST_REASONS)
    )


def _opposed(other: Claim, rows: Mapping[str, Row]) -> str:
    said = f"says the opposite of: {other.text[:SHOWN_CHARACTERS]}"
    if other.kept is not None:
        return f"{said} (a guideline that the metric has)"
    sources = [rows[row_id] for row_id in other.row_ids if row_id in rows]
    people = ", ".join(sorted({name for row in sources for name in row.annotators}))
    return f"{said} ({len(sources)} row{'s' if len(sources) != 1 else ''}{', by ' + people if people else ''})"
