"""Rules, and what edits of definitions share: proto <-> domain."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TypeVar, cast

from google.protobuf.descriptor import Descriptor
from google.protobuf.field_mask_pb2 import FieldMask

from evaluator.errors import InvalidDefinition
from evaluator.online.rules.definition import RuleDefinition
from evaluator.online.rules.record import RuleRecord
from evaluator.server.enums import LEVEL_FROM_PROTO, LEVEL_TO_PROTO
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
        filter=message.filter,
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
        filter=definition.filter,
        description=definition.description,
        enabled=definition.enabled,
    )
    if definition.enable_time is not None:
        message.enable_time.FromDatetime(definition.enable_time)
    if record.create_time is not None:
        message.create_time.FromDatetime(record.create_time)
    return message


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


def known_enum(field: str, known: Mapping[int, E], number: int) -> E:
    """The member that an enum number stands for.

    Raises:
        InvalidDefinition: It is missing or unknown.
    """
    if number not in known:
        raise InvalidDefinition(field, "is required" if number == 0 else f"is the unknown enum number {number}")
    return known[number]
