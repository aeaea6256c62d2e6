"""Review queues of the evaluator process, put together."""

from __future__ import annotations

from dataclasses import dataclass

from evaluator.feedback.desk import Desk
from evaluator.feedback.looking import Looking
from evaluator.metrics.judging.judge_metric import Redact
from evaluator.metrics.registry import Metrics
from evaluator.online.leases import LeaseKeeper
from evaluator.reviewing.acting import QueueItems, QueuesOnOffer
from evaluator.reviewing.catalogue import Queues
from evaluator.reviewing.filling import Filling
from evaluator.reviewing.following import FollowWorker
from evaluator.reviewing.passing import Passing
from evaluator.reviewing.reviewing import Reviewing
from evaluator.reviewing.selecting import Selecting
from evaluator.server.reviewing import QueueCalls
from storage.clickhouse.client import Database
from storage.clickhouse.definitions import ClickHouseDefinitions
from storage.clickhouse.queue import ClickHouseQueue
from storage.clickhouse.results import ClickHouseResults
from storage.clickhouse.reviewing import ClickHouseReviewItems
from storage.clickhouse.telemetry import ClickHouseTelemetry


@dataclass(frozen=True, slots=True)
class ReviewParts:
    """What has to do with review queues, over one set of items: fillings of a process take turns in it."""

    queues: Queues
    items: ClickHouseReviewItems
    filling: Filling

    @classmethod
    def of(cls, database: Database, metrics: Metrics) -> ReviewParts:
        """Over one database."""
        items, telemetry = ClickHouseReviewItems(database), ClickHouseTelemetry(database)
        queues = Queues(definitions=ClickHouseDefinitions(database), metrics=metrics, items=items)
        passing = Passing(queue=ClickHouseQueue(database), telemetry=telemetry)
        selecting = Selecting(items=items, results=ClickHouseResults(database), passing=passing)
        filling = Filling(queues=queues, items=items, metrics=metrics, telemetry=telemetry, selecting=selecting)
        return cls(queues, items, filling)

    @property
    def on_offer(self) -> QueuesOnOffer:
        """What rules may name."""
        return QueuesOnOffer(queues=self.queues)

    @property
    def sender(self) -> QueueItems:
        """Where the action `queue` goes."""
        return QueueItems(filling=self.filling)

    def calls(self, desk: Desk, looking: Looking, redact: Redact | None) -> QueueCalls:
        """The methods about queues."""
        reviewing = Reviewing(queues=self.queues, items=self.items, desk=desk, looking=looking, redact=redact)
        return QueueCalls(queues=self.queues, filling=self.filling, reviewing=reviewing)

    def follower(self, leases: LeaseKeeper) -> FollowWorker:
        """Adds what is new to queues that follow."""
        return FollowWorker(queues=self.queues, items=self.items, filling=self.filling, leases=leases)
