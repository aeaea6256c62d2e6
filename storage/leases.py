"""Who works on what.

Every method may raise `storage.errors.Unavailable` (a retry may succeed).  Other errors stand at the method.
"""

from __future__ import annotations

from typing import Protocol


class Leases(Protocol):
    """Shards of work, each owned by one living process: `score` (16 of them), `writeback` (1), `maintenance` (1)."""

    async def take(self, name: str, owner: str, *, ttl_seconds: float) -> list[int]:
        """Take what is free or expired, renew what is owned; returns the owned shards."""

    async def release(self, owner: str) -> None:
        """Give back everything."""
