"""Alignments in the evaluator's role: who works on them, and what callers know of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from evaluator.alignment.deciding.reverify import Reverifier
from evaluator.alignment.running.aligning import Aligning
from evaluator.alignment.running.catalogue import AlignmentCatalogue
from evaluator.alignment.running.estimate import Estimator
from evaluator.alignment.running.loading import Loader
from evaluator.alignment.running.stored import StoredMaterials
from evaluator.alignment.running.worker import AlignmentPace, AlignmentWorker
from evaluator.judges.choose import Judges
from evaluator.metrics.conclude import Instruments
from evaluator.metrics.registry import Metrics
from evaluator.online.budgets.purses import Purses
from evaluator.online.leases import LeaseKeeper
from evaluator.server.reports import AlignmentReports
from storage.clickhouse.alignments import ClickHouseAlignments
from storage.clickhouse.client import Database
from storage.clickhouse.feedback import ClickHouseFeedbacks
from storage.clickhouse.telemetry import ClickHouseTelemetry


@dataclass(frozen=True, slots=True, kw_only=True)
class AlignmentParts:
    """What an evaluator has of alignments.

    Attributes:
        aligning: What candidates are verified with, too.
        reverifier: Says what lines are worth as somebody has chosen them.
    """

    worker: AlignmentWorker
    catalogue: AlignmentCatalogue
    aligning: Aligning
    reverifier: Reverifier
    reports: AlignmentReports

    @classmethod
    def of(
        cls,
        database: Database,
        *,
        metrics: Metrics,
        judges: Judges,
        instruments: Instruments,
        leases: LeaseKeeper,
        purses: Purses | None = None,
        reflection_model: str = "",
        pace: AlignmentPace | None = None,
    ) -> Self:
        """Over one database; nobody works before the worker runs."""
        alignments, feedbacks = ClickHouseAlignments(database), ClickHouseFeedbacks(database)
        loader = Loader(feedbacks=feedbacks, materials=StoredMaterials(ClickHouseTelemetry(database)))
        aligning = Aligning(alignments=alignments, loader=loader, using=instruments)
        worker = AlignmentWorker(
            alignments=alignments,
            metrics=metrics,
            aligning=aligning,
            leases=leases,
            meter=None if purses is None else purses.installation,
            pace=pace,
        )
        catalogue = AlignmentCatalogue(
            alignments=alignments,
            feedbacks=feedbacks,
            metrics=metrics,
            models=judges,
            estimator=Estimator(alignments=alignments, loader=loader, using=instruments, prices=judges),
            worker=worker,
            reflection_model=reflection_model,
        )
        reverifier = Reverifier(
            aligning=aligning, metrics=metrics, meter=None if purses is None else purses.installation
        )
        reports = AlignmentReports(
            alignments=alignments, feedbacks=feedbacks, metrics=metrics, reverifier=reverifier, prices=judges
        )
        return cls(worker=worker, catalogue=catalogue, aligning=aligning, reverifier=reverifier, reports=reports)
