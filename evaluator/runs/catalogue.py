"""Runs as callers know them: estimated, created, read, cancelled."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from evaluator.errors import InvalidDefinition
from evaluator.runs.backfill import OfRule
from evaluator.runs.definition import (
    MAX_NAME,
    MAX_NS,
    Chosen,
    FailuresOf,
    Recompute,
    RunRequest,
    Where,
    pinned,
)
from evaluator.runs.pages import Pages
from evaluator.runs.preparing import GetsRules, Preparing, standing_of
from evaluator.scoring.plan import KnowsMetrics
from storage.errors import NotFound
from storage.model import RESULT_NAMESPACE
from storage.runs import Run, RunFailures, Runs, RunStanding, RunState
from storage.telemetry import TargetRecord, Telemetry


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

    @property
    def _preparing(self) -> Preparing:
        return Preparing(
            runs=self.runs, metrics=self.metrics, rules=self.rules, telemetry=self.telemetry, pages=self.pages
        )

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
        prepared = await self._preparing.prepared(request)
        run = prepared.run(run_id, request)
        if validate_only:
            return RunStanding(run=replace(run, run_id=""), state=RunState.PENDING, total=_pairs(run))
        await self._enqueue(run, request, prepared.located)
        await self.runs.create(run)
        self.worker.wake()
        return await self.runs.get(run_id)

    async def get(self, run_id: str) -> RunStanding:
        """A run and where it stands.

        Raises:
            RunNotFound: There is none of this id.
        """
        return await standing_of(self.runs, run_id)

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


def _id(request_id: str) -> uuid.UUID:
    return uuid.uuid5(RESULT_NAMESPACE, f"run {request_id}")


def _pairs(run: Run) -> int:
    return int(str(run.estimate.get("pairs", 0)))
