"""Explicit ends of traces and sessions: the port `Completions`."""

from __future__ import annotations

import uuid

from storage.clickhouse.client import Database
from storage.completions import Ended
from storage.model import TargetRef


class ClickHouseCompletions:
    """`storage.completions.Completions` over ClickHouse."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def end(self, target: TargetRef) -> Ended:
        """See the port."""
        if (ended := await self._ended(target)) is not None:
            return ended
        # The time is the table's default, the start of this INSERT: polls wait for those that run.
        # The token makes the same row again another end.
        row = (str(target.level), target.key, "call")
        await self._database.insert_rows("completions", ("Level", "TargetId", "Source"), [row], token=uuid.uuid4().hex)
        return await self._ended(target) or Ended(at_ms=await self._last_ms(target), stored=True)

    async def _ended(self, target: TargetRef) -> Ended | None:
        rows = await self._database.rows("ended", {"level": str(target.level), "target_id": target.key})
        return Ended(at_ms=rows[0]["at_ms"], stored=bool(rows[0]["stored"])) if rows else None

    async def _last_ms(self, target: TargetRef) -> int:
        """When it was said last, although something arrived in the same moment."""
        rows = await self._database.query(
            "SELECT toUnixTimestamp64Milli(max(EndedAt)) AS at_ms FROM completions "
            "WHERE Level = {level:String} AND TargetId = {target_id:String}",
            {"level": str(target.level), "target_id": target.key},
        )
        return int(rows[0]["at_ms"])
