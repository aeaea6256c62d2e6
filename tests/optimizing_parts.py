"""Rows and claims for the tests of the optimizer."""

from __future__ import annotations

from evaluator.alignment.model import Row
from evaluator.alignment.optimizing.claim import Claim
from storage.model import Level, Score, TargetRef


def row(
    number: int,
    *,
    group: str = "",
    expected: bool = True,
    text: str = "",
    rationales: tuple[str, ...] = (),
) -> Row:
    """A row of a boolean metric; each is a group of its own unless said."""
    return Row(
        row_id=f"row-{number}",
        target=TargetRef(level=Level.TRACE, trace_id=f"{number + 1:032x}"),
        group=group or f"group-{number}",
        expected=Score(value=float(expected), label=str(expected).lower()),
        feedback_ids=(f"feedback-{number}",),
        annotators=("ann",),
        rationales=rationales,
        inputs={"output": text or f"reply number {number}"},
    )


def claim(text: str, *rows: int) -> Claim:
    """A line that comes from some rows."""
    return Claim(text=text, row_ids=tuple(f"row-{number}" for number in rows))
