"""How rows are cut into groups, and what a table of confusions holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from evaluator.metrics.agreeing import label_pairs
from evaluator.metrics.definition import MetricDefinition
from evaluator.statistics.estimate import Cell
from storage.model import OutputType, Score

ALL = "all"
MAX_VALUES = 50
"""Groups of one dimension that are told, those with most rows first."""
MAX_CELLS = 400
"""Cells beyond which a table of confusions tells nobody anything."""

T = TypeVar("T")


def confusion_of(
    definition: MetricDefinition, expected: Sequence[Score], concluded: Sequence[Score]
) -> tuple[Cell, ...]:
    """How often one verdict met another; empty of fractions, and where there are too many for a table."""
    if definition.output_type in (OutputType.PERCENTAGE, OutputType.NUMBER):
        return ()
    cells = label_pairs(definition, expected, concluded).confusion()
    return cells if len(cells) <= MAX_CELLS else ()


def cut(rows: Sequence[T], dimension: str, values: Callable[[T], Iterable[str]]) -> Iterator[tuple[str, list[T]]]:
    """Rows by value of a dimension; a row may have several values, or none.

    Yields: `dimension=value` and its rows, values in order, at most 50 of them.
    """
    of_value: dict[str, list[T]] = {}
    for row in rows:
        for value in values(row):
            of_value.setdefault(value, []).append(row)
    sizes = Counter({value: len(chosen) for value, chosen in of_value.items()})
    told = sorted(value for value, _ in sorted(sizes.items(), key=lambda each: (-each[1], each[0]))[:MAX_VALUES])
    for value in told:
        yield f"{dimension}={value}", of_value[value]
