"""A part of a run scored to the end, and its ledger told."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeAlias

from evaluator.errors import EvaluatorError
from evaluator.metrics.definition import MetricDefinition
from evaluator.online.polling.work import decision_and_reason, is_due
from evaluator.runs.definition import RunPlan
from evaluator.runs.pages import Page
from evaluator.runs.tally import Progress
from evaluator.scoring.request import EvaluationRequest, MetricRef, Pending, Unpaid
from storage.errors import StorageError, Unavailable
from storage.model import Evaluation
from storage.queue import Decision, LedgerDecision, Queue
from storage.runs import QueuedTarget
from storage.telemetry import TargetRecord

log = logging.getLogger(__name__)


Conclusion: TypeAlias = Evaluation | Pending | Unpaid | StorageError


class ScoresRecords(Protocol):
    """The entrance of runs to the scoring path (`evaluator.scoring.engine.Engine`)."""

    async def score(self, records: Sequence[TargetRecord], request: EvaluationRequest) -> Sequence[Conclusion]:
        """One conclusion per (record, metric), records first; `Pending` where a result of others is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Targets of one run that are due for the same metrics.

    Attributes:
        watermark_ms: Under which watermark a pair stands in the ledger, where that is not its target's.
    """

    plan: RunPlan
    metrics: tuple[MetricRef, ...]
    records: tuple[TargetRecord, ...]
    watermark_ms: Mapping[tuple[str, str], int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunks:
    """Scores chunks.  `owner` signs the ledger."""

    scoring: ScoresRecords
    queue: Queue
    owner: str

    async def score(self, chunk: Chunk, progress: Progress, *, deduplicate: bool) -> None:
        """Score a chunk to the end; trouble of the store is waited out.

        Args:
            deduplicate: Look for what is stored already: another process may have been at it before.
        """
        pause = 0.5
        while True:
            try:
                await self.queue.record(self._entries(chunk, "started"))
                decisions, conclusions = await self._concluded(chunk, deduplicate=deduplicate)
                await self.queue.record([*decisions, *_of_rule(chunk.plan, decisions, conclusions)])
            except Unavailable as error:
                log.warning("run_postponed", extra={"run": chunk.plan.run_id, "reason": str(error)})
                deduplicate = True
                await asyncio.sleep(pause)
                pause = min(pause * 2, 10.0)
            else:
                progress.settle(decisions, conclusions)
                return

    async def _concluded(self, chunk: Chunk, *, deduplicate: bool) -> tuple[list[Decision], list[Conclusion]]:
        plan = chunk.plan
        request = EvaluationRequest(
            targets=(),
            metrics=chunk.metrics,
            purpose=plan.purpose,
            origin=plan.origin,
            run=plan.run_id,
            rule=plan.rule.rule if plan.rule else "",
            rule_version=plan.rule.version if plan.rule else 0,
            source=plan.source,
            background=True,
            reuse=plan.reuse,
            deduplicate=deduplicate or plan.retry_failed or plan.origin != plan.run_id,
            retry_failed=plan.retry_failed,
        )
        try:
            conclusions = await self.scoring.score(chunk.records, request)
        except Unavailable:
            raise
        except Exception as error:  # a target is gone, or is a bug's: it must not take the others with it
            if len(chunk.records) > 1:
                return await self._one_by_one(chunk, deduplicate=deduplicate)
            if isinstance(error, EvaluatorError):  # or a metric was deleted
                return self._entries(chunk, "cancelled", str(error)), []
            incident = secrets.token_hex(6)
            log.exception("target_crashed", extra={"incident": incident, "target": chunk.records[0].ref.key})
            reason = f"INTERNAL: a bug in Assay; incident {incident} in the log"
            return self._entries(chunk, "failed", reason), []
        for conclusion in conclusions:
            if isinstance(conclusion, Unavailable):
                raise conclusion
        pairs = [(record, metric.name) for record in chunk.records for metric in chunk.metrics]
        decisions: list[Decision] = []
        for (record, metric), conclusion in zip(pairs, conclusions, strict=True):
            if isinstance(conclusion, Pending):  # for a result of somebody else: asked for again later
                entry = self._entry(chunk, record, metric, "waiting", conclusion.reason)
                until_ms = int(conclusion.until.timestamp() * 1000) if conclusion.until else 0
                decisions.append(replace(entry, next_attempt_ms=until_ms))
            else:
                decisions.append(self._entry(chunk, record, metric, *decision_and_reason(conclusion)))
        return decisions, list(conclusions)

    async def _one_by_one(self, chunk: Chunk, *, deduplicate: bool) -> tuple[list[Decision], list[Conclusion]]:
        decisions: list[Decision] = []
        conclusions: list[Conclusion] = []
        for record in chunk.records:
            decided, concluded = await self._concluded(replace(chunk, records=(record,)), deduplicate=deduplicate)
            decisions += decided
            conclusions += concluded
        return decisions, conclusions

    def _entries(self, chunk: Chunk, decision: LedgerDecision, reason: str = "") -> list[Decision]:
        return [
            self._entry(chunk, record, metric.name, decision, reason)
            for record in chunk.records
            for metric in chunk.metrics
        ]

    def _entry(
        self, chunk: Chunk, record: TargetRecord, metric: str, decision: LedgerDecision, reason: str = ""
    ) -> Decision:
        return Decision(
            rule=f"run:{chunk.plan.run_id}",
            rule_version=0,
            metric=metric,
            target=record.ref,
            watermark_ms=chunk.watermark_ms.get((record.ref.key, metric), record.watermark_ms),
            decision=decision,
            reason=reason,
            worker=self.owner,
        )


def _of_rule(plan: RunPlan, decisions: Sequence[Decision], conclusions: Sequence[Conclusion]) -> Iterator[Decision]:
    """What the ledger of the rule says, whose results they are: what is final."""
    if plan.rule is None:
        return
    attempts = {(each.target, each.metric): each.attempt for each in conclusions if isinstance(each, Evaluation)}
    for decision in decisions:
        if decision.decision not in ("waiting", "cancelled"):
            attempt = attempts.get((decision.target, decision.metric), 1)
            yield plan.rule.of_rule(replace(decision, attempt=attempt), plan.run_id)


def chunks_of(
    plan: RunPlan,
    metrics: Sequence[MetricDefinition],
    page: Page,
    *,
    settled: Collection[tuple[str, str, int]],
    picked: Collection[tuple[str, str]] | None,
    size: int,
) -> Iterator[Chunk]:
    """What is due of a page, in chunks of targets that are due for the same metrics.

    Args:
        settled: (metric, target key, watermark) that the run is done with.
        picked: (metric, target key) that it is about; None = all.
        size: Targets in a chunk.
    """
    entries: dict[str, QueuedTarget] = {entry.ref.key: entry for entry in page.queued}
    due: defaultdict[tuple[MetricRef, ...], list[TargetRecord]] = defaultdict(list)
    for record in page.records:
        entry = entries.get(record.ref.key)
        names = tuple(
            MetricRef(name=metric.name, version=metric.version)
            for metric in metrics
            if (metric.name in entry.watermark_ms if entry else is_due(metric, record))
            and (metric.name, record.ref.key, record.watermark_ms) not in settled
            and (picked is None or (metric.name, record.ref.key) in picked)
        )
        if names:
            due[names].append(record)
    for refs, records in due.items():
        for start in range(0, len(records), size):
            part = tuple(records[start : start + size])
            watermarks = {
                (record.ref.key, name): watermark_ms
                for record in part
                if record.ref.key in entries
                for name, watermark_ms in entries[record.ref.key].watermark_ms.items()
            }
            yield Chunk(plan=plan, metrics=refs, records=part, watermark_ms=watermarks)
