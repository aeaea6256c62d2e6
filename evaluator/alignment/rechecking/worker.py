"""People's verdicts against every new version of a judge: what it puts right, and what it breaks.

A version is checked once, in the background, by whoever owns the work.  What is checked is kept row by row, so whoever
takes over goes on where it stood; answers that judges have given before are not paid for again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from evaluator.alignment.deciding.decisions import Decisions
from evaluator.alignment.model import BudgetExhausted, ModelUnavailable
from evaluator.alignment.rechecking.carrying import Carrying
from evaluator.alignment.rechecking.changes import criteria_edited, schema_change
from evaluator.alignment.rechecking.checking import Checking, Decided
from evaluator.alignment.running.calls import Book, KeepsCalls
from evaluator.alignment.running.definition import Caps
from evaluator.alignment.running.spending import Till
from evaluator.alignment.running.stored import StoredMaterials
from evaluator.errors import EvaluatorError, MetricNotFound
from evaluator.feedback.standing import Standing
from evaluator.judges.metering import Meter
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.judging.judge_metric import JudgedWith
from evaluator.metrics.registry import Metrics
from evaluator.online.leases import LeaseKeeper
from storage.alignments import StoredCall
from storage.errors import StorageError
from storage.feedback import Feedbacks, Resolution, ResolutionMethod, ResolutionStatus
from storage.model import MetricKind
from storage.rechecking import Recheck, Rechecks, RecheckState, RowVerdict

log = logging.getLogger(__name__)

SCHEMA_CHANGED = "schema_changed"
LEASE = "maintenance"
POLL_SECONDS = 15.0
REST_SECONDS = 300.0
"""Of a version whose judge cannot be reached, or whose budget is spent."""
CHUNK = 50
"""Rows that are asked about together, and kept together."""
MAX_ROWS = 2000


class RemembersCalls(KeepsCalls, Protocol):
    """Answers of alignments (`storage.alignments.Alignments`)."""

    async def calls(self, run_ids: Collection[str]) -> dict[bytes, StoredCall]:
        """Every answer that these runs have, by key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rechecker:
    """Checks one version of one metric.  Every method may raise `storage.errors.Unavailable`.

    Attributes:
        calls: Where answers are, those of the run that made the version, too.
        meter: The budgets that pay; None = nobody counts.
        max_rows: That are asked about at most: regression rows first, then the newest word.
    """

    metrics: Metrics
    feedbacks: Feedbacks
    standing: Standing
    rechecks: Rechecks
    decisions: Decisions
    materials: StoredMaterials
    calls: RemembersCalls
    using: JudgedWith
    meter: Callable[[], Meter | None] = lambda: None
    max_rows: int = MAX_ROWS

    async def due(self) -> list[MetricDefinition]:
        """Active versions of judges that people's verdicts are not checked against, in order of their names."""
        directory = await self.metrics.directory(fresh=True)
        judges = {
            name: record.definition
            for name, record in directory.custom.items()
            if record.definition.kind is MetricKind.JUDGE
        }
        with_feedback = await self.rechecks.metrics()
        latest = await self.rechecks.latest(judges)
        found = []
        for name, definition in sorted(judges.items()):
            seen = latest.get(name)
            if seen is not None and seen.version >= definition.version and seen.state is RecheckState.DONE:
                continue
            if name in with_feedback or await self._forebear(definition):
                found.append(definition)
        return found

    async def check(self, definition: MetricDefinition) -> Recheck:
        """Check a version to its end, or to that of the budgets, or until the judge cannot be reached."""
        name, version = definition.name, definition.version
        if forebear := await self._forebear(definition):
            await Carrying(self.feedbacks, self.standing).carry(base=forebear, fork=definition)
        progress = Recheck(metric=name, version=version, state=RecheckState.RUNNING)
        await self.rechecks.enter(progress)
        left, marked = await self._marked(definition)
        chosen = await self._chosen(name, left)
        done = await self.rechecks.rows(name, version)
        try:
            await self._ask(definition, [each for each in chosen if each.resolution.target not in done], forebear)
        except BudgetExhausted as error:
            progress = replace(progress, state=RecheckState.OVER_BUDGET, reason=str(error))
        except ModelUnavailable as error:
            log.warning("judge_unavailable", extra={"metric": name, "version": version, "reason": str(error)})
            progress = replace(progress, reason="the judge cannot be reached")
        else:
            cut = f"{len(chosen)} of {len(left)} rows" if len(chosen) < len(left) else ""
            progress = replace(progress, state=RecheckState.DONE, reason=cut)
        done = await self.rechecks.rows(name, version)
        counts = Counter(str(row.verdict) for row in done.values()) + marked
        progress = replace(progress, counts=dict(sorted(counts.items())))
        await self.rechecks.enter(progress)
        _tell(progress)
        return progress

    async def _chosen(self, metric: str, left: Sequence[Decided]) -> list[Decided]:
        if len(left) <= self.max_rows:
            return list(left)
        solved = await self.rechecks.regression_targets(metric)
        newest = sorted(left, key=lambda each: (each.resolution.target in solved, each.spoken), reverse=True)
        return newest[: self.max_rows]

    async def _ask(self, definition: MetricDefinition, rows: Sequence[Decided], forebear: str) -> None:
        recheck_id = f"recheck:{definition.name}@{definition.version}"
        known = [recheck_id, definition.alignment_id] if definition.alignment_id else [recheck_id]
        till = Till(caps=Caps(), outer=self.meter())
        book = Book(self.calls, recheck_id, kept=await self.calls.calls(known), till=till)
        checking = Checking(
            definition=definition,
            called=forebear or definition.name,
            before=await self.rechecks.before(definition.name, definition.version),
            materials=self.materials,
            using=self.using,
            book=book,
        )
        ended: BudgetExhausted | ModelUnavailable | None = None
        async with asyncio.TaskGroup() as group:
            storing = group.create_task(book.run())
            try:
                for start in range(0, len(rows), CHUNK):
                    found = await checking.rows(rows[start : start + CHUNK])
                    await self.rechecks.keep(definition.name, found)
            except (BudgetExhausted, ModelUnavailable) as error:  # leaving with it, the group would wrap it
                ended = error
            finally:
                storing.cancel()
        if ended is not None:
            raise ended

    async def _forebear(self, definition: MetricDefinition) -> str:
        """The built-in metric that this one is an untouched fork of; '' = none."""
        if not definition.alignment_id:
            return ""
        decision = await self.decisions.of(definition.alignment_id)
        forked = decision is not None and decision.forks and decision.metric == definition.name
        return decision.base if decision is not None and forked else ""

    async def _marked(self, definition: MetricDefinition) -> tuple[list[Decided], Counter[str]]:
        """Set aside what people have to say again; the rest, and how much that is."""
        left, aside = list[Decided](), list[Resolution]()
        for resolution, said in await self.feedbacks.resolved(definition.name):
            if resolution.expected is None:
                continue
            was = await self._version_of(definition, resolution.metric_version)
            if change := schema_change(was, definition):
                aside.append(_set_aside(resolution, definition, ResolutionStatus.EXCLUDED, change))
            elif criteria_edited(was, definition):
                reason = f"the criteria changed in version {definition.version}"
                aside.append(_set_aside(resolution, definition, ResolutionStatus.NEEDS_RECONFIRM, reason))
            else:
                left.append(Decided(resolution=resolution, expected=resolution.expected, said=tuple(said)))
        await self.standing.record(aside, definition)
        return left, Counter(str(each.status) for each in aside)

    async def _version_of(self, definition: MetricDefinition, version: int) -> MetricDefinition:
        """What people judged by; of what was carried from a forebear, the version that made the fork."""
        if version == definition.version:
            return definition
        try:
            return await self.metrics.get(definition.name, version)
        except MetricNotFound:
            return (await self.metrics.versions(definition.name))[-1].definition


