"""Parts of rows that know nothing of each other: by group, and alike in labels and disagreements."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence

from evaluator.alignment.model import Row


def partition(
    rows: Sequence[Row], shares: Sequence[float], *, stratum: Callable[[Row], str], rng: random.Random
) -> list[list[Row]]:
    """Rows in as many parts as there are shares, each about its share of the whole and of every stratum.

    Rows of one group, and rows with the same inputs (spaces and case aside), stay together: what a part was learnt from
    never comes back as a question about something else.  A part may be empty where there are fewer groups than parts.

    Args:
        shares: Positive; only their ratios count.
        rng: Who goes where among equals; the same seed gives the same parts.
    """
    groups = grouped(rows)
    rng.shuffle(groups)
    groups.sort(key=len, reverse=True)  # stable: the small ones come last, to even out
    weights = [share / sum(shares) for share in shares]
    parts: list[list[Row]] = [[] for _ in shares]
    counted: list[Counter[str]] = [Counter() for _ in shares]
    for group in groups:
        strata = Counter(map(stratum, group))

        def load(part: int, strata: Counter[str] = strata) -> tuple[float, float]:
            alike = sum(counted[part][name] * number for name, number in strata.items())
            return alike / weights[part], len(parts[part]) / weights[part]

        least = min(map(load, range(len(parts))))
        chosen = rng.choice([part for part in range(len(parts)) if load(part) == least])
        parts[chosen] += group
        counted[chosen] += strata
    order = {row.row_id: number for number, row in enumerate(rows)}
    return [sorted(part, key=lambda row: order[row.row_id]) for part in parts]


def grouped(rows: Sequence[Row]) -> list[list[Row]]:
    """Rows that belong together, in order of their first ones."""
    leader: dict[str, str] = {}

    def top(key: str) -> str:
        while leader.setdefault(key, key) != key:
            key = leader[key]
        return key

    for row in rows:
        leader[top(f"inputs {_inputs(row)}")] = top(f"group {row.group}")
    together: dict[str, list[Row]] = {}
    for row in rows:
        together.setdefault(top(f"group {row.group}"), []).append(row)
    return list(together.values())


def _inputs(row: Row) -> str:
    return repr(sorted((name, " ".join(text.lower().split())) for name, text in row.inputs.items()))
