"""What `GetRuleFunnel` answers, for callers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from assay.client_calls import Call
from evaluator.online.rules.policy import Budget
from evaluator.v1 import rules_pb2


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricFunnel:
    """What became, by one metric, of the targets that the sample took.

    Attributes:
        waiting: Not decided yet: queued, waiting for others, or to be tried again.
        dependency: Left out because a required metric has no value.
        set_aside: Workers died of them.
        too_late: What arrived of them later is no reason to score them again.
        oldest_waiting_seconds: How long the oldest of what waits or runs has been complete; None = there is none.
        lag_median_seconds, lag_p99_seconds: From completion to result; None = there is no result.
    """

    metric: str
    waiting: int
    running: int
    succeeded: int
    not_applicable: int
    not_computed: int
    failed: int
    over_budget: int
    dependency: int
    set_aside: int
    cancelled: int
    too_late: int
    oldest_waiting_seconds: float | None
    lag_median_seconds: float | None
    lag_p99_seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleFunnel:
    """Targets of a rule that completed in [since, until).  `complete` is the sum of what follows, for each metric.

    Attributes:
        sampled_out: By the rate that was in force.
        filtered_out: Looked at and not wanted: filter, scope, kind of span.
        spent: Of the budget, today (UTC).
        budget: None = the rule has none.
    """

    name: str
    since: datetime
    until: datetime
    complete: int
    sampled_out: int
    filtered_out: int
    metrics: tuple[MetricFunnel, ...]
    spent: Budget
    budget: Budget | None


def rule_funnel(name: str, since: datetime | None, until: datetime | None) -> Call[RuleFunnel]:
    """`Rules.GetRuleFunnel`."""
    request = rules_pb2.GetRuleFunnelRequest(name=name)
    for field, time in (("start_time", since), ("end_time", until)):
        if time is not None:
            getattr(request, field).FromDatetime(time)
    return Call(service="Rules", method="GetRuleFunnel", request=request, read=_funnel)


def _funnel(message: rules_pb2.RuleFunnel) -> RuleFunnel:
    return RuleFunnel(
        name=message.name,
        since=message.start_time.ToDatetime(tzinfo=UTC),
        until=message.end_time.ToDatetime(tzinfo=UTC),
        complete=message.complete,
        sampled_out=message.sampled_out,
        filtered_out=message.filtered_out,
        metrics=tuple(_metric(each) for each in message.metrics),
        spent=_budget(message.spent),
        budget=_budget(message.budget) if message.HasField("budget") else None,
    )


def _metric(message: rules_pb2.MetricFunnel) -> MetricFunnel:
    def seconds(name: str) -> float | None:
        duration: Any = getattr(message, name)
        return duration.ToMilliseconds() / 1000 if message.HasField(name) else None

    return MetricFunnel(
        metric=message.metric,
        waiting=message.waiting,
        running=message.running,
        succeeded=message.succeeded,
        not_applicable=message.not_applicable,
        not_computed=message.not_computed,
        failed=message.failed,
        over_budget=message.over_budget,
        dependency=message.dependency,
        set_aside=message.set_aside,
        cancelled=message.cancelled,
        too_late=message.too_late,
        oldest_waiting_seconds=seconds("oldest_waiting"),
        lag_median_seconds=seconds("lag_median"),
        lag_p99_seconds=seconds("lag_p99"),
    )


def _budget(message: rules_pb2.RuleBudget) -> Budget:
    return Budget(calls=message.calls, tokens=message.tokens, usd=message.usd)
