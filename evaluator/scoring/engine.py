"""The one path: resolve → close over requirements → order → score → record.

On demand, rules and runs all come through here.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Protocol

from evaluator.errors import BudgetSpent, LevelMismatch, TooManyTargets
from evaluator.judges.metering import Meter, OverBudget
from evaluator.metrics.code.scorer import needs_content
from evaluator.metrics.composite.requirements import BY_OTHERS, applies_to, closure
from evaluator.metrics.conclude import Conclusion, input_digest
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.judging.judge_metric import Redact
from evaluator.metrics.material import Material
from evaluator.scoring import plan
from evaluator.scoring.call import Call
from evaluator.scoring.composites import Composites, Ready
from evaluator.scoring.due import Due
from evaluator.scoring.exchanges import Exchanges
from evaluator.scoring.expressions import Expressions
from evaluator.scoring.others import Others
from evaluator.scoring.pairs import Pair, evaluation_of, id_of, pair_of, tries_again, unpaid_of
from evaluator.scoring.recorder import Recorder
from evaluator.scoring.request import MAX_PAIRS, Answer, EvaluationRequest, InlineTarget, Pending, Target, Unpaid
from evaluator.scoring.stored import Stored, read_stored
from evaluator.scoring.subject import Subject, read, resolve, unread
from evaluator.scoring.traces import Traces
from evaluator.scoring.work import Final, Task, Work
from storage.errors import Rejected, StorageError
from storage.expressions import SpanExpressions
from storage.model import NO_ID, Abstention, Evaluation, Failure, MetricKind, Status, TargetRef
from storage.results import Results
from storage.telemetry import TargetRecord, Telemetry

log = logging.getLogger(__name__)


class Applies(Protocol):
    """Applies a metric to a target (`evaluator.metrics.conclude`, with judges and secret bound)."""

    async def __call__(
        self,
        definition: MetricDefinition,
        material: Material,
        *,
        repeat: int = 0,
        background: bool = False,
        meter: Meter | None = None,
    ) -> Conclusion:
        """What the metric concludes; a judge's failure is in the outcome.

        `repeat` counts equal questions, from 0; what is in the `background` asks a judge after everybody else;
        `meter` pays for it.

        Raises:
            OverBudget: The budgets do not cover a call that it needs.
        """


class Engine:
    """`evaluator.scoring.request.Scoring`.  An async context manager; what is in flight at its end is cancelled.

    Args:
        exchanges: Where exchanges with judges are kept; None = they are not.
        redact: What no judge may see, as `apply` applies it.
        expressions: Computes SQL metrics; None = they fail.
        meter: The budgets that pay where a request names none; None = nobody counts.
    """

    def __init__(
        self,
        *,
        metrics: plan.KnowsMetrics,
        telemetry: Telemetry,
        results: Results,
        apply: Applies,
        exchanges: Exchanges | None = None,
        redact: Redact | None = None,
        expressions: SpanExpressions | None = None,
        meter: Meter | None = None,
    ) -> None:
        self._metrics = metrics
        self._traces = Traces(telemetry)
        self._results = results
        self._apply = apply
        self._exchanges = exchanges
        self._redact = redact
        self._meter = meter
        self._recorder: Recorder[Evaluation] = Recorder(results.append)
        self._others = Others(results)
        self._work = Work()
        self._expressions = Expressions(expressions, self._work.start)
        self._composites = Composites(self._work, self._others, self._compute)

    async def __aenter__(self) -> Engine:
        await self._work.__aenter__()
        self._work.start(self._recorder.run())
        self._work.start(self._others.run())
        if self._exchanges is not None:
            self._work.start(self._exchanges.run())
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._work.__aexit__(*exc)

    async def evaluate(self, request: EvaluationRequest) -> list[Answer]:
        """Targets × metrics, as `Scoring` says."""
        if len(request.targets) * len(request.metrics) > MAX_PAIRS:
            raise TooManyTargets(f"one call may ask for {MAX_PAIRS} (target, metric) pairs; split it")
        metrics = await plan.wanted(self._metrics, request.metrics)
        for target in request.targets:
            for metric in metrics:
                _check_level(_ref(target), metric)
        subjects = await resolve(self._traces, request.targets, time_hint_ns=request.time_hint_ns)
        tasks = await self._begin(subjects, metrics, request, patient=True)
        await self._work.wait(tasks.values(), timeout=request.wait_seconds)
        pairs = [pair_of(subject, metric, request) for subject in subjects for metric in metrics]
        answers = _payable([self._answer(pair, tasks[pair.evaluation_id]) for pair in pairs], pairs)
        if not request.deduplicate:  # nobody could ever ask for what is not stored
            self._work.give_up({tasks[pair.evaluation_id] for pair in pairs if not pair.stores})
        return answers

    async def score(self, records: Sequence[TargetRecord], request: EvaluationRequest) -> list[Final]:
        """Score located targets to the end: one conclusion per (record, metric), records first; the entrance of rules.

        What needs a result of others that is not there is `Pending`, with the reason and until when it may come: ask
        again when it came, or then.  What no budget pays for is `Unpaid`.

        Raises:
            MetricNotFound, RequiredMetricMissing, Unavailable: Nothing was scored.
        """
        metrics = await plan.wanted(self._metrics, request.metrics)
        subjects = unread(records, metrics) or await read(self._traces, records)
        tasks = await self._begin(subjects, metrics, request, patient=False)
        await self._work.wait(tasks.values())
        return [tasks[id_of(subject, metric, request)].result() for subject in subjects for metric in metrics]

    def pending(self, evaluation_id: uuid.UUID) -> Pending | None:
        """What is being computed under this id, if anything; a result is stored before it stops being so."""
        return self._work.pending(evaluation_id)

    def in_progress(self) -> list[Pending]:
        """What calls have asked for and is not final, queued or computing."""
        return self._work.in_progress()

    async def _begin(
        self,
        subjects: Sequence[Subject],
        metrics: Sequence[MetricDefinition],
        request: EvaluationRequest,
        *,
        patient: bool,
    ) -> Mapping[uuid.UUID, Task]:
        """Start everything that was asked for; keyed by the result's id."""
        required = await closure(self._metrics, metrics)
        call = Call(request=request, required=required, due=Due(required), patient=patient)
        pairs = [
            pair_of(subject, metric, request)
            for subject in subjects
            for metric in metrics
            if subject.record.ref.level in metric.levels
        ]
        await call.due.prepare(subjects)
        # From here on nothing waits: what is being computed now, or was stored before now, is not computed again.
        call.asked = frozenset((each.subject.record.ref, each.metric.name, each.metric.version) for each in pairs)
        ids = {each for each in call.ids_again(pairs) if self._work.joinable(each) is None}
        names, records = call.names_read(), [pair.subject.record for pair in pairs if pair.stores]
        if ids or (names and records):
            call.stored = self._work.start(self._read_stored(ids, names, records))
            call.finished = self._work.gather(call.stored)
        for pair in pairs:
            if pair.evaluation_id not in call.started:
                call.started[pair.evaluation_id] = self._compute(pair, call)
        return call.started

    async def _read_stored(
        self, ids: Collection[uuid.UUID], names: Collection[str], records: Sequence[TargetRecord]
    ) -> Stored | StorageError:
        try:
            return await read_stored(self._results, ids=ids, metrics=names, records=records)
        except StorageError as error:
            return error
        except Exception:  # as in `_conclude`
            return _not_stored("results_not_read")

    def _answer(self, pair: Pair, task: Task) -> Answer | Unpaid:
        if not task.done():
            return self._work.state(pair)
        conclusion = task.result()
        if isinstance(conclusion, StorageError):
            raise conclusion
        return conclusion

    def _compute(self, pair: Pair, call: Call) -> Task:
        return self._work.compute(pair, lambda: self._conclude(pair, call))

    async def _conclude(self, pair: Pair, call: Call) -> Final:
        """One pair to its end.  Trouble is returned: raised, it would end the task group, and what others asked for."""
        stored: Stored | StorageError = Stored()
        if call.stored is not None:
            await asyncio.wait([call.stored])  # unlike `await`, this leaves it alone when this pair is cancelled
            stored = call.stored.result()
        if isinstance(stored, StorageError):
            return stored
        try:
            if (not_ours := _not_ours(pair)) is not None:
                return not_ours
            earlier = stored.earlier(pair.evaluation_id, pair.metric, pair.subject.record)
            attempt = earlier.attempt + 1 if earlier else 1
            if pair.metric.kind is MetricKind.COMPOSITE and not pair.subject.refused:
                ready = await self._composites.ready(pair, call, stored)
                return await self._score(pair, attempt, ready) if isinstance(ready, Ready) else ready
            if earlier is not None and not tries_again(call.request, earlier):
                return earlier
            return await self._score(pair, attempt)
        except StorageError as error:
            return error
        except OverBudget as error:
            if pair.stores and self._exchanges is not None:
                self._exchanges.keep_answers(error.answers)
            return unpaid_of(pair, error.reason, error.resets)
        except Exception:
            return _not_stored("pair_crashed")

    async def _score(self, pair: Pair, attempt: int, ready: Ready | None = None) -> Evaluation:
        started = datetime.now(UTC)
        try:
            if (stored := await self._reusable(pair, ready)) is not None:
                return stored
            conclusion = await self._conclusion(pair, ready)
        except (StorageError, OverBudget):
            raise
        except Exception:  # a bug in one metric is that metric's failure, not everybody's
            incident, key = secrets.token_hex(6), pair.subject.record.ref.key
            log.exception("metric_crashed", extra={"incident": incident, "metric": pair.metric.name, "target": key})
            conclusion = Conclusion(
                outcome=Failure(code="INTERNAL", message=f"a bug in Assay; incident {incident} in the log")
            )
        keep = self._exchanges.keep if self._exchanges is not None and pair.stores else None
        evaluation = evaluation_of(
            pair,
            conclusion,
            started,
            attempt=attempt,
            inputs_digest=ready.inputs_digest if ready else b"",
            linked=keep is not None and conclusion.exchange is not None,
        )
        beside = keep(conclusion.exchange, evaluation) if keep and conclusion.exchange else ()
        if pair.stores:
            await self._recorder.record(evaluation)
        if beside:
            await asyncio.wait(beside)
        return evaluation

    async def _reusable(self, pair: Pair, ready: Ready | None) -> Evaluation | None:
        """A stored success of the same metric on the same content, where the caller takes one."""
        subject, metric = pair.subject, pair.metric
        if metric.kind is not MetricKind.SQL and needs_content(metric):
            await subject.prepare()
        if ready is not None or metric.kind is MetricKind.SQL:  # to look for it costs more than to compute it
            return None
        if not pair.request.reuse or not pair.stores or subject.refused:
            return None
        material = subject.material
        digest = input_digest(metric, material.inputs, redact=self._redact, material=material)
        return await self._results.reusable(subject.record.ref, metric.digest, digest)

    async def _conclusion(self, pair: Pair, ready: Ready | None) -> Conclusion:
        metric, subject = pair.metric, pair.subject
        if subject.refused:
            return Conclusion(outcome=Abstention(reason=subject.refused))
        if ready is not None and ready.refused is not None:
            return Conclusion(outcome=ready.refused)
        if metric.kind is MetricKind.SQL:
            return await self._expressions.conclude(metric, subject.record, inline=bool(subject.inline))
        material, request = ready.material if ready else subject.material, pair.request
        meter = request.meter or self._meter
        return await self._apply(metric, material, repeat=request.trial, background=request.background, meter=meter)


