"""`evaluate(data=…, scorers=…)`: what is asked of the service one after another, the same for both clients."""

from __future__ import annotations

import uuid
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TypeAlias, runtime_checkable

from assay import client_calls as calls
from assay import client_runs as runs
from assay.client_model import Result
from assay.evaluated import Evaluated, Scored
from assay.rows import row_target
from evaluator.metrics.definition import MetricDefinition
from evaluator.runs.definition import Chosen, Selection, Where
from evaluator.scoring.request import InlineTarget, MetricRef
from storage.model import Level, Status, TargetRef
from storage.results import ResultFilter
from storage.runs import RunState

ROWS_AT_ONCE = 50
PAIRS_AT_ONCE = 200
_WAITING = (Status.QUEUED, Status.COMPUTING)


@runtime_checkable
class Defines(Protocol):
    """What brings a definition of its own: `@metric`, and the scorers of `assay.scorers`."""

    @property
    def definition(self) -> MetricDefinition:
        """The metric."""


Scorer: TypeAlias = str | MetricRef | MetricDefinition | Defines
Data: TypeAlias = Sequence[Mapping[str, Any]] | Sequence[TargetRef] | Where | str | Any
Step: TypeAlias = "calls.Call[Any] | calls.Listing[Any] | runs.Last"
"""What is asked: one answer, all pages of a list, or the last message of a stream."""
Asking: TypeAlias = Generator[Step, Any, Evaluated]


@dataclass(frozen=True, slots=True)
class _Known:
    """A metric that is there: how it is asked for, and where it works."""

    ref: MetricRef
    name: str
    levels: tuple[Level, ...]


def evaluate(
    data: Data,
    scorers: Iterable[Scorer],
    *,
    level: Level | None,
    start_time: datetime | None,
    end_time: datetime | None,
    reuse: bool,
) -> Asking:
    """Score rows (which are not stored) or stored targets (by a run), and wait for all of it.

    Raises:
        ValueError: `data` is nothing that can be evaluated, or no level fits all scorers.
        TypeError: A scorer is none.
    """
    known = yield from _settle(list(scorers))
    if hasattr(data, "to_dict"):
        data = data.to_dict("records")
    if isinstance(data, str):
        chosen = _common_level(known, level, (Level.TRACE, Level.SPAN, Level.SESSION))
        data = Where(level=chosen, filter=data, since=start_time, until=end_time)
    if isinstance(data, Where):
        return (yield from _by_run(data, known, reuse=reuse))
    items = list(data) if isinstance(data, Iterable) else []
    if items and all(isinstance(item, TargetRef) for item in items):
        return (yield from _by_run(Chosen(targets=tuple(items)), known, reuse=reuse))
    if not items or not all(isinstance(item, Mapping) for item in items):
        raise ValueError("data is a list of rows (mappings), of targets, a data frame, a filter, or a `Where`")
    return (yield from _rows(items, known, level))


def _settle(scorers: list[Scorer]) -> Generator[Step, Any, list[_Known]]:
    """Every scorer as a metric that is there: those that bring a definition are saved first, where they differ."""
    if not scorers:
        raise ValueError("name at least one scorer")
    brought = {number: found for number, each in enumerate(scorers) if (found := _definition(each)) is not None}
    if brought:
        yield calls.apply(list(brought.values()), [], validate_only=False)
    known: list[_Known] = []
    for number, each in enumerate(scorers):
        ref = MetricRef(name=brought[number].name) if number in brought else _ref(each)
        record = yield calls.get_metric(ref.name, ref.version)
        known.append(_Known(ref, record.definition.name, record.definition.levels))
    return known


def _definition(scorer: Scorer) -> MetricDefinition | None:
    if isinstance(scorer, MetricDefinition):
        return scorer
    if isinstance(scorer, Defines):
        return scorer.definition
    if isinstance(scorer, (str, MetricRef)):
        return None
    raise TypeError(f"a scorer is a metric's name or definition, or a function under `@metric`; got {scorer!r}")


def _ref(scorer: Scorer) -> MetricRef:
    return scorer if isinstance(scorer, MetricRef) else MetricRef(name=str(scorer))


def _common_level(known: Sequence[_Known], level: Level | None, preferred: Sequence[Level]) -> Level:
    fitting = [each for each in preferred if all(each in metric.levels for metric in known)]
    if level is not None:
        fitting = [each for each in fitting if each is level]
    if not fitting:
        works = "; ".join(f"{metric.name}: {', '.join(metric.levels)}" for metric in known)
        raise ValueError(f"no {level or 'level'} fits all scorers ({works}); evaluate them apart")
    return fitting[0]


def _rows(rows: list[Mapping[str, Any]], known: Sequence[_Known], level: Level | None) -> Asking:
    by_level: dict[Level, list[_Known]] = {}
    for metric in known:
        by_level.setdefault(_common_level([metric], level, (Level.SPAN, Level.TRACE)), []).append(metric)
    results: list[dict[str, Result]] = [{} for _ in rows]
    targets: list[TargetRef] = []
    for at, metrics in by_level.items():
        inline = [row_target(row, at) for row in rows]
        targets = targets or [target.ref for target in inline]
        size = max(1, min(ROWS_AT_ONCE, PAIRS_AT_ONCE // len(metrics)))
        for first in range(0, len(rows), size):
            answers = yield from _inline(inline[first : first + size], [metric.ref for metric in metrics])
            for number, row_answers in enumerate(answers):
                results[first + number] |= {answer.metric: answer for answer in row_answers}
    ordered = [{metric.name: found[metric.name] for metric in known if metric.name in found} for found in results]
    return Evaluated(
        scored=tuple(
            Scored(target=target, row=row, results=found)
            for target, row, found in zip(targets, rows, ordered, strict=True)
        )
    )


def _inline(targets: list[InlineTarget], metrics: list[MetricRef]) -> Generator[Step, Any, list[list[Result]]]:
    """Results by target; what is not ready when the service answers is asked for again, under the same request."""
    request_id = str(uuid.uuid4())
    flat: list[Result] = yield _evaluate(targets, metrics, request_id)
    width = len(metrics)
    answers = [flat[number * width : (number + 1) * width] for number in range(len(targets))]
    for target, row in zip(targets, answers, strict=True):
        while waiting := [
            number for number, each in enumerate(row) if each.status in (Status.QUEUED, Status.COMPUTING)
        ]:
            again = yield _evaluate([target], [metrics[number] for number in waiting], request_id)
            for number, result in zip(waiting, again, strict=True):
                row[number] = result
    return answers


def _evaluate(targets: list[InlineTarget], metrics: list[MetricRef], request_id: str) -> Step:
    return calls.evaluate(targets, metrics, wait_seconds=None, reuse=False, request_id=request_id, start_time=None)


def _by_run(selection: Selection, known: Sequence[_Known], *, reuse: bool) -> Asking:
    run: runs.Run = yield runs.create_run(selection, [metric.ref for metric in known], name="evaluate", reuse=reuse)
    if not run.state.is_final:
        run = yield runs.Last(runs.watch_run(run.run_id))
    if run.state is RunState.FAILED and not run.done:
        raise ValueError(f"run {run.run_id} failed: {run.detail}")
    found: list[Result] = yield calls.list_results(ResultFilter(run=run.run_id, include_superseded=True))
    by_target: dict[TargetRef, dict[str, Result]] = {}
    for result in reversed(found):
        by_target.setdefault(result.target, {})[result.metric] = result
    return Evaluated(
        scored=tuple(Scored(target=ref, row=None, results=results) for ref, results in by_target.items()),
        run_id=run.run_id,
    )
