"""What a rule would do, said before it is made: what it would have scored of the last day, and for how much."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from evaluator.metrics.definition import MetricDefinition
from evaluator.online.polling.work import filter_of, wanted
from evaluator.online.rules.catalogue import Rules
from evaluator.online.rules.definition import SOURCES, RuleDefinition
from evaluator.scoring.forecast import Forecast, Total
from evaluator.scoring.plan import KnowsMetrics
from evaluator.scoring.request import Answer, EvaluationRequest, MetricRef, Scoring
from storage.model import Level, TargetRef
from storage.queue import Candidate, Candidates, Completion, Look, Queue, Ready, Stream
from storage.telemetry import TargetRecord, Telemetry

DAY_MS = 86_400_000
EVERYTHING_PPM = 1_000_000
LOOKS_PPM = (1_000, 30_000, EVERYTHING_PPM)
"""Shares of the last day's traces, by the hash of their ids, that are looked at: the first that holds enough."""
ENOUGH = 500
PAGE_TARGETS = 1000
SHARDS = tuple(range(16))
FORECAST_TARGETS = 20
"""So many targets are read for what they would ask of judges."""
MAX_SAMPLES = 100
MAX_SCORED = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """Targets of the last 24 hours.

    Attributes:
        targets: Of the rule's level and scope, complete.
        matches: Those that pass the filter.
        sampled: Those of them that the rates take.
        exact: All were looked at; else a share of them, and the numbers are worked out from that.
        records: Some of the sampled ones, newest first.
    """

    targets: int = 0
    matches: int = 0
    sampled: int = 0
    exact: bool = True
    records: Sequence[TargetRecord] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a rule would do on a day like the last one.

    Attributes:
        per_day: What judges would be asked, required metrics included.
        results: Of the first of the records, one for each metric; nothing of it is stored.
    """

    counted: Counted
    per_day: Total
    results: Sequence[Answer] = ()


@dataclass(slots=True)
class _Tally:
    """What pages held, by what was asked of them."""

    targets: int = 0
    production: int = 0
    experiments: int = 0
    sampled: list[Candidate] = field(default_factory=list)
    taken: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Previews:
    """Every method may raise `storage.errors.Unavailable`."""

    rules: Rules
    metrics: KnowsMetrics
    queue: Queue
    telemetry: Telemetry
    completion: Completion
    forecast: Forecast
    scoring: Scoring

    async def preview(self, rule: RuleDefinition, *, samples: int = 10, scored: int = 3) -> Preview:
        """What the rule would do; it need not be saved.

        Args:
            samples: How many targets are named, 0 to MAX_SAMPLES.
            scored: How many of them are scored now, by real calls to judges, 0 to MAX_SCORED.

        Raises:
            InvalidFilter, MetricNotFound, LevelMismatch, InvalidDefinition: As `Rules.create`.
            RequiredMetricMissing: A metric requires one that does not exist.
            BudgetSpent: The installation's budget pays for none of the results; ask with `scored` 0.
        """
        rule = await self.rules.checked(rule)
        metrics = [await self.metrics.get(name) for name in rule.metrics]
        counted = await self._counted(rule, max(samples, FORECAST_TARGETS))
        located = await self.telemetry.locate([record.ref for record in counted.records])
        records = [located[record.ref] for record in counted.records if record.ref in located]
        some = records[:FORECAST_TARGETS]
        total = await self.forecast.of(some, metrics)
        per_day = total.times(counted.sampled / len(some)) if some else total
        results = await self._scored([record.ref for record in records[:scored]], metrics)
        return Preview(counted=replace(counted, records=records[:samples]), per_day=per_day, results=results)

    async def _counted(self, rule: RuleDefinition, samples: int) -> Counted:
        until_ms = await self.queue.safe_until_ms()
        tally, ppm = _Tally(), EVERYTHING_PPM
        for ppm in LOOKS_PPM:
            tally = await self._look(rule, until_ms, ppm, samples)
            if tally.targets >= ENOUGH:
                break
        every = ppm == EVERYTHING_PPM
        factor = EVERYTHING_PPM / ppm
        production, experiments = (rule.source_rates.get(source, rule.sample_rate) for source in SOURCES)
        expected = (tally.production * production + tally.experiments * experiments) * factor
        return Counted(
            targets=round(tally.targets * factor),
            matches=round((tally.production + tally.experiments) * factor),
            sampled=tally.taken if every else round(expected),
            exact=every,
            records=[each.record for each in reversed(tally.sampled)],
        )

    async def _look(self, rule: RuleDefinition, until_ms: int, ppm: int, samples: int) -> _Tally:
        """One pass over a share of what became complete in the last day.

        A share by hash is within, or contains, what the rule's rates take: which of it they take is counted only where
        all of it is looked at.
        """
        level = Level.SESSION if rule.level is Level.SESSION else Level.TRACE
        stream = Stream(level=level, quiet_ms=int(rule.session_idle_seconds * 1000) if level is Level.SESSION else 0)
        own = replace(wanted(rule), filter_sql=filter_of(rule).sql)  # by the results that there are: it waits for none
        asked = _questions(own)
        tally = _Tally()
        since_ms, after_id = until_ms - DAY_MS, ""
        while True:
            look = Look(
                since_ms=since_ms,
                until_ms=until_ms,
                after_id=after_id,
                shards=SHARDS,
                sample_ppm=ppm,
                limit=PAGE_TARGETS,
            )
            page = await self.queue.ready(stream, self.completion, look)
            if page:
                _count(tally, await self.queue.candidates(page, asked), samples)
            if len(page) < PAGE_TARGETS:
                return tally
            since_ms, after_id = page[-1].ready_ms, _id_of(page[-1])

    async def _scored(self, refs: Sequence[TargetRef], metrics: Sequence[MetricDefinition]) -> Sequence[Answer]:
        """Real results of a few targets, which are not kept."""
        if not refs:
            return ()
        request = EvaluationRequest(
            targets=tuple(refs),
            metrics=tuple(MetricRef(name=metric.name, definition=metric) for metric in metrics),
            origin=str(uuid.uuid4()),
            store=False,
        )
        return await self.scoring.evaluate(request)


def _questions(own: Candidates) -> list[Candidates]:
    """Everything in scope; what passes the filter, by source; and what the rule takes."""
    everything = replace(
        own, sample_ppm=EVERYTHING_PPM, experiment_ppm=EVERYTHING_PPM, filter_sql="1", filter_parameters={}
    )
    production = replace(own, sample_ppm=EVERYTHING_PPM, experiment_ppm=0)
    experiments = replace(own, sample_ppm=0, experiment_ppm=EVERYTHING_PPM)
    return [everything, production, experiments, own]


def _count(tally: _Tally, found: Sequence[Candidate], samples: int) -> None:
    for each in found:
        tally.targets += 0 in each.wanted
        tally.production += 1 in each.wanted
        tally.experiments += 2 in each.wanted
        if 3 in each.wanted:
            tally.taken += 1
            tally.sampled.append(each)
    del tally.sampled[:-samples]


def _id_of(ready: Ready) -> str:
    ref: TargetRef = ready.record.ref
    return ref.session_id if ref.level is Level.SESSION else ref.trace_id
