"""Keeps this process's shards of work: taken, renewed, given back."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time

from storage.errors import StorageError
from storage.leases import Leases

log = logging.getLogger(__name__)

TTL_SECONDS = 20.0
RENEW_SECONDS = 5.0
WORK = ("score", "writeback", "maintenance")


class LeaseKeeper:
    """What this process owns.  While another process lives, it owns everything and this one stands by.

    Attributes:
        term: How often what was owned before had run out when leases were asked for: another process may have owned it
            since.
    """

    def __init__(
        self, leases: Leases, *, ttl_seconds: float = TTL_SECONDS, renew_seconds: float = RENEW_SECONDS
    ) -> None:
        self.owner = f"evaluator-{secrets.token_hex(6)}"
        self.term = 0
        self._leases = leases
        self._ttl_seconds = ttl_seconds
        self._renew_seconds = renew_seconds
        self._owned: dict[str, list[int]] = {}
        self._valid_until = 0.0
        self._standing_by = False
        self._released = False
        self._one_at_a_time = asyncio.Lock()

    def owned(self, name: str) -> list[int]:
        """Shards that are certainly ours at this moment."""
        return self._owned.get(name, []) if time.monotonic() < self._valid_until else []

    async def renew(self) -> None:
        """Take what is free, renew what is ours; nothing after `release`."""
        async with self._one_at_a_time:
            if not self._released:
                await self._renew()

    async def _renew(self) -> None:
        before = time.monotonic()
        owned = {name: await self._leases.take(name, self.owner, ttl_seconds=self._ttl_seconds) for name in WORK}
        for name in WORK:
            if len(owned[name]) != len(self._owned.get(name, [])):
                log.info("leases_changed", extra={"work": name, "shards": owned[name]})
        if not owned["score"] and not self._standing_by:
            log.info(
                "standing_by", extra={"reason": "another evaluator owns the work; this one answers calls meanwhile"}
            )
        self._standing_by = not owned["score"]
        if time.monotonic() >= self._valid_until:
            self.term += 1
        self._owned = owned
        self._valid_until = before + self._ttl_seconds * 0.9  # a margin for a clock that runs differently

    async def run(self) -> None:
        """Renew until cancelled; a store that is away lets the leases run out."""
        while True:
            try:
                # A statement that is cancelled under way may still take the leases, after they were given back.
                await asyncio.shield(self.renew())
            except StorageError as error:
                log.warning("leases_not_renewed", extra={"reason": str(error)})
            await asyncio.sleep(self._renew_seconds)

    async def release(self, owner: str = "") -> None:
        """Give everything back, so that another process need not wait; or what a dead owner left."""
        async with self._one_at_a_time:
            if not owner:
                self._owned, self._released = {}, True
            await self._leases.release(owner or self.owner)
