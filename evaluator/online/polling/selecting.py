"""From what became ready to what is due: by every rule's sample, scope and filter, less what is decided."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from evaluator.errors import EvaluatorError
from evaluator.online.polling.completed import completed_ms
from evaluator.online.polling.editions import Edition
from evaluator.online.polling.work import Chunk, Pace, entries, is_due
from evaluator.online.rules.definition import RuleDefinition
from evaluator.online.rules.policy import Late
from evaluator.scoring.plan import KnowsMetrics
from storage.errors import StorageError, Unavailable
from storage.model import Level, MetricKind
from storage.queue import Candidate, Completion, Decided, Decision, LedgerDecision, Queue, Ready, first_arrival_ms
from storage.telemetry import TargetRecord

log = logging.getLogger(__name__)

HOUR_MS = 3_600_000
MAX_RESCORINGS = 3
"""So often a target is scored again because something arrived late."""
_NOT_BEGUN = ("cancelled", "too_late")
_AT_ONCE: Mapping[MetricKind, int] = {MetricKind.SQL: 32, MetricKind.CODE: 4}
"""How many times as many targets make a chunk: those of `sql` metrics are one query, and nobody waits for a judge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """What is to be done about a page.

    Attributes:
        chunks: What is to be scored.
        closed: What is not, and why.
        failed: Rules that could not select, and by which version: they stay where they are.
    """

    chunks: Sequence[Chunk]
    closed: Sequence[Decision]
    failed: Mapping[str, int]


@dataclass(slots=True)
class _Selected:
    """Targets by edition, by place in the sequence that was asked about."""

    targets: dict[int, list[TargetRecord]] = field(default_factory=dict)
    failed: dict[str, int] = field(default_factory=dict)


