"""The one path: resolve → close over requirements → order → score → record.

On demand and rules both come through here.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import uuid
from collections import Counter
from collections.abc import Collection, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Protocol, TypeAlias, TypeVar

from evaluator.errors import LevelMismatch, TooManyTargets
from evaluator.metrics.conclude import Conclusion, input_digest
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.material import Material
from evaluator.scoring import plan
from evaluator.scoring.recorder import Recorder
from evaluator.scoring.request import MAX_PAIRS, Answer, EvaluationRequest, InlineTarget, Pending, Target
from evaluator.scoring.subject import Subject, read, resolve
from storage.errors import StorageError
from storage.model import NO_ID, Abstention, Evaluation, Failure, Level, TargetRef, result_id
from storage.ports import Results, TargetRecord, Telemetry

log = logging.getLogger(__name__)
T = TypeVar("T")
_Task: TypeAlias = "asyncio.Task[Evaluation | StorageError]"
_Known: TypeAlias = "asyncio.Task[dict[uuid.UUID, Evaluation] | StorageError]"


class Applies(Protocol):
    """Applies a metric to a target (`evaluator.metrics.conclude`, with judges and secret bound)."""

    async def __call__(self, definition: MetricDefinition, material: Material) -> Conclusion:
        """What the metric concludes; a judge's failure is in the outcome."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pair:
    """One thing to compute."""

    subject: Subject
    metric: MetricDefinition
    evaluation_id: uuid.UUID
    required: tuple[uuid.UUID, ...]
    request: EvaluationRequest


