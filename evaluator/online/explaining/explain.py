"""Answers why a target was or was not scored: from the ledger, and from what can be worked out again."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from evaluator.errors import EvaluatorError, LevelMismatch, RuleNotFound, TargetNotFound
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.naming import BUILTIN
from evaluator.online.explaining.explanation import Decision, Explanation
from evaluator.online.explaining.from_ledger import Known, decided
from evaluator.online.explaining.standing import TargetStanding, quiet_ms, standing_of
from evaluator.online.explaining.working_out import Asked, WorkingOut
from evaluator.online.polling.editions import Standing
from evaluator.online.polling.editions import standing_of as standing_of_rule
from evaluator.online.rules.definition import RuleDefinition
from evaluator.online.rules.policy import Late
from evaluator.online.rules.record import RuleRecord
from evaluator.scoring.plan import KnowsMetrics
from storage.explaining import Inquiries, LedgerEntry
from storage.model import Evaluation, TargetRef
from storage.queue import TAKEN_UP_AGAIN, Completion, Queue
from storage.results import ResultFilter, Results
from storage.telemetry import TargetRecord, Telemetry
from storage.together import together

PAGE = 1000
MOST_RESULTS = 1000


class KeepsRules(Protocol):
    """`evaluator.online.rules.catalogue.Rules`."""

    async def live(self, *, after: str = "", limit: int = 1000) -> list[RuleRecord]:
        """Rules in order of their names, those after `after`."""

    async def history(self, name: str) -> list[RuleRecord]:
        """Every version of a rule, newest first; empty where there never was one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rule:
    """A rule about which it is asked.

    Attributes:
        definition: As it is, or was when it was deleted.
        standing: None = it is not enabled.
    """

    definition: RuleDefinition
    deleted: bool
    standing: Standing | None

    @property
    def now(self) -> RuleDefinition | None:
        """As it is; None = it was deleted."""
        return None if self.deleted else self.definition


@dataclass(frozen=True, slots=True, kw_only=True)
class _Facts:
    """What is stored about the target."""

    record: TargetRecord | None
    ledger: Sequence[LedgerEntry]
    results: Sequence[Evaluation]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explainer:
    """`evaluator.online.explaining.explanation.Explaining`."""

    rules: KeepsRules
    metrics: KnowsMetrics
    queue: Queue
    inquiries: Inquiries
    telemetry: Telemetry
    results: Results
    completion: Completion

    async def explain(self, rule: str, target: TargetRef) -> list[Explanation]:
        """See the port."""
        rules, facts = await together(self._rules(rule, target), self._facts(rule, target))
        if facts.record is None and not facts.ledger:
            raise TargetNotFound(f"{target.level} {target.key} is not stored (it may not have arrived yet)")
        if not rule:  # rules that were deleted since are in the ledger still
            gone = {entry.decision.rule for entry in facts.ledger} - {each.definition.name for each in rules}
            rules = sorted([*rules, *await self._deleted(gone)], key=lambda each: each.definition.name)
        standing = await self._standing(rules, facts)
        return await self._explained(rules, facts, standing)

    async def _rules(self, name: str, target: TargetRef) -> list[_Rule]:
        if name:
            history = await self.rules.history(name)
            if not history:
                raise RuleNotFound(f"there is no rule {name!r}")
            level = history[0].definition.level
            if target.level is not level:
                raise LevelMismatch(f"rule {name!r} is about {level}s, not about a {target.level}")
            return [_rule(history)]
        found: list[_Rule] = []
        after, page = "", [None] * PAGE
        while len(page) == PAGE:
            records = await self.rules.live(after=after, limit=PAGE)
            for record in records:
                if record.definition.level is target.level:
                    edited = record.definition.enabled and record.definition.version > 1
                    found.append(_rule(await self.rules.history(record.definition.name) if edited else [record]))
            after, page = records[-1].definition.name if records else "", [None] * len(records)
        return found

    async def _deleted(self, names: Collection[str]) -> list[_Rule]:
        histories = [await self.rules.history(name) for name in sorted(names)]
        return [_rule(history) for history in histories if history]

    async def _facts(self, rule: str, target: TargetRef) -> _Facts:
        where = ResultFilter(targets=(target,), rule=rule, include_superseded=True)
        located, (ledger, results) = await together(
            self.telemetry.locate([target]),
            together(
                self.inquiries.ledger(target, rule=rule),
                self.results.newest(where, before=None, limit=MOST_RESULTS),
            ),
        )
        return _Facts(record=located.get(target), ledger=ledger, results=results)

    async def _standing(self, rules: Sequence[_Rule], facts: _Facts) -> TargetStanding | None:
        if facts.record is None or not rules:
            return None
        quiet = frozenset(quiet_ms(rule.definition) for rule in rules)
        return await standing_of(self.queue, facts.record, self.completion, quiet)

    async def _explained(
        self, rules: Sequence[_Rule], facts: _Facts, target: TargetStanding | None
    ) -> list[Explanation]:
        known = {rule.definition.name: _known(rule, facts) for rule in rules}
        worked_out: Mapping[tuple[str, str], Explanation] = {}
        if target is not None:
            worked_out = await self._worked_out(rules, known, target)
        explained: list[Explanation] = []
        for rule in rules:
            for metric, each in known[rule.definition.name].items():
                following = worked_out.get((rule.definition.name, metric))
                moved = target.first_moved(rule.definition, each.watermark_ms) if target else ""
                explained.append(_together(rule, each, decided(each), following, moved))
        return explained

    async def _worked_out(
        self, rules: Sequence[_Rule], known: Mapping[str, Mapping[str, Known]], target: TargetStanding
    ) -> dict[tuple[str, str], Explanation]:
        """What is to be said where the newest revision is not decided about."""
        working = WorkingOut(self.queue, self.inquiries, self.completion)
        open_: list[tuple[Asked, list[str]]] = []
        for rule in rules:
            names = [
                name
                for name, each in known[rule.definition.name].items()
                if name in rule.definition.metrics and _is_open(each, target.record)
            ]
            if names and not rule.deleted:
                open_.append((await working.asked(rule.definition, rule.standing, target), names))
        matched = await working.matched([asked.decides or asked.now for asked, _ in open_], target)
        found: dict[tuple[str, str], Explanation] = {}
        for (asked, names), match in zip(open_, matched, strict=True):
            metrics = [(name, metric) for name in names if (metric := await self._metric(name)) is not None]
            for each in await working.undecided(asked, match, metrics, target):
                found[each.rule, each.metric] = each
        return found

    async def _metric(self, name: str) -> MetricDefinition | None:
        """None = it was deleted under its rule."""
        try:
            return await self.metrics.get(name)
        except EvaluatorError:
            return None


