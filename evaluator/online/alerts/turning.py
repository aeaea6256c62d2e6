"""How an alert turns: ok, pending while its condition must still hold, firing, resolved."""

from __future__ import annotations

from evaluator.online.alerts.definition import AlertDefinition
from evaluator.online.alerts.measuring import SECOND_US, Measured
from storage.alerts import AlertEvent, AlertState

OPEN = (AlertState.PENDING, AlertState.FIRING)


def turns(
    alert: AlertDefinition, standing: AlertEvent | None, seen: Measured | None, *, now_us: int
) -> list[AlertEvent]:
    """What follows from one look; nothing where it stays as it is.

    What is unknown ends no alarm and begins none; a pending one goes back.

    Args:
        standing: Its newest turn, also of an earlier version.
        seen: None = it is switched off.
    """
    if standing is not None and now_us <= standing.at_us:
        return []  # a clock that went back: wait until it is there again
    if standing is not None and standing.state in OPEN and (seen is None or standing.version != alert.version):
        why = "it was switched off" if seen is None else "it was edited"
        return [_event(alert, _ended(standing), standing.since_us, None, why, now_us)]
    if seen is None:
        return []
    state = standing.state if standing else AlertState.OK
    match state:
        case AlertState.OK | AlertState.RESOLVED if seen.holds:
            begun = _event(alert, AlertState.PENDING, now_us, seen, seen.reason, now_us)
            return (
                [begun]
                if alert.for_seconds
                else [begun, _event(alert, AlertState.FIRING, now_us, seen, seen.reason, now_us + 1)]
            )
        case AlertState.PENDING if standing is not None:
            if not seen.holds:
                return [_event(alert, AlertState.OK, standing.since_us, seen, seen.reason, now_us)]
            if now_us - standing.since_us >= alert.for_seconds * SECOND_US:
                return [_event(alert, AlertState.FIRING, standing.since_us, seen, seen.reason, now_us)]
        case AlertState.FIRING if standing is not None and seen.over:
            return [_event(alert, AlertState.RESOLVED, standing.since_us, seen, seen.reason, now_us)]
    return []


def _ended(standing: AlertEvent) -> AlertState:
    return AlertState.RESOLVED if standing.state is AlertState.FIRING else AlertState.OK


def _event(
    alert: AlertDefinition, state: AlertState, since_us: int, seen: Measured | None, reason: str, at_us: int
) -> AlertEvent:
    return AlertEvent(
        alert=alert.name,
        version=alert.version,
        state=state,
        since_us=since_us,
        value=seen.value if seen else None,
        bound=seen.bound if seen else None,
        samples=seen.samples if seen else 0,
        reason=reason,
        at_us=at_us,
    )
