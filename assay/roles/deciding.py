"""Decisions about alignments in the evaluator's role, and what follows from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from evaluator.alignment.deciding.accepting import Acceptances, Verifies
from evaluator.alignment.deciding.decisions import Decisions
from evaluator.alignment.deciding.repointing import Repointing
from evaluator.alignment.rechecking.corrected import CorrectedMeans
from evaluator.alignment.rechecking.rechecked import RecheckedVersions
from evaluator.alignment.rechecking.worker import POLL_SECONDS, REST_SECONDS, Rechecker, RecheckWorker
from evaluator.alignment.running.stored import StoredMaterials
from evaluator.feedback.standing import KnowsQuorums, Standing
from evaluator.metrics.conclude import Instruments
from evaluator.metrics.registry import Metrics
from evaluator.online.budgets.purses import Purses
from evaluator.online.leases import LeaseKeeper
from evaluator.online.rules.catalogue import Rules
from evaluator.server.deciding import DecidingFront
from storage.clickhouse.alignments import ClickHouseAlignments
from storage.clickhouse.client import Database
from storage.clickhouse.definitions import ClickHouseDefinitions
from storage.clickhouse.feedback import ClickHouseFeedbacks
from storage.clickhouse.means import ClickHouseMeans
from storage.clickhouse.rechecking import ClickHouseRechecks
from storage.clickhouse.results import ClickHouseResults
from storage.clickhouse.telemetry import ClickHouseTelemetry


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionParts:
    """What an evaluator has of decisions."""

    acceptances: Acceptances
    rechecker: Rechecker
    worker: RecheckWorker
    front: DecidingFront

    @classmethod
    def of(
        cls,
        database: Database,
        *,
        metrics: Metrics,
        rules: Rules,
        instruments: Instruments,
        leases: LeaseKeeper,
        verifies: Verifies,
        purses: Purses | None = None,
        quorums: KnowsQuorums | None = None,
        poll_seconds: float = POLL_SECONDS,
        rest_seconds: float = REST_SECONDS,
    ) -> Self:
        """Over one database; nobody works before the worker runs."""
        alignments, feedbacks = ClickHouseAlignments(database), ClickHouseFeedbacks(database)
        telemetry, rechecks = ClickHouseTelemetry(database), ClickHouseRechecks(database)
        decisions = Decisions(ClickHouseDefinitions(database))
        rechecker = Rechecker(
            metrics=metrics,
            feedbacks=feedbacks,
            standing=Standing(
                feedbacks=feedbacks, results=ClickHouseResults(database), telemetry=telemetry, quorums=quorums
            ),
            rechecks=rechecks,
            decisions=decisions,
            materials=StoredMaterials(telemetry),
            calls=alignments,
            using=instruments,
            meter=purses.installation if purses is not None else lambda: None,
        )
        worker = RecheckWorker(rechecker, leases, poll_seconds=poll_seconds, rest_seconds=rest_seconds)
        acceptances = Acceptances(
            alignments=alignments,
            metrics=metrics,
            decisions=decisions,
            rules=Repointing(rules),
            rechecks=rechecks,
            verifies=verifies,
            made=worker.wake,
        )
        front = DecidingFront(
            acceptances=acceptances,
            means=CorrectedMeans(metrics=metrics, means=ClickHouseMeans(database)),
            rechecks=RecheckedVersions(metrics=metrics, rechecks=rechecks, rechecker=rechecker),
        )
        return cls(acceptances=acceptances, rechecker=rechecker, worker=worker, front=front)
