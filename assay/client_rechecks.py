"""What follows from a new version of a judge: people's verdicts checked against it, and means that they correct."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from assay.client_calls import Call
from evaluator.alignment.rechecking.rechecked import Rechecked
from evaluator.server.convert_reports import estimate, verdict
from evaluator.server.convert_targets import target_ref
from evaluator.server.enums import LEVEL_TO_PROTO, ROW_VERDICT_TO_PROTO
from evaluator.statistics.estimate import Estimate
from evaluator.v1 import alignment_pb2 as pb
from storage.model import Level
from storage.rechecking import RecheckedRow, RowVerdict

R = TypeVar("R")
_ROW_VERDICT: Mapping[int, RowVerdict] = {number: each for each, number in ROW_VERDICT_TO_PROTO.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectedMean:
    """Means of one version of a metric.

    Attributes:
        judged: Of what the judge says of all targets.
        corrected: That, corrected by people where both have spoken.
        labelled: Of what people say, alone.
        warnings: What to mind.
    """

    metric: str
    version: int
    judged: Estimate
    corrected: Estimate
    labelled: Estimate
    warnings: tuple[str, ...] = field(default=())


def corrected_mean(
    metric: str,
    *,
    version: int | None,
    start: datetime | None,
    end: datetime | None,
    level: Level | None,
    queue: str,
) -> Call[CorrectedMean]:
    """`Alignments.GetCorrectedMean`."""
    request = pb.GetCorrectedMeanRequest(queue=queue)
    request.metric.name, request.metric.version = metric, version or 0
    if level is not None:
        request.level = LEVEL_TO_PROTO[level]
    if start is not None:
        request.start_time.FromDatetime(start)
    if end is not None:
        request.end_time.FromDatetime(end)
    return Call(service="Alignments", method="GetCorrectedMean", request=request, read=_mean)


def recheck(metric: str, version: int | None) -> Call[Rechecked]:
    """`Alignments.GetRecheck`."""
    request = pb.GetRecheckRequest()
    request.metric.name, request.metric.version = metric, version or 0
    return Call(service="Alignments", method="GetRecheck", request=request, read=_rechecked)


def _mean(message: pb.CorrectedMean) -> CorrectedMean:
    return CorrectedMean(
        metric=message.metric.name,
        version=message.metric.version,
        judged=estimate(message.judged),
        corrected=estimate(message.corrected),
        labelled=estimate(message.labelled),
        warnings=tuple(message.warnings),
    )


def _rechecked(message: pb.Recheck) -> Rechecked:
    return Rechecked(
        metric=message.metric.name,
        version=message.metric.version,
        state=message.state,
        counts=dict(message.counts),
        rows=tuple(_row(each, message.metric.version) for each in message.rows),
        updated=message.update_time.ToDatetime() if message.HasField("update_time") else None,
    )


def _row(message: pb.RecheckedRow, version: int) -> RecheckedRow:
    return RecheckedRow(
        target=target_ref(message.target, "target"),
        version=version,
        verdict=_ROW_VERDICT[message.verdict],
        expected=verdict(message.expected),
        concluded=verdict(message.concluded) if message.HasField("concluded") else None,
        explanation=message.explanation,
        solved_in=message.solved_in,
    )


class RecheckClient:
    """The part of `Client` about what follows from a version."""

    if TYPE_CHECKING:  # what `Client` brings

        def _do(self, call: Call[R]) -> R: ...

    def corrected_mean(
        self,
        metric: str,
        version: int | None = None,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        level: Level | None = None,
        queue: str = "",
    ) -> CorrectedMean:
        """Means of a version (the active one unless said) on targets of [start, end), the last seven days unless said.

        Args:
            queue: Only labels given in this review queue.
        """
        return self._do(corrected_mean(metric, version=version, start=start, end=end, level=level, queue=queue))

    def get_recheck(self, metric: str, version: int | None = None) -> Rechecked:
        """What became of people's verdicts under a version."""
        return self._do(recheck(metric, version))


class AsyncRecheckClient:
    """The part of `AsyncClient` about what follows from a version."""

    if TYPE_CHECKING:  # what `AsyncClient` brings

        async def _do(self, call: Call[R]) -> R: ...

    async def corrected_mean(
        self,
        metric: str,
        version: int | None = None,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        level: Level | None = None,
        queue: str = "",
    ) -> CorrectedMean:
        """As `RecheckClient.corrected_mean`."""
        return await self._do(corrected_mean(metric, version=version, start=start, end=end, level=level, queue=queue))

    async def get_recheck(self, metric: str, version: int | None = None) -> Rechecked:
        """As `RecheckClient.get_recheck`."""
        return await self._do(recheck(metric, version))
