"""What a run will cost, said before it starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from evaluator.errors import MetricNotFound
from evaluator.metrics.definition import MetricDefinition
from evaluator.scoring.plan import KnowsMetrics
from storage.model import Level, MetricKind
from storage.runs import RecentCost, Runs


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Before a run starts.  None = not known, which is never a 0.

    Attributes:
        targets: How many it selects.
        pairs: (target, metric) pairs that it will settle.
        exact: The selection was counted; otherwise it was worked out from a part.
        judge_calls, input_tokens, output_tokens, cost_usd: Of judge metrics, required ones included, by what their
            recent results took.
        unknown: Metrics that were not evaluated lately, or whose targets cannot be counted beforehand: why a number is
            None.
    """

    targets: int
    pairs: int
    exact: bool = True
    judge_calls: int | None = 0
    input_tokens: int | None = 0
    output_tokens: int | None = 0
    cost_usd: float | None = 0.0
    unknown: tuple[str, ...] = field(default=())

    def to_body(self) -> dict[str, object]:
        """As stored."""
        return asdict(self)

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> Estimate:
        """Inverse of `to_body`."""
        return cls(**{**body, "unknown": tuple(body.get("unknown", ()))}) if body else cls(targets=0, pairs=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimator:
    """Works out estimates from what results took lately."""

    runs: Runs
    metrics: KnowsMetrics

    async def estimate(
        self,
        wanted: Sequence[tuple[MetricDefinition, int]],
        *,
        targets: int,
        level: Level,
        exact: bool = True,
        reuse: bool = False,
    ) -> Estimate:
        """The estimate for metrics, each with its number of targets."""
        judged: dict[str, tuple[MetricDefinition, int]] = {}
        unknown: set[str] = set()
        for metric, number in wanted:
            if number:
                await self._collect(metric, number, level, judged, unknown)
        costs = await self.runs.recent_costs(judged, level) if judged else {}
        calls: float | None = 0.0 if not unknown else None
        sent: float | None = calls
        received: float | None = calls
        usd: float | None = calls
        for name, (metric, number) in judged.items():
            cost = costs.get(name)
            if cost is None:
                unknown.add(name)
            calls = _plus(calls, number * _calls(metric, cost))
            sent = _plus(sent, number * cost.input_tokens if cost else None)
            received = _plus(received, number * cost.output_tokens if cost else None)
            usd = _plus(usd, number * cost.cost_usd if cost and cost.cost_usd is not None else None)
        return Estimate(
            targets=targets,
            pairs=sum(number for _, number in wanted),
            exact=exact and not reuse,
            judge_calls=_whole(calls),
            input_tokens=_whole(sent),
            output_tokens=_whole(received),
            cost_usd=usd,
            unknown=tuple(sorted(unknown)),
        )

    async def _collect(
        self,
        metric: MetricDefinition,
        number: int,
        level: Level,
        judged: dict[str, tuple[MetricDefinition, int]],
        unknown: set[str],
    ) -> None:
        """Judge metrics that a metric needs at its own level; those of levels below cannot be counted beforehand."""
        if metric.kind is MetricKind.JUDGE:
            judged[metric.name] = metric, max(number, judged.get(metric.name, (metric, 0))[1])
        for required in metric.required_metrics:
            name, _, at = required.partition("@")
            try:
                definition = await self.metrics.get(name)
            except MetricNotFound:  # said when the run scores
                unknown.add(name)
                continue
            if level not in definition.levels or (at and at != level):
                unknown.add(name)
            else:
                await self._collect(definition, number, level, judged, unknown)


def _calls(metric: MetricDefinition, cost: RecentCost | None) -> float:
    if cost is not None and cost.judge_calls:
        return cost.judge_calls
    return (len(metric.jury.models) or 1) * metric.jury.repeats if metric.jury else 1


def _plus(total: float | None, more: float | None) -> float | None:
    return None if total is None or more is None else total + more


def _whole(number: float | None) -> int | None:
    return None if number is None else round(number)
