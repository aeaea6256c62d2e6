"""Numbers of an alignment's report out of raw rows of SQL, by nothing but the standard library.

It shares no line with the product: coefficients after their definitions, with each row's answers as fractions of a row.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import comb, isclose
from typing import Any

RAW = """
SELECT RowId AS row_id, any(Expected) AS expected, any(Before) AS before, any(After) AS after, any(Flip) AS flip
FROM alignment_rows FINAL
WHERE RunId = {run_id:String} AND Split = 'held_out' AND notEmpty(Before) AND notEmpty(After)
GROUP BY RowId ORDER BY RowId
"""


@dataclass(frozen=True, kw_only=True)
class Recomputed:
    """What a report says of boolean verdicts."""

    rows: int
    agreement_before: float
    agreement_after: float
    kappa_before: float
    kappa_after: float
    fixed: int
    broken: int
    p_value: float
    confusion_before: dict[tuple[str, str], int]
    confusion_after: dict[tuple[str, str], int]
    noise: float


def recompute(rows: Iterable[Mapping[str, Any]]) -> Recomputed:
    """Of rows of `RAW`."""
    raw = [
        (
            _label(each["expected"]),
            [_label(answer) for answer in each["before"]],
            [_label(answer) for answer in each["after"]],
        )
        for each in rows
    ]
    before = [(expected, answers) for expected, answers, _ in raw]
    after = [(expected, answers) for expected, _, answers in raw]
    moved = [_share(now, expected) - _share(was, expected) for expected, was, now in raw]
    assert all(isclose(each, round(2 * each) / 2) for each in moved)
    return Recomputed(
        rows=len(raw),
        agreement_before=_agreement(before),
        agreement_after=_agreement(after),
        kappa_before=_kappa(before),
        kappa_after=_kappa(after),
        fixed=sum(each > 0.5 for each in moved),
        broken=sum(each < -0.5 for each in moved),
        p_value=_sign_flip(moved),
        confusion_before=_confusion(before),
        confusion_after=_confusion(after),
        noise=sum(was[0] != was[1] for _, was, _ in raw) / len(raw),
    )


def _label(text: str) -> str:
    body = json.loads(text)
    return str(body.get("label") or ("true" if body["value"] >= 0.5 else "false"))


def _share(answers: list[str], expected: str) -> float:
    return sum(each == expected for each in answers) / len(answers)


def _agreement(rows: list[tuple[str, list[str]]]) -> float:
    return sum(_share(answers, expected) for expected, answers in rows) / len(rows)


def _kappa(rows: list[tuple[str, list[str]]]) -> float:
    """Cohen (1960): (observed - by chance) / (1 - by chance), of the margins of both."""
    people: defaultdict[str, float] = defaultdict(float)
    judge: defaultdict[str, float] = defaultdict(float)
    for expected, answers in rows:
        people[expected] += 1 / len(rows)
        for each in answers:
            judge[each] += 1 / len(rows) / len(answers)
    by_chance = sum(people[label] * judge[label] for label in people)
    return (_agreement(rows) - by_chance) / (1 - by_chance)


def _sign_flip(moved: list[float]) -> float:
    """How many of the ways to flip signs give at least this sum: counted in halves, one row after the other."""
    halves = [round(2 * abs(each)) for each in moved if each]
    ways = {0: 1}
    for each in halves:
        following: defaultdict[int, int] = defaultdict(int)
        for total, count in ways.items():
            following[total + each] += count
            following[total - each] += count
        ways = dict(following)
    observed = round(2 * sum(moved))
    p_value = sum(count for total, count in ways.items() if total >= observed) / 2.0 ** len(halves)
    if all(each == 2 for each in halves):  # it is McNemar's test then
        fixed = (observed // 2 + len(halves)) // 2
        assert isclose(p_value, sum(comb(len(halves), k) for k in range(fixed, len(halves) + 1)) / 2 ** len(halves))
    return p_value


def _confusion(rows: list[tuple[str, list[str]]]) -> dict[tuple[str, str], int]:
    found: defaultdict[tuple[str, str], int] = defaultdict(int)
    for expected, answers in rows:
        found[expected, answers[0]] += 1
    return dict(found)
