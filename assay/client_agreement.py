"""Agreement over the wire: what is sent, and how the answer is read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from assay.client_calls import Call
from evaluator.feedback.agreed import Agreement, AgreementGroup
from evaluator.statistics.estimate import Cell, Estimate
from evaluator.v1 import feedback_pb2 as pb

R = TypeVar("R")
COUNTING_SECONDS = 600.0
"""Tens of thousands of labels are resampled thousands of times."""


def get_agreement(
    metric: str,
    *,
    version: int | None = None,
    queue: str = "",
    by: Sequence[str] = (),
    start_time: datetime | None = None,
    end_time: datetime | None = None,
) -> Call[Agreement]:
    """`GetAgreement`."""
    request = pb.GetAgreementRequest(metric={"name": metric, "version": version or 0}, queue=queue, by=by)
    if start_time is not None:
        request.start_time.FromDatetime(start_time)
    if end_time is not None:
        request.end_time.FromDatetime(end_time)
    return Call(
        service="Feedback", method="GetAgreement", request=request, read=_read, timeout_seconds=COUNTING_SECONDS
    )


class AgreementClient:
    """The part of `Client` about agreement."""

    if TYPE_CHECKING:  # what `Client` brings

        def _do(self, call: Call[R]) -> R: ...

    def get_agreement(
        self,
        metric: str,
        *,
        version: int | None = None,
        queue: str = "",
        by: Sequence[str] = (),
        start_time: datetime | None = None,
        end_time: datetime | None = None,
    ) -> Agreement:
        """How far people agree with each other, and the judge with them.

        Args:
            version: None = the active one.
            queue: Only labels given in this review queue.
            by: Dimensions to report by also: `class`, `level`, `annotator`, `version`, `service`, `queue`, or another
                attribute of the targets.
            start_time, end_time: Only labels given in between.
        """
        return self._do(
            get_agreement(metric, version=version, queue=queue, by=by, start_time=start_time, end_time=end_time)
        )


class AsyncAgreementClient:
    """The part of `AsyncClient` about agreement."""

    if TYPE_CHECKING:

        async def _do(self, call: Call[R]) -> R: ...

    async def get_agreement(
        self,
        metric: str,
        *,
        version: int | None = None,
        queue: str = "",
        by: Sequence[str] = (),
        start_time: datetime | None = None,
        end_time: datetime | None = None,
    ) -> Agreement:
        """As `Client.get_agreement`."""
        return await self._do(
            get_agreement(metric, version=version, queue=queue, by=by, start_time=start_time, end_time=end_time)
        )


def _read(message: Any) -> Agreement:
    return Agreement(
        metric=message.metric.name,
        version=message.metric.version,
        judge_human=_groups(message.judge_human),
        human_human=_groups(message.human_human),
        advice=tuple(message.advice),
        counts=dict(message.counts),
    )


def _groups(messages: Iterable[Any]) -> tuple[AgreementGroup, ...]:
    return tuple(
        AgreementGroup(
            group=each.group,
            statistics={name: estimate(found) for name, found in each.statistics.items()},
            confusion=tuple(
                Cell(expected=cell.expected, concluded=cell.concluded, count=float(cell.count))
                for cell in each.confusion
            ),
        )
        for each in messages
    )


def estimate(message: Any) -> Estimate:
    """An estimate as it was sent; what is absent is None."""
    value, lower, upper = (
        getattr(message, name) if message.HasField(name) else None for name in ("value", "lower", "upper")
    )
    return Estimate(value=value, lower=lower, upper=upper, count=message.count, note=message.note)
