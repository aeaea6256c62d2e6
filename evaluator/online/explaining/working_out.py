"""What a rule makes of a target about which nothing is decided: sample, scope, filter, and what it waits for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from evaluator.metrics.definition import MetricDefinition
from evaluator.online.explaining.explanation import Decision, Explanation, FalseClause
from evaluator.online.explaining.standing import TargetStanding, clock, time_of
from evaluator.online.polling.completed import completed_ms
from evaluator.online.polling.editions import Edition, Standing
from evaluator.online.polling.work import is_due, wanted
from evaluator.online.rules.definition import RuleDefinition
from evaluator.online.rules.filters import CompiledFilter, compile_filter
from evaluator.online.rules.policy import When
from storage.explaining import Inquiries
from storage.model import Level
from storage.queue import Candidates, Completion, Queue

EVERYTHING_PPM = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A rule about which it is asked, and the version of it that decides about the target.

    Attributes:
        now: As it is.
        decides: The version that held when the target became ready; None = it came before anything that holds.
        standing: None = the rule is not enabled.
        ready_ms: When the target became ready for it.
    """

    now: RuleDefinition
    decides: RuleDefinition | None
    standing: Standing | None
    ready_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Matched:
    """What a version of a rule makes of a target.

    Attributes:
        experiment: The target comes from an experiment.
        clauses: Conditions of the filter that are not true.
    """

    experiment: bool
    in_scope: bool
    clauses: Sequence[FalseClause] = field(default=())


class WorkingOut:
    """Asks what polls ask, with their own statements."""

    def __init__(self, queue: Queue, inquiries: Inquiries, completion: Completion) -> None:
        self._queue = queue
        self._inquiries = inquiries
        self._completion = completion

    async def asked(self, rule: RuleDefinition, standing: Standing | None, target: TargetStanding) -> Asked:
        """Which version of a rule decides about a target."""
        ready_ms = target.ready_ms(rule)
        if standing is None:
            return Asked(now=rule, decides=rule, standing=None, ready_ms=ready_ms)
        record = target.record
        since_ms = max((edition.from_ms for edition in standing.editions), default=0)
        if record.ref.level is Level.SPAN and rule.when is not When.INGEST and record.watermark_ms <= since_ms:
            arrivals = await self._queue.arrivals([record.ref.trace_id], from_ms=record.watermark_ms, until_ms=ready_ms)
            ready_ms = completed_ms(
                arrivals.get(record.ref.trace_id, ()),
                after_ms=record.watermark_ms,
                completion=self._completion,
                last_ms=ready_ms,
            )
        return Asked(now=rule, decides=_deciding(standing.editions, ready_ms), standing=standing, ready_ms=ready_ms)

    async def undecided(
        self, asked: Asked, matched: Matched, metrics: Sequence[tuple[str, MetricDefinition]], target: TargetStanding
    ) -> list[Explanation]:
        """What is to be said of metrics of a rule about which nothing is decided, in their order."""
        missing = 0
        if asked.standing is not None and target.now_ms < asked.ready_ms:
            missing = await self._queue.missing_parents(target.record)
        return [_undecided(asked, matched, name, metric, target, missing) for name, metric in metrics]

    async def matched(self, rules: Sequence[RuleDefinition], target: TargetStanding) -> list[Matched]:
        """What versions of rules make of a target, in their order; one query, and one more for what it has to show."""
        compiled = [compile_filter(rule.filter, rule.level) for rule in rules]
        wishes: list[Candidates] = []
        places: dict[tuple[int, str, int], int] = {}
        for number, (rule, filter_) in enumerate(zip(rules, compiled, strict=True)):
            everything = replace(
                wanted(rule), sample_ppm=EVERYTHING_PPM, experiment_ppm=None, filter_sql="1", filter_parameters={}
            )
            if rule.source_rates:
                places[number, "experiment", 0] = len(wishes)
                wishes.append(replace(everything, scope="", sample_ppm=0, experiment_ppm=EVERYTHING_PPM))
            if rule.scope:
                places[number, "scope", 0] = len(wishes)
                wishes.append(everything)
            for place, clause in enumerate(filter_.clauses):
                places[number, "clause", place] = len(wishes)
                wishes.append(
                    replace(everything, scope="", filter_sql=clause.sql, filter_parameters=filter_.parameters)
                )
        met = await self._inquiries.met(target.record, wishes)
        return [
            Matched(
                experiment=bool(rule.source_rates) and places[number, "experiment", 0] in met,
                in_scope=not rule.scope or places[number, "scope", 0] in met,
                clauses=await self._shown(
                    target,
                    filter_,
                    [each for each in range(len(filter_.clauses)) if places[number, "clause", each] not in met],
                ),
            )
            for number, (rule, filter_) in enumerate(zip(rules, compiled, strict=True))
        ]

    async def _shown(
        self, target: TargetStanding, filter_: CompiledFilter, numbers: Sequence[int]
    ) -> tuple[FalseClause, ...]:
        """Clauses that are not true, with the values that they saw; not those that lack a result: they wait for it."""
        clauses = [filter_.clauses[number] for number in numbers]
        reads = {name: sql for clause in clauses for name, sql in clause.reads.items()}
        seen = await self._inquiries.values(target.record, reads, filter_.parameters) if reads else {}
        shown = [{name: seen[name] for name in clause.reads if name in seen} for clause in clauses]
        return tuple(
            FalseClause(text=clause.text, seen=values)
            for clause, values in zip(clauses, shown, strict=True)
            if not (clause.metrics and "NULL" in values.values())
        )