class Engine:
    """`evaluator.scoring.request.Scoring`.  An async context manager; what is in flight at its end is cancelled."""

    def __init__(self, *, metrics: plan.KnowsMetrics, telemetry: Telemetry, results: Results, apply: Applies) -> None:
        self._metrics = metrics
        self._telemetry = telemetry
        self._results = results
        self._apply = apply
        self._recorder: Recorder[Evaluation] = Recorder(results.append)
        self._group = asyncio.TaskGroup()
        self._running: set[asyncio.Task[Any]] = set()
        self._computing: dict[uuid.UUID, tuple[Pending, _Task]] = {}
        self._awaited: Counter[_Task] = Counter()
        """How many calls count on a task; a call that answered `Pending` does so for ever."""

    async def __aenter__(self) -> Engine:
        await self._group.__aenter__()
        self._start(self._recorder.run())
        return self

    async def __aexit__(self, *exc: object) -> None:
        for task in self._running:
            task.cancel()
        await self._group.__aexit__(None, None, None)

    async def evaluate(self, request: EvaluationRequest) -> list[Answer]:
        """Targets × metrics, as `Scoring` says."""
        if len(request.targets) * len(request.metrics) > MAX_PAIRS:
            raise TooManyTargets(f"one call may ask for {MAX_PAIRS} (target, metric) pairs; split it")
        metrics = await plan.wanted(self._metrics, request.metrics)
        for target in request.targets:
            for metric in metrics:
                _check_level(_ref(target), metric)
        subjects = await resolve(self._telemetry, request.targets, time_hint_ns=request.time_hint_ns)
        tasks = await self._begin(subjects, metrics, request)
        await self._wait(tasks.values(), timeout=request.wait_seconds)
        return [
            _answer(tasks[_id(subject, metric, request)], subject, metric, request)
            for subject in subjects
            for metric in metrics
        ]

    async def score(
        self, records: Sequence[TargetRecord], request: EvaluationRequest
    ) -> list[Evaluation | StorageError]:
        """Score located targets to the end: one conclusion per (record, metric), records first; the entrance of rules.

        Raises:
            MetricNotFound, RequiredMetricMissing, Unavailable: Nothing was scored.
        """
        metrics = await plan.wanted(self._metrics, request.metrics)
        subjects = await read(self._telemetry, records)
        tasks = await self._begin(subjects, metrics, request)
        await self._wait(tasks.values())
        return [tasks[_id(subject, metric, request)].result() for subject in subjects for metric in metrics]

    async def _wait(self, tasks: Collection[_Task], *, timeout: float | None = None) -> None:
        """Wait for one call's tasks; when the call is cancelled, so is what no other call counts on."""
        if not tasks:
            return
        self._awaited.update(tasks)
        try:
            await asyncio.wait(tasks, timeout=timeout)
        except asyncio.CancelledError:  # the caller went away: nobody pays for what nobody reads
            self._awaited.subtract(tasks)
            for task in tasks:
                if self._awaited[task] <= 0:
                    task.cancel()
            raise

    async def _begin(
        self, subjects: Sequence[Subject], metrics: Sequence[MetricDefinition], request: EvaluationRequest
    ) -> dict[uuid.UUID, _Task]:
        """Start everything that is needed, required metrics first; keyed by the result's id."""
        pairs: list[_Pair] = []
        for group in _one_version_each(metrics):
            stages = await plan.closure(self._metrics, group)
            by_name = {metric.name: metric for stage in stages for metric in stage}
            pairs += [
                _pair(subject, metric, by_name, request)
                for stage in stages
                for subject in subjects
                for metric in stage
                if subject.record.ref.level in metric.levels
            ]
        # From here on nothing waits: what is being computed now, or was stored before now, is not computed again.
        known = self._look_up({pair.evaluation_id for pair in pairs}) if request.deduplicate else None
        tasks: dict[uuid.UUID, _Task] = {}
        for pair in pairs:
            if pair.evaluation_id not in tasks:
                required = [tasks[each] for each in pair.required if each in tasks]
                tasks[pair.evaluation_id] = self._compute(pair, known, required)
        return tasks

    def _look_up(self, ids: Collection[uuid.UUID]) -> _Known | None:
        wanted = [each for each in ids if self._joinable(each) is None]
        return self._start(self._existing(wanted)) if wanted else None

    async def _existing(self, ids: Collection[uuid.UUID]) -> dict[uuid.UUID, Evaluation] | StorageError:
        try:
            return await self._results.existing(ids)
        except StorageError as error:
            return error

    def pending(self, evaluation_id: uuid.UUID) -> Pending | None:
        """What is being computed under this id, if anything; a result is stored before it stops being so."""
        found = self._computing.get(evaluation_id)
        return found[0] if found else None

    def _compute(self, pair: _Pair, known: _Known | None, required: Sequence[_Task]) -> _Task:
        """Start one pair; a repeated request joins what its first call still computes."""
        same = self._joinable(pair.evaluation_id)
        if same is not None:
            return same
        task = self._start(self._conclude(pair, known, required))
        self._computing[pair.evaluation_id] = _pending(pair.subject, pair.metric, pair.request), task
        task.add_done_callback(lambda _: self._forget(pair.evaluation_id, task))
        return task

    def _joinable(self, evaluation_id: uuid.UUID) -> _Task | None:
        """What computes this id; not what is being cancelled because its caller hung up (who may ask again at once)."""
        found = self._computing.get(evaluation_id)
        return found[1] if found and not found[1].cancelling() else None

    def _forget(self, evaluation_id: uuid.UUID, task: _Task) -> None:
        self._awaited.pop(task, None)
        if (found := self._computing.get(evaluation_id)) and found[1] is task:
            del self._computing[evaluation_id]

    def _start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = self._group.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def _conclude(
        self, pair: _Pair, known: _Known | None, required: Sequence[_Task]
    ) -> Evaluation | StorageError:
        """One pair to its end.  Trouble of the store is returned, so that it cannot end what others asked for."""
        if known is not None:
            await asyncio.wait([known])  # unlike `await known`, this leaves it alone when this pair is cancelled
            stored = known.result()
            if isinstance(stored, StorageError):
                return stored
            if pair.evaluation_id in stored:
                return stored[pair.evaluation_id]
        if required:
            await asyncio.wait(required)
        try:
            return await self._score(pair)
        except StorageError as error:
            return error

    async def _score(self, pair: _Pair) -> Evaluation:
        subject, metric, request = pair.subject, pair.metric, pair.request
        ref = subject.record.ref
        if ref.level is Level.SPAN and metric.span_kinds and subject.material.kind not in metric.span_kinds:
            kinds = ", ".join(metric.span_kinds)
            reason = f"{metric.name} applies to spans of kind {kinds}; this one is {subject.material.kind}"
            # No result at all, so no id either: an answer to this caller, and nothing in the store.
            return replace(
                _evaluation(pair, _nothing(Abstention(reason=reason)), datetime.now(UTC)), evaluation_id=NO_ID
            )
        if request.reuse and not subject.inline:
            stored = await self._results.reusable(ref, metric.digest, input_digest(metric, subject.material.inputs))
            if stored is not None:
                return stored
        started = datetime.now(UTC)
        try:
            conclusion = await self._apply(metric, subject.material)
        except StorageError:
            raise
        except Exception:  # a bug in one metric is that metric's failure, not everybody's
            incident = secrets.token_hex(6)
            log.exception("metric_crashed", extra={"incident": incident, "metric": metric.name, "target": ref.key})
            conclusion = _nothing(Failure(code="INTERNAL", message=f"a bug in Assay; incident {incident} in the log"))
        evaluation = _evaluation(pair, conclusion, started)
        if request.store and not subject.inline:
            await self._recorder.record(evaluation)
        return evaluation


