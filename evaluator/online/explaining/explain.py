"""Answers why a target was or was not scored: from the ledger, and from what can be worked out again."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

from evaluator.errors import LevelMismatch, TargetNotFound
from evaluator.metrics.naming import BUILTIN
from evaluator.online.explaining.explanation import Decision, Explanation
from evaluator.online.polling.work import is_due, wanted
from evaluator.online.polling.worker import LOOKBACK
from evaluator.online.rules.definition import RuleDefinition
from evaluator.online.rules.record import RuleRecord
from evaluator.scoring.gate import FAILED_CODE
from evaluator.scoring.plan import KnowsMetrics
from storage.model import Evaluation, TargetRef
from storage.queue import Candidates, Completion, Queue, TraceProgress
from storage.queue import Decision as LedgerEntry
from storage.results import ResultFilter, Results
from storage.telemetry import TargetRecord, Telemetry


class GetsRules(Protocol):
    """`evaluator.online.rules.catalogue.Rules`."""

    async def get(self, name: str) -> RuleRecord:
        """A rule; raises RuleNotFound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explainer:
    """`evaluator.online.explaining.explanation.Explaining`."""

    rules: GetsRules
    metrics: KnowsMetrics
    queue: Queue
    telemetry: Telemetry
    results: Results
    completion: Completion

    async def explain(self, rule: str, target: TargetRef) -> list[Explanation]:
        """One explanation per metric of the rule, in its order.

        Raises:
            RuleNotFound, TargetNotFound: As it says.
            LevelMismatch: The rule is about another level.
        """
        definition = (await self.rules.get(rule)).definition
        if target.level is not definition.level:
            raise LevelMismatch(f"rule {rule!r} is about {definition.level}s, not about a {target.level}")
        record = (await self.telemetry.locate([target])).get(target)
        progress = await self.queue.progress(target.trace_id, self.completion)
        if record is None or progress is None:
            raise TargetNotFound(f"{target.level} {target.key} is not stored (it may not have arrived yet)")
        ledger = {entry.metric: (entry, alive) for entry, alive in await self.queue.decisions_of(rule, target)}
        where = ResultFilter(targets=(target,), rule=rule, include_superseded=True)
        found = await self.results.newest(where, before=None, limit=1000)
        newest = {each.metric: each for each in reversed(found)}
        explanations: list[Explanation] = []
        for name in definition.metrics:
            if name not in ledger:
                explanations.append(await self._worked_out(definition, name, record, progress))
                continue
            entry, alive = ledger[name]
            decided = _from_ledger(entry, alive, newest.get(name.removeprefix(BUILTIN)), enabled=definition.enabled)
            if (
                entry.watermark_ms < record.watermark_ms
                and definition.enabled
                and decided.decision is not Decision.RUNNING
            ):
                decided = _with_next(decided, await self._worked_out(definition, name, record, progress))
            explanations.append(decided)
        return explanations

    async def _worked_out(
        self, rule: RuleDefinition, name: str, record: TargetRecord, progress: TraceProgress
    ) -> Explanation:
        metric = await self.metrics.get(name)
        if not is_due(metric, record):
            kinds = ", ".join(metric.span_kinds)
            reason = f"{name} applies to spans of kind {kinds}; this one is {record.observation_kind}"
            return Explanation(metric=name, decision=Decision.NOT_APPLICABLE, reason=reason)
        if progress.bucket >= rule.sample_ppm:
            place, rate = progress.bucket / 10_000, rule.sample_rate * 100
            reason = f"not in the sample: its hash falls at {place:.4f} %, the rate is {rate:g} %"
            return Explanation(metric=name, decision=Decision.SAMPLED_OUT, reason=reason)
        everything = Candidates(level=rule.level, sample_ppm=1_000_000, filter_sql="1", filter_parameters={})
        asked = wanted(rule)
        if asked.filter_sql != everything.filter_sql and not await self.queue.matches(record, asked):
            return Explanation(
                metric=name, decision=Decision.FILTERED_OUT, reason=f"the filter is not true for it: {rule.filter}"
            )
        looked_until_ms = await self.queue.cursor_ms(rule.name)
        if rule.version > 1 and looked_until_ms is not None and progress.ready_ms <= looked_until_ms:
            reason = "it was looked at under an earlier version of the rule; an edit does not score old targets again"
            return Explanation(metric=name, decision=Decision.FILTERED_OUT, reason=reason)
        return _waiting(rule, name, progress)


