"""Reports of alignments on the wire: what a run found, and what its lines are worth as somebody has chosen them."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace

from evaluator.alignment.deciding.choices import Choice
from evaluator.alignment.deciding.reverify import Reverifier, ended
from evaluator.alignment.reporting.building import build, ceiling, compose, lines_of
from evaluator.alignment.reporting.costing import KnowsPrices, running
from evaluator.alignment.running.outcome import AlignmentOutcome, results_of
from evaluator.metrics.registry import Metrics
from evaluator.server.convert_alignments import alignment_id, alignment_to_proto
from evaluator.server.convert_reports import report_to_proto
from evaluator.v1 import alignment_pb2 as pb
from storage.alignments import AlignedRow, Alignments
from storage.feedback import FeedbackRow, Feedbacks


@dataclass(frozen=True, slots=True, kw_only=True)
class AlignmentReports:
    """`evaluator.server.ports.ReportsAlignments`."""

    alignments: Alignments
    feedbacks: Feedbacks
    metrics: Metrics
    reverifier: Reverifier
    prices: KnowsPrices

    async def report(self, request: pb.GetAlignmentReportRequest) -> pb.AlignmentReport:
        """`GetAlignmentReport`."""
        run_id = alignment_id(request.alignment_id)
        standing = await ended(self.alignments, run_id)
        definition = await self.metrics.get(standing.run.metric, standing.run.version)
        outcome = AlignmentOutcome.from_body(standing.outcome)
        rows, feedback = await self._rows(run_id)
        calls = (await self.alignments.calls((run_id,))).values()
        found = build(
            standing,
            definition,
            rows=rows,
            feedback=feedback,
            running=await running(
                definition, outcome.guidelines, results_of(rows, feedback), calls, prices=self.prices
            ),
            active_version=(await self.metrics.get(standing.run.metric)).version,
        )
        return report_to_proto(found, alignment_to_proto(standing))

    async def reverify(self, request: pb.ReverifyAlignmentRequest) -> pb.AlignmentReport:
        """`ReverifyAlignment`."""
        run_id = alignment_id(request.alignment_id)
        choices = [
            Choice(guideline_id=each.guideline_id, include=each.include, text=each.text) for each in request.choices
        ]
        done = await self.reverifier.reverify(run_id, choices, rebase=request.rebase)
        rows, feedback = await self._rows(run_id)
        standing = replace(done.standing, usage={**done.standing.usage, **await self.alignments.spent(run_id)})
        calls = (await self.alignments.calls((run_id,))).values()
        found = compose(
            standing,
            done.definition,
            done.outcome,
            done.proof,
            lines=lines_of(done.outcome.lines, done.definition.guidelines, done.guidelines),
            after=done.guidelines,
            results=done.results,
            running=await running(done.definition, done.guidelines, done.results, calls, prices=self.prices),
            active_version=(await self.metrics.get(standing.run.metric)).version,
            people=ceiling(done.definition, rows, feedback),
            notes=done.notes,
        )
        return report_to_proto(found, alignment_to_proto(standing))

    async def _rows(self, run_id: str) -> tuple[list[AlignedRow], dict[uuid.UUID, FeedbackRow]]:
        rows = await self.alignments.rows(run_id)
        return rows, await self.feedbacks.by_id({row.feedback_id for row in rows})