def _check_level(ref: TargetRef, metric: MetricDefinition) -> None:
    if ref.level not in metric.levels:
        levels = ", ".join(metric.levels)
        raise LevelMismatch(f"metric {metric.name!r} works on {levels}, not on a {ref.level}")


def _ref(target: Target) -> TargetRef:
    return target.ref if isinstance(target, InlineTarget) else target


def _one_version_each(metrics: Sequence[MetricDefinition]) -> list[list[MetricDefinition]]:
    """The metrics, in groups in which a name stands once: a call may compare versions of a metric."""
    groups: list[dict[str, MetricDefinition]] = []
    for metric in metrics:
        free = next((group for group in groups if metric.name not in group), None)
        if free is None:
            groups.append(free := {})
        free[metric.name] = metric
    return [list(group.values()) for group in groups]


def _pair(
    subject: Subject, metric: MetricDefinition, by_name: Mapping[str, MetricDefinition], request: EvaluationRequest
) -> _Pair:
    required = [by_name[name] for name in metric.required_metrics if name in by_name]
    return _Pair(
        subject=subject,
        metric=metric,
        evaluation_id=_id(subject, metric, request),
        required=tuple(_id(subject, each, request) for each in required),
        request=request,
    )


def _id(subject: Subject, metric: MetricDefinition, request: EvaluationRequest) -> uuid.UUID:
    return result_id(
        source=request.purpose,
        origin=f"{request.origin} {subject.inline}" if subject.inline else request.origin,
        metric_digest=f"{metric.name}@{metric.version}:{metric.digest}",
        target=subject.record.ref,
        watermark_ms=subject.record.watermark_ms,
        trial=request.trial,
    )


def _pending(subject: Subject, metric: MetricDefinition, request: EvaluationRequest) -> Pending:
    return Pending(
        evaluation_id=_id(subject, metric, request),
        target=subject.record.ref,
        metric=metric.name,
        metric_version=metric.version,
    )


def _nothing(outcome: Abstention | Failure) -> Conclusion:
    return Conclusion(outcome=outcome)


def _evaluation(pair: _Pair, conclusion: Conclusion, started: datetime) -> Evaluation:
    record, metric, request = pair.subject.record, pair.metric, pair.request
    return Evaluation(
        evaluation_id=pair.evaluation_id,
        target=record.ref,
        target_time_ns=record.target_time_ns,
        start_ns=record.start_ns,
        anchor=record.anchor,
        metric=metric.name,
        metric_version=metric.version,
        metric_digest=metric.digest,
        kind=metric.kind,
        purpose=request.purpose,
        output_type=metric.output_type,
        outcome=conclusion.outcome,
        rule=request.rule,
        rule_version=request.rule_version,
        run=request.run,
        trial=request.trial,
        watermark_ms=record.watermark_ms,
        input_digest=conclusion.input_digest,
        judge_model=conclusion.judge_model,
        judge_trace_id=conclusion.judge_trace_id,
        usage=conclusion.usage,
        metadata=conclusion.metadata,
        started=started,
        evaluated=datetime.now(UTC),
    )


def _answer(
    task: _Task,
    subject: Subject,
    metric: MetricDefinition,
    request: EvaluationRequest,
) -> Answer:
    if not task.done():
        return _pending(subject, metric, request)
    conclusion = task.result()
    if isinstance(conclusion, StorageError):
        raise conclusion
    return conclusion
