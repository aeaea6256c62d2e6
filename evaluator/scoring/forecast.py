"""What scoring targets will take of judges, said before anybody is asked: the questions are rendered, and counted.

Where a metric was evaluated lately, what its results took stands in place of what was counted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from evaluator.judges.port import InputTooLong, Question
from evaluator.judges.sizes import expected_usage
from evaluator.metrics.composite.requirements import applies_to, closure
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.material import Material
from evaluator.scoring.due import Due
from evaluator.scoring.plan import KnowsMetrics
from evaluator.scoring.subject import Subject, read
from evaluator.scoring.traces import Traces
from storage.model import Level, MetricKind
from storage.runs import RecentCost
from storage.telemetry import TargetRecord, Telemetry


class Costs(Protocol):
    """What results cost lately (`storage.runs.Runs`)."""

    async def recent_costs(self, metrics: Collection[str], level: Level) -> dict[str, RecentCost]:
        """Averages by metric; metrics without any are missing."""


class Renders(Protocol):
    """What a judge metric would ask about a target (`evaluator.metrics.judging.judge_metric.questions`, bound)."""

    async def __call__(self, definition: MetricDefinition, material: Material) -> Sequence[Question]:
        """One question for each seat of a jury; none where the target lacks what the metric needs."""


class KnowsPrices(Protocol):
    """What calls cost (`evaluator.judges.choose.Judges`)."""

    def model_for(self, model: str) -> str:
        """The model that would answer."""

    async def cost_of(
        self, model: str, *, input_tokens: int, output_tokens: int, cached_tokens: int = 0
    ) -> float | None:
        """USD; None where nobody knows."""


@dataclass(slots=True, kw_only=True)
class Expected:
    """Of one judge metric at one level, for all targets that were looked at together.

    Attributes:
        results: How many it will conclude by asking.
        cost_usd: None where a model has no known price.
        unpriced: Those models.
    """

    results: int = 0
    calls: float = 0.0
    input_tokens: float = 0.0
    output_tokens: float = 0.0
    cost_usd: float | None = 0.0
    unpriced: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """Of all metrics together, required ones included.  `cost_usd` is None where a model has no known price."""

    calls: float = 0.0
    input_tokens: float = 0.0
    output_tokens: float = 0.0
    cost_usd: float | None = 0.0
    unpriced: frozenset[str] = frozenset()

    def times(self, factor: float) -> Total:
        """For so many times as much."""
        cost = None if self.cost_usd is None else self.cost_usd * factor
        return replace(
            self,
            calls=self.calls * factor,
            input_tokens=self.input_tokens * factor,
            output_tokens=self.output_tokens * factor,
            cost_usd=cost,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Says what targets will take, without asking a judge or storing anything."""

    metrics: KnowsMetrics
    telemetry: Telemetry
    costs: Costs
    render: Renders
    prices: KnowsPrices

    async def of(self, records: Sequence[TargetRecord], metrics: Sequence[MetricDefinition]) -> Total:
        """What all of these metrics take on all of these targets, with everything that they require.

        A result that two of them need is counted once.

        Raises:
            RequiredMetricMissing: A required metric does not exist.
            TargetNotFound: A target is gone.
        """
        required = await closure(self.metrics, metrics)
        subjects = await read(Traces(self.telemetry), records)
        due = Due(required)
        await due.prepare(subjects)
        found: defaultdict[tuple[str, Level], Expected] = defaultdict(Expected)
        for subject in subjects:
            seen: set[tuple[str, str]] = set()
            for metric in metrics:
                await self._collect(subject, metric, due, found, seen)
        return await self._total(found)

    async def _collect(
        self,
        subject: Subject,
        metric: MetricDefinition,
        due: Due,
        found: Mapping[tuple[str, Level], Expected],
        seen: set[tuple[str, str]],
    ) -> None:
        key = metric.name, f"{subject.record.ref.level} {subject.record.ref.key}"
        if key in seen or subject.refused:
            return
        seen.add(key)
        if metric.kind is MetricKind.JUDGE:
            await self._add(subject, metric, found[metric.name, subject.record.ref.level])
        elif metric.kind is MetricKind.COMPOSITE:
            for need in due.of(subject, metric):
                for each in need.subjects:
                    await self._collect(each, need.metric, due, found, seen)

    async def _add(self, subject: Subject, metric: MetricDefinition, expected: Expected) -> None:
        if not applies_to(metric, subject.record.ref.level, subject.material.kind):
            return
        await subject.prepare()
        try:
            questions = await self.render(metric, subject.material)
        except InputTooLong:  # nothing would be sent
            return
        expected.results += bool(questions)
        for question in questions:
            usage = expected_usage(question)
            cost = await self.prices.cost_of(
                question.model, input_tokens=usage.input_tokens, output_tokens=usage.output_tokens
            )
            expected.calls += 1
            expected.input_tokens += usage.input_tokens
            expected.output_tokens += usage.output_tokens
            if cost is None:
                expected.unpriced.add(self.prices.model_for(question.model))
                expected.cost_usd = None
            elif expected.cost_usd is not None:
                expected.cost_usd += cost

    async def _total(self, found: Mapping[tuple[str, Level], Expected]) -> Total:
        calls = sent = received = 0.0
        usd: float | None = 0.0
        unpriced: set[str] = set()
        for level in {level for _, level in found}:
            names = [name for name, at in found if at is level]
            recent = await self.costs.recent_costs(names, level)
            for name in names:
                expected = found[name, level]
                cost = expected.cost_usd
                if (known := recent.get(name)) is not None and known.judge_calls:
                    calls += expected.results * known.judge_calls
                    sent += expected.results * known.input_tokens
                    received += expected.results * known.output_tokens
                    cost = expected.results * known.cost_usd if known.cost_usd is not None else cost
                else:
                    calls += expected.calls
                    sent += expected.input_tokens
                    received += expected.output_tokens
                unpriced |= expected.unpriced if cost is None else set()
                usd = None if usd is None or cost is None else usd + cost
        return Total(calls=calls, input_tokens=sent, output_tokens=received, cost_usd=usd, unpriced=frozenset(unpriced))
