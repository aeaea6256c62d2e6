"""The rule action `queue`: results that match a condition become items of a review queue."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from evaluator.errors import InvalidDefinition, QueueNotFound
from evaluator.online.actions.check import OfferedQueue
from evaluator.online.emitting.otlp_out import NotTaken
from evaluator.reviewing.catalogue import Queues
from evaluator.reviewing.filling import Filling
from storage.deliveries import Delivery
from storage.errors import Unavailable
from storage.model import Level, TargetRef


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuesOnOffer:
    """What rules may name (`evaluator.online.actions.check.KnowsQueues`)."""

    queues: Queues

    async def queue(self, name: str) -> OfferedQueue | None:
        """A queue's metric and level; None where there is no such queue."""
        try:
            found = await self.queues.get(name)
        except QueueNotFound:
            return None
        metric = await self.queues.metrics.get(found.metric)
        return OfferedQueue(metric=metric.name, level=found.level)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueItems:
    """Deliveries into review queues (`evaluator.online.actions.senders.Sends`)."""

    filling: Filling

    async def send(self, delivery: Delivery, target: str) -> None:
        """Put the result that a delivery is about into the queue `target`; one that is in it stays once.

        Raises:
            NotTaken: There is no such queue (it may come), or it takes no such results.
        """
        told: dict[str, Any] = json.loads(delivery.body)["data"]
        about = told["target"]
        ref = TargetRef(
            level=Level(about["level"]),
            trace_id=about["trace_id"],
            span_id=about["span_id"],
            session_id=about["session_id"],
        )
        try:
            await self.filling.result(
                target,
                metric=told["metric"]["name"],
                target=ref,
                result_id=delivery.evaluation_id,
                source=f"rule {told['rule']['name']}: {told['action']['when'] or told['action']['name']}",
            )
        except (QueueNotFound, Unavailable) as error:
            raise NotTaken(str(error)) from error
        except InvalidDefinition as error:
            raise NotTaken(str(error), final=True) from error
