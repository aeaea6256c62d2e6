"""What statements of others are about: the completion that they name, else what they were sent with."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

from evaluator.metrics.definition import MetricDefinition
from evaluator.online.external.events import Statement
from storage.external import Responder, ResultEvents
from storage.model import Level, TargetRef
from storage.telemetry import TargetRecord, Telemetry

RESPONSE_NS = 7 * 86_400 * 1_000_000_000
"""How far back a completion is looked for by its id alone."""
HOUR_NS = 3600 * 1_000_000_000
Refusal: TypeAlias = Literal["it says nowhere what it is about", "not at a level of its metric"]


class Targets:
    """Finds them in what is stored."""

    def __init__(self, events: ResultEvents, telemetry: Telemetry) -> None:
        self._events = events
        self._telemetry = telemetry

    async def of(
        self, said: Sequence[Statement], definitions: Mapping[str, MetricDefinition | None]
    ) -> list[TargetRecord | Refusal | None]:
        """The target of each, or why it can have none, or None: it is not there yet."""
        answered = await self._answered(said)
        refs = [_ref(each, answered.get(each.response_id, ()), definitions[each.name]) for each in said]
        found = await self._telemetry.locate(list({ref for ref in refs if isinstance(ref, TargetRef)}))
        return [found.get(ref) if isinstance(ref, TargetRef) else ref for ref in refs]

    async def _answered(self, said: Sequence[Statement]) -> Mapping[str, Sequence[Responder]]:
        """Spans by the id of the completion that they report: in the trace of the statement, else anywhere."""
        asking = [each for each in said if each.response_id]
        found: dict[str, list[Responder]] = defaultdict(list)
        if not asking:
            return found
        first_ns = min(each.time_ns for each in asking) - RESPONSE_NS
        last_ns = max(max(each.time_ns, each.ingested_ms * 1_000_000) for each in asking) + HOUR_NS
        for anywhere in (False, True):
            left = [each for each in asking if each.response_id not in found and (anywhere or each.trace())]
            if left:
                for responder in await self._events.responders(
                    {each.response_id for each in left},
                    trace_ids=() if anywhere else {each.trace_id for each in left},
                    first_ns=first_ns,
                    last_ns=last_ns,
                ):
                    found[responder.response_id].append(responder)
        return found


def _ref(
    said: Statement, responders: Sequence[Responder], definition: MetricDefinition | None
) -> TargetRef | Refusal | None:
    span = said.span()
    if responders and said.level in (None, Level.SPAN):
        span = min(responders, key=lambda each: _distance(each, said)).ref
    if (
        span is None
        and said.response_id
        and said.level is None
        and (definition is None or Level.SPAN in definition.levels)
    ):
        return None  # the completion is what it is about, not the trace around it
    trace = TargetRef(level=Level.TRACE, trace_id=span.trace_id) if span else said.trace()
    here = {Level.SPAN: span, Level.TRACE: trace, Level.SESSION: said.session()}
    levels = tuple(Level) if definition is None else definition.levels
    if said.level is not None:
        levels = tuple(level for level in levels if level is said.level)
        if not levels:
            return "not at a level of its metric"
    for level in Level:
        ref = here[level]
        if level in levels and ref is not None:
            return ref
    return None if said.response_id and Level.SPAN in levels else "it says nowhere what it is about"


def _distance(responder: Responder, said: Statement) -> tuple[bool, bool, bool, int]:
    """Of several spans that report one completion: the one that it was sent with, its trace's, the model call, the
    first."""
    ref = responder.ref
    return ref != said.span(), ref.trace_id != said.trace_id, responder.kind != "llm", responder.start_ns
