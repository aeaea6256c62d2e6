"""A part of a run scored to the end, and its ledger told."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeAlias

from evaluator.errors import EvaluatorError
from evaluator.online.polling.work import decision_and_reason
from evaluator.runs.definition import RunPlan
from evaluator.runs.tally import Progress
from evaluator.scoring.request import EvaluationRequest, MetricRef, Pending
from storage.errors import StorageError, Unavailable
from storage.model import Evaluation
from storage.queue import Decision, LedgerDecision, Queue
from storage.telemetry import TargetRecord

log = logging.getLogger(__name__)


Conclusion: TypeAlias = Evaluation | Pending | StorageError


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
                await self.queue.record(decisions)
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
