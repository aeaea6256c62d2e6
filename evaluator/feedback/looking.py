"""Finds what people speak about: the metric, the target as it is now, and what the judge had concluded of it."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from evaluator.errors import (
    EvaluatorError,
    InvalidFeedback,
    LevelMismatch,
    MetricNotFound,
    ResultNotFound,
    TargetNotFound,
)
from evaluator.feedback.words import Words
from evaluator.metrics.definition import MetricDefinition
from evaluator.scoring.plan import KnowsMetrics
from evaluator.scoring.subject import Subject, read
from evaluator.scoring.traces import Traces
from storage.feedback import FeedbackRow
from storage.model import Evaluation, Level, MetricKind, OutputType, Score, TargetRef
from storage.results import Results
from storage.telemetry import Telemetry


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What somebody speaks about.

    Attributes:
        judged: The result that is corrected, or the one that stands there; None = there is none.
    """

    definition: MetricDefinition
    subject: Subject
    judged: Evaluation | None = None


class Looking:
    """Metrics, targets and results by what people call them."""

    def __init__(self, *, metrics: KnowsMetrics, telemetry: Telemetry, results: Results) -> None:
        self._metrics = metrics
        self._results = results
        self._traces = Traces(telemetry)

    async def at(self, said: Sequence[Words]) -> list[Seen | EvaluatorError]:
        """What each speaks about, or why there is no such thing.

        Raises:
            storage.errors.Unavailable: The store is away.
        """
        results = await self._results.existing({each.result_id for each in said if each.result_id})
        found: list[tuple[TargetRef, MetricDefinition] | EvaluatorError] = []
        known: dict[tuple[str, int | None], MetricDefinition] = {}
        for each in said:
            try:
                found.append(await self._named(each, results, known))
            except EvaluatorError as error:
                found.append(error)
        about = [each for each in found if not isinstance(each, EvaluatorError)]
        subjects = await self._subjects({target for target, _ in about})
        standing = await self._judged(about)
        return [_seen(words, named, subjects, standing, results) for words, named in zip(said, found, strict=True)]

    async def definition(self, metric: str, version: int | None = None) -> MetricDefinition:
        """A metric by name; None = its active version.

        Raises:
            MetricNotFound: There is none.
        """
        return await self._metrics.get(metric, version or None)

    async def spoken_of(self, row: FeedbackRow) -> MetricDefinition:
        """The version of a metric that feedback was made on, also where it is defined nowhere (any more)."""
        try:
            return await self._metrics.get(row.metric, row.metric_version or None)
        except MetricNotFound:
            return _undefined(row.metric, row.metric_version, _type_of(row.expected))

    async def _metric_of(self, result: Evaluation) -> MetricDefinition:
        try:
            return await self._metrics.get(result.metric, result.metric_version or None)
        except MetricNotFound:  # others sent it, under a name of their own
            return _undefined(result.metric, result.metric_version, result.output_type)

    async def _named(
        self,
        words: Words,
        results: Mapping[uuid.UUID, Evaluation],
        known: dict[tuple[str, int | None], MetricDefinition],
    ) -> tuple[TargetRef, MetricDefinition]:
        if words.result_id is not None:
            result = results.get(words.result_id)
            if result is None:
                raise ResultNotFound(f"there is no result {words.result_id}")
            return result.target, await self._metric_of(result)
        if words.target is None:
            raise InvalidFeedback("target", "is required where no result is named")
        if not words.metric:
            raise InvalidFeedback("metric.name", "is required where no result is named")
        key = words.metric, words.version
        if key not in known:
            known[key] = await self.definition(*key)
        if words.target.level not in known[key].levels:
            levels = ", ".join(known[key].levels)
            raise LevelMismatch(f"metric {words.metric!r} is of level {levels}, not {words.target.level}")
        return words.target, known[key]

    async def _subjects(self, targets: Iterable[TargetRef]) -> dict[TargetRef, Subject]:
        wanted = list(targets)
        located = await self._traces.telemetry.locate(wanted) if wanted else {}
        found: dict[TargetRef, Subject] = {}
        try:
            subjects = await read(self._traces, list(located.values()))
            found = {subject.record.ref: subject for subject in subjects}
        except TargetNotFound:  # one of them went away just now: which one?
            for record in located.values():
                try:
                    [found[record.ref]] = await read(self._traces, [record])
                except TargetNotFound:
                    continue
        for subject in found.values():
            await subject.prepare()
        return found

    async def _judged(
        self, about: Sequence[tuple[TargetRef, MetricDefinition]]
    ) -> dict[tuple[TargetRef, str], list[Evaluation]]:
        """What stands there now of machines' verdicts."""
        if not about:
            return {}
        current = await self._results.current(
            {definition.name for _, definition in about},
            trace_ids={target.trace_id for target, _ in about if target.trace_id},
            session_ids={target.session_id for target, _ in about if target.session_id},
        )
        found: dict[tuple[TargetRef, str], list[Evaluation]] = {}
        for each in current:
            if each.kind is not MetricKind.HUMAN:
                found.setdefault((each.target, each.metric), []).append(each)
        return found


def _undefined(metric: str, version: int, output: OutputType) -> MetricDefinition:
    return MetricDefinition(
        name=metric, version=version, kind=MetricKind.EXTERNAL, levels=tuple(Level), output_type=output
    )


def _type_of(verdict: Score) -> OutputType:
    if verdict.text:
        return OutputType.TEXT
    if verdict.labels:
        return OutputType.MULTILABEL
    if verdict.label:
        return OutputType.BOOLEAN if verdict.label in ("true", "false") else OutputType.CATEGORICAL
    return OutputType.NUMBER


def _seen(
    words: Words,
    named: tuple[TargetRef, MetricDefinition] | EvaluatorError,
    subjects: Mapping[TargetRef, Subject],
    standing: Mapping[tuple[TargetRef, str], Sequence[Evaluation]],
    results: Mapping[uuid.UUID, Evaluation],
) -> Seen | EvaluatorError:
    if isinstance(named, EvaluatorError):
        return named
    target, definition = named
    if target not in subjects:
        return TargetNotFound(f"{target.level} {target.key} is not stored (it may not have arrived yet)")
    judged = results[words.result_id] if words.result_id else None
    if judged is None:
        there = [each for each in standing.get((target, definition.name), ()) if isinstance(each.outcome, Score)]
        own = [each for each in there if each.metric_version == definition.version]
        judged = max(own or there, key=lambda each: (each.metric_version, each.inserted_us or 0), default=None)
    return Seen(definition=definition, subject=subjects[target], judged=judged)
