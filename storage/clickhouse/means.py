"""What means are made of: the port `Means`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from storage.clickhouse.client import Database
from storage.means import JudgedMean, LabelledValue, MeanQuery

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST_US = 2**53


class ClickHouseMeans:
    """`storage.means.Means` over ClickHouse."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def judged(self, query: MeanQuery) -> JudgedMean:
        """See the port, here and below."""
        [row] = await self._database.rows("mean_judged", _parameters(query))
        count = row["judged"]
        return JudgedMean(
            mean=row["mean"] if count else None, variance=row["variance"] if count > 1 else 0.0, count=count
        )

    async def labelled(self, query: MeanQuery) -> Sequence[LabelledValue]:
        rows = await self._database.rows("mean_labelled", _parameters(query) | {"run_id": ""})
        return [
            LabelledValue(group=row["group_key"], expected=row["expected"], concluded=row["concluded"]) for row in rows
        ]

    async def learned(self, query: MeanQuery, alignment_id: str) -> int:
        rows = await self._database.rows("mean_labelled", _parameters(query) | {"run_id": alignment_id})
        return len(rows)


def _parameters(query: MeanQuery) -> dict[str, object]:
    return {
        "metric": query.metric,
        "version": query.version,
        "level": str(query.level or ""),
        "start_us": max(0, _micros(query.start)),
        "end_us": min(_LATEST_US, max(0, _micros(query.end))),
        "queue": query.queue,
    }


def _micros(time: datetime) -> int:
    return (time - _EPOCH) // timedelta(microseconds=1)
