"""What an action says: a message of type `rule.matched`, and the delivery that carries it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from evaluator.online.rules.policy import Action
from storage.deliveries import Delivery, DeliverySource, Lane
from storage.model import RESULT_NAMESPACE, Abstention, Evaluation, Failure, Score

GIVE_UP_SECONDS = 86_400.0
MAX_TEXT_CHARACTERS = 4000
"""Of an explanation or a text; the whole of it is in the table `evaluations`."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def result_delivery(
    evaluation: Evaluation, action: Action, *, now_ms: int, give_up_seconds: float = GIVE_UP_SECONDS
) -> Delivery:
    """One result for one action of its rule.  The same result and action again is the same delivery."""
    lane = Lane(source=DeliverySource.RULE, owner=evaluation.rule, action=action.name)
    target, created_us = evaluation.target, evaluation.inserted_us or 0
    return Delivery(
        delivery_id=delivery_id(lane, str(evaluation.evaluation_id)),
        lane=lane,
        kind=str(action.kind),
        body=message_text("rule.matched", time_of(created_us), _matched(evaluation, action)),
        created_us=created_us,
        next_attempt_ms=now_ms,
        give_up_ms=now_ms + round(give_up_seconds * 1000),
        evaluation_id=evaluation.evaluation_id,
        trace_id=target.trace_id or (evaluation.anchor.trace_id if evaluation.anchor else ""),
        session_id=target.session_id,
    )


def delivery_id(lane: Lane, about: str) -> uuid.UUID:
    """UUIDv5 of what is sent and which way."""
    return uuid.uuid5(RESULT_NAMESPACE, "\x1f".join(("delivery", lane.key, about)))


def message_text(kind: str, time: datetime, told: Mapping[str, Any]) -> str:
    """A message in the form of Standard Webhooks: `type`, `timestamp`, `data`."""
    timestamp = time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return json.dumps({"type": kind, "timestamp": timestamp, "data": told}, ensure_ascii=False, separators=(",", ":"))


def time_of(micros: int) -> datetime:
    """A time of the store."""
    return _EPOCH + timedelta(microseconds=micros)


def _matched(evaluation: Evaluation, action: Action) -> dict[str, Any]:
    target, anchor = evaluation.target, evaluation.anchor
    return {
        "rule": {"name": evaluation.rule, "version": evaluation.rule_version},
        "action": {"name": action.name, "when": action.when},
        "metric": {
            "name": evaluation.metric,
            "version": evaluation.metric_version,
            "kind": str(evaluation.kind),
        },
        "target": {
            "level": str(target.level),
            "trace_id": target.trace_id,
            "span_id": target.span_id,
            "session_id": target.session_id,
        },
        "anchor": anchor
        and {
            "trace_id": anchor.trace_id,
            "span_id": anchor.span_id,
            "service_name": anchor.service_name,
            "span_name": anchor.span_name,
        },
        "result": {
            "id": str(evaluation.evaluation_id),
            "attempt": evaluation.attempt,
            "status": str(evaluation.status),
            **_concluded(evaluation),
            "judge_model": evaluation.judge_model or None,
            "evaluated_time": evaluation.evaluated.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        },
    }


def _concluded(evaluation: Evaluation) -> dict[str, Any]:
    passed = {"true": True, "false": False}.get(evaluation.metadata.get("passed", ""))
    match evaluation.outcome:
        case Score() as score:
            return {
                "value": score.value,
                "label": score.label or None,
                "labels": list(score.labels) or None,
                "text": _cut(score.text) or None,
                "passed": passed,
                "explanation": _cut(score.explanation) or None,
            }
        case Abstention(reason=reason):
            return {"explanation": _cut(reason) or None}
        case Failure(code=code, message=message):
            return {"error": {"code": code, "message": _cut(message)}}


def _cut(text: str) -> str:
    return text if len(text) <= MAX_TEXT_CHARACTERS else text[: MAX_TEXT_CHARACTERS - 1] + "…"
