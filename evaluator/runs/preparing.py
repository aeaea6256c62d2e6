"""What a new run is about: checked, pinned, estimated.  One method per kind of selection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from evaluator.errors import InvalidDefinition, LevelMismatch, RunNotFound, TargetNotFound
from evaluator.metrics.composite.requirements import BY_OTHERS
from evaluator.metrics.definition import MetricDefinition
from evaluator.online.rules.record import RuleRecord
from evaluator.runs.backfill import OfRule, RuleWork, names_of
from evaluator.runs.backfill_estimate import estimate_backfill
from evaluator.runs.definition import (
    KIND_OF,
    MAX_TARGETS,
    PURPOSE_OF,
    Chosen,
    FailuresOf,
    Recompute,
    RunRequest,
    Where,
    pinned,
    selected_of_rule,
)
from evaluator.runs.estimate import Estimate, Estimator
from evaluator.runs.pages import Pages
from evaluator.scoring.plan import KnowsMetrics, wanted
from evaluator.scoring.request import MetricRef
from storage.errors import NotFound
from storage.model import Level, Purpose, TargetRef
from storage.runs import Run, Runs, RunStanding
from storage.telemetry import TargetRecord, Telemetry

SAMPLED_PAGES = 10
"""Of a selection whose filter reads more than an index: from these the share that passes is worked out."""
EVER_MS = 2**42


class GetsRules(Protocol):
    """`evaluator.online.rules.catalogue.Rules`."""

    async def get(self, name: str) -> RuleRecord:
        """A rule; raises RuleNotFound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What a selection comes to.

    Attributes:
        selection: As it is stored with the run.
        config: What of the run's config is other than for every run.
        located: Where chosen targets stand.
    """

    metrics: Sequence[MetricDefinition]
    selection: Mapping[str, object]
    estimate: Estimate
    config: Mapping[str, object] = field(default_factory=dict)
    retry_of: str = ""
    located: Sequence[TargetRecord] = ()

    def run(self, run_id: str, request: RunRequest) -> Run:
        """The run that was asked for."""
        kind = KIND_OF[type(request.selection)]
        config = {"origin": run_id, "purpose": str(PURPOSE_OF[kind]), **self.config, "reuse": request.reuse}
        return Run(
            run_id=run_id,
            kind=kind,
            subject=request.name,
            selection=dict(self.selection),
            metrics=tuple(f"{metric.name}@{metric.version}" for metric in self.metrics),
            estimate=self.estimate.to_body(),
            config=config,
            retry_of=self.retry_of,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparing:
    """Prepares runs; every method may raise `storage.errors.Unavailable`."""

    runs: Runs
    metrics: KnowsMetrics
    rules: GetsRules
    telemetry: Telemetry
    pages: Pages

    async def prepared(self, request: RunRequest) -> Prepared:
        """What was asked for.

        Raises:
            InvalidDefinition: A field is not acceptable; says which and why.
            MetricNotFound, RuleNotFound, RunNotFound, TargetNotFound: As it says.
            LevelMismatch: A metric does not work at the level of the targets.
        """
        match request.selection:
            case FailuresOf() as failures:
                return await self._failures(failures, request)
            case Chosen() as chosen:
                return await self._chosen(chosen, request)
            case Recompute(where=where):
                return await self._recompute(where, request)
            case OfRule() as asked:
                return await self._backfill(asked, request)
            case Where() as where:
                metrics = await self._metrics(request.metrics, {where.level})
                estimate = await self._estimated(where, metrics, reuse=request.reuse)
                return Prepared(metrics=metrics, selection={"where": where.to_body()}, estimate=estimate)

    @property
    def _estimator(self) -> Estimator:
        return Estimator(runs=self.runs, metrics=self.metrics)

    async def _failures(self, failures: FailuresOf, request: RunRequest) -> Prepared:
        if request.metrics:
            raise InvalidDefinition("metrics", "must be empty: what failed is evaluated with what failed on it")
        of_run = (await standing_of(self.runs, failures.run_id)).run
        metrics = await wanted(self.metrics, [pinned(metric) for metric in of_run.metrics])
        config = dict(of_run.config)
        config |= {"rule": _without_choice(config["rule"])} if "rule" in config else {}
        return Prepared(
            metrics=metrics,
            selection={"failures_of": failures.run_id},
            estimate=await self._estimated_failures(failures.run_id, metrics),
            config=config,
            retry_of=failures.run_id,
        )

    async def _chosen(self, chosen: Chosen, request: RunRequest) -> Prepared:
        metrics = await self._metrics(request.metrics, {ref.level for ref in chosen.targets})
        located = await self._located(chosen.targets)
        estimate = await self._estimator.estimate(
            [(metric, len(located)) for metric in metrics],
            targets=len(located),
            level=next(iter(chosen.targets)).level,
            reuse=request.reuse,
        )
        return Prepared(metrics=metrics, selection={"targets": len(located)}, estimate=estimate, located=located)

    async def _recompute(self, where: Where, request: RunRequest) -> Prepared:
        metrics = await self._metrics(request.metrics, {where.level})
        if where.filter or where.limit:
            raise InvalidDefinition("selection.recompute", "takes level, times and sample rate only")
        versions = {metric.name: metric.version for metric in metrics}
        counts = await self.runs.count_scored(where.selected(arrived_ms=EVER_MS), versions)
        estimate = await self._estimator.estimate(
            [(metric, counts[metric.name]) for metric in metrics],
            targets=max(counts.values()),
            level=where.level,
            reuse=request.reuse,
        )
        return Prepared(metrics=metrics, selection={"recompute": where.to_body()}, estimate=estimate)

    async def _backfill(self, asked: OfRule, request: RunRequest) -> Prepared:
        if request.metrics:
            raise InvalidDefinition("metrics", "must be empty: a backfill computes those of its rule")
        rule = (await self.rules.get(asked.rule)).definition
        metrics = await self._metrics([MetricRef(name=name) for name in rule.metrics], {rule.level})
        work = RuleWork(
            rule=rule.name,
            version=rule.version,
            names=names_of(rule, metrics),
            only=asked.only,
            recompute=asked.recompute,
        )
        config: dict[str, object] = {"rule": work.to_body()}
        if not asked.recompute:  # the very results that the rule would have made
            config |= {"origin": rule.name, "source": str(Purpose.ONLINE)}
        chosen_of = selected_of_rule(asked, rule, arrived_ms=EVER_MS)
        estimate = await estimate_backfill(
            self.runs, self.pages, self._estimator, work, metrics, chosen_of, pages=SAMPLED_PAGES
        )
        selection = {"of_rule": asked.to_body() | {"definition": rule.to_body()}}
        return Prepared(metrics=metrics, selection=selection, estimate=estimate, config=config)

    async def _metrics(self, refs: Sequence[MetricRef], levels: set[Level]) -> list[MetricDefinition]:
        if not refs:
            raise InvalidDefinition("metrics", "name at least one")
        metrics = await wanted(self.metrics, refs)
        names = [metric.name for metric in metrics]
        if len(set(names)) != len(names):
            raise InvalidDefinition("metrics", "name each metric once; another version is another run")
        for metric in metrics:
            for level in levels:
                if level not in metric.levels:
                    raise LevelMismatch(f"metric {metric.name!r} works on {', '.join(metric.levels)}, not on a {level}")
            if metric.kind in BY_OTHERS:
                raise InvalidDefinition("metrics", f"{metric.name!r} is {metric.kind}: others send its results")
        return metrics

    async def _located(self, targets: Sequence[TargetRef]) -> list[TargetRecord]:
        refs = list(dict.fromkeys(targets))
        if not refs:
            raise InvalidDefinition("selection.targets", "name at least one")
        if len(refs) > MAX_TARGETS:
            raise InvalidDefinition("selection.targets", f"may name {MAX_TARGETS}, got {len(refs)}; make several runs")
        found: dict[TargetRef, TargetRecord] = {}
        for start in range(0, len(refs), self.pages.size):
            found |= await self.telemetry.locate(refs[start : start + self.pages.size])
        for ref in refs:
            if ref not in found:
                raise TargetNotFound(f"{ref.level} {ref.key} is not stored (it may not have arrived yet)")
        return [found[ref] for ref in refs]

    async def _estimated(self, where: Where, metrics: Sequence[MetricDefinition], *, reuse: bool) -> Estimate:
        selected = where.selected(arrived_ms=EVER_MS)
        counts = await self.runs.count(selected)
        share, exact = 1.0, True
        if where.level is not Level.SPAN and selected.filter_sql != "1":
            passed, looked = await self.pages.share_passing(selected, pages=SAMPLED_PAGES)
            exact = looked == sum(counts.values())
            share = passed / looked if looked else 1.0
        targets = round(sum(counts.values()) * share)
        if where.limit and targets > where.limit:
            share *= where.limit / targets
            targets = where.limit
            exact = exact and len(counts) == 1
        due = [
            (metric, round(share * sum(number for kind, number in counts.items() if _due(metric, where.level, kind))))
            for metric in metrics
        ]
        return await self._estimator.estimate(due, targets=targets, level=where.level, exact=exact, reuse=reuse)

    async def _estimated_failures(self, run_id: str, metrics: Sequence[MetricDefinition]) -> Estimate:
        unpaid = await self.runs.unpaid(run_id)
        numbers = {metric.name: unpaid.get(metric.name, 0) for metric in metrics}
        for failures in await self.runs.failures(run_id):
            if failures.metric in numbers:
                numbers[failures.metric] += failures.count
        due = [(metric, numbers[metric.name]) for metric in metrics]
        return await self._estimator.estimate(due, targets=max(numbers.values(), default=0), level=metrics[0].levels[0])


async def standing_of(runs: Runs, run_id: str) -> RunStanding:
    """A run and where it stands.

    Raises:
        RunNotFound: There is none of this id.
    """
    try:
        return await runs.get(run_id)
    except NotFound as error:
        raise RunNotFound(str(error)) from error


def _due(metric: MetricDefinition, level: Level, kind: str) -> bool:
    return level is not Level.SPAN or not metric.span_kinds or not kind or kind in metric.span_kinds


def _without_choice(rule: Any) -> dict[str, object]:
    """Of a retry: what failed is what it is about, whatever its first run was asked for."""
    return {**rule, "only": "", "recompute": False}