def _waiting(rule: RuleDefinition, name: str, progress: TraceProgress) -> Explanation:
    """In the sample, through the filter, nothing decided: when, then?"""
    ready = datetime.fromtimestamp(progress.ready_ms / 1000, UTC)
    if not rule.enabled:
        return Explanation(metric=name, decision=Decision.DISABLED, reason="the rule is disabled")
    if rule.enable_time is not None and ready < rule.enable_time - LOOKBACK:
        minutes = int(LOOKBACK / timedelta(minutes=1))
        reason = f"complete at {ready:%Y-%m-%d %H:%M:%S} UTC, over {minutes} minutes before the rule was enabled"
        return Explanation(metric=name, decision=Decision.BEFORE_LOOKBACK, reason=reason)
    if progress.ready_ms > progress.now_ms:
        what = "more of its trace" if progress.rooted else "the root span of its trace to end"
        reason = f"waiting for {what}, until {ready:%H:%M:%S} UTC unless something arrives"
        return Explanation(metric=name, decision=Decision.WAITING, reason=reason, next_attempt=ready)
    reason = f"complete since {ready:%H:%M:%S} UTC; the next poll takes it (if an evaluator runs: `assay doctor`)"
    return Explanation(metric=name, decision=Decision.WAITING, reason=reason)


_OF_LEDGER = {
    "scored": Decision.SCORED,
    "failed": Decision.FAILED,
    "not_applicable": Decision.NOT_APPLICABLE,
    "not_computed": Decision.DEPENDENCY_FAILED,
    "cancelled": Decision.CANCELLED,
    "poisoned": Decision.SET_ASIDE,
    "started": Decision.RUNNING,
    "waiting": Decision.WAITING,
}


def _with_next(decided: Explanation, following: Explanation) -> Explanation:
    """What was decided about an earlier revision of the target, unless a newer one is about to be scored."""
    if following.decision is not Decision.WAITING:
        return decided
    return replace(
        decided,
        decision=Decision.WAITING,
        reason=f"an earlier revision was decided ({decided.decision}); the newer one is {following.reason}",
        next_attempt=following.next_attempt,
    )


def _from_ledger(entry: LedgerEntry, alive: bool, newest: Evaluation | None, *, enabled: bool) -> Explanation:
    reason = entry.reason
    evaluation_id: uuid.UUID | None = newest.evaluation_id if newest else None
    if entry.decision == "started":
        reason = "being scored" if alive else "its worker died; the next poll takes it up again"
    elif entry.decision == "scored":
        reason = f"scored, attempt {entry.attempt}"
    decision = _OF_LEDGER[entry.decision]
    if entry.decision == "failed" and reason.startswith(f"{FAILED_CODE}: "):
        decision = Decision.DEPENDENCY_FAILED
    elif entry.decision == "cancelled" and not enabled:
        decision = Decision.DISABLED
    elif entry.decision == "started" and not alive and not enabled:
        decision, reason = Decision.DISABLED, "its worker died, and the rule is disabled"
    elif entry.decision == "waiting" and not enabled:
        decision, reason = Decision.DISABLED, f"the rule is disabled; it was {entry.reason}"
    return Explanation(
        metric=entry.metric,
        decision=decision,
        reason=reason,
        evaluation_id=evaluation_id,
        decided=newest.evaluated if newest else None,
        next_attempt=datetime.fromtimestamp(entry.next_attempt_ms / 1000, UTC) if entry.next_attempt_ms else None,
        attempts=entry.attempt,
    )
