"""`Rules.GetRuleFunnel`: parse, count, render."""

from __future__ import annotations

from datetime import UTC, datetime

from google.protobuf.duration_pb2 import Duration

from evaluator.online.funnels import FunnelCounter, RuleFunnel
from evaluator.online.rules.policy import Budget
from evaluator.server.convert_definitions import budget_to_proto
from evaluator.server.errors import InvalidRequest
from evaluator.v1 import rules_pb2 as pb
from storage.funnels import Funnel


class RuleFunnels:
    """`evaluator.server.ports.CountsFunnels`."""

    def __init__(self, counter: FunnelCounter) -> None:
        self._counter = counter

    async def funnel(self, request: pb.GetRuleFunnelRequest) -> pb.RuleFunnel:
        """See the proto."""
        since, until = _time(request, "start_time"), _time(request, "end_time")
        if since and since >= (until or datetime.now(UTC)):
            raise InvalidRequest("start_time", "must be before end_time")
        return rendered(await self._counter.count(request.name, since=since, until=until))


def rendered(funnel: RuleFunnel) -> pb.RuleFunnel:
    """A funnel as a message.

    Metrics that a rule has had for different times saw different numbers of targets: those of the one that saw most
    stand for the rule.
    """
    most = max(funnel.metrics, key=lambda each: each.complete)
    message = pb.RuleFunnel(
        name=funnel.rule,
        complete=most.complete,
        filtered_out=most.filtered_out,
        sampled_out=most.sampled_out,
        metrics=[_metric(each) for each in funnel.metrics],
        spent=budget_to_proto(funnel.spent),
    )
    if funnel.budget != Budget():
        message.budget.CopyFrom(budget_to_proto(funnel.budget))
    message.start_time.FromDatetime(funnel.since)
    message.end_time.FromDatetime(funnel.until)
    return message


def _metric(each: Funnel) -> pb.MetricFunnel:
    message = pb.MetricFunnel(
        metric=each.metric,
        waiting=each.queued + each.waiting + each.retrying,
        running=each.started,
        succeeded=each.scored,
        not_applicable=each.not_applicable,
        not_computed=each.not_computed,
        failed=each.failed,
        over_budget=each.over_budget,
        dependency=each.dependency_failed,
        set_aside=each.poisoned,
        cancelled=each.cancelled,
        too_late=each.too_late,
    )
    if each.oldest_seconds is not None:
        message.oldest_waiting.CopyFrom(_duration(each.oldest_seconds))
    if each.lag_seconds is not None:
        message.lag_median.CopyFrom(_duration(each.lag_seconds[0]))
        message.lag_p99.CopyFrom(_duration(each.lag_seconds[2]))
    return message


def _duration(seconds: float) -> Duration:
    message = Duration()
    message.FromMilliseconds(round(seconds * 1000))
    return message


def _time(request: pb.GetRuleFunnelRequest, field: str) -> datetime | None:
    if not request.HasField(field):
        return None
    try:
        return datetime.fromtimestamp(getattr(request, field).ToMilliseconds() / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        raise InvalidRequest(field, "is no time between the years 1 and 9999") from None
