"""An evaluator as a process of its own that a target may kill: `python mortal_worker.py DATABASE_URL TARGETS`.

It says who it is on standard output, works until so many targets are settled, and ends.
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace

from online_parts import PACE, at_work, online
from storing import until

from storage.clickhouse.client import Database

PATIENCE_SECONDS = 600.0


async def work(url: str, targets: int) -> None:
    """Score until the ledger has settled so many targets."""
    async with Database(url) as database, online(database) as parts:

        async def settled() -> bool:
            rows = await database.query("SELECT countIf(Decision != 'started') AS n FROM decisions FINAL")
            return bool(rows[0]["n"] >= targets)

        leases = parts.leases()
        print(leases.owner, flush=True)
        async with at_work(parts, leases=leases, pace=replace(PACE, page_traces=100, chunk_targets=16)):
            await until(settled, seconds=PATIENCE_SECONDS)


if __name__ == "__main__":
    asyncio.run(work(sys.argv[1], int(sys.argv[2])))
