"""Accept, discard, and what follows, on the wire: parse, call, render.  A part of `evaluator.v1.Alignments`."""

from __future__ import annotations

from dataclasses import dataclass

from evaluator.alignment.deciding.accepting import Acceptances, Accepted, AcceptRequest
from evaluator.alignment.deciding.choices import Choice
from evaluator.alignment.rechecking.corrected import CorrectedMeans
from evaluator.alignment.rechecking.rechecked import Rechecked, RecheckedVersions
from evaluator.server.agreement import estimate_to_proto
from evaluator.server.convert_alignments import alignment_id, alignment_to_proto
from evaluator.server.convert_feedback import time_of, verdict_to_proto
from evaluator.server.convert_metrics import metric_to_proto
from evaluator.server.convert_targets import target_ref_to_proto
from evaluator.server.enums import LEVEL_FROM_PROTO, ROW_VERDICT_TO_PROTO
from evaluator.server.errors import InvalidRequest
from evaluator.v1 import alignment_pb2 as pb
from evaluator.v1 import vocabulary_pb2
from storage.alignments import AlignmentStanding
from storage.model import Level
from storage.rechecking import RecheckedRow


@dataclass(frozen=True, slots=True, kw_only=True)
class DecidingFront:
    """The methods about decisions.  See the proto."""

    acceptances: Acceptances
    means: CorrectedMeans
    rechecks: RecheckedVersions

    async def accept(self, request: pb.AcceptAlignmentRequest) -> pb.AcceptAlignmentResponse:
        """`AcceptAlignment`."""
        accepted = await self.acceptances.accept(accept_request(request))
        return accepted_to_proto(accepted, await self.acceptances.standing(request.alignment_id))

    async def discard(self, request: pb.DiscardAlignmentRequest) -> pb.Alignment:
        """`DiscardAlignment`."""
        run_id = alignment_id(request.alignment_id)
        return alignment_to_proto(await self.acceptances.discard(run_id, author=request.author, reason=request.reason))

    async def corrected_mean(self, request: pb.GetCorrectedMeanRequest) -> pb.CorrectedMean:
        """`GetCorrectedMean`."""
        name, version = _metric(request.metric)
        found = await self.means.of(
            name,
            version,
            start=time_of(request.start_time, "start_time") if request.HasField("start_time") else None,
            end=time_of(request.end_time, "end_time") if request.HasField("end_time") else None,
            level=_level(request.level),
            queue=request.queue,
        )
        message = pb.CorrectedMean(
            judged=estimate_to_proto(found.means.judged),
            corrected=estimate_to_proto(found.means.corrected),
            labelled=estimate_to_proto(found.means.labelled),
            warnings=found.warnings,
        )
        message.metric.name, message.metric.version = found.definition.name, found.definition.version
        return message

    async def recheck(self, request: pb.GetRecheckRequest) -> pb.Recheck:
        """`GetRecheck`."""
        return recheck_to_proto(await self.rechecks.of(*_metric(request.metric)))


def accept_request(message: pb.AcceptAlignmentRequest) -> AcceptRequest:
    """What is to be accepted.

    Raises:
        InvalidRequest, InvalidDefinition: A field is missing or malformed.
    """
    return AcceptRequest(
        run_id=alignment_id(message.alignment_id),
        author=message.author,
        choices=tuple(
            Choice(guideline_id=each.guideline_id, include=each.include, text=each.text) for each in message.choices
        ),
        name=message.name,
        override=message.override,
        reason=message.reason,
        repoint=tuple(message.repoint_rules),
        rebase=message.rebase,
    )


def accepted_to_proto(accepted: Accepted, standing: AlignmentStanding) -> pb.AcceptAlignmentResponse:
    """What accepting did."""
    return pb.AcceptAlignmentResponse(
        alignment=alignment_to_proto(standing),
        metric=metric_to_proto(accepted.record),
        rules_left=accepted.rules_left,
        rules_repointed=accepted.rules_repointed,
        regressions=map(target_ref_to_proto, accepted.regressions),
    )


def recheck_to_proto(found: Rechecked) -> pb.Recheck:
    """People's verdicts under a version."""
    message = pb.Recheck(state=found.state, counts=found.counts, rows=map(_row_to_proto, found.rows))
    message.metric.name, message.metric.version = found.metric, found.version
    if found.updated is not None:
        message.update_time.FromDatetime(found.updated)
    return message


def _row_to_proto(row: RecheckedRow) -> pb.RecheckedRow:
    return pb.RecheckedRow(
        target=target_ref_to_proto(row.target),
        expected=verdict_to_proto(row.expected),
        concluded=None if row.concluded is None else verdict_to_proto(row.concluded),
        explanation=row.explanation,
        verdict=ROW_VERDICT_TO_PROTO[row.verdict],
        solved_in=row.solved_in,
    )


def _metric(message: vocabulary_pb2.MetricRef) -> tuple[str, int | None]:
    if not message.name:
        raise InvalidRequest("metric.name", "is required")
    if message.version < 0:
        raise InvalidRequest("metric.version", f"must not be negative, got {message.version}")
    return message.name, message.version or None


def _level(number: int) -> Level | None:
    if number and number not in LEVEL_FROM_PROTO:
        raise InvalidRequest("level", f"is the unknown enum number {number}")
    return LEVEL_FROM_PROTO[number] if number else None
