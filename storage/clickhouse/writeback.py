"""Projects current results onto the spans, in verified batches: the port `WriteBack`.

Three steps, each of which may be repeated after a crash: stage (which result goes to which span), one UPDATE, read it
back and record what was not found.
"""

from __future__ import annotations

import time

from storage.clickhouse.client import Database
from storage.writeback import WriteBackBatch

RETRY_MISSING_SECONDS = 10
RESUME_SECONDS = 86_400


class ClickHouseWriteBack:
    """`storage.writeback.WriteBack` over ClickHouse."""

    def __init__(self, database: Database, *, retry_missing_seconds: int = RETRY_MISSING_SECONDS) -> None:
        self._database = database
        self._retry_missing_seconds = retry_missing_seconds

    async def newest_ms(self) -> int:
        """See the port."""
        rows = await self._database.query(
            "SELECT toUnixTimestamp64Milli(toDateTime64(max(InsertedAt), 3)) AS newest_ms FROM evaluations "
            "WHERE InsertedAt > now64(6) - INTERVAL 1 DAY"
        )
        return max(0, int(rows[0]["newest_ms"]))

    async def settled_ms(self) -> int:
        """See the port."""
        rows = await self._database.rows("safe_until", {"tables": r"\bevaluations\b", "lag_ms": 0})
        return int(rows[0]["until_us"]) // 1000

    async def resume(self) -> int:
        """See the port."""
        since_ms = int(time.time() * 1000) - RESUME_SECONDS * 1000
        unproven = await self._database.rows("writeback_open", {"since_ms": since_ms})
        for row in unproven:
            await self._apply(row["batch"], row["first_ns"], row["last_ns"])
        return len(unproven)

    async def project(self, *, since_ms: int, lag_seconds: int, limit: int) -> WriteBackBatch:
        """See the port."""
        batch = time.time_ns()  # unique: there is one writer at a time
        await self._database.run(
            "writeback_stage",
            {
                "batch": batch,
                "cursor_ms": since_ms,
                "lag": lag_seconds,
                "retry_after": self._retry_missing_seconds,
                "max_rows": limit,
            },
        )
        rows = await self._database.query(
            "SELECT count() AS staged, toUnixTimestamp64Nano(min(Timestamp)) AS first_ns, "
            "toUnixTimestamp64Nano(max(Timestamp)) AS last_ns FROM writeback WHERE BatchId = {batch:UInt64}",
            {"batch": batch},
        )
        if not rows[0]["staged"]:
            return WriteBackBatch(staged=0, missing=0)
        missing = await self._apply(batch, rows[0]["first_ns"], rows[0]["last_ns"])
        return WriteBackBatch(staged=rows[0]["staged"], missing=missing)

    async def _apply(self, batch: int, first_ns: int, last_ns: int) -> int:
        """Update, verify, once more if anything is missing, record the proof."""
        window = {"batch": batch, "first_ns": first_ns, "last_ns": last_ns}
        staged, missing = 0, []
        for _ in range(2):
            await self._database.run("writeback_apply", window)
            proof = (await self._database.rows("writeback_verify", window))[0]
            staged, missing = proof["staged"], list(proof["missing"])
            if not missing:
                break
        await self._database.insert_rows(
            "writeback_batches", ("BatchId", "Staged", "Missing"), [(batch, staged, missing)]
        )
        return len(missing)