def _payable(answers: Sequence[Answer | Unpaid], pairs: Sequence[Pair]) -> list[Answer]:
    """What no budget pays for, as an answer to this caller alone.

    Raises:
        BudgetSpent: There is nothing else to answer.
    """
    unpaid = [each for each in answers if isinstance(each, Unpaid)]
    if unpaid and len(unpaid) == len(answers):
        seconds = (unpaid[0].resets - datetime.now(UTC)).total_seconds()
        raise BudgetSpent(unpaid[0].reason, retry_seconds=max(1.0, seconds))
    return [
        _unstored(pair, each.reason, Status.NOT_COMPUTED) if isinstance(each, Unpaid) else each
        for each, pair in zip(answers, pairs, strict=True)
    ]


def _unstored(pair: Pair, reason: str, status: Status) -> Evaluation:
    """An answer to one caller, with nothing in the store and so no id."""
    abstention = Abstention(reason=reason, status=status)
    return replace(evaluation_of(pair, Conclusion(outcome=abstention), datetime.now(UTC)), evaluation_id=NO_ID)


def _not_stored(event: str) -> Rejected:
    """What a caller is told of a bug that leaves nothing to store."""
    incident = secrets.token_hex(6)
    log.exception(event, extra={"incident": incident})
    return Rejected(f"a bug in Assay; incident {incident} in the log")


def _check_level(ref: TargetRef, metric: MetricDefinition) -> None:
    if ref.level not in metric.levels:
        levels = ", ".join(metric.levels)
        raise LevelMismatch(f"metric {metric.name!r} works on {levels}, not on a {ref.level}")


def _ref(target: Target) -> TargetRef:
    return target.ref if isinstance(target, InlineTarget) else target


def _not_ours(pair: Pair) -> Evaluation | None:
    """For a span of a kind that the metric is not about, and for a metric that somebody else answers: no result, so no
    id either; an answer to this caller, and nothing in the store."""
    metric, subject = pair.metric, pair.subject
    if metric.kind in BY_OTHERS:
        reason, status = f"results of {metric.name} are sent by others, as it is {metric.kind}", Status.NOT_COMPUTED
    elif subject.refused or applies_to(metric, subject.record.ref.level, subject.material.kind):
        return None
    else:
        kinds = ", ".join(metric.span_kinds)
        reason = f"{metric.name} applies to spans of kind {kinds}; this one is {subject.material.kind}"
        status = Status.NOT_APPLICABLE
    return _unstored(pair, reason, status)
