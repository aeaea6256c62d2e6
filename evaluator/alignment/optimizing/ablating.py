"""What each line does by itself: the judge is asked once without it, about rows whose verdict the lines turned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evaluator.alignment.model import Row
from evaluator.alignment.optimizing.claim import Claim
from evaluator.alignment.optimizing.trying import Trial
from storage.model import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """Rows that are right, and rows that are wrong, because of one line."""

    fixed: int = 0
    broken: int = 0


async def effects(
    trial: Trial,
    claims: Sequence[Claim],
    rows: Sequence[Row],
    before: Mapping[str, Outcome],
    after: Mapping[str, Outcome],
) -> list[Effect]:
    """One of each line, in order; reported, never decided by: leaving lines out by it has not helped in trials.

    Args:
        before, after: What the judge concludes of the rows with none of the new lines, and with all, by row id.

    Raises:
        BudgetExhausted, ModelUnavailable: As the judge says.
    """
    turned = [
        row for row in rows if trial.is_wrong(row, before[row.row_id]) is not trial.is_wrong(row, after[row.row_id])
    ]
    if not turned:
        return [Effect() for _ in claims]
    found: list[Effect] = []
    for left_out in range(len(claims)):
        without = await trial.of([*claims[:left_out], *claims[left_out + 1 :]], turned, counts=False)
        fixed = broken = 0
        for row in turned:
            wrong, wrong_without = (trial.is_wrong(row, each[row.row_id]) for each in (after, without.outcomes))
            fixed += wrong_without and not wrong
            broken += wrong and not wrong_without
        found.append(Effect(fixed=fixed, broken=broken))
    return found
