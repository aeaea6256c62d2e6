"""Results of `sql` metrics on very many spans, made in the store: the port `BulkResults`.

Every method may raise `storage.errors.Unavailable` (a retry may succeed).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from storage.model import OutputType, Purpose
from storage.runs import Selected


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkMetric:
    """What the store needs of a metric to make results of its values.

    Attributes:
        kinds: Kinds of spans that it is about; () = all.
        lowest, highest: What a value may be.
        whole: It must be.
        threshold: What passes: this and more (`higher_is_better`), or this and less; None = nothing is said.
        no_value: Reason of those that have no value.
    """

    name: str
    version: int
    digest: str
    output_type: OutputType
    kinds: tuple[str, ...]
    lowest: float
    highest: float
    whole: bool
    threshold: float | None
    higher_is_better: bool
    no_value: str


class BulkResults(Protocol):
    """Makes and keeps them, with the ids that `storage.model.result_id` gives."""

    async def windows(self, selected: Selected, *, spans: int) -> list[tuple[int, int]]:
        """Windows [since, until) of start times that cover a selection, each with about so many spans of any kind."""

    async def append(
        self, metric: BulkMetric, selected: Selected, values: bytes, *, run_id: str, purpose: Purpose, again: bool
    ) -> Mapping[str, int]:
        """Results of a run for the spans of one window, and its ledger; returns how many there are by decision.

        What is no plain success, or has no value, stands in the ledger as `waiting` then.

        Args:
            selected: The window, and which of its spans are meant.
            values: Native blocks as `SpanExpressions.values_between` gives them.
            again: Some of them may be there already.
        """
