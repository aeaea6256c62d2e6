"""What rules and alerts say now about an action that has messages on their way."""

from __future__ import annotations

from evaluator.metrics.registry import RULE_KIND
from evaluator.online.alerts.definition import ALERT_KIND, AlertDefinition
from evaluator.online.rules.definition import RuleDefinition
from evaluator.online.rules.policy import Action
from storage.definitions import Definitions
from storage.deliveries import DeliverySource, Lane
from storage.errors import NotFound


class CurrentActions:
    """Reads the newest version: a corrected address is used at once, also for what waits."""

    def __init__(self, definitions: Definitions) -> None:
        self._definitions = definitions

    async def action(self, lane: Lane) -> Action | None:
        """The action of a lane; None where its owner is gone, or has no such action any more."""
        kind = RULE_KIND if lane.source is DeliverySource.RULE else ALERT_KIND
        try:
            document = await self._definitions.get(kind, lane.owner)
        except NotFound:
            return None
        owner = RuleDefinition.from_document(document) if kind == RULE_KIND else AlertDefinition.from_document(document)
        return next((action for action in owner.actions if action.name == lane.action), None)
