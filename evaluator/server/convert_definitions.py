"""Rules, and what edits of definitions share: proto <-> domain."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TypeVar, cast

from google.protobuf.descriptor import Descriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask

from evaluator.errors import InvalidDefinition
from evaluator.online.rules.definition import LOOKBACK_SECONDS, SESSION_IDLE_SECONDS, RuleDefinition
from evaluator.online.rules.policy import Action, Budget, Late, Retries, When
from evaluator.online.rules.record import RuleRecord
from evaluator.server.enums import (
    ACTION_KIND_FROM_PROTO,
    ACTION_KIND_TO_PROTO,
    LATE_FROM_PROTO,
    LATE_TO_PROTO,
    LEVEL_FROM_PROTO,
    LEVEL_TO_PROTO,
    WHEN_FROM_PROTO,
    WHEN_TO_PROTO,
)
from evaluator.server.errors import InvalidRequest
from evaluator.v1 import metrics_pb2, rules_pb2

E = TypeVar("E")
M = TypeVar("M", metrics_pb2.Metric, rules_pb2.Rule)


def rule(message: rules_pb2.Rule, *, version: int = 1, enable_time: datetime | None = None) -> RuleDefinition:
    """A rule; output-only fields are ignored, so a reader hands in `version` and `enable_time`.

    Raises:
        InvalidDefinition: A field is missing or not acceptable.
    """
    return RuleDefinition(
        name=message.name,
        version=version,
        level=known_enum("rule.level", LEVEL_FROM_PROTO, message.level),
        metrics=tuple(message.metrics),
        sample_rate=message.sample_rate if message.HasField("sample_rate") else 1.0,
        source_rates=dict(message.source_rates),
        filter=message.filter,
        scope=message.scope,
        when=known_enum("rule.when", WHEN_FROM_PROTO, message.when, absent=When.COMPLETE),
        late=known_enum("rule.late", LATE_FROM_PROTO, message.late, absent=Late.RESCORE),
        lookback_seconds=_seconds(message.lookback) if message.HasField("lookback") else LOOKBACK_SECONDS,
        session_idle_seconds=(
            _seconds(message.session_idle) if message.HasField("session_idle") else SESSION_IDLE_SECONDS
        ),
        retries=_retries(message.retries),
        budget=Budget(calls=message.budget.calls, tokens=message.budget.tokens, usd=message.budget.usd),
        actions=tuple(map(action, message.actions)),
        description=message.description,
        enabled=message.enabled if message.HasField("enabled") else True,
        enable_time=enable_time,
    )


def rule_to_proto(record: RuleRecord) -> rules_pb2.Rule:
    """A version of a rule."""
    definition = record.definition
    message = rules_pb2.Rule(
        name=definition.name,
        version=definition.version,
        level=LEVEL_TO_PROTO[definition.level],
        metrics=definition.metrics,
        sample_rate=definition.sample_rate,
        source_rates=definition.source_rates,
        filter=definition.filter,
        scope=definition.scope,
        when=WHEN_TO_PROTO[definition.when],
        late=LATE_TO_PROTO[definition.late],
        lookback=_duration(definition.lookback_seconds),
        session_idle=_duration(definition.session_idle_seconds),
        retries=rules_pb2.RuleRetries(
            attempts=definition.retries.attempts,
            backoff=_duration(definition.retries.backoff_seconds),
            max_age=_duration(definition.retries.max_age_seconds),
        ),
        budget=budget_to_proto(definition.budget),
        actions=[*map(action_to_proto, definition.actions)],
        description=definition.description,
        enabled=definition.enabled,
    )
    if definition.enable_time is not None:
        message.enable_time.FromDatetime(definition.enable_time)
    if record.create_time is not None:
        message.create_time.FromDatetime(record.create_time)
    return message


def budget_to_proto(budget: Budget) -> rules_pb2.RuleBudget:
    """A budget, or what was spent of one."""
    return rules_pb2.RuleBudget(calls=budget.calls, tokens=budget.tokens, usd=budget.usd)


def _retries(message: rules_pb2.RuleRetries) -> Retries:
    default = Retries()
    return Retries(
        attempts=message.attempts or default.attempts,
        backoff_seconds=_seconds(message.backoff) if message.HasField("backoff") else default.backoff_seconds,
        max_age_seconds=_seconds(message.max_age) if message.HasField("max_age") else default.max_age_seconds,
    )


def action(message: rules_pb2.RuleAction) -> Action:
    """What follows from a result, or from a turn of an alert."""
    return Action(
        name=message.name,
        kind=known_enum("rule.actions.kind", ACTION_KIND_FROM_PROTO, message.kind),
        when=message.when,
        metric=message.metric,
        target=message.target,
    )


def action_to_proto(stated: Action) -> rules_pb2.RuleAction:
    """Inverse of `action`."""
    return rules_pb2.RuleAction(
        name=stated.name,
        kind=ACTION_KIND_TO_PROTO[stated.kind],
        when=stated.when,
        metric=stated.metric,
        target=stated.target,
    )


def _seconds(duration: Duration) -> float:
    return duration.seconds + duration.nanos / 1e9


def _duration(seconds: float) -> Duration:
    whole = int(seconds)
    return Duration(seconds=whole, nanos=round((seconds - whole) * 1e9))


def masked(current: M, edit: M, mask: FieldMask) -> M:
    """`current` with the fields that the mask names taken from `edit`.

    Raises:
        InvalidRequest: The mask names what is no field.
    """
    if not mask.IsValidForDescriptor(cast(Descriptor, current.DESCRIPTOR)):
        raise InvalidRequest("update_mask", f"names an unknown field: {', '.join(mask.paths)}")
    merged = type(current)()
    merged.CopyFrom(current)
    mask.MergeMessage(edit, merged, replace_message_field=True, replace_repeated_field=True)
    return merged


def base_version(number: int, *, required: bool) -> int:
    """The version that an edit starts from; 0 only where it is not required.

    Raises:
        InvalidRequest: It is missing or negative.
    """
    if number < 0 or (required and number == 0):
        raise InvalidRequest("base_version", f"must be the version that was read, 1 or more; got {number}")
    return number


def known_enum(field: str, known: Mapping[int, E], number: int, *, absent: E | None = None) -> E:
    """The member that an enum number stands for; `absent` = what a missing one means.

    Raises:
        InvalidDefinition: It is unknown, or missing where nothing says what that means.
    """
    if number == 0 and absent is not None:
        return absent
    if number not in known:
        raise InvalidDefinition(field, "is required" if number == 0 else f"is the unknown enum number {number}")
    return known[number]
