"""`evaluator.v1.Definitions`: parse, call, render."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from evaluator.errors import InvalidDefinition, InvalidDefinitions, Violation
from evaluator.online.rules.applied import Applied, StatedRule
from evaluator.online.rules.apply import Definitions
from evaluator.server import convert_definitions, convert_metrics
from evaluator.server.enums import ACTION_TO_PROTO
from evaluator.server.errors import InvalidRequest
from evaluator.v1 import definitions_pb2 as pb
from evaluator.v1 import definitions_pb2_grpc, rules_pb2

T = TypeVar("T")
M = TypeVar("M")
MAX_DEFINITIONS = 1000


class DefinitionsServicer(definitions_pb2_grpc.DefinitionsServicer):
    """Definitions as code."""

    def __init__(self, definitions: Definitions) -> None:
        self._definitions = definitions

    async def ApplyDefinitions(self, request: pb.ApplyDefinitionsRequest, context: Any) -> pb.ApplyDefinitionsResponse:
        """See the proto."""
        if len(request.metrics) + len(request.rules) > MAX_DEFINITIONS:
            raise InvalidRequest("metrics", f"at most {MAX_DEFINITIONS} metrics and rules; apply them in parts")
        wrong: list[Violation] = []
        metrics = _read("metrics", request.metrics, convert_metrics.metric, wrong)
        rules = _read("rules", request.rules, _stated, wrong)
        if wrong:
            raise InvalidDefinitions(wrong)
        applied = await self._definitions.apply(metrics, rules, validate_only=request.validate_only)
        return pb.ApplyDefinitionsResponse(applied=[applied_to_proto(each) for each in applied])


def applied_to_proto(applied: Applied) -> pb.AppliedDefinition:
    """What was done about one definition."""
    return pb.AppliedDefinition(
        kind=applied.kind,
        name=applied.name,
        action=ACTION_TO_PROTO[applied.action],
        version=applied.version,
        changes=[
            pb.ChangedField(field=each.field, before=_json(each.before), after=_json(each.after))
            for each in applied.changes
        ],
        warnings=applied.warnings,
    )


def _json(value: object) -> str:
    return "" if value is None else json.dumps(value, ensure_ascii=False)


def _stated(message: rules_pb2.Rule) -> StatedRule:
    enabled = message.enabled if message.HasField("enabled") else None
    return StatedRule(definition=convert_definitions.rule(message), enabled=enabled)


def _read(place: str, messages: Iterable[M], read: Callable[[M], T], wrong: list[Violation]) -> list[T]:
    """What could be read; what could not is put into `wrong`."""
    found: list[T] = []
    for number, message in enumerate(messages):
        try:
            found.append(read(message))
        except InvalidDefinition as error:
            path = error.field.partition(".")[2]
            wrong.append(Violation(field=f"{place}[{number}]{'.' if path else ''}{path}", message=error.reason))
    return found