class Selecting:
    """Decides what of a page is due: one query for the candidates of all rules of a level, one for what is decided."""

    def __init__(self, *, metrics: KnowsMetrics, queue: Queue, completion: Completion, owner: str, pace: Pace) -> None:
        self._metrics = metrics
        self._queue = queue
        self._completion = completion
        self._chunk_targets = pace.chunk_targets
        self._owner = owner

    async def due(self, page: Sequence[Ready], editions: Sequence[Edition], *, arriving: bool) -> Due:
        """What is due of a page for these editions.

        Args:
            arriving: Spans are ready when they arrive, not when their trace is.

        Raises:
            Unavailable: The store is away; nothing was decided.
        """
        chunks: list[Chunk] = []
        closed: list[Decision] = []
        failed: dict[str, int] = {}
        for level in dict.fromkeys(edition.rule.level for edition in editions):
            of_level = [edition for edition in editions if edition.rule.level is level]
            selected = await self._selected(page, of_level, arriving=arriving)
            failed |= selected.failed
            rules = {of_level[place].rule.name for place in selected.targets}
            targets = {each.ref.key: each for found in selected.targets.values() for each in found}
            decided = await self._queue.decided(rules, list(targets.values())) if rules else {}
            for place, records in selected.targets.items():
                try:
                    found, late = await self._chunks(of_level[place].rule, records, decided)
                except EvaluatorError as error:  # this rule stays where it is; the others go on
                    failed |= _failed(of_level[place], error)
                    continue
                chunks += found
                closed += late
        return Due(
            chunks=[chunk for chunk in chunks if chunk.rule.name not in failed],
            closed=[decision for decision in closed if decision.rule not in failed],
            failed=failed,
        )

    async def _selected(self, page: Sequence[Ready], editions: Sequence[Edition], *, arriving: bool) -> _Selected:
        selected = _Selected()
        try:
            found = await self._queue.candidates(page, [edition.wanted for edition in editions])
        except Unavailable:
            raise
        except StorageError as error:  # one filter that fails on what is stored must not stop the others
            if len(editions) == 1:
                return _Selected(failed=_failed(editions[0], error))
            for place, edition in enumerate(editions):
                alone = await self._selected(page, [edition], arriving=arriving)
                selected.failed |= alone.failed
                if 0 in alone.targets:
                    selected.targets[place] = alone.targets[0]
            return selected
        ready_ms = await self._ready_ms(found, editions, arriving=arriving)
        for each in found:
            for place in each.wanted:
                if editions[place].from_ms < ready_ms[each.record.ref.key] <= editions[place].until_ms:
                    selected.targets.setdefault(place, []).append(each.record)
        return selected

    async def _ready_ms(
        self, found: Sequence[Candidate], editions: Sequence[Edition], *, arriving: bool
    ) -> Mapping[str, int]:
        """When targets became ready.  A span did when its trace was complete for the first time after it: what arrives
        later makes the trace new, and not the span."""
        if arriving:
            return {each.record.ref.key: each.record.watermark_ms for each in found}
        ready_ms = {each.record.ref.key: each.of.ready_ms for each in found}
        since_ms = max((edition.from_ms for edition in editions), default=0)
        doubtful = [
            each for each in found if each.record.ref.level is Level.SPAN and each.record.watermark_ms <= since_ms
        ]
        if doubtful:
            arrivals = await self._queue.arrivals(
                {each.of.record.ref.trace_id for each in doubtful},
                from_ms=min(
                    max(first_arrival_ms(each.record), each.record.watermark_ms - HOUR_MS) for each in doubtful
                ),
                until_ms=max(each.of.ready_ms for each in doubtful),
            )
            for each in doubtful:
                ready_ms[each.record.ref.key] = completed_ms(
                    arrivals.get(each.of.record.ref.trace_id, ()),
                    after_ms=each.record.watermark_ms,
                    completion=self._completion,
                    last_ms=each.of.ready_ms,
                )
        return ready_ms

    async def _chunks(
        self, rule: RuleDefinition, records: Sequence[TargetRecord], decided: Decided
    ) -> tuple[list[Chunk], list[Decision]]:
        metrics = [(name, await self._metrics.get(name)) for name in rule.metrics]
        due: dict[tuple[str, ...], list[TargetRecord]] = {}
        late: list[Decision] = []
        for record in records:
            names: list[str] = []
            for name, metric in metrics:
                settled = decided.get((rule.name, name, record.ref.key), {})
                if record.watermark_ms in settled or not is_due(metric, record):
                    continue
                if why := _too_late(rule, settled, record.watermark_ms):
                    only = Chunk(rule=rule, metrics=(name,), records=(record,))
                    late += entries(only, "too_late", why, worker=self._owner)
                else:
                    names.append(name)
            if names:
                due.setdefault(tuple(names), []).append(record)
        kinds = {name: metric.kind for name, metric in metrics}
        chunks: list[Chunk] = []
        for named, found in due.items():
            size = self._chunk_targets * min(_AT_ONCE.get(kinds[name], 1) for name in named)
            chunks += [
                Chunk(rule=rule, metrics=named, records=tuple(found[start : start + size]))
                for start in range(0, len(found), size)
            ]
        return chunks, late


def _failed(edition: Edition, error: Exception) -> dict[str, int]:
    rule = edition.rule
    log.error("rule_failed", extra={"rule": rule.name, "version": rule.version, "reason": str(error)})
    return {rule.name: rule.version}


def _too_late(rule: RuleDefinition, settled: Mapping[int, LedgerDecision], watermark_ms: int) -> str:
    """Why a newer revision of a target is not scored; '' = it is."""
    earlier = [at for at, decision in settled.items() if at < watermark_ms and decision not in _NOT_BEGUN]
    if earlier and rule.late is Late.IGNORE:
        return "it was scored before something arrived late, and the rule ignores that"
    if len(earlier) > MAX_RESCORINGS:
        return f"something arrived late again, and it was scored again {MAX_RESCORINGS} times already"
    return ""
