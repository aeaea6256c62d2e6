"""Runs at work: each run whose shard this process owns is scored page by page, a bounded part of it at a time."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

from evaluator.errors import EvaluatorError
from evaluator.metrics.definition import MetricDefinition
from evaluator.online.leases import LeaseKeeper
from evaluator.online.polling.work import is_due
from evaluator.runs.chunks import Chunk, Chunks, ScoresRecords
from evaluator.runs.definition import RunPlan
from evaluator.runs.pages import Page, Pages
from evaluator.runs.tally import Begun, Progress
from evaluator.scoring.plan import KnowsMetrics
from evaluator.scoring.request import MetricRef
from storage.errors import StorageError, Unavailable
from storage.model import MetricKind
from storage.queue import Decision, Queue
from storage.runs import QueuedTarget, Runs, RunStanding, RunState
from storage.telemetry import TargetRecord, Telemetry

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How the worker goes about it.

    Attributes:
        lanes: Chunks under way, of all runs together: what a run may hold of judges and memory, whatever its size.
        judged_targets: Targets in a chunk where a model is asked; `computed_targets` where none is.
        active_runs: Runs that are worked on at once; the others wait in the order of their creation.
        rest_seconds: Pause of a run that only waits for results of others: meanwhile it holds nobody's place.
    """

    poll_seconds: float = 5.0
    report_seconds: float = 1.0
    page_targets: int = 1000
    lanes: int = 4
    judged_targets: int = 8
    computed_targets: int = 100
    active_runs: int = 4
    rest_seconds: float = 30.0
    drain_seconds: float = 5.0


class RunWorker:
    """Works on runs until it is told to stop; what it was at, another process takes up."""

    def __init__(
        self,
        *,
        runs: Runs,
        metrics: KnowsMetrics,
        queue: Queue,
        telemetry: Telemetry,
        scoring: ScoresRecords,
        leases: LeaseKeeper,
        pace: Pace | None = None,
    ) -> None:
        self._runs = runs
        self._metrics = metrics
        self._queue = queue
        self._leases = leases
        self._pace = pace or Pace()
        self._pages = Pages(runs=runs, queue=queue, telemetry=telemetry, size=self._pace.page_targets)
        self._chunks = Chunks(scoring=scoring, queue=queue, owner=leases.owner)
        self._lanes = asyncio.Semaphore(self._pace.lanes)
        self._active: dict[str, asyncio.Task[None]] = {}
        self._resting: dict[str, float] = {}
        """Until when, by the monotonic clock."""
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
        metrics = [await self._metrics.get(metric.name, metric.version) for metric in plan.metrics]
        try:
            async with asyncio.TaskGroup() as group:
                reporting = group.create_task(self._report(run_id, progress))
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
                for chunk in _chunks(plan, metrics, page, settled, size):
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
        said = progress.start
        while True:
            await asyncio.sleep(self._pace.report_seconds)
            try:
                if await self._runs.is_final(run_id):
                    raise _Cancelled
                if not self._leases.owned("score"):
                    raise _Lost
                tally = progress.tally()
                if tally != said:
                    await self._runs.progress(run_id, total=progress.total, tally=tally, checkpoint=progress.checkpoint)
                    said = tally
            except Unavailable as error:
                log.warning("run_not_reported", extra={"run": run_id, "reason": str(error)})

    async def _finish(self, run_id: str, progress: Progress) -> None:
        tally = await self._runs.tally(run_id)
        failed = tally.decisions.get("failed", 0)
        state = RunState.SUCCEEDED
        if failed:
            state = RunState.FAILED if failed == tally.done else RunState.PARTIAL
        detail = f"{failed} of {tally.done} failed" if failed else ""
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


def _chunks(
    plan: RunPlan, metrics: list[MetricDefinition], page: Page, settled: set[tuple[str, str, int]], size: int
) -> Iterator[Chunk]:
    """What is due of a page, in chunks of targets that are due for the same metrics."""
    entries: dict[str, QueuedTarget] = {entry.ref.key: entry for entry in page.queued}
    due: defaultdict[tuple[MetricRef, ...], list[TargetRecord]] = defaultdict(list)
    for record in page.records:
        entry = entries.get(record.ref.key)
        names = tuple(
            MetricRef(name=metric.name, version=metric.version)
            for metric in metrics
            if (metric.name in entry.watermark_ms if entry else is_due(metric, record))
            and (metric.name, record.ref.key, record.watermark_ms) not in settled
        )
        if names:
            due[names].append(record)
    for refs, records in due.items():
        for start in range(0, len(records), size):
            part = tuple(records[start : start + size])
            watermarks = {
                (record.ref.key, name): watermark_ms
                for record in part
                if record.ref.key in entries
                for name, watermark_ms in entries[record.ref.key].watermark_ms.items()
            }
            yield Chunk(plan=plan, metrics=refs, records=part, watermark_ms=watermarks)
