"""Alerts and deliveries: proto <-> domain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from google.protobuf.timestamp_pb2 import Timestamp

from evaluator.errors import InvalidDefinition
from evaluator.online.alerts.definition import AlertDefinition, AlertKind, AlertRecord
from evaluator.online.rules.policy import ActionKind
from evaluator.server.convert_definitions import action, action_to_proto, known_enum
from evaluator.server.enums import ACTION_KIND_TO_PROTO
from evaluator.v1 import alerts_pb2 as pb
from storage.alerts import AlertEvent, AlertState
from storage.deliveries import Delivery, DeliverySource, DeliveryState
from storage.model import NO_ID

KIND_TO_PROTO: Mapping[AlertKind, pb.AlertKind] = {
    kind: cast(pb.AlertKind, pb.AlertKind.Value(f"ALERT_KIND_{kind.upper()}")) for kind in AlertKind
}
KIND_FROM_PROTO: Mapping[int, AlertKind] = {number: kind for kind, number in KIND_TO_PROTO.items()}
STATE_TO_PROTO: Mapping[AlertState, pb.AlertState] = {
    state: cast(pb.AlertState, pb.AlertState.Value(f"ALERT_STATE_{state.upper()}")) for state in AlertState
}
STATE_FROM_PROTO: Mapping[int, AlertState] = {number: state for state, number in STATE_TO_PROTO.items()}
DELIVERY_STATE_TO_PROTO: Mapping[DeliveryState, pb.DeliveryState] = {
    state: cast(pb.DeliveryState, pb.DeliveryState.Value(f"DELIVERY_STATE_{state.upper()}")) for state in DeliveryState
}
DELIVERY_STATE_FROM_PROTO: Mapping[int, DeliveryState] = {
    number: state for state, number in DELIVERY_STATE_TO_PROTO.items()
}


def alert(message: pb.Alert, *, version: int = 1) -> AlertDefinition:
    """An alert; output-only fields are ignored.

    Raises:
        InvalidDefinition: A field is missing or not acceptable.
    """
    given: dict[str, Any] = {
        "reference_windows": message.reference_windows,
        "false_alarms": message.false_alarms,
        "min_samples": message.min_samples,
    }
    given = {name: number for name, number in given.items() if number}  # 0 = as the definition says
    if message.HasField("window"):
        if message.window.nanos:
            raise InvalidDefinition("alert.window", "must be whole seconds")
        given["window_seconds"] = message.window.seconds
    return AlertDefinition(
        name=message.name,
        version=version,
        kind=known_enum("alert.kind", KIND_FROM_PROTO, message.kind),
        rule=message.rule,
        metric=message.metric,
        threshold=message.threshold,
        clear=message.clear if message.HasField("clear") else None,
        for_seconds=message.hold.seconds + message.hold.nanos / 1e9,
        actions=tuple(map(action, message.actions)),
        description=message.description,
        enabled=message.enabled if message.HasField("enabled") else True,
        **given,
    )


def alert_to_proto(record: AlertRecord, standing: AlertEvent | None = None) -> pb.Alert:
    """A version of an alert, and how it stands."""
    definition = record.definition
    message = pb.Alert(
        name=definition.name,
        version=definition.version,
        kind=KIND_TO_PROTO[definition.kind],
        rule=definition.rule,
        metric=definition.metric,
        threshold=definition.threshold,
        reference_windows=definition.reference_windows,
        false_alarms=definition.false_alarms,
        min_samples=definition.min_samples,
        actions=[*map(action_to_proto, definition.actions)],
        description=definition.description,
        enabled=definition.enabled,
    )
    if definition.clear is not None:
        message.clear = definition.clear
    message.window.FromSeconds(definition.window_seconds)
    message.hold.FromNanoseconds(round(definition.for_seconds * 1e9))
    if record.create_time is not None:
        message.create_time.FromDatetime(record.create_time)
    if standing is not None:
        message.standing.CopyFrom(event_to_proto(standing))
    return message


def event_to_proto(event: AlertEvent) -> pb.AlertEvent:
    """One turn."""
    message = pb.AlertEvent(
        state=STATE_TO_PROTO[event.state],
        event_time=_time(event.at_us),
        since_time=_time(event.since_us),
        samples=event.samples,
        reason=event.reason,
        version=event.version,
    )
    if event.value is not None:
        message.value = event.value
    if event.bound is not None:
        message.bound = event.bound
    return message


def delivery_to_proto(delivery: Delivery) -> pb.Delivery:
    """One message and how far it came."""
    lane = delivery.lane
    message = pb.Delivery(
        delivery_id=str(delivery.delivery_id),
        rule=lane.owner if lane.source is DeliverySource.RULE else "",
        alert=lane.owner if lane.source is DeliverySource.ALERT else "",
        action=lane.action,
        kind=ACTION_KIND_TO_PROTO[ActionKind(delivery.kind)],
        result_id="" if delivery.evaluation_id == NO_ID else str(delivery.evaluation_id),
        state=DELIVERY_STATE_TO_PROTO[delivery.state],
        attempts=delivery.attempts,
        give_up_time=_time(delivery.give_up_ms * 1000),
        last_error=delivery.last_error,
        create_time=_time(delivery.created_us),
        body=delivery.body,
    )
    if delivery.state is DeliveryState.PENDING:
        message.next_attempt_time.CopyFrom(_time(delivery.next_attempt_ms * 1000))
    if delivery.updated_us is not None:
        message.update_time.CopyFrom(_time(delivery.updated_us))
    return message


def _time(micros: int) -> Timestamp:
    stamp = Timestamp()
    stamp.FromMicroseconds(micros)
    return stamp
