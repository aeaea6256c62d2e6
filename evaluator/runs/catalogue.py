"""Runs as callers know them: estimated, created, read, cancelled."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from evaluator.errors import InvalidDefinition, LevelMismatch, RunNotFound, TargetNotFound
from evaluator.metrics.composite.requirements import BY_OTHERS
from evaluator.metrics.definition import MetricDefinition
from evaluator.online.rules.record import RuleRecord
from evaluator.runs.backfill import OfRule, RuleWork, names_of
from evaluator.runs.backfill_estimate import estimate_backfill
from evaluator.runs.definition import (
    KIND_OF,
    MAX_NAME,
    MAX_NS,
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
from storage.model import RESULT_NAMESPACE, Level, Purpose, TargetRef
from storage.runs import Run, RunFailures, Runs, RunStanding, RunState
from storage.telemetry import TargetRecord, Telemetry

SAMPLED_PAGES = 10
"""Of a selection whose filter reads more than an index: from these the share that passes is worked out."""
EVER_MS = 2**42


class GetsRules(Protocol):
    """`evaluator.online.rules.catalogue.Rules`."""

    async def get(self, name: str) -> RuleRecord:
        """A rule; raises RuleNotFound."""


class Works(Protocol):
    """Who works on runs in this process (`evaluator.runs.worker.RunWorker`)."""

    def wake(self) -> None:
        """There is a new run."""

    def cancel(self, run_id: str) -> None:
        """Stop work on a run at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCatalogue:
    """Every method may raise `storage.errors.Unavailable`."""

    runs: Runs
    metrics: KnowsMetrics
    rules: GetsRules
    telemetry: Telemetry
    pages: Pages
    worker: Works

    async def create(self, request: RunRequest, *, validate_only: bool = False) -> RunStanding:
        """Estimate a run, and start it unless `validate_only`; the same `request_id` again returns the same run.

        Raises:
            InvalidDefinition: A field is not acceptable; says which and why.
            MetricNotFound, RuleNotFound, RunNotFound, TargetNotFound: As it says.
            LevelMismatch: A metric does not work at the level of the targets.
        """
        if len(request.name) > MAX_NAME:
            raise InvalidDefinition("name", f"may have {MAX_NAME} characters, got {len(request.name)}")
        run_id = str(_id(request.request_id) if request.request_id else uuid.uuid4())
        if request.request_id and not validate_only:
            try:
                return await self.runs.get(run_id)
            except NotFound:
                pass
        run, located = await self._prepared(run_id, request)
        if validate_only:
            return RunStanding(run=replace(run, run_id=""), state=RunState.PENDING, total=_pairs(run))
        await self._enqueue(run, request, located)
        await self.runs.create(run)
        self.worker.wake()
        return await self.runs.get(run_id)

    async def get(self, run_id: str) -> RunStanding:
        """A run and where it stands.

        Raises:
            RunNotFound: There is none of this id.
        """
        try:
            return await self.runs.get(run_id)
        except NotFound as error:
            raise RunNotFound(str(error)) from error

    async def failures(self, run_id: str) -> list[RunFailures]:
        """Why results of a run failed, the most frequent reasons first."""
        return await self.runs.failures(run_id)

    async def newest(
        self, *, states: Sequence[RunState], before: tuple[int, str] | None, limit: int
    ) -> list[RunStanding]:
        """Runs, newest first."""
        return await self.runs.newest(states=states, before=before, limit=limit)

    async def cancel(self, run_id: str) -> RunStanding:
        """Stop a run at once; what is recorded stays.  A finished one is returned as it is.

        Raises:
            RunNotFound: There is none of this id.
        """
        standing = await self.get(run_id)
        if standing.state.is_final:
            return standing
        await self.runs.request_cancel(run_id)
        tally = await self.runs.tally(run_id)
        await self.runs.enter(run_id, RunState.CANCELLED, total=standing.total or _pairs(standing.run), tally=tally)
        self.worker.cancel(run_id)
        await self.runs.close(run_id, "the run was cancelled")
        return await self.runs.get(run_id)

    # -----------------------------------------------------------------------------------------------------------------

    async def _prepared(self, run_id: str, request: RunRequest) -> tuple[Run, Sequence[TargetRecord]]:
        """The run with its estimate; and where chosen targets stand."""
        estimator = Estimator(runs=self.runs, metrics=self.metrics)
        located: Sequence[TargetRecord] = ()
        config: dict[str, object] = {
            "origin": run_id,
            "purpose": str(PURPOSE_OF[KIND_OF[type(request.selection)]]),
            "reuse": request.reuse,
        }
        retry_of = ""
        match request.selection:
            case FailuresOf(run_id=retry_of):
                if request.metrics:
                    raise InvalidDefinition("metrics", "must be empty: what failed is evaluated with what failed on it")
                of_run = (await self.get(retry_of)).run
                metrics = await wanted(self.metrics, [pinned(metric) for metric in of_run.metrics])
                config = {**of_run.config, "reuse": request.reuse}
                selection: dict[str, object] = {"failures_of": retry_of}
                config |= {"rule": _without_choice(config["rule"])} if "rule" in config else {}
                estimate = await self._estimated_failures(estimator, retry_of, metrics)
            case Chosen(targets=targets):
                metrics = await self._metrics(request.metrics, {ref.level for ref in targets})
                located = await self._located(targets)
                selection = {"targets": len(located)}
                estimate = await estimator.estimate(
                    [(metric, len(located)) for metric in metrics],
                    targets=len(located),
                    level=next(iter(targets)).level,
                    reuse=request.reuse,
                )
            case Recompute(where=where):
                metrics = await self._metrics(request.metrics, {where.level})
                if where.filter or where.limit:
                    raise InvalidDefinition("selection.recompute", "takes level, times and sample rate only")
                selection = {"recompute": where.to_body()}
                versions = {metric.name: metric.version for metric in metrics}
                counts = await self.runs.count_scored(where.selected(arrived_ms=EVER_MS), versions)
                estimate = await estimator.estimate(
                    [(metric, counts[metric.name]) for metric in metrics],
                    targets=max(counts.values()),
                    level=where.level,
                    reuse=request.reuse,
                )
            case OfRule() as asked:
                if request.metrics:
                    raise InvalidDefinition("metrics", "must be empty: a backfill computes those of its rule")
                rule = (await self.rules.get(asked.rule)).definition
                metrics = await self._metrics([MetricRef(name=name) for name in rule.metrics], {rule.level})
                selection = {"of_rule": asked.to_body() | {"definition": rule.to_body()}}
                work = RuleWork(
                    rule=rule.name,
                    version=rule.version,
                    names=names_of(rule, metrics),
                    only=asked.only,
                    recompute=asked.recompute,
                )
                config |= {"rule": work.to_body()}
                if not asked.recompute:  # the very results that the rule would have made
                    config |= {"origin": rule.name, "source": str(Purpose.ONLINE)}
                chosen_of = selected_of_rule(asked, rule, arrived_ms=EVER_MS)
                estimate = await estimate_backfill(
                    self.runs, self.pages, estimator, work, metrics, chosen_of, pages=SAMPLED_PAGES
                )
            case Where() as where:
                metrics = await self._metrics(request.metrics, {where.level})
                selection = {"where": where.to_body()}
                estimate = await self._estimated(estimator, where, metrics, reuse=request.reuse)
        run = Run(
            run_id=run_id,
            kind=KIND_OF[type(request.selection)],
            subject=request.name,
            selection=selection,
            metrics=tuple(f"{metric.name}@{metric.version}" for metric in metrics),
            estimate=estimate.to_body(),
            config=config,
            retry_of=retry_of,
        )
        return run, located

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

    async def _estimated(
        self, estimator: Estimator, where: Where, metrics: Sequence[MetricDefinition], *, reuse: bool
    ) -> Estimate:
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
        return await estimator.estimate(due, targets=targets, level=where.level, exact=exact, reuse=reuse)

    async def _estimated_failures(
        self, estimator: Estimator, run_id: str, metrics: Sequence[MetricDefinition]
    ) -> Estimate:
        numbers = {metric.name: 0 for metric in metrics}
        for failures in await self.runs.failures(run_id):
            if failures.metric in numbers:
                numbers[failures.metric] += failures.count
        due = [(metric, numbers[metric.name]) for metric in metrics]
        return await estimator.estimate(due, targets=max(numbers.values(), default=0), level=metrics[0].levels[0])

    async def _enqueue(self, run: Run, request: RunRequest, located: Sequence[TargetRecord]) -> None:
        """Before the run itself: no worker must see it with a part of its ledger."""
        names = [pinned(metric).name for metric in run.metrics]
        match request.selection:
            case Chosen():
                for start in range(0, len(located), self.pages.size):
                    await self.runs.enqueue(run.run_id, located[start : start + self.pages.size], names)
            case FailuresOf(run_id=of_run):
                await self.runs.enqueue_failures(run.run_id, of_run, names)
            case Recompute(where=where):
                versions = {ref.name: ref.version or 0 for ref in map(pinned, run.metrics)}
                await self.runs.enqueue_scored(run.run_id, where.selected(arrived_ms=MAX_NS), versions)
            case Where() | OfRule():
                pass


def _due(metric: MetricDefinition, level: Level, kind: str) -> bool:
    return level is not Level.SPAN or not metric.span_kinds or not kind or kind in metric.span_kinds


def _without_choice(rule: Any) -> dict[str, object]:
    """Of a retry: what failed is what it is about, whatever its first run was asked for."""
    return {**rule, "only": "", "recompute": False}


def _id(request_id: str) -> uuid.UUID:
    return uuid.uuid5(RESULT_NAMESPACE, f"run {request_id}")


def _pairs(run: Run) -> int:
    return int(str(run.estimate.get("pairs", 0)))
