"""Alignments as callers know them: their sources, estimated, started, read, cancelled, retried."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from typing import Protocol

from evaluator.alignment.running.definition import (
    AlignmentPlan,
    AlignmentRequest,
    Caps,
    Changes,
    check_alignable,
    seed_of,
)
from evaluator.alignment.running.estimate import AlignmentEstimate, Estimator, KnowsPrices
from evaluator.alignment.running.loading import LEFT_OUT
from evaluator.alignment.running.outcome import Source
from evaluator.alignment.running.sources import choose, list_sources
from evaluator.alignment.running.worker import outcome_so_far
from evaluator.errors import AlignmentNotEnded, AlignmentNotFound, InvalidDefinition, NoResolvedAnnotations
from evaluator.judges.port import NoJudgeConfigured
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.gaps import default_delta
from evaluator.scoring.plan import KnowsMetrics
from storage.alignments import AlignmentRun, Alignments, AlignmentStanding, AlignmentState
from storage.errors import NotFound
from storage.feedback import Feedbacks
from storage.model import RESULT_NAMESPACE

MOST_TOLD = 1000
"""Of targets that wait for somebody."""


class KnowsModels(KnowsPrices, Protocol):
    """The installation's models (`evaluator.judges.choose.Judges`)."""

    def model_for(self, model: str) -> str:
        """The model that would answer; '' = none is configured."""


