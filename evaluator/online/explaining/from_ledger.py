"""What the ledger and the results say of one rule, metric and target, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from evaluator.online.explaining.explanation import Decision, Explanation
from evaluator.online.explaining.standing import time_of
from evaluator.online.polling.resuming import MAX_TRIES
from evaluator.online.rules.definition import RuleDefinition
from evaluator.scoring.gate import FAILED_CODE
from storage.explaining import LedgerEntry
from storage.model import Abstention, Evaluation, Failure, Score, Status

_OF_LEDGER: Mapping[str, Decision] = {
    "scored": Decision.SCORED,
    "failed": Decision.FAILED,
    "retrying": Decision.FAILED,
    "not_applicable": Decision.NOT_APPLICABLE,
    "not_computed": Decision.DEPENDENCY_FAILED,
    "over_budget": Decision.OVER_BUDGET,
    "too_late": Decision.LATE_IGNORED,
    "filtered_out": Decision.FILTERED_OUT,
    "cancelled": Decision.CANCELLED,
    "poisoned": Decision.SET_ASIDE,
    "started": Decision.RUNNING,
    "waiting": Decision.WAITING,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What was decided of one rule and metric about a target, and what came of it; both newest first.

    Attributes:
        rule: As it is now; None = it was deleted.
    """

    name: str
    metric: str
    rule: RuleDefinition | None
    entries: Sequence[LedgerEntry] = ()
    results: Sequence[Evaluation] = ()

    @property
    def enabled(self) -> bool:
        """Whether the rule scores."""
        return self.rule is not None and self.rule.enabled

    @property
    def watermark_ms(self) -> int:
        """The newest revision that anything is known of; 0 = of none."""
        seen = [entry.decision.watermark_ms for entry in self.entries] + [each.watermark_ms for each in self.results]
        return max(seen, default=0)

    def result_at(self, watermark_ms: int) -> Evaluation | None:
        """The last attempt at one revision."""
        found = [each for each in self.results if each.watermark_ms == watermark_ms]
        return max(found, key=lambda each: each.attempt, default=None)


def decided(known: Known) -> Explanation | None:
    """The decision about the newest revision that there is one of; None = nothing was decided."""
    watermark_ms = known.watermark_ms
    entry = next((each for each in known.entries if each.decision.watermark_ms == watermark_ms), None)
    result = known.result_at(watermark_ms)
    if entry is None:
        return None if result is None else _of_result(known, result)
    if entry.decision.decision == "started" and result is not None and result.attempt >= entry.decision.attempt:
        return _of_result(known, result)  # stored; the ledger is told next
    explained = _of_entry(known, entry)
    if result is None and explained.decision is Decision.LATE_IGNORED and known.results:
        result = known.results[0]
    if result is None:
        return explained
    if explained.decision is Decision.SCORED:
        explained = replace(explained, reason=_scored(result, entry.decision.attempt))
    return replace(explained, evaluation_id=result.evaluation_id)


def _of_entry(known: Known, entry: LedgerEntry) -> Explanation:
    of = entry.decision
    decision, reason = _OF_LEDGER.get(of.decision, Decision.CANCELLED), of.reason
    next_attempt = time_of(of.next_attempt_ms) if of.next_attempt_ms else None
    match of.decision:
        case "started":
            decision, reason = _started(known, entry)
        case "scored":
            reason = f"scored, attempt {of.attempt}"
        case "failed":
            decision = Decision.DEPENDENCY_FAILED if of.reason.startswith(f"{FAILED_CODE}: ") else Decision.FAILED
            reason += f"; after {of.attempt} attempts" if of.attempt > 1 else ""
        case "retrying":
            reason, next_attempt = _retrying(known, of.reason, of.attempt, next_attempt)
        case "waiting" if not known.enabled:
            decision, reason, next_attempt = Decision.DISABLED, f"{_off(known)}; it was {of.reason}", None
        case "cancelled" if not known.enabled:
            decision = Decision.DISABLED
        case "over_budget":
            day = entry.decided.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
            reason += (
                f"; what completes from {day:%Y-%m-%d %H:%M} UTC on has a new budget (a backfill takes up the rest)"
            )
    return Explanation(
        rule=known.name,
        metric=known.metric,
        decision=decision,
        reason=reason,
        decided=entry.decided,
        next_attempt=next_attempt,
        attempts=of.attempt,
    )


def _started(known: Known, entry: LedgerEntry) -> tuple[Decision, str]:
    if entry.alive:
        again = f", attempt {entry.decision.attempt}" if entry.decision.attempt > 1 else ""
        return Decision.RUNNING, f"being scored since {entry.decided:%H:%M:%S} UTC{again}"
    if not known.enabled:
        return Decision.DISABLED, f"its worker died, and {_off(known)}"
    return (
        Decision.QUEUED,
        f"its worker died; the next poll takes it up again ({entry.decision.tries} of {MAX_TRIES} tries)",
    )


def _retrying(known: Known, reason: str, attempt: int, next_attempt: datetime | None) -> tuple[str, datetime | None]:
    if known.rule is None or not known.enabled:
        return f"{reason}; attempt {attempt} is the last: {_off(known)}", None
    at = f"{next_attempt:%H:%M:%S} UTC" if next_attempt else "once"
    return f"{reason}; attempt {attempt} of {known.rule.retries.attempts}, again at {at}", next_attempt


def _off(known: Known) -> str:
    return "the rule was deleted" if known.rule is None else "the rule is disabled"


def _of_result(known: Known, result: Evaluation) -> Explanation:
    match result.outcome:
        case Score():
            decision, reason = Decision.SCORED, _scored(result, result.attempt)
        case Failure(code=code, message=message):
            decision = Decision.DEPENDENCY_FAILED if code == FAILED_CODE else Decision.FAILED
            reason = f"{code}: {message}"
        case Abstention(reason=reason, status=status):
            computed = status is not Status.NOT_COMPUTED
            decision = Decision.NOT_APPLICABLE if computed else Decision.DEPENDENCY_FAILED
    return Explanation(
        rule=known.name,
        metric=known.metric,
        decision=decision,
        reason=reason,
        evaluation_id=result.evaluation_id,
        decided=result.evaluated,
        attempts=result.attempt,
    )


def _scored(result: Evaluation, attempt: int) -> str:
    outcome = result.outcome
    by = f" by backfill {result.run}" if result.run else ""
    if not isinstance(outcome, Score):  # a failed attempt that the ledger has not heard of
        return f"scored{by}, attempt {attempt}"
    text = outcome.label or ", ".join(outcome.labels) or outcome.text[:40]
    value = f"{outcome.value:g}" if outcome.value is not None else ""
    said = f"{value} ({text})" if value and text else value or text
    return f"scored {said}{by}, attempt {attempt}"
