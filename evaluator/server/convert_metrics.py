"""Metrics: proto <-> domain."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TypeVar

from google.protobuf.json_format import ParseDict
from google.protobuf.struct_pb2 import Struct, Value

from evaluator.errors import InvalidDefinition
from evaluator.metrics.definition import WAIT_SECONDS, Jury, MetricDefinition, RollUp, TooLong, Vote
from evaluator.metrics.guideline import Guideline, Origin
from evaluator.metrics.naming import named
from evaluator.metrics.record import MetricRecord
from evaluator.server.convert_definitions import known_enum
from evaluator.server.enums import (
    DIRECTION_FROM_PROTO,
    DIRECTION_TO_PROTO,
    KIND_FROM_PROTO,
    KIND_TO_PROTO,
    LEVEL_FROM_PROTO,
    LEVEL_TO_PROTO,
    OUTPUT_TYPE_FROM_PROTO,
    OUTPUT_TYPE_TO_PROTO,
    STATISTIC_FROM_PROTO,
    STATISTIC_TO_PROTO,
    TOO_LONG_FROM_PROTO,
    TOO_LONG_TO_PROTO,
    VOTE_FROM_PROTO,
    VOTE_TO_PROTO,
)
from evaluator.v1 import metrics_pb2

E = TypeVar("E")


def metric(
    message: metrics_pb2.Metric, *, version: int = 1, builtin: bool = False, alignment_id: str = ""
) -> MetricDefinition:
    """A definition; output-only fields are ignored, so a reader hands in `version`, `builtin` and `alignment_id`.

    Raises:
        InvalidDefinition: A field is missing or not acceptable.
    """
    name, display_name = named(message.name, message.display_name)
    return MetricDefinition(
        name=name,
        display_name=display_name,
        version=version,
        kind=known_enum("metric.kind", KIND_FROM_PROTO, message.kind),
        levels=tuple(known_enum("metric.levels", LEVEL_FROM_PROTO, level) for level in message.levels),
        span_kinds=tuple(message.span_kinds),
        output_type=known_enum("metric.output_type", OUTPUT_TYPE_FROM_PROTO, message.output_type),
        description=message.description,
        reference=message.reference,
        prompt=message.prompt,
        arguments=_struct("metric.arguments", message.arguments),
        labels=_labels(message),
        colors=dict(message.colors),
        model=message.model,
        parameters=_struct("metric.parameters", message.parameters),
        jury=_jury(message.jury) if message.HasField("jury") else None,
        too_long=_optional_enum("metric.too_long", TOO_LONG_FROM_PROTO, message.too_long, TooLong.ABSTAIN),
        source=message.source,
        function=message.function,
        expression=message.expression,
        required_metrics=tuple(message.required_metrics),
        roll_up=_roll_up(message.roll_up) if message.HasField("roll_up") else None,
        minimum=message.minimum if message.HasField("minimum") else None,
        maximum=message.maximum if message.HasField("maximum") else None,
        higher_is_better=_optional_enum("metric.direction", DIRECTION_FROM_PROTO, message.direction, True),
        threshold=message.threshold if message.HasField("threshold") else None,
        unit=message.unit,
        guidelines=tuple(guideline(f"metric.guidelines[{n}]", each) for n, each in enumerate(message.guidelines)),
        alignment_id=alignment_id,
        builtin=builtin,
        wait_seconds=message.wait.ToNanoseconds() / 1e9 if message.HasField("wait") else WAIT_SECONDS,
    )


def guideline(path: str, message: metrics_pb2.Guideline) -> Guideline:
    """A line of a judge.

    Raises:
        InvalidDefinition: Its origin is unknown.
    """
    if message.origin not in ("", *Origin):
        raise InvalidDefinition(f"{path}.origin", f"must be one of {', '.join(Origin)}, got {message.origin[:100]!r}")
    return Guideline(
        text=message.text,
        guideline_id=message.guideline_id,
        feedback_ids=tuple(message.feedback_ids),
        support=message.support,
        origin=Origin(message.origin or Origin.HUMAN),
        alignment_id=message.alignment_id,
    )


def guideline_to_proto(line: Guideline) -> metrics_pb2.Guideline:
    """Inverse of `guideline`."""
    return metrics_pb2.Guideline(
        guideline_id=line.guideline_id,
        text=line.text,
        feedback_ids=line.feedback_ids,
        support=line.support,
        origin=str(line.origin),
        alignment_id=line.alignment_id,
    )


def _labels(message: metrics_pb2.Metric) -> dict[str, float | None]:
    labels: dict[str, float | None] = {}
    for number, label in enumerate(message.labels):
        if not label.name or label.name in labels:
            raise InvalidDefinition(f"metric.labels[{number}].name", f"must be there and unique, got {label.name!r}")
        labels[label.name] = label.value if label.HasField("value") else None
    return labels


def _struct(path: str, message: Struct) -> dict[str, object]:
    return {name: _plain(f"{path}.{name}", value) for name, value in message.fields.items()}


def _plain(path: str, value: Value) -> object:
    """Whole numbers as integers: a Struct knows only doubles, and providers refuse `max_tokens: 256.0`."""
    match value.WhichOneof("kind"):
        case "number_value":
            if not math.isfinite(value.number_value):
                raise InvalidDefinition(path, f"must be finite, got {value.number_value!r}")
            return int(value.number_value) if value.number_value.is_integer() else value.number_value
        case "string_value":
            return value.string_value
        case "bool_value":
            return value.bool_value
        case "struct_value":
            return _struct(path, value.struct_value)
        case "list_value":
            return [_plain(f"{path}[{number}]", item) for number, item in enumerate(value.list_value.values)]
        case _:
            return None


def _jury(message: metrics_pb2.Jury) -> Jury:
    return Jury(
        models=tuple(message.models),
        repeats=message.repeats or 1,
        vote=_optional_enum("metric.jury.vote", VOTE_FROM_PROTO, message.vote, Vote.MAJORITY),
    )


def _roll_up(message: metrics_pb2.RollUp) -> RollUp:
    statistic = known_enum("metric.roll_up.statistic", STATISTIC_FROM_PROTO, message.statistic)
    return RollUp(statistic=statistic, label=message.label)


def _optional_enum(field: str, known: Mapping[int, E], number: int, default: E) -> E:
    return known_enum(field, known, number) if number else default


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
        reference=definition.reference,
        source=definition.source,
        expression=definition.expression,
        minimum=definition.minimum,
        maximum=definition.maximum,
        threshold=definition.threshold,
        unit=definition.unit,
        colors=definition.colors,
        shadowed=record.shadowed,
        warnings=record.warnings,
        guidelines=map(guideline_to_proto, definition.guidelines),
        alignment_id=definition.alignment_id,
    )
    if definition.parameters:
        ParseDict(dict(definition.parameters), message.parameters)
    if definition.arguments:
        ParseDict(dict(definition.arguments), message.arguments)
    _add_what_is_not_the_default(definition, message)
    if record.create_time is not None:
        message.create_time.FromDatetime(record.create_time)
    return message


def _add_what_is_not_the_default(definition: MetricDefinition, message: metrics_pb2.Metric) -> None:
    """So that a metric without these reads the same over a wire as it does in its file."""
    if definition.too_long is not TooLong.ABSTAIN:
        message.too_long = TOO_LONG_TO_PROTO[definition.too_long]
    if definition.higher_is_better is not True:
        message.direction = DIRECTION_TO_PROTO[definition.higher_is_better]
    if definition.wait_seconds != WAIT_SECONDS:
        message.wait.FromNanoseconds(round(definition.wait_seconds * 1e9))
    if (jury := definition.jury) is not None:
        message.jury.models.extend(jury.models)
        message.jury.repeats = jury.repeats
        message.jury.vote = VOTE_TO_PROTO[jury.vote]
    if (roll_up := definition.roll_up) is not None:
        message.roll_up.statistic = STATISTIC_TO_PROTO[roll_up.statistic]
        message.roll_up.label = roll_up.label
