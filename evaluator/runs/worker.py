"""Runs at work: each run whose shard this process owns is scored page by page, a bounded part of it at a time."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import secrets
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial

from evaluator.errors import EvaluatorError
from evaluator.metrics.definition import MetricDefinition
from evaluator.online.leases import LeaseKeeper
from evaluator.runs.backfill import chosen
from evaluator.runs.bulk import Bulk
from evaluator.runs.chunks import Chunk, Chunks, ScoresRecords, chunks_of
from evaluator.runs.definition import RunPlan
from evaluator.runs.pages import Page, Pages
from evaluator.runs.places import Live, NothingLive, Places
from evaluator.runs.tally import Begun, Progress
from evaluator.scoring.plan import KnowsMetrics
from storage.errors import StorageError, Unavailable
from storage.model import MetricKind
from storage.queue import Decision, Queue
from storage.runs import Runs, RunStanding, RunState
from storage.telemetry import Telemetry

log = logging.getLogger(__name__)

SAY_AGAIN = timedelta(hours=12)
"""The store forgets progress after two days: a run that waits says it again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How the worker goes about it.

    Attributes:
        lanes: Chunks under way, of all runs together: what a run may hold of judges and memory, whatever its size.
        lanes_beside_live: As many while rules have work at hand.
        judged_targets: Targets in a chunk where a model is asked; `computed_targets` where none is.
        active_runs: Runs that are worked on at once; the others wait in the order of their creation.
        rest_seconds: Pause of a run that only waits for results of others: meanwhile it holds nobody's place.
        sweep_seconds: Between looks for what ended runs left open; `stray_seconds`: so long it is left alone.
    """

    poll_seconds: float = 5.0
    report_seconds: float = 1.0
    page_targets: int = 1000
    lanes: int = 4
    lanes_beside_live: int = 1
    judged_targets: int = 8
    computed_targets: int = 100
    active_runs: int = 4
    rest_seconds: float = 30.0
    sweep_seconds: float = 3600.0
    stray_seconds: int = 3600
    drain_seconds: float = 5.0


class RunWorker:
    """Works on runs until it is told to stop; what it was at, another process takes up.

    Args:
        live: Whom runs give way to; None = nobody.
        bulk: Does what can be done in the store; None = nothing is.
    """

    def __init__(
        self,
        *,
        runs: Runs,
        metrics: KnowsMetrics,
        queue: Queue,
        telemetry: Telemetry,
        scoring: ScoresRecords,
        leases: LeaseKeeper,
        live: Live | None = None,
        bulk: Bulk | None = None,
        pace: Pace | None = None,
    ) -> None:
        self._runs = runs
        self._metrics = metrics
        self._queue = queue
        self._leases = leases
        self._bulk = bulk
        self._pace = pace or Pace()
        self._pages = Pages(runs=runs, queue=queue, telemetry=telemetry, size=self._pace.page_targets)
        self._chunks = Chunks(scoring=scoring, queue=queue, owner=leases.owner)
        self._lanes = Places(self._pace.lanes, beside_live=self._pace.lanes_beside_live, live=live or NothingLive())
        self._active: dict[str, asyncio.Task[None]] = {}
        self._resting: dict[str, float] = {}
        """Until when, by the monotonic clock."""
        self._swept_at = -math.inf
        self._wake = asyncio.Event()
        self._stopping = asyncio.Event()

    def wake(self) -> None:
        """There is a new run: do not wait for the next poll."""
        self._wake.set()

    def cancel(self, run_id: str) -> None:
        """Stop work on a run at once, if it is done here."""
        if task := self._active.get(run_id):
            task.cancel()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`; then finish the chunks under way, for at most `drain_seconds`."""
        async with asyncio.TaskGroup() as group:
            polling = group.create_task(self._poll_forever(group))
            await stop.wait()
            self._stopping.set()
            polling.cancel()
            if self._active:
                await asyncio.wait(set(self._active.values()), timeout=self._pace.drain_seconds)
            for task in list(self._active.values()):
                task.cancel()

    async def _poll_forever(self, group: asyncio.TaskGroup) -> None:
        while True:
            try:
                await self._poll(group)
            except StorageError as error:
                log.warning("runs_not_polled", extra={"reason": str(error)})
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._pace.poll_seconds):
                    await self._wake.wait()
            self._wake.clear()

    async def _poll(self, group: asyncio.TaskGroup) -> None:
        shards = self._leases.owned("score")
        if not shards:
            return
        if time.monotonic() - self._swept_at >= self._pace.sweep_seconds:
            await self._runs.sweep(quiet_seconds=self._pace.stray_seconds)
            self._swept_at = time.monotonic()
        unfinished = await self._runs.unfinished(shards)
        self._resting = {run_id: until for run_id, until in self._resting.items() if run_id in unfinished}
        for run_id in unfinished:
            if run_id in self._active or self._resting.get(run_id, 0.0) > time.monotonic():
                continue
            if len(self._active) >= self._pace.active_runs:
                break
            task = group.create_task(self._work(run_id))
            self._active[run_id] = task
            task.add_done_callback(partial(self._ended, run_id))

    def _ended(self, run_id: str, _task: asyncio.Task[None]) -> None:
        del self._active[run_id]
        self.wake()  # another run may have waited for its place

    async def _work(self, run_id: str) -> None:
        """One run to its end; trouble of the store is waited out."""
        pause = 0.5
        while True:
            try:
                await self._attempt(await self._runs.get(run_id))
                return
            except Unavailable as error:
                log.warning("run_postponed", extra={"run": run_id, "reason": str(error)})
            except asyncio.CancelledError:
                if not self._stopping.is_set():  # else what is open is another process's to take up
                    await self._close(run_id)
                raise
            except (EvaluatorError, StorageError) as error:
                await self._fail(run_id, str(error))
                return
            except Exception:
                incident = secrets.token_hex(6)
                log.exception("run_crashed", extra={"run": run_id, "incident": incident})
                await self._fail(run_id, f"a bug in Assay; incident {incident} in the log")
                return
            await asyncio.sleep(pause)
            pause = min(pause * 2, 10.0)

    async def _attempt(self, standing: RunStanding) -> None:
        run_id = standing.run.run_id
        if standing.state.is_final:
            return
        plan = RunPlan.of(standing.run)
        resumed = standing.state is RunState.RUNNING
        tally = await self._runs.tally(run_id)
        total = int(str(standing.run.estimate.get("pairs", 0)))
        progress = Progress(start=tally, total=total, checkpoint=standing.checkpoint)
        if run_id not in self._resting:
            await self._runs.enter(run_id, RunState.RUNNING, total=total, tally=tally)
            log.info("run_started", extra={"run": run_id, "resumed": resumed, "done": tally.done})
        elif _is_old(standing):
            await self._runs.progress(run_id, total=total, tally=tally, checkpoint=standing.checkpoint)
        metrics = [await self._metrics.get(metric.name, metric.version) for metric in plan.metrics]
        try:
            async with asyncio.TaskGroup() as group:
                reporting = group.create_task(self._report(run_id, progress))
                if await self._in_bulk(plan, metrics, progress, resumed=resumed):
                    await self._score(replace(plan, selected=None), metrics, progress, resumed=True, waiting=True)
                else:
                    await self._score(plan, metrics, progress, resumed=resumed)
                if run_id in self._resting:  # what waits for results of others, once more
                    await self._score(replace(plan, selected=None), metrics, progress, resumed=True, waiting=True)
                waits = bool(await self._runs.queued_metrics(run_id))
                reporting.cancel()
        except BaseExceptionGroup as errors:
            if errors.subgroup(_Cancelled) is not None:
                await self._close(run_id)
            elif errors.subgroup(_Lost) is None:
                raise _first(errors) from errors
        else:
            if waits:
                self._resting[run_id] = time.monotonic() + self._pace.rest_seconds
            elif not self._stopping.is_set():
                await self._finish(run_id, progress)

    async def _in_bulk(
        self, plan: RunPlan, metrics: list[MetricDefinition], progress: Progress, *, resumed: bool
    ) -> bool:
        """Whether all of a run's selection was done in the store; what is left of it stands in the ledger then."""
        if self._bulk is None or not self._bulk.takes(plan, metrics, pairs=progress.total):
            return False
        return await self._bulk.score(plan, metrics, progress, resumed=resumed)

    async def _score(
        self,
        plan: RunPlan,
        metrics: list[MetricDefinition],
        progress: Progress,
        *,
        resumed: bool,
        waiting: bool = False,
    ) -> None:
        """Every page; returns when all chunks are settled, or when the process is stopping.

        Args:
            waiting: All of the ledger, whatever the checkpoint, which is a place in the selection.
        """
        size = self._pace.computed_targets
        if any(metric.kind in (MetricKind.JUDGE, MetricKind.COMPOSITE) for metric in metrics):
            size = self._pace.judged_targets
        elif all(metric.kind is MetricKind.SQL for metric in metrics):
            size = self._pace.page_targets  # one query for all of them
        async with asyncio.TaskGroup() as group:
            async for page in self._pages.of(plan, () if waiting else progress.checkpoint):
                begun = progress.begin(progress.checkpoint if waiting else page.place)
                await self._settle_gone(plan, page, progress)
                settled = await self._runs.settled(plan.run_id, page.records) if resumed and not page.queued else set()
                picked = None
                if plan.rule is not None and not page.queued:
                    picked = await chosen(self._runs, plan.rule, metrics, page.records)
                for chunk in chunks_of(plan, metrics, page, settled=settled, picked=picked, size=size):
                    await self._lanes.acquire()
                    if self._stopping.is_set():
                        self._lanes.release()
                        return
                    begun.chunks += 1
                    group.create_task(self._chunk(chunk, progress, begun, deduplicate=resumed))
                progress.finish(begun)

    async def _chunk(self, chunk: Chunk, progress: Progress, begun: Begun, *, deduplicate: bool) -> None:
        try:
            await self._chunks.score(chunk, progress, deduplicate=deduplicate)
        finally:
            self._lanes.release()
        progress.finish(begun)

    async def _settle_gone(self, plan: RunPlan, page: Page, progress: Progress) -> None:
        decisions = [
            Decision(
                rule=f"run:{plan.run_id}",
                rule_version=0,
                metric=metric,
                target=entry.ref,
                watermark_ms=watermark_ms,
                decision="cancelled",
                reason="the target is not stored any more",
                worker=self._leases.owner,
            )
            for entry in page.gone
            for metric, watermark_ms in entry.watermark_ms.items()
        ]
        await self._queue.record(decisions)
        progress.settle(decisions)

    async def _report(self, run_id: str, progress: Progress) -> None:
        """Say how far it is, now and then; end the work when the run has ended elsewhere."""
        said, said_at = progress.start, time.monotonic()
        while True:
            await asyncio.sleep(self._pace.report_seconds)
            try:
                if await self._runs.is_final(run_id):
                    raise _Cancelled
                if not self._leases.owned("score"):
                    raise _Lost
                tally = progress.tally()
                if tally != said or time.monotonic() - said_at > SAY_AGAIN.total_seconds():
                    await self._runs.progress(run_id, total=progress.total, tally=tally, checkpoint=progress.checkpoint)
                    said, said_at = tally, time.monotonic()
            except Unavailable as error:
                log.warning("run_not_reported", extra={"run": run_id, "reason": str(error)})

    async def _finish(self, run_id: str, progress: Progress) -> None:
        tally = await self._runs.tally(run_id)
        failed, unpaid = tally.decisions.get("failed", 0), tally.decisions.get("over_budget", 0)
        state = RunState.SUCCEEDED
        if failed or unpaid:
            state = RunState.FAILED if failed + unpaid == tally.done else RunState.PARTIAL
        said = ((failed, "failed"), (unpaid, "over the installation's budget of the day"))
        detail = ", ".join(f"{count} of {tally.done} {what}" for count, what in said if count)
        await self._runs.enter(run_id, state, total=tally.done, tally=tally, detail=detail)
        log.info("run_ended", extra={"run": run_id, "state": str(state), "done": tally.done})

    async def _fail(self, run_id: str, reason: str) -> None:
        try:
            tally = await self._runs.tally(run_id)
            await self._runs.enter(run_id, RunState.FAILED, total=tally.done, tally=tally, detail=reason)
            await self._runs.close(run_id, f"the run failed: {reason}")
        except StorageError as error:  # the next poll finds it unfinished
            log.warning("run_not_failed", extra={"run": run_id, "reason": f"{reason}; {error}"})

    async def _close(self, run_id: str) -> None:
        try:
            await self._runs.close(run_id, "the run was cancelled")
        except StorageError as error:
            log.warning("run_not_closed", extra={"run": run_id, "reason": str(error)})


def _is_old(standing: RunStanding) -> bool:
    """Whether what was last said of a run is about to be forgotten."""
    return standing.updated is not None and datetime.now(UTC) - standing.updated > SAY_AGAIN


class _Cancelled(Exception):
    """The run has a final state already."""


class _Lost(Exception):
    """The run belongs to another process by now."""


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """One of the errors; one that a retry cannot cure before the others."""
    flat: list[BaseException] = []
    todo: list[BaseException] = [errors]
    while todo:
        error = todo.pop()
        if isinstance(error, BaseExceptionGroup):
            todo += error.exceptions
        else:
            flat.append(error)
    return next((error for error in flat if not isinstance(error, Unavailable)), flat[0])
