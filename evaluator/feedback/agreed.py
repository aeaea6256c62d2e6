"""How far people agree with each other and a judge with them, as a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from evaluator.statistics.estimate import Cell, Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreementGroup:
    """Agreement of one group.

    Attributes:
        group: `all`, or dimension and value as `annotator=ann`.
    """

    group: str
    statistics: dict[str, Estimate]
    confusion: tuple[Cell, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """What was found.

    Attributes:
        judge_human: All rows first, then the groups that were asked for.
        human_human: Likewise, on targets that two or more people have labelled.
        counts: Targets that count (`judge_human`, `human_human`), and why others do not: reason to number.
    """

    metric: str
    version: int
    judge_human: tuple[AgreementGroup, ...]
    human_human: tuple[AgreementGroup, ...]
    advice: tuple[str, ...]
    counts: Mapping[str, int]
