"""Alignments at work: each run whose shard this process owns, until it has ended, or another process takes it up."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from evaluator.alignment.model import BudgetExhausted, ModelUnavailable, ReflectionUnparseable
from evaluator.alignment.running.aligning import Aligning
from evaluator.alignment.running.calls import Book
from evaluator.alignment.running.definition import AlignmentPlan, check_alignable
from evaluator.alignment.running.outcome import AlignmentOutcome, Fault
from evaluator.alignment.running.spending import Spent, Till
from evaluator.alignment.running.telling import Telling
from evaluator.errors import (
    IncompatibleOutputType,
    MetricNotFound,
    NoResolvedAnnotations,
    NotAJudge,
    SourceNotFound,
)
from evaluator.judges.metering import Meter
from evaluator.online.leases import LeaseKeeper
from evaluator.scoring.plan import KnowsMetrics
from storage.alignments import AlignmentRun, Alignments, AlignmentStanding, AlignmentState
from storage.errors import StorageError, Unavailable

log = logging.getLogger(__name__)

CODES: tuple[tuple[type[Exception], str, bool], ...] = (
    (NoResolvedAnnotations, "NO_RESOLVED_ANNOTATIONS", False),
    (SourceNotFound, "SOURCE_NOT_FOUND", False),
    (IncompatibleOutputType, "INCOMPATIBLE_OUTPUT_TYPE", False),
    (NotAJudge, "NOT_A_JUDGE", False),
    (MetricNotFound, "METRIC_NOT_FOUND", False),
    (ModelUnavailable, "MODEL_UNAVAILABLE", True),
    (ReflectionUnparseable, "REFLECTION_UNPARSEABLE", True),
    (BudgetExhausted, "BUDGET_EXHAUSTED", True),
)
"""What ends a run in an error: its code, and whether a retry may help."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlignmentPace:
    """How the worker goes about it.

    Attributes:
        report_seconds: How often it says how far it is, and looks whether somebody elsewhere has stopped the run.
        active_runs: Runs that are worked on at once; the others wait in the order of their creation.
    """

    poll_seconds: float = 5.0
    report_seconds: float = 0.25
    active_runs: int = 4
    drain_seconds: float = 2.0


