"""Whether a composite may run, by what became of the metrics that it requires."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from evaluator.metrics.material import ResultKey
from storage.model import Abstention, Evaluation, Failure, Score, Status

MAX_NAMED = 20
"""Results that an error names of one metric and status; the others are counted."""
FAILED_CODE = "REQUIRED_METRIC_FAILED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Needed:
    """What a composite needs of one required metric.

    Attributes:
        entry: As the composite names it.
        due: On which targets it is due; none of them = it does not gate.
    """

    entry: str
    due: Sequence[ResultKey] = field(default=())


def gate(
    needed: Sequence[Needed], found: Mapping[ResultKey, Evaluation], *, wait_seconds: float
) -> Failure | Abstention | None:
    """None = everything that is due succeeded.

    Args:
        found: Final results.  What is due and not here was waited for, and did not come.
    """
    lines, missing = [], []
    for each in needed:
        by_status: dict[str, list[str]] = {}
        for key in each.due:
            result = found.get(key)
            if result is None:
                missing.append(f"{each.entry} on {key[0].level} {key[0].key}")
                by_status.setdefault(str(Status.NOT_COMPUTED), []).append(f"{key[0].level} {key[0].key} (no result)")
            elif not isinstance(result.outcome, Score):
                by_status.setdefault(str(result.status), []).append(_named(result))
        lines += [f"{each.entry} {status} on {_listed(where)}" for status, where in by_status.items()]
    if not lines:
        return None
    if all(result.status is Status.SUCCESS for result in found.values()):
        came_not = f"no result came within {wait_seconds:g} s for {_listed(missing)}"
        return Abstention(reason=came_not, status=Status.NOT_COMPUTED)
    return Failure(code=FAILED_CODE, message=f"required metrics without success: {'; '.join(lines)}")


def inputs_digest(results: Iterable[Evaluation]) -> bytes:
    """16 bytes over the sorted ids and attempts of the results that a composite read.

    MD5, which ClickHouse has, too (query `stale_composites`); nobody gains by a collision.
    """
    ids = sorted({f"{result.evaluation_id}.{result.attempt}" for result in results})
    return hashlib.md5(",".join(ids).encode(), usedforsecurity=False).digest()


def _named(result: Evaluation) -> str:
    match result.outcome:
        case Failure(code=code):
            why = code
        case Abstention(reason=reason):
            why = reason
        case Score():
            why = ""
    return f"{result.target.level} {result.target.key} ({why}; result {result.evaluation_id})"


def _listed(items: Sequence[str]) -> str:
    more = f" and {len(items) - MAX_NAMED} more" if len(items) > MAX_NAMED else ""
    return ", ".join(items[:MAX_NAMED]) + more
