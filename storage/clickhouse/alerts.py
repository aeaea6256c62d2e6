"""Alerts: the port `Alerts`."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from storage.alerts import AlertEvent, AlertState, MeanChange, Share
from storage.clickhouse.client import Database, statement
from storage.model import storable

_COLUMNS = ("AlertId", "AlertVersion", "State", "Since", "Value", "Bound", "Samples", "Reason", "At")
_MAX_US = 2**53


class ClickHouseAlerts:
    """`storage.alerts.Alerts` over ClickHouse."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def now_us(self) -> int:
        """See the port; nothing from before can still become visible."""
        rows = await self._database.rows("safe_until", {"tables": r"\bevaluations\b", "lag_ms": 0})
        return int(rows[0]["until_us"])

    async def error_share(self, *, rule: str, metric: str, since_us: int, until_us: int) -> Share:
        """See the port."""
        of = {"rule": rule, "metric": metric, "since_us": since_us, "until_us": until_us}
        [row] = await self._database.rows("alert_error_share", of)
        return Share(failed=row["failed"], concluded=row["concluded"])

    async def oldest_waiting_us(self, *, rule: str) -> int | None:
        """See the port."""
        [row] = await self._database.rows("alert_oldest_waiting", {"rule": rule})
        return int(row["since_us"]) if row["n"] else None

    async def mean_change(
        self,
        *,
        rule: str,
        metric: str,
        reference_us: tuple[int, int],
        window_us: tuple[int, int],
        confidence: float,
    ) -> MeanChange:
        """See the port."""
        if not 0.0 < confidence < 1.0:
            raise ValueError(f"confidence must be in (0, 1), got {confidence!r}")
        parameters = {
            "rule": rule,
            "metric": metric,
            "reference_from_us": reference_us[0],
            "reference_to_us": reference_us[1],
            "window_from_us": window_us[0],
            "window_to_us": window_us[1],
        }
        # A parameter of an aggregate function cannot be bound; this one is a number of ours.
        sql = statement("alert_mean_change").replace("/*confidence*/", repr(confidence))
        [row] = await self._database.query(sql, parameters)
        return _change(row)

    async def turn(self, event: AlertEvent) -> None:
        """See the port."""
        row = (
            event.alert,
            event.version,
            str(event.state),
            event.since_us,
            event.value,
            event.bound,
            event.samples,
            storable(event.reason),
            event.at_us,
        )
        token = hashlib.blake2b(repr(row).encode(), digest_size=16).hexdigest()
        await self._database.insert_rows("alert_events", _COLUMNS, [row], token=token)

    async def standing(self, alerts: Collection[str]) -> dict[str, AlertEvent]:
        """See the port."""
        return {event.alert: event for event in await self._events(alerts, before_us=None, limit=1)}

    async def history(self, alert: str, *, before_us: int | None, limit: int) -> Sequence[AlertEvent]:
        """See the port."""
        return await self._events([alert], before_us=before_us, limit=limit)

    async def _events(self, alerts: Collection[str], *, before_us: int | None, limit: int) -> list[AlertEvent]:
        rows = await self._database.rows(
            "alert_events",
            {
                "alerts": sorted(alerts),
                "before_us": _MAX_US if before_us is None else before_us,
                "per_alert": limit,
            },
        )
        return [AlertEvent(**{**row, "state": AlertState(row["state"])}) for row in rows]


def _change(row: Mapping[str, Any]) -> MeanChange:
    samples, reference_samples = row["samples"], row["reference_samples"]
    mean = row["mean"] if samples else None
    reference_mean = row["reference_mean"] if reference_samples else None
    low = high = p_value = None
    if mean is not None and reference_mean is not None and min(samples, reference_samples) > 1:
        (_, p_one, low_one, high_one), (_, p_two, low_two, high_two) = row["welch"].values(), row["student"].values()
        low, high, p_value = min(low_one, low_two), max(high_one, high_two), max(p_one, p_two)
        if not all(map(math.isfinite, (p_one, p_two, low, high))):  # no value differs from its mean, in neither part
            low = high = mean - reference_mean
            p_value = 1.0 if low == 0 else 0.0
    return MeanChange(
        mean=mean,
        reference_mean=reference_mean,
        samples=samples,
        reference_samples=reference_samples,
        low=low,
        high=high,
        p_value=p_value,
        metric_version=row["metric_version"],
    )