class Works(Protocol):
    """Who works on alignments in this process (`evaluator.alignment.running.worker.AlignmentWorker`)."""

    def wake(self) -> None:
        """There is a new run."""

    def cancel(self, run_id: str) -> None:
        """Stop work on a run at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlignmentCatalogue:
    """Every method may raise `storage.errors.Unavailable`.

    Attributes:
        reflection_model: The installation's; '' = its judge model.
    """

    alignments: Alignments
    feedbacks: Feedbacks
    metrics: KnowsMetrics
    models: KnowsModels
    estimator: Estimator
    worker: Works
    reflection_model: str = ""

    async def sources(self, metric: str, delta: float | None = None) -> list[Source]:
        """What a metric can be aligned from, newest first.

        Raises:
            MetricNotFound, NotAJudge, IncompatibleOutputType: As they say.
        """
        definition = await self.metrics.get(metric)
        check_alignable(definition)
        return await list_sources(self.alignments, definition, default_delta(definition) if delta is None else delta)

    async def estimate(self, request: AlignmentRequest) -> AlignmentEstimate:
        """What a run would take.

        Raises:
            As `start`.
        """
        definition, plan = await self._prepared(request, str(uuid.uuid4()))
        return await self.estimator.estimate(definition, plan, request.source_ids)

    async def start(self, request: AlignmentRequest) -> AlignmentStanding:
        """Queue a run; the same `request_id` again returns the same run.

        Raises:
            MetricNotFound, SourceNotFound, NotAJudge, IncompatibleOutputType, NoResolvedAnnotations: As they say.
            InvalidDefinition: A field is not acceptable; says which and why.
        """
        run_id = _id("start", request.request_id)
        if request.request_id and (made := await self._made(run_id)) is not None:
            return made
        definition, plan = await self._prepared(request, run_id)
        await self._check_feedback(definition, plan, request)
        return await self._queue(
            AlignmentRun(
                run_id=run_id,
                metric=definition.name,
                version=definition.version,
                source_ids=request.source_ids,
                config=plan.to_body(),
                lineage=(run_id,),
                author=request.author,
            )
        )

    async def get(self, run_id: str) -> AlignmentStanding:
        """A run and where it stands.

        Raises:
            AlignmentNotFound: There is none of this id.
        """
        try:
            return await self.alignments.get(run_id)
        except NotFound as error:
            raise AlignmentNotFound(str(error)) from error

    async def newest(self, metric: str, *, before: tuple[int, str] | None, limit: int) -> list[AlignmentStanding]:
        """Runs, newest first; of one metric, by any of its names, or of all ('').

        Raises:
            MetricNotFound: No metric has this name, and no run is about one that had it.
        """
        if not metric:
            return await self.alignments.newest("", before=before, limit=limit)
        found = await self.alignments.newest(metric, before=before, limit=limit)
        if found or before is not None:
            return found
        return await self.alignments.newest((await self.metrics.get(metric)).name, before=before, limit=limit)

    async def cancel(self, run_id: str) -> AlignmentStanding:
        """Stop a run at once; what was paid for is kept.  One that has ended is returned unchanged.

        Raises:
            AlignmentNotFound: There is none of this id.
        """
        standing = await self.get(run_id)
        if standing.state.is_final:
            return standing
        await self.alignments.request_cancel(run_id)
        ended = replace(standing, state=AlignmentState.CANCELLED, outcome=outcome_so_far(standing.notes).to_body())
        await self.alignments.enter(ended)
        self.worker.cancel(run_id)
        return await self.get(run_id)

    async def retry(
        self, run_id: str, changes: Changes, *, request_id: str = "", author: str = ""
    ) -> AlignmentStanding:
        """A new run that asks for the same, on the version that is active now; it reads what the old one paid for.

        Raises:
            AlignmentNotFound: There is none of this id.
            AlignmentNotEnded: It has not ended yet.
            As `start`.
        """
        new_id = _id(f"retry {run_id}", request_id)
        if request_id and (made := await self._made(new_id)) is not None:
            return made
        old = await self.get(run_id)
        if not old.state.is_final:
            raise AlignmentNotEnded(f"alignment {run_id} is still {old.state.lower()}: cancel it first, or wait")
        was = AlignmentPlan.of(old.run)
        request = AlignmentRequest(
            metric=old.run.metric,
            source_ids=old.run.source_ids,
            reflection_model=changes.reflection_model or was.asked_reflection_model,
            judge_model=changes.judge_model or was.asked_judge_model,
            delta=was.delta,
            caps=changes.caps or was.caps,
            seed=was.seed,  # else other rows would be held out, and other questions asked
            author=author or old.run.author,
        )
        definition, plan = await self._prepared(request, new_id)
        await self._check_feedback(definition, plan, request)
        return await self._queue(
            AlignmentRun(
                run_id=new_id,
                metric=definition.name,
                version=definition.version,
                source_ids=request.source_ids,
                config=plan.to_body(),
                lineage=(new_id, *old.run.lineage),
                retry_of=run_id,
                author=request.author,
            )
        )

    # -----------------------------------------------------------------------------------------------------------------

    async def _queue(self, run: AlignmentRun) -> AlignmentStanding:
        await self.alignments.create(run)
        self.worker.wake()
        return await self.alignments.get(run.run_id)

    async def _made(self, run_id: str) -> AlignmentStanding | None:
        try:
            return await self.alignments.get(run_id)
        except NotFound:
            return None

    async def _prepared(self, request: AlignmentRequest, run_id: str) -> tuple[MetricDefinition, AlignmentPlan]:
        """The metric's active version, and what the run works by."""
        definition = await self.metrics.get(request.metric)
        check_alignable(definition)
        asked = request.reflection_model or self.reflection_model
        judge = request.judge_model or definition.model
        plan = AlignmentPlan(
            reflection_model=await self._model("reflection_model", asked, request.caps),
            judge_model=await self._model("judge_model", judge, request.caps),
            asked_reflection_model=request.reflection_model,
            asked_judge_model=request.judge_model,
            delta=request.delta,
            caps=request.caps,
            seed=seed_of(run_id) if request.seed is None else request.seed,
        )
        return definition, plan

    async def _model(self, field: str, asked: str, caps: Caps) -> str:
        """The model that would answer."""
        model = self.models.model_for(asked)
        try:
            cost = await self.models.cost_of(model, input_tokens=1, output_tokens=1)
        except NoJudgeConfigured as error:
            raise InvalidDefinition(field, str(error)) from None
        if caps.max_cost_usd and cost is None:
            raise InvalidDefinition(
                "caps.max_cost_usd", f"what {model} costs is not known: state its price in [judges.NAME], or cap calls"
            )
        return model

    async def _check_feedback(
        self, definition: MetricDefinition, plan: AlignmentPlan, request: AlignmentRequest
    ) -> None:
        """Whether there is anything to work on; what of it can be used, the run finds out."""
        chosen = await choose(self.alignments, definition, request.source_ids, plan.delta_of(definition))
        if chosen.resolved:
            return
        waiting = [
            f"{len(found)}{'+' if len(found) == MOST_TOLD else ''} {status}"
            for status in LEFT_OUT
            if (found := await self.feedbacks.resolution_page(definition.name, status, after=(), limit=MOST_TOLD))
        ]
        told = f" ({', '.join(waiting)})" if waiting else ""
        raise NoResolvedAnnotations(
            f"no feedback on {definition.name!r} is resolved{told}: say what is right about some of its results first"
        )


def _id(what: str, request_id: str) -> str:
    return str(uuid.uuid5(RESULT_NAMESPACE, f"alignment {what} {request_id}") if request_id else uuid.uuid4())