def _deciding(editions: Sequence[Edition], ready_ms: int) -> RuleDefinition | None:
    return next((each.rule for each in editions if each.from_ms < ready_ms <= each.until_ms), None)


def _undecided(
    asked: Asked, matched: Matched, name: str, metric: MetricDefinition, target: TargetStanding, missing_parents: int
) -> Explanation:
    rule = asked.decides or asked.now

    def because(decision: Decision, reason: str) -> Explanation:
        return Explanation(rule=rule.name, metric=name, decision=decision, reason=reason)

    record = target.record
    if not is_due(metric, record):
        kinds = ", ".join(metric.span_kinds)
        return because(
            Decision.NOT_APPLICABLE, f"{name} applies to spans of kind {kinds}; this one is {record.observation_kind}"
        )
    if not matched.in_scope:
        return because(Decision.OUT_OF_SCOPE, f"the rule is about {rule.scope!r}, and this came from elsewhere")
    if (sampled := _sampled_out(rule, matched, target)) is not None:
        return because(Decision.SAMPLED_OUT, sampled)
    if matched.clauses:
        shown = "; ".join(map(_shown, matched.clauses))
        explained = because(Decision.FILTERED_OUT, f"the filter is not true for it: {shown}{_by_version(asked)}")
        return replace(explained, clauses=tuple(matched.clauses))
    if asked.standing is None:
        return because(Decision.DISABLED, "the rule is disabled")
    if asked.ready_ms <= asked.standing.floor_ms:
        return because(Decision.BEFORE_LOOKBACK, _before_lookback(asked, asked.standing, target.now_ms))
    if asked.decides is None or name not in asked.decides.metrics:
        return because(Decision.EARLIER_VERSION, _earlier_version(asked, name, target.now_ms))
    if asked.ready_ms > target.now_ms:
        until = f"until {clock(asked.ready_ms, target.now_ms)} unless something arrives"
        waiting = because(Decision.WAITING, f"waiting for {target.waits_for(rule, missing_parents)}, {until}")
        return replace(waiting, next_attempt=time_of(asked.ready_ms))
    return because(
        Decision.QUEUED,
        f"complete since {clock(asked.ready_ms, target.now_ms)}; the next poll takes it "
        "(if an evaluator runs: `assay doctor`)",
    )


def _sampled_out(rule: RuleDefinition, matched: Matched, target: TargetStanding) -> str | None:
    """Hash and rate; None = it is in the sample."""
    source = "experiment" if matched.experiment else "production"
    rate = rule.source_rates.get(source, rule.sample_rate)
    if target.bucket < round(rate * EVERYTHING_PPM):
        return None
    of_source = f" for {source}" if source in rule.source_rates else ""
    return (
        f"not in the sample: its hash falls at {target.bucket / 10_000:.4f} %, the rate{of_source} is {rate * 100:g} %"
    )


def _shown(clause: FalseClause) -> str:
    seen = ", ".join(f"{name} is {value if value == 'NULL' else repr(value)}" for name, value in clause.seen.items())
    return f"{clause.text} ({seen})" if seen else clause.text


def _by_version(asked: Asked) -> str:
    if asked.decides is None or asked.decides.version == asked.now.version:
        return ""
    return f" (in version {asked.decides.version} of the rule, which held when it was complete)"


def _before_lookback(asked: Asked, standing: Standing, now_ms: int) -> str:
    minutes = (standing.enabled_ms - standing.floor_ms) / 60_000
    return (
        f"complete at {clock(asked.ready_ms, now_ms)}, over {minutes:g} minutes before the rule was enabled "
        f"at {clock(standing.enabled_ms, now_ms)}"
    )


def _earlier_version(asked: Asked, name: str, now_ms: int) -> str:
    held = f"version {asked.decides.version} of the rule, which" if asked.decides else "an earlier version of the rule"
    without = f" did not name {name}" if asked.decides else " held"
    return (
        f"it was complete at {clock(asked.ready_ms, now_ms)}, when {held}{without}; "
        "an edit does not score old targets again"
    )
