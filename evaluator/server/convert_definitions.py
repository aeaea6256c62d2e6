"""Metrics and rules: proto <-> domain."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TypeVar, cast

from google.protobuf.descriptor import Descriptor
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.json_format import MessageToDict, ParseDict

from evaluator.errors import InvalidDefinition
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.record import MetricRecord
from evaluator.online.record import RuleRecord
from evaluator.online.rules import RuleDefinition
from evaluator.server.enums import (
    KIND_FROM_PROTO,
    KIND_TO_PROTO,
    LEVEL_FROM_PROTO,
    LEVEL_TO_PROTO,
    OUTPUT_TYPE_FROM_PROTO,
    OUTPUT_TYPE_TO_PROTO,
)
from evaluator.server.errors import InvalidRequest
from evaluator.v1 import metrics_pb2, rules_pb2

E = TypeVar("E")
M = TypeVar("M", metrics_pb2.Metric, rules_pb2.Rule)


def metric(message: metrics_pb2.Metric, *, version: int = 1, builtin: bool = False) -> MetricDefinition:
    """A definition; output-only fields are ignored, so a reader hands in `version` and `builtin`.

    Raises:
        InvalidDefinition: A field is missing or not acceptable.
    """
    return MetricDefinition(
        name=message.name,
        display_name=message.display_name,
        version=version,
        kind=_enum("metric.kind", KIND_FROM_PROTO, message.kind),
        levels=tuple(_enum("metric.levels", LEVEL_FROM_PROTO, level) for level in message.levels),
        span_kinds=tuple(message.span_kinds),
        output_type=_enum("metric.output_type", OUTPUT_TYPE_FROM_PROTO, message.output_type),
        description=message.description,
        prompt=message.prompt,
        labels=_labels(message),
        function=message.function,
        model=message.model,
        parameters={name: _whole(value) for name, value in MessageToDict(message.parameters).items()},
        required_metrics=tuple(message.required_metrics),
        builtin=builtin,
    )


def _labels(message: metrics_pb2.Metric) -> dict[str, float]:
    labels: dict[str, float] = {}
    for number, label in enumerate(message.labels):
        field = f"metric.labels[{number}]"
        if not label.name or label.name in labels:
            raise InvalidDefinition(f"{field}.name", f"must be there and unique, got {label.name!r}")
        if not label.HasField("value"):
            raise InvalidDefinition(f"{field}.value", "is required")
        labels[label.name] = label.value
    return labels


def _whole(value: object) -> object:
    """Whole numbers as integers: a Struct knows only doubles, and providers refuse `max_tokens: 256.0`."""
    match value:
        case float() if value.is_integer():
            return int(value)
        case list():
            return [_whole(item) for item in value]
        case dict():
            return {key: _whole(item) for key, item in value.items()}
        case _:
            return value


def metric_to_proto(record: MetricRecord) -> metrics_pb2.Metric:
    """A version of a metric."""
    definition = record.definition
    message = metrics_pb2.Metric(
        name=definition.name,
        display_name=definition.display_name,
        version=definition.version,
        digest=definition.digest,
        builtin=definition.builtin,
        kind=KIND_TO_PROTO[definition.kind],
        levels=[LEVEL_TO_PROTO[level] for level in definition.levels],
        span_kinds=definition.span_kinds,
        output_type=OUTPUT_TYPE_TO_PROTO[definition.output_type],
        description=definition.description,
        prompt=definition.prompt,
        labels=[metrics_pb2.Label(name=name, value=value) for name, value in definition.labels.items()],
        function=definition.function,
        model=definition.model,
        required_metrics=definition.required_metrics,
    )
    if definition.parameters:
        ParseDict(dict(definition.parameters), message.parameters)
    if record.create_time is not None:
        message.create_time.FromDatetime(record.create_time)
    return message


def rule(message: rules_pb2.Rule, *, version: int = 1, enable_time: datetime | None = None) -> RuleDefinition:
    """A rule; output-only fields are ignored, so a reader hands in `version` and `enable_time`.

    Raises:
        InvalidDefinition: A field is missing or not acceptable.
    """
    return RuleDefinition(
        name=message.name,
        version=version,
        level=_enum("rule.level", LEVEL_FROM_PROTO, message.level),
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


def _enum(field: str, known: Mapping[int, E], number: int) -> E:
    if number not in known:
        raise InvalidDefinition(field, "is required" if number == 0 else f"is the unknown enum number {number}")
    return known[number]
