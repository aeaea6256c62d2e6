"""What keeps a store in step with itself: windows of arrivals, what was found wrong in them, and the port."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrivalWindow:
    """Arrivals in (since, until], server clock.  What is grouped by span or trace is read in so many pieces."""

    since_ms: int
    until_ms: int
    pieces: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class MaintenanceWork:
    """What was found wrong, or repaired.

    Surplus copies of spans that our receiver stored and that other writers did, log records that were stored again with
    their request, rows that the journal lacked, traces whose rollup differed, rows that the sessions lacked.
    """

    spans_removed: int = 0
    foreign_spans_removed: int = 0
    logs_removed: int = 0
    journal_added: int = 0
    rollups_repaired: int = 0
    sessions_added: int = 0

    def __add__(self, other: MaintenanceWork) -> MaintenanceWork:
        return MaintenanceWork(**{name: value + asdict(other)[name] for name, value in asdict(self).items()})

    def __bool__(self) -> bool:
        return any(asdict(self).values())


class Maintenance(Protocol):
    """Keeps one copy of every row, and what is derived from rows in step with them.  One process at a time (lease
    `maintenance`), but two do no harm.  Windows must be closed: nothing in them can still become visible.
    Every method may be cut off anywhere and repeated.
    """

    async def next_window(self, *, since_ms: int, until_ms: int, seconds: int) -> ArrivalWindow | None:
        """The first arrivals after `since_ms`, at most so many seconds of them; None: nothing arrived until then."""

    async def copies(self, window: ArrivalWindow) -> MaintenanceWork:
        """How many surplus copies arrived in a window; changes nothing."""

    async def remove_copies(self, window: ArrivalWindow) -> MaintenanceWork:
        """Remove them.  The copy that became visible first stays, with all results."""

    async def differing(self, window: ArrivalWindow) -> int:
        """How many traces with arrivals in a window have a rollup that differs from what is stored; changes nothing."""

    async def reconcile(self, window: ArrivalWindow) -> MaintenanceWork:
        """Bring journal, rollup and sessions in step with what is stored of a window's traces."""

    async def remember(self, worker: str, work: MaintenanceWork) -> None:
        """Record what a round did."""

    async def total(self) -> MaintenanceWork:
        """What all rounds did."""

    async def apply_patches(self, *, quiet_seconds: int) -> list[str]:
        """Write results into their spans' parts, for closed days that got none for so long; returns the days.

        An UPDATE that runs meanwhile may be lost (ClickHouse #116686): hence the quiet time.
        """
