"""What actions send out, one by one, and how far each came.

Every method may raise `storage.errors.Unavailable` (a retry may succeed).  Other errors stand at the method.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from storage.model import NO_ID


class DeliverySource(StrEnum):
    """What has actions."""

    RULE = "rule"
    ALERT = "alert"


class DeliveryState(StrEnum):
    """How far a delivery came."""

    PENDING = "pending"
    DELIVERED = "delivered"
    GAVE_UP = "gave_up"
    """Its time is over, or its receiver wants no more."""
    CANCELLED = "cancelled"
    """Its rule or alert is gone, or has no such action any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """One action of one rule or alert: what goes the same way, and waits for nothing else."""

    source: DeliverySource
    owner: str
    action: str

    @property
    def key(self) -> str:
        """As queries name it."""
        return f"{self.source}/{self.owner}/{self.action}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One message of one action.  A row of `action_deliveries`.

    Attributes:
        kind: `webhook` or `event`.
        body: JSON, the same bytes with every attempt.
        created_us: When its result was stored, or its alert turned; part of the key.
        next_attempt_ms: Not before; server clock, as all times.
        give_up_ms: No attempt later, but each is tried once.
        version: 0 = queued; more with every change.
    """

    delivery_id: uuid.UUID
    lane: Lane
    kind: str
    body: str
    created_us: int
    next_attempt_ms: int
    give_up_ms: int
    evaluation_id: uuid.UUID = NO_ID
    trace_id: str = ""
    session_id: str = ""
    state: DeliveryState = DeliveryState.PENDING
    attempts: int = 0
    last_error: str = ""
    version: int = 0
    updated_us: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryCursor:
    """A place in the order (creation, id) of deliveries."""

    created_us: int
    delivery_id: uuid.UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """What there is to do, in milliseconds of the server's clock.

    Attributes:
        give_up_ms: Of the one that is given up first; None = nothing is pending.
        next_ms: When the next attempt is due of lanes that are not held; None = there is none.
    """

    now_ms: int
    give_up_ms: int | None
    next_ms: int | None


class Deliveries(Protocol):
    """Durable deliveries.  Written by one process at a time; two only repeat what is in flight."""

    async def queue(self, deliveries: Sequence[Delivery]) -> None:
        """Take up new ones.  One that is known already stays as it is."""

    async def known(self, ids: Collection[uuid.UUID]) -> set[uuid.UUID]:
        """Which of these there are."""

    async def record(self, deliveries: Sequence[Delivery]) -> None:
        """What came of some: each with a version above the one that was read."""

    async def due(
        self, *, since_ms: int, until_ms: int, held: Collection[Lane], per_lane: int, limit: int
    ) -> list[Delivery]:
        """Pending ones with a due attempt, oldest first, with `give_up_ms` from `since_ms` on; none of `held`."""

    async def pending(self, *, since_ms: int, held: Collection[Lane]) -> Pending:
        """What is pending, with `give_up_ms` from `since_ms` on."""

    async def expire(self, lane: Lane, *, until_ms: int, error: str) -> None:
        """Give up what is pending of one lane and whose time was over at `until_ms`."""

    async def get(self, delivery_id: uuid.UUID) -> Delivery:
        """One.

        Raises:
            NotFound: There is none of this id.
        """

    async def newest(
        self,
        source: DeliverySource,
        owner: str,
        *,
        states: Collection[DeliveryState] = (),
        before: DeliveryCursor | None,
        limit: int,
    ) -> list[Delivery]:
        """Those of one rule or alert, newest first, strictly before the cursor; no states = of any."""
