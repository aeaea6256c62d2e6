"""`GetAgreement` on the wire: parse, call, render.  A part of `evaluator.v1.Feedback`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp

from evaluator.feedback.agreed import Agreement, AgreementGroup
from evaluator.feedback.agreement import AgreementQuery, measure_agreement
from evaluator.metrics.registry import Metrics
from evaluator.server.errors import InvalidRequest
from evaluator.statistics.estimate import Estimate
from evaluator.v1 import feedback_pb2 as pb
from storage.agreement import Labels


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreementCalls:
    """The method about agreement.  See the proto."""

    metrics: Metrics
    labels: Labels

    async def agreement(self, request: pb.GetAgreementRequest) -> pb.Agreement:
        """`GetAgreement`."""
        return agreement_to_proto(await measure_agreement(self.metrics, self.labels, agreement_query(request)))


def agreement_query(message: pb.GetAgreementRequest) -> AgreementQuery:
    """What is asked.

    Raises:
        InvalidRequest: A field is missing or malformed.
    """
    if not message.metric.name:
        raise InvalidRequest("metric.name", "is required")
    if message.metric.version < 0:
        raise InvalidRequest("metric.version", f"must not be negative, got {message.metric.version}")
    if any(not each.strip() for each in message.by):
        raise InvalidRequest("by", "names a dimension, such as class, level, annotator, version, service or queue")
    return AgreementQuery(
        metric=message.metric.name,
        version=message.metric.version or None,
        queue=message.queue,
        by=tuple(dict.fromkeys(message.by)),
        start=_time("start_time", message.start_time) if message.HasField("start_time") else None,
        end=_time("end_time", message.end_time) if message.HasField("end_time") else None,
    )


def agreement_to_proto(found: Agreement) -> pb.Agreement:
    """As it is sent."""
    return pb.Agreement(
        metric={"name": found.metric, "version": found.version},
        judge_human=_groups(found.judge_human),
        human_human=_groups(found.human_human),
        advice=found.advice,
        counts=found.counts,
    )


def estimate_to_proto(found: Estimate) -> pb.Estimate:
    """As it is sent; what is not defined is absent."""
    return pb.Estimate(value=found.value, lower=found.lower, upper=found.upper, count=found.count, note=found.note)


def _groups(groups: Sequence[AgreementGroup]) -> list[pb.AgreementGroup]:
    return [
        pb.AgreementGroup(
            group=each.group,
            statistics={name: estimate_to_proto(estimate) for name, estimate in each.statistics.items()},
            confusion=[
                pb.ConfusionCell(expected=cell.expected, concluded=cell.concluded, count=round(cell.count))
                for cell in each.confusion
            ],
        )
        for each in groups
    ]


def _time(field: str, message: Timestamp) -> datetime:
    try:
        return message.ToDatetime(tzinfo=UTC)
    except ValueError as error:
        raise InvalidRequest(field, str(error)) from None
