"""Rules whose filter reads results of other metrics: a target waits until these are there, and then the filter decides.

Whoever computes them is not this rule.  What is not there after `WAIT_MS` is not waited for any longer: the filter
decides by what there is, and a comparison with nothing is not true.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from evaluator.metrics.naming import BUILTIN
from evaluator.online.polling.work import Chunk, entry, filter_of
from evaluator.online.rules.definition import RuleDefinition
from storage.errors import StorageError, Unavailable
from storage.model import Level, TargetRef
from storage.queue import Candidates, Decision, FirstTrace, LedgerDecision, Queue, Ready
from storage.telemetry import TargetRecord

log = logging.getLogger(__name__)

WAIT_MS = 3_600_000
MAX_NS = 2**62


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """What may be scored now, and what is decided of the rest."""

    chunks: Sequence[Chunk]
    decisions: Sequence[Decision]


def filter_metrics(rule: RuleDefinition) -> frozenset[str]:
    """Slugs of the metrics whose results the filter of a rule reads."""
    if "metric" not in rule.filter.lower():
        return frozenset()
    return frozenset(name.removeprefix(BUILTIN) for name in filter_of(rule).metrics)


class Awaiting:
    """Admits targets to rules by results of other metrics.  `owner` signs the ledger."""

    def __init__(self, *, queue: Queue, owner: str) -> None:
        self._queue = queue
        self._owner = owner

    async def selected(self, chunks: Sequence[Chunk], page: Sequence[Ready]) -> Admitted:
        """Of what a poll selected by the rest of the filter: what passes the whole; what waits is told to the ledger.

        Raises:
            Unavailable: The store is away.
        """
        ready = {each.record.ref: each for each in page}
        admitted: list[Chunk] = []
        decisions: list[Decision] = []
        for chunk in chunks:
            metrics = filter_metrics(chunk.rule)
            if not metrics:
                admitted.append(chunk)
                continue
            missing = await self._missing(chunk, metrics)
            until_ms = time.time_ns() // 1_000_000 + WAIT_MS
            for record in chunk.records:
                if names := missing.get(record.ref):
                    reason = f"the filter waits for {_listed(names)}"
                    decisions += self._entries(chunk, record, "waiting", reason, next_attempt_ms=until_ms)
            there = [record for record in chunk.records if record.ref not in missing]
            passed, left_out = await self._decided(chunk, there, ready, {})
            decisions += left_out
            admitted += _only(chunk, passed)
        return Admitted(chunks=admitted, decisions=decisions)

    async def woken(self, chunks: Sequence[Chunk], overdue: Collection[TargetRef]) -> Admitted:
        """Of what waited and is looked at again: what passes; what still lacks a result and is not overdue goes on
        waiting, as the ledger says.

        Raises:
            Unavailable: The store is away.
        """
        admitted: list[Chunk] = []
        decisions: list[Decision] = []
        for chunk in chunks:
            metrics = filter_metrics(chunk.rule)
            if not metrics:
                admitted.append(chunk)
                continue
            missing = await self._missing(chunk, metrics)
            decidable = [each for each in chunk.records if each.ref not in missing or each.ref in overdue]
            passed, left_out = await self._decided(chunk, decidable, {}, missing)
            decisions += left_out
            admitted += _only(chunk, passed)
        return Admitted(chunks=admitted, decisions=decisions)

    async def _missing(self, chunk: Chunk, metrics: Collection[str]) -> Mapping[TargetRef, Sequence[str]]:
        """Targets of which a result is not there, or is about an earlier revision, and the metrics."""
        there = await self._queue.results_there(metrics, chunk.records)
        missing: dict[TargetRef, list[str]] = {}
        for record in chunk.records:
            for metric in sorted(metrics):
                seen_ms = there.get((metric, record.ref.key))
                if seen_ms is None or seen_ms < record.watermark_ms:
                    missing.setdefault(record.ref, []).append(metric)
        return missing

    async def _passed(
        self, rule: RuleDefinition, records: Sequence[TargetRecord], ready: Mapping[TargetRef, Ready]
    ) -> set[TargetRef]:
        if not records:
            return set()
        compiled = filter_of(rule)
        whole = Candidates(
            level=rule.level,
            sample_ppm=1_000_000,
            filter_sql=compiled.sql,
            filter_parameters=compiled.parameters,
        )
        page = {each.record.ref: each for each in (_ready(record, ready) for record in records)}
        found = await self._queue.candidates(list(page.values()), [whole])
        return {each.record.ref for each in found} & {record.ref for record in records}

    async def _decided(
        self,
        chunk: Chunk,
        records: Sequence[TargetRecord],
        ready: Mapping[TargetRef, Ready],
        missing: Mapping[TargetRef, Sequence[str]],
    ) -> tuple[set[TargetRef], list[Decision]]:
        """Which of these pass, and what the ledger says of the others."""
        try:
            passed = await self._passed(chunk.rule, records, ready)
        except Unavailable:
            raise
        except StorageError as error:  # on what is stored: others go on, and nobody looks for these in vain
            log.error("rule_failed", extra={"rule": chunk.rule.name, "reason": str(error)})
            reason = f"FILTER_FAILED: {error}"
            return set(), [each for record in records for each in self._entries(chunk, record, "failed", reason)]
        decisions: list[Decision] = []
        for record in records:
            if record.ref in passed:
                continue
            names = missing.get(record.ref)
            came_not = f": {_listed(names)} did not come within {WAIT_MS // 60_000} minutes" if names else ""
            reason = f"the filter is not true for it{came_not}"
            decisions += self._entries(chunk, record, "filtered_out", reason)
        return passed, decisions

    def _entries(
        self, chunk: Chunk, record: TargetRecord, decision: LedgerDecision, reason: str, *, next_attempt_ms: int = 0
    ) -> list[Decision]:
        return [
            entry(chunk, record, metric, decision, reason, worker=self._owner, next_attempt_ms=next_attempt_ms)
            for metric in chunk.metrics
        ]


def _listed(metrics: Sequence[str]) -> str:
    return " and ".join(f"the result of {metric}" for metric in metrics)


def _only(chunk: Chunk, passed: Collection[TargetRef]) -> list[Chunk]:
    records = tuple(record for record in chunk.records if record.ref in passed)
    return [replace(chunk, records=records)] if records else []


def _ready(record: TargetRecord, page: Mapping[TargetRef, Ready]) -> Ready:
    """A target as the filter's query takes it: of a span its trace, of a session with the trace that started first."""
    ref = record.ref
    if ref.level is Level.SPAN:
        ref = TargetRef(level=Level.TRACE, trace_id=ref.trace_id)
    if (found := page.get(ref)) is not None:
        return found
    if ref.level is Level.SESSION:
        first = min(record.traces, key=lambda trace: (trace.start_ns, trace.ref.trace_id))
        window = FirstTrace(trace_id=first.ref.trace_id, first_ns=first.first_ns, last_ns=first.last_ns)
        return Ready(record=record, ready_ms=0, first=window)
    trace = replace(record, ref=ref, first_ns=max(0, record.first_ns), last_ns=min(MAX_NS, record.last_ns))
    return Ready(record=trace, ready_ms=0)
