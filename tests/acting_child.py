"""A process that acts until it is killed: `acting_child.py DATABASE_URL`."""

from __future__ import annotations

import asyncio
import sys

from action_parts import acting
from storing import until

from storage.clickhouse.client import Database


async def main(url: str) -> None:
    """Work as soon as nobody else does."""
    async with Database(url) as database, acting(database) as work:

        async def renewed() -> bool:
            await work.leases.renew()
            return False

        await until(renewed, seconds=600)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
