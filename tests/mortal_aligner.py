"""An evaluator as a process of its own that works on alignments until it is killed.

`python mortal_aligner.py DATABASE_URL MODELS_URL LEASE_SECONDS`.
"""

from __future__ import annotations

import asyncio
import sys

from align_run_parts import align, working

from storage.clickhouse.client import Database


async def work(url: str, models: str, lease_seconds: float) -> None:
    """For ever."""
    async with Database(url) as database, align(database, models, in_flight=4, ttl_seconds=lease_seconds) as parts:
        async with working(parts):
            print("works", flush=True)
            await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(work(sys.argv[1], sys.argv[2], float(sys.argv[3])))
