"""The port `Funnels` over the view `rule_targets_between`."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime

from storage.clickhouse.client import Database
from storage.funnels import Funnel

FOREVER = datetime(2200, 1, 1, tzinfo=UTC)
_COUNTS = tuple(each.name for each in fields(Funnel) if each.type == "int")


class ClickHouseFunnels:
    """`storage.funnels.Funnels` over ClickHouse."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of_rule(self, rule: str, *, since: datetime, until: datetime | None = None) -> list[Funnel]:
        """See the port."""
        window = {"since_ms": _ms(since), "until_ms": _ms(until or FOREVER)}
        rows = await self._database.rows("rule_funnel", {"rule": rule, **window})
        return [
            Funnel(
                metric=row["metric"],
                **{name: int(row[name]) for name in _COUNTS},
                oldest_seconds=row["oldest_ms"] / 1000 if row["open"] else None,
                lag_seconds=tuple(each / 1000 for each in row["lags_ms"]) if row["results"] else None,
            )
            for row in rows
        ]


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)
