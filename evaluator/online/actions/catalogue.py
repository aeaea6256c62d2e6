"""Deliveries as people ask for them: what went out, what waits, what was given up, and that it be sent again."""

from __future__ import annotations

import time
import uuid
from collections.abc import Collection
from dataclasses import dataclass, replace

from evaluator.errors import DeliveryNotFound
from evaluator.online.actions.messages import GIVE_UP_SECONDS
from storage.deliveries import Deliveries, Delivery, DeliveryCursor, DeliverySource, DeliveryState
from storage.errors import NotFound


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryCatalogue:
    """Reads deliveries, and has one sent again.  Every method may raise `storage.errors.Unavailable`."""

    deliveries: Deliveries

    async def newest(
        self,
        source: DeliverySource,
        owner: str,
        *,
        states: Collection[DeliveryState],
        before: DeliveryCursor | None,
        limit: int,
    ) -> list[Delivery]:
        """Those of one rule or alert, newest first."""
        return await self.deliveries.newest(source, owner, states=states, before=before, limit=limit)

    async def again(self, delivery_id: uuid.UUID) -> Delivery:
        """Send one again, within half a minute, whatever came of it: with the same id and the same bytes.

        One that waits for its next attempt does not wait any longer.

        Raises:
            DeliveryNotFound: There is none of this id.
        """
        try:
            delivery = await self.deliveries.get(delivery_id)
        except NotFound as error:
            raise DeliveryNotFound(str(error)) from None
        now_ms = round(time.time() * 1000)
        asked = replace(
            delivery,
            state=DeliveryState.PENDING,
            next_attempt_ms=now_ms,
            give_up_ms=max(delivery.give_up_ms, now_ms + round(GIVE_UP_SECONDS * 1000)),
            version=delivery.version + 1,
        )
        await self.deliveries.record([asked])
        return asked
