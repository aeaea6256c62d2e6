"""What a receiver has done since it began: plain numbers, for whoever asks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field


def _nothing() -> int:
    return 0


@dataclass(slots=True)
class Counts:
    """By signal (`traces`, `logs`).

    Attributes:
        requests: Committed, or recognised as stored already.
        items: Spans or log records of theirs.
        body_bytes: Of theirs, decompressed.
        rejected: Spans or log records that were refused by themselves.
        refused: Requests by signal and why: the name of the error.
        held_bytes: Rows that wait for ClickHouse now, bytes.
    """

    requests: Counter[str] = field(default_factory=Counter)
    items: Counter[str] = field(default_factory=Counter)
    body_bytes: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    refused: Counter[tuple[str, str]] = field(default_factory=Counter)
    held_bytes: Callable[[], int] = _nothing

    def refuse(self, signal: str, error: Exception) -> None:
        """A request was refused."""
        self.refused[signal, type(error).__name__] += 1
