"""Which version of a rule decides about what: the one that held when it became ready.

An edit scores nothing again and lets nothing in that an earlier version left out.  What became ready while the rule was
disabled, or before there was one, is the enabled version's, as far back as that looks.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from evaluator.errors import EvaluatorError
from evaluator.online.polling.work import wanted
from evaluator.online.rules.definition import RuleDefinition
from evaluator.online.rules.policy import When
from evaluator.online.rules.record import RuleRecord
from storage.model import Level
from storage.queue import Candidates, Stream

log = logging.getLogger(__name__)

FOR_EVER_MS = 2**62
IDLE_MS = 30_000
"""How long a trace may have been arriving when its rule was told to score spans as they arrive."""


class KeepsRules(Protocol):
    """The rules there are (`evaluator.online.rules.catalogue.Rules`)."""

    async def enabled(self) -> list[RuleDefinition]:
        """Every enabled rule."""

    async def standing(self) -> list[RuleRecord]:
        """Every enabled rule, by name, and since when this version of it holds."""

    async def history(self, name: str) -> list[RuleRecord]:
        """Every version of a rule, newest first; a deletion is a version that is not enabled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edition:
    """A version of a rule, and what is its: what became ready in (from, until], milliseconds of the server's clock."""

    rule: RuleDefinition
    wanted: Candidates
    from_ms: int
    until_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """An enabled rule.

    Attributes:
        enabled_ms: When it was enabled.
        floor_ms: Nothing that was ready until then is scored.
        editions: In order of time, without gaps from the floor on; the last is the version that holds.
    """

    rule: RuleDefinition
    stream: Stream
    enabled_ms: int
    floor_ms: int
    editions: tuple[Edition, ...]


def stream_of(rule: RuleDefinition) -> Stream:
    """Where the targets of a rule, or their traces, become ready."""
    if rule.level is Level.SESSION:
        return Stream(level=Level.SESSION, quiet_ms=int(rule.session_idle_seconds * 1000))
    return Stream(level=Level.SPAN if rule.when is When.INGEST else Level.TRACE)


def standing_of(history: Sequence[RuleRecord]) -> Standing:
    """What holds of an enabled rule, from its versions, newest first.

    Raises:
        InvalidFilter: The newest filter does not compile (any more).
    """
    stream = stream_of(history[0].definition)
    disabled = next((place for place, record in enumerate(history) if not record.definition.enabled), len(history))
    enabling = history[disabled - 1]
    enabled_ms = _made_ms(enabling)
    floor_ms = enabled_ms - int(enabling.definition.lookback_seconds * 1000)
    decides, until_ms = history[0].definition, FOR_EVER_MS
    editions: list[Edition] = []
    for place, record in enumerate(history):
        if record.definition.enabled:  # else nothing decided: what became ready is left to whichever enabled it again
            decides = record.definition
        following = history[place + 1].definition if place + 1 < len(history) else None
        from_ms = max(_made_ms(record) - _overlap_ms(following, record.definition), floor_ms)
        if following is None:
            from_ms = floor_ms  # what there was before the rule is left to its first version
        if from_ms < until_ms and stream_of(decides) == stream and decides.level is history[0].definition.level:
            try:
                editions.append(Edition(rule=decides, wanted=wanted(decides), from_ms=from_ms, until_ms=until_ms))
            except EvaluatorError as error:  # an old version that this program cannot read stops no newer one
                if decides is history[0].definition:
                    raise
                log.error("rule_failed", extra={"rule": decides.name, "version": decides.version, "reason": str(error)})
        until_ms = min(until_ms, from_ms)
    return Standing(
        rule=history[0].definition,
        stream=stream,
        enabled_ms=enabled_ms,
        floor_ms=floor_ms,
        editions=tuple(reversed(editions)),
    )


class Standings:
    """What holds of the rules that are enabled, worked out once for each version."""

    def __init__(self, rules: KeepsRules) -> None:
        self._rules = rules
        self._known: dict[str, Standing] = {}

    async def of(self, records: Iterable[RuleRecord]) -> Mapping[str, Standing]:
        """By name; a rule that cannot work is missing, and the log says why.

        Raises:
            StorageError: The store is away.
        """
        found: dict[str, Standing] = {}
        for record in records:
            rule = record.definition
            known = self._known.get(rule.name)
            try:
                if known is None or known.rule != rule:
                    history = [record] if rule.version == 1 else await self._rules.history(rule.name)
                    newest = next((place for place, each in enumerate(history) if each.definition == rule), None)
                    if newest is None:  # deleted since
                        continue
                    known = standing_of(history[newest:])
                    await asyncio.sleep(0)  # a thousand filters are read at a start: others have their turn
                found[rule.name] = known
            except EvaluatorError as error:
                log.error("rule_failed", extra={"rule": rule.name, "reason": str(error)})
        self._known = found
        return found


def _overlap_ms(before: RuleDefinition | None, after: RuleDefinition) -> int:
    """How far an edit reaches back, where what was not ready by the version before was ready earlier by this one."""
    if before is None or before.level is not after.level:
        return 0
    was, now = stream_of(before), stream_of(after)
    if now.level is Level.SESSION:
        return max(0, was.quiet_ms - now.quiet_ms)
    return IDLE_MS if was.level is Level.TRACE and now.level is Level.SPAN else 0


def _made_ms(record: RuleRecord) -> int:
    made = record.create_time or record.definition.enable_time
    return int(made.timestamp() * 1000) if made else 0
