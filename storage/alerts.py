"""Alerts: what they measure over results, and how they turned.

Every method may raise `storage.errors.Unavailable` (a retry may succeed).  Times are the server's, in microseconds.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class AlertState(StrEnum):
    """How an alert stands."""

    OK = "ok"
    PENDING = "pending"
    FIRING = "firing"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertEvent:
    """One turn of an alert.  A row of `alert_events`.

    Attributes:
        since_us: When its condition began to hold: one for the turns of an episode.
        value: What was measured; None = there was nothing to measure.
        bound: What it was compared with.
        samples: Of how many results (drift: traces or sessions of the window).
    """

    alert: str
    version: int
    state: AlertState
    since_us: int
    value: float | None
    bound: float | None
    samples: int
    reason: str
    at_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Failed results among concluded ones."""

    failed: int
    concluded: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanChange:
    """How far a mean moved, by two t-tests (Welch's and Student's) on means of traces: what both of them grant.

    Attributes:
        mean, reference_mean: Of the window, and before it; None without samples.
        samples, reference_samples: Traces (sessions) in them.
        low, high: Union of both confidence intervals of the change, window less reference; None where there is none.
        p_value: The greater one, of no change; None as above.
        metric_version: Which version's results these are.
    """

    mean: float | None
    reference_mean: float | None
    samples: int
    reference_samples: int
    low: float | None
    high: float | None
    p_value: float | None
    metric_version: int


class Alerts(Protocol):
    """Measures, and the history of alerts."""

    async def now_us(self) -> int:
        """The server's clock."""

    async def error_share(self, *, rule: str, metric: str, since_us: int, until_us: int) -> Share:
        """Of automatic results of live traffic that were stored in [since, until)."""

    async def oldest_waiting_us(self, *, rule: str) -> int | None:
        """Since when the target has waited that has waited longest, of one rule or ('') of all; None: nothing waits."""

    async def mean_change(
        self,
        *,
        rule: str,
        metric: str,
        reference_us: tuple[int, int],
        window_us: tuple[int, int],
        confidence: float,
    ) -> MeanChange:
        """Of the newest version of a metric in the window [from, to), against the same version before."""

    async def turn(self, event: AlertEvent) -> None:
        """Append a turn.  The same again does no harm."""

    async def standing(self, alerts: Collection[str]) -> dict[str, AlertEvent]:
        """The newest turn of each of these that ever turned."""

    async def history(self, alert: str, *, before_us: int | None, limit: int) -> Sequence[AlertEvent]:
        """Turns of one alert, newest first, strictly before a time."""