class AlignmentWorker:
    """Works on alignments until it is told to stop; what it was at, another process takes up.

    Args:
        meter: Who pays beside the run's own caps: the installation's budget; None = nobody counts.
    """

    def __init__(
        self,
        *,
        alignments: Alignments,
        metrics: KnowsMetrics,
        aligning: Aligning,
        leases: LeaseKeeper,
        meter: Callable[[], Meter | None] | None = None,
        pace: AlignmentPace | None = None,
    ) -> None:
        self._alignments = alignments
        self._metrics = metrics
        self._aligning = aligning
        self._leases = leases
        self._meter = meter
        self._pace = pace or AlignmentPace()
        self._active: dict[str, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """There is a new run: do not wait for the next poll."""
        self._wake.set()

    def cancel(self, run_id: str) -> None:
        """Stop work on a run at once, if it is done here: calls that are under way are cut off."""
        if task := self._active.get(run_id):
            task.cancel()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`; a run that is under way goes on elsewhere, from the answers that it has."""
        async with asyncio.TaskGroup() as group:
            polling = group.create_task(self._poll_forever(group))
            await stop.wait()
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
                log.warning("alignments_not_polled", extra={"reason": str(error)})
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._pace.poll_seconds):
                    await self._wake.wait()
            self._wake.clear()

    async def _poll(self, group: asyncio.TaskGroup) -> None:
        shards = self._leases.owned("score")
        if not shards:
            return
        for run_id in await self._alignments.unfinished(shards):
            if run_id in self._active:
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
                standing = await self._alignments.get(run_id)
                if not standing.state.is_final:
                    await self._attempt(standing)
                return
            except Unavailable as error:
                log.warning("alignment_postponed", extra={"run": run_id, "reason": str(error)})
            except Exception:  # the next poll finds it unfinished
                log.exception("alignment_not_recorded", extra={"run": run_id})
                return
            await asyncio.sleep(pause)
            pause = min(pause * 2, 10.0)

    async def _attempt(self, standing: AlignmentStanding) -> None:
        run = standing.run
        spent = Spent.of(standing.usage, await self._alignments.spent(run.run_id))
        till = Till(caps=AlignmentPlan.of(run).caps, spent=spent, outer=self._meter() if self._meter else None)
        book = Book(self._alignments, run.run_id, kept=await self._alignments.calls(run.lineage), till=till)
        telling = Telling(run, spent)
        log.info("alignment_started", extra={"run": run.run_id, "resumed": standing.state is AlignmentState.RUNNING})
        await self._alignments.enter(telling.standing())
        try:
            async with asyncio.TaskGroup() as group:
                helpers = [group.create_task(book.run()), group.create_task(self._report(run.run_id, telling))]
                await self._align(run, book, telling)
                for helper in helpers:
                    helper.cancel()
        except BaseExceptionGroup as errors:
            found = leaves(errors)
            if any(isinstance(error, _Cancelled) for error in found):
                log.info("alignment_cancelled", extra={"run": run.run_id})
            elif any(isinstance(error, _Lost) for error in found):
                log.info("alignment_lost", extra={"run": run.run_id})
            else:
                raise found[0] from errors

    async def _align(self, run: AlignmentRun, book: Book, telling: Telling) -> None:
        """One run to a final state.

        Raises:
            StorageError: Nothing could be recorded; what was paid for is in the book.
        """
        try:
            definition = await self._metrics.get(run.metric, run.version)
            check_alignable(definition)
            found = await self._aligning.align(run, definition, book=book, telling=telling)
            await self._alignments.keep_rows(run.run_id, found.rows)
        except Exception as error:
            errors = leaves(error)
            away = next((each for each in errors if isinstance(each, StorageError)), None)
            if away is not None:
                raise away from error
            await self._fail(run.run_id, telling, _fault(run.run_id, errors[0]))
        else:
            await self._alignments.enter(telling.ended(AlignmentState.ALIGNED, found.outcome.to_body()))
            log.info("alignment_ended", extra={"run": run.run_id, "verdict": str(found.outcome.verdict)})

    async def _fail(self, run_id: str, telling: Telling, fault: Fault) -> None:
        outcome = outcome_so_far((await self._alignments.get(run_id)).notes, fault)
        await self._alignments.enter(telling.ended(AlignmentState.ERROR, outcome.to_body()))
        log.warning("alignment_failed", extra={"run": run_id, "code": fault.code, "reason": fault.message})

    async def _report(self, run_id: str, telling: Telling) -> None:
        """Say how far it is; end the work when the run has ended elsewhere."""
        said = telling.standing()
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._pace.report_seconds):
                    await telling.changed.wait()
            telling.changed.clear()
            try:
                if await self._alignments.is_final(run_id):
                    raise _Cancelled
                if not self._leases.owned("score"):
                    raise _Lost
                if (standing := telling.standing()) != said:
                    await self._alignments.progress(standing)
                    said = standing
            except Unavailable as error:
                log.warning("alignment_not_reported", extra={"run": run_id, "reason": str(error)})


def _fault(run_id: str, error: BaseException) -> Fault:
    """What people are told of an error that ended a run; a bug is in the log, under an id."""
    for kind, code, retryable in CODES:
        if isinstance(error, kind):
            return Fault(code=code, message=str(error), retryable=retryable)
    incident = secrets.token_hex(6)
    log.error("alignment_crashed", exc_info=error, extra={"run": run_id, "incident": incident})
    return Fault(code="INTERNAL", message=f"a bug in Assay; incident {incident} in the log")


def outcome_so_far(notes: Mapping[str, Any], fault: Fault | None = None) -> AlignmentOutcome:
    """Of a run that ended before it found anything: its rows, and why."""
    return replace(AlignmentOutcome.from_body(notes), error=fault)


def leaves(error: BaseException) -> list[BaseException]:
    """The errors in a group of groups; one alone is its own leaf."""
    if not isinstance(error, BaseExceptionGroup):
        return [error]
    return [leaf for each in error.exceptions for leaf in leaves(each)]


class _Cancelled(Exception):
    """The run has a final state already."""


class _Lost(Exception):
    """The run belongs to another process by now."""