class RecheckWorker:
    """Checks new versions until it is cancelled; one process does."""

    def __init__(
        self,
        rechecker: Rechecker,
        leases: LeaseKeeper,
        *,
        poll_seconds: float = POLL_SECONDS,
        rest_seconds: float = REST_SECONDS,
    ) -> None:
        self._rechecker = rechecker
        self._leases = leases
        self._poll_seconds = poll_seconds
        self._rest_seconds = rest_seconds
        self._resting: dict[tuple[str, int], float] = {}
        """Versions that could not be checked to their end, and until when, by the monotonic clock."""
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """There is a new version."""
        self._wake.set()

    async def run(self) -> None:
        """Work until cancelled; trouble of the store is waited out."""
        while True:
            self._wake.clear()
            try:
                if self._leases.owned(LEASE):
                    await self.work()
            except StorageError as error:
                log.warning("rechecks_postponed", extra={"reason": str(error)})
            try:
                async with asyncio.timeout(self._poll_seconds):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def work(self) -> None:
        """Everything that is due; one metric's trouble is not another's."""
        now = time.monotonic()
        self._resting = {version: until for version, until in self._resting.items() if until > now}
        for definition in await self._rechecker.due():
            if (version := (definition.name, definition.version)) in self._resting:
                continue
            try:
                recheck = await self._rechecker.check(definition)
            except EvaluatorError as error:
                log.warning("not_rechecked", extra={"metric": definition.name, "reason": str(error)})
            else:
                if recheck.state is RecheckState.DONE:
                    continue
            self._resting[version] = time.monotonic() + self._rest_seconds


def _set_aside(
    resolution: Resolution, definition: MetricDefinition, status: ResolutionStatus, reason: str
) -> Resolution:
    """Until somebody speaks about it again: what was said before counts no more."""
    said = f"{SCHEMA_CHANGED}: {reason}" if status is ResolutionStatus.EXCLUDED else reason
    return replace(
        resolution,
        status=status,
        method=ResolutionMethod.NONE,
        metric_version=definition.version,
        reason=said,
        updated=None,
    )


def _tell(recheck: Recheck) -> None:
    extra = {"metric": recheck.metric, "version": recheck.version, "state": str(recheck.state), **recheck.counts}
    if recheck.counts.get(RowVerdict.REGRESSED):
        advice = f"`assay metric regressions {recheck.metric}` shows them; restore the version before, or align again"
        log.warning("judge_regressed", extra=extra | {"advice": advice})
    else:
        log.info("judge_rechecked", extra=extra)
