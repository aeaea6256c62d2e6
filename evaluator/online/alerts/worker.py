"""Alerts are looked at by one process, which writes down how they turn and tells whom they name.

Whom to tell is queued before the turn is written down: whatever is cut off is done again, and queues the same messages.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from evaluator.errors import InvalidDefinition, MetricNotFound
from evaluator.metrics.registry import all_documents
from evaluator.online.actions.messages import GIVE_UP_SECONDS, delivery_id, message_text, time_of
from evaluator.online.alerts.definition import ALERT_KIND, AlertDefinition, AlertKind
from evaluator.online.alerts.measuring import SECOND_US, Measured, WatchesAgreement, measured, windows
from evaluator.online.alerts.turning import turns
from evaluator.online.leases import LeaseKeeper
from evaluator.online.rules.policy import Action
from storage.alerts import AlertEvent, Alerts, AlertState
from storage.definitions import Definitions
from storage.deliveries import Deliveries, Delivery, DeliverySource, Lane
from storage.errors import StorageError
from storage.model import Document

log = logging.getLogger(__name__)

PAUSE_SECONDS = 15.0
AGREEMENT_SECONDS = 300.0
"""Agreement is measured anew after so long: people label slowly, and resampling takes time."""
TOLD = (AlertState.FIRING, AlertState.RESOLVED)


@dataclass(frozen=True, slots=True)
class _Tested:
    """A window that was judged: what it says does not change."""

    key: tuple[object, ...]
    seen: Measured


class AlertWorker:
    """Looks until cancelled, while this process holds the lease `maintenance`.

    Args:
        wake: Called when messages were queued.
        agreement: Measures agreement; None = alerts about it are put off, with a word in the log.
    """

    def __init__(
        self,
        *,
        definitions: Definitions,
        alerts: Alerts,
        deliveries: Deliveries,
        leases: LeaseKeeper,
        wake: Callable[[], None],
        agreement: WatchesAgreement | None = None,
        agreement_seconds: float = AGREEMENT_SECONDS,
        pause_seconds: float = PAUSE_SECONDS,
    ) -> None:
        self._definitions = definitions
        self._alerts = alerts
        self._deliveries = deliveries
        self._leases = leases
        self._wake = wake
        self._agreement = agreement
        self._agreement_us = max(1, round(agreement_seconds * SECOND_US))
        self._pause_seconds = pause_seconds
        self._tested: dict[str, _Tested] = {}

    async def run(self) -> None:
        """A round every few seconds; what goes wrong is tried again, and holds up no other alert."""
        while True:
            try:
                if self._leases.owned("maintenance"):
                    await self.round()
            except StorageError as error:
                log.warning("alerts_postponed", extra={"reason": str(error)})
            await asyncio.sleep(self._pause_seconds)

    async def round(self) -> list[AlertEvent]:
        """Look at every alert once; returns how they turned."""
        documents = await all_documents(self._definitions, ALERT_KIND)
        if not documents:
            return []
        standing = await self._alerts.standing([document.name for document in documents])
        now_us = await self._alerts.now_us()
        found: list[AlertEvent] = []
        for document in documents:
            try:
                found += await self._look(document, standing.get(document.name), now_us)
            except (InvalidDefinition, MetricNotFound, StorageError) as error:
                log.warning("alert_postponed", extra={"alert": document.name, "reason": str(error)})
        return found

    async def _look(self, document: Document, standing: AlertEvent | None, now_us: int) -> list[AlertEvent]:
        alert = AlertDefinition.from_document(document)
        current = standing if standing and standing.version == alert.version else None
        seen = await self._measured(alert, current, now_us) if alert.enabled else None
        found = turns(alert, standing, seen, now_us=now_us)
        for event in found:
            await self._tell(alert, event)
            await self._alerts.turn(event)
            log.info("alert_turned", extra={"alert": alert.name, "state": str(event.state), "reason": event.reason})
        return found

    async def _measured(self, alert: AlertDefinition, standing: AlertEvent | None, now_us: int) -> Measured:
        key: tuple[object, ...]
        match alert.kind:
            case AlertKind.DRIFT:
                key = (alert.version, windows(alert, standing=standing, now_us=now_us))
            case AlertKind.AGREEMENT if self._agreement is None:
                raise InvalidDefinition("alert.kind", "nobody here can measure agreement")
            case AlertKind.AGREEMENT:
                key = (alert.version, now_us // self._agreement_us)
            case _:
                return await measured(alert, self._alerts, standing=standing, now_us=now_us)
        known = self._tested.get(alert.name)
        if known is None or known.key != key:
            seen = await measured(alert, self._alerts, standing=standing, now_us=now_us, agreement=self._agreement)
            known = self._tested[alert.name] = _Tested(key, seen)
        return known.seen

    async def _tell(self, alert: AlertDefinition, event: AlertEvent) -> None:
        if event.state not in TOLD:
            return
        queued = [_delivery(alert, action, event) for action in alert.actions]
        known = await self._deliveries.known([each.delivery_id for each in queued])
        await self._deliveries.queue([each for each in queued if each.delivery_id not in known])
        self._wake()


def _delivery(alert: AlertDefinition, action: Action, event: AlertEvent) -> Delivery:
    lane = Lane(source=DeliverySource.ALERT, owner=alert.name, action=action.name)
    now_ms = event.at_us // 1000
    return Delivery(
        delivery_id=delivery_id(lane, f"{event.since_us}/{event.state}"),
        lane=lane,
        kind=str(action.kind),
        body=message_text(f"alert.{event.state}", time_of(event.at_us), _told(alert, action, event)),
        created_us=event.at_us,
        next_attempt_ms=now_ms,
        give_up_ms=now_ms + round(GIVE_UP_SECONDS * 1000),
    )


def _told(alert: AlertDefinition, action: Action, event: AlertEvent) -> dict[str, Any]:
    return {
        "alert": {
            "name": alert.name,
            "version": alert.version,
            "kind": str(alert.kind),
            "rule": alert.rule or None,
            "metric": alert.metric or None,
            "description": alert.description or None,
        },
        "action": {"name": action.name},
        "state": str(event.state),
        "since_time": time_of(event.since_us).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "value": event.value,
        "bound": event.bound,
        "samples": event.samples,
        "reason": event.reason,
    }
