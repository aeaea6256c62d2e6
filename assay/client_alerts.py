"""Alerts and deliveries over the wire: what is sent, and how the answer is read."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from assay.client_calls import PAGE_SIZE, Call, Listing
from evaluator.online.alerts.definition import AlertDefinition, AlertRecord
from evaluator.server import convert_alerts as convert
from evaluator.v1 import alerts_pb2 as pb
from storage.alerts import AlertState
from storage.deliveries import DeliveryState


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertTurn:
    """One turn of an alert.

    Attributes:
        time, since: When it turned; when its condition began to hold.
        value, bound: What was measured and what that was compared with; None where there was nothing to measure.
        samples: Of how many results (drift: traces or sessions).
    """

    state: AlertState
    time: datetime
    since: datetime
    value: float | None
    bound: float | None
    samples: int
    reason: str
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """An alert, and its newest turn; None = it never turned, which is as ok."""

    record: AlertRecord
    standing: AlertTurn | None

    @property
    def state(self) -> AlertState:
        """How it stands."""
        return self.standing.state if self.standing else AlertState.OK


@dataclass(frozen=True, slots=True, kw_only=True)
class SentMessage:
    """One message of one action, and how far it came.

    Attributes:
        owner: The rule or alert that sends it.
        result_id: '' for alerts.
        next_attempt: None unless it waits for one.
        body: JSON.
    """

    delivery_id: str
    owner: str
    action: str
    result_id: str
    state: DeliveryState
    attempts: int
    next_attempt: datetime | None
    give_up: datetime
    last_error: str
    created: datetime
    body: str


def create_alert(alert: AlertDefinition, request_id: str) -> Call[Alert]:
    """`Alerts.CreateAlert`."""
    request = pb.CreateAlertRequest(alert=_stated(alert), request_id=request_id)
    return Call(service="Alerts", method="CreateAlert", request=request, read=_alert)


def get_alert(name: str) -> Call[Alert]:
    """`Alerts.GetAlert`."""
    return Call(service="Alerts", method="GetAlert", request=pb.GetAlertRequest(name=name), read=_alert)


def list_alerts() -> Listing[Alert]:
    """`Alerts.ListAlerts`."""
    request = pb.ListAlertsRequest(page_size=PAGE_SIZE)
    return Listing(service="Alerts", method="ListAlerts", request=request, items="alerts", read=_alert)


def update_alert(alert: AlertDefinition, base_version: int, request_id: str) -> Call[Alert]:
    """`Alerts.UpdateAlert`."""
    request = pb.UpdateAlertRequest(alert=_stated(alert), base_version=base_version, request_id=request_id)
    return Call(service="Alerts", method="UpdateAlert", request=request, read=_alert)


def delete_alert(name: str, base_version: int | None, request_id: str) -> Call[None]:
    """`Alerts.DeleteAlert`."""
    request = pb.DeleteAlertRequest(name=name, base_version=base_version or 0, request_id=request_id)
    return Call(service="Alerts", method="DeleteAlert", request=request, read=_nothing)


def alert_history(name: str) -> Listing[AlertTurn]:
    """`Alerts.ListAlertEvents`."""
    request = pb.ListAlertEventsRequest(name=name, page_size=PAGE_SIZE)
    return Listing(service="Alerts", method="ListAlertEvents", request=request, items="events", read=_turn)


def list_deliveries(rule: str, alert: str, states: Sequence[DeliveryState]) -> Listing[SentMessage]:
    """`Deliveries.ListDeliveries`."""
    request = pb.ListDeliveriesRequest(
        rule=rule,
        alert=alert,
        states=[convert.DELIVERY_STATE_TO_PROTO[state] for state in states],
        page_size=PAGE_SIZE,
    )
    return Listing(service="Deliveries", method="ListDeliveries", request=request, items="deliveries", read=_delivery)


def retry_delivery(delivery_id: str | uuid.UUID) -> Call[SentMessage]:
    """`Deliveries.RetryDelivery`."""
    request = pb.RetryDeliveryRequest(delivery_id=str(delivery_id))
    return Call(service="Deliveries", method="RetryDelivery", request=request, read=_delivery)


def _stated(alert: AlertDefinition) -> pb.Alert:
    return convert.alert_to_proto(AlertRecord(definition=alert))


def _nothing(response: Any) -> None:
    return None


def _alert(message: pb.Alert) -> Alert:
    definition = convert.alert(message, version=message.version)
    record = AlertRecord(definition=definition, create_time=message.create_time.ToDatetime(UTC))
    return Alert(record=record, standing=_turn(message.standing) if message.HasField("standing") else None)


def _turn(message: pb.AlertEvent) -> AlertTurn:
    return AlertTurn(
        state=convert.STATE_FROM_PROTO[message.state],
        time=message.event_time.ToDatetime(UTC),
        since=message.since_time.ToDatetime(UTC),
        value=message.value if message.HasField("value") else None,
        bound=message.bound if message.HasField("bound") else None,
        samples=message.samples,
        reason=message.reason,
        version=message.version,
    )


def _delivery(message: pb.Delivery) -> SentMessage:
    waits = message.HasField("next_attempt_time")
    return SentMessage(
        delivery_id=message.delivery_id,
        owner=message.rule or message.alert,
        action=message.action,
        result_id=message.result_id,
        state=convert.DELIVERY_STATE_FROM_PROTO[message.state],
        attempts=message.attempts,
        next_attempt=message.next_attempt_time.ToDatetime(UTC) if waits else None,
        give_up=message.give_up_time.ToDatetime(UTC),
        last_error=message.last_error,
        created=message.create_time.ToDatetime(UTC),
        body=message.body,
    )
