"""An evaluator as a process of its own that works on alignments until it is killed.

`python mortal_aligner.py DATABASE_URL MODELS_URL`.  It says who it is on standard output.
"""

from __future__ import annotations

import asyncio
import sys

from align_run_parts import align, working

from storage.clickhouse.client import Database


async def work(url: str, models: str) -> None:
    """For ever."""
    async with (
        Database(url) as database,
        align(database, models, in_flight=4) as parts,
        working(parts),
    ):
        print(parts.leases.owner, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(work(sys.argv[1], sys.argv[2]))