def _rule(history: Sequence[RuleRecord]) -> _Rule:
    definition = history[0].definition
    standing = standing_of_rule(history) if definition.enabled else None
    return _Rule(definition=definition, deleted=history[0].deleted, standing=standing)


def _known(rule: _Rule, facts: _Facts) -> dict[str, Known]:
    """By metric as rules name them: those of the rule in its order, then those that it names no more."""
    name = rule.definition.name
    entries = [each for each in facts.ledger if each.decision.rule == name]
    metrics: Iterable[str] = dict.fromkeys(
        (*rule.definition.metrics, *sorted({each.decision.metric for each in entries}))
    )
    return {
        metric: Known(
            name=name,
            metric=metric,
            rule=rule.now,
            entries=[each for each in entries if each.decision.metric == metric],
            results=[
                each for each in facts.results if each.rule == name and each.metric == metric.removeprefix(BUILTIN)
            ],
        )
        for metric in metrics
    }


def _is_open(known: Known, record: TargetRecord) -> bool:
    """Whether nothing was decided about the newest revision, or only that it is not decided now."""
    if known.watermark_ms < record.watermark_ms or not (known.entries or known.results):
        return True
    newest = known.entries[0].decision if known.entries else None
    if newest is None:
        return False
    if newest.decision == "filtered_out":  # the ledger does not say which clause
        return True
    return newest.decision == "cancelled" and known.enabled and newest.reason in TAKEN_UP_AGAIN


def _together(
    rule: _Rule, known: Known, said: Explanation | None, following: Explanation | None, moved: str
) -> Explanation:
    """One answer from what was decided, if anything was, and what follows for the newest revision.

    `moved` says why the filter of a session is decided again.
    """
    if said is None:
        return following or _nothing(rule, known)
    if known.rule is not None and known.metric not in known.rule.metrics:
        return replace(said, reason=f"{said.reason}; the rule does not name {known.metric} any more")
    if known.rule is None:
        return replace(said, reason=f"{said.reason}; the rule was deleted since")
    if following is None or said.decision is Decision.RUNNING:
        return said
    if said.decision is following.decision is Decision.FILTERED_OUT:
        return replace(said, reason=following.reason, clauses=following.clauses)
    if said.decision is Decision.CANCELLED:  # of this revision, or of an earlier one: what matters is what comes
        return replace(following, attempts=said.attempts, evaluation_id=said.evaluation_id)
    if known.rule.late is Late.IGNORE and said.evaluation_id is not None:
        reason = f"{said.reason}; something arrived late, and the rule ignores that"
        return replace(said, decision=Decision.LATE_IGNORED, reason=reason, next_attempt=None)
    if following.decision is Decision.FILTERED_OUT:
        return replace(said, reason=f"{said.reason}; its newer revision is not scored: {following.reason}{moved}")
    if following.decision not in (Decision.WAITING, Decision.QUEUED):
        return said
    return replace(
        said,
        decision=following.decision,
        reason=f"an earlier revision was decided ({said.decision}); the newer one is {following.reason}",
        next_attempt=following.next_attempt,
    )


def _nothing(rule: _Rule, known: Known) -> Explanation:
    """Nothing was decided, and nothing can be worked out."""
    reason = "the rule was deleted before it decided about this target"
    decision = Decision.DISABLED
    if not rule.deleted:
        reason = f"there is no metric {known.metric!r} any more: the rule cannot score"
        decision = Decision.CANCELLED
    return Explanation(rule=known.name, metric=known.metric, decision=decision, reason=reason)
