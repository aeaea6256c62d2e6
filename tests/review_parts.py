"""Review queues behind a real gRPC server: real stores, and reviewers who call it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from running_front import PreparedExplaining, PreparedScoring, run_catalogue
from storing import SentSpan, a_chat, a_result, store

from assay.client import AsyncClient, CallFailed
from assay.client_queues import ReviewItem
from assay.roles.reviewing import ReviewParts
from evaluator.feedback.desk import Desk
from evaluator.feedback.looking import Looking
from evaluator.feedback.standing import Standing
from evaluator.feedback.verdicts import Stated
from evaluator.metrics.catalogue import aliases, builtin_metrics
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.registry import Metrics
from evaluator.online.rules.catalogue import Rules
from evaluator.reviewing.definition import ReviewQueue
from evaluator.server.serve import Parts, serving
from storage.clickhouse.client import Database
from storage.clickhouse.definitions import ClickHouseDefinitions
from storage.clickhouse.feedback import ClickHouseFeedbacks
from storage.clickhouse.results import ClickHouseResults
from storage.clickhouse.telemetry import ClickHouseTelemetry
from storage.model import Level, MetricKind, Outcome, OutputType, Score

YES, NO = Stated(label="true"), Stated(label="false")
FLAGGED = Score(value=1.0, label="true", explanation="THE JUDGE SAYS SO")


@dataclass(frozen=True, kw_only=True)
class Reviews:
    """What a test holds of an evaluator with queues."""

    address: str
    database: Database
    metrics: Metrics
    results: ClickHouseResults
    parts: ReviewParts
    desk: Desk

    async def judge(self, name: str, output_type: OutputType = OutputType.BOOLEAN, **other: Any) -> MetricDefinition:
        """A judge metric of spans."""
        fields: dict[str, Any] = {"prompt": "Is this so? {{input}} {{output}}", "levels": (Level.SPAN,)} | other
        made = MetricDefinition(name=name, kind=MetricKind.JUDGE, output_type=output_type, **fields)
        return (await self.metrics.create(made)).definition

    async def judged(self, metric: MetricDefinition, spans: Sequence[SentSpan], **other: Any) -> None:
        """Results of a metric on spans, the same unless said."""
        outcome: Outcome = other.pop("outcome", FLAGGED)
        fields: dict[str, Any] = {
            "metric": metric.name,
            "metric_version": metric.version,
            "metric_digest": metric.digest,
            "output_type": metric.output_type,
        }
        await self.results.append([a_result(span, outcome, **fields | other) for span in spans])


async def chats(database: Database, count: int, **other: Any) -> list[SentSpan]:
    """So many stored model calls."""
    spans = [a_chat(question=f"Question {number}?", answer=f"Answer {number}.", **other) for number in range(count)]
    await store(database, *spans)
    return spans


@asynccontextmanager
async def reviews(database: Database) -> AsyncIterator[Reviews]:
    """Everything on one database, served on a free port of the loopback."""
    definitions = ClickHouseDefinitions(database)
    metrics = Metrics(definitions, builtin=builtin_metrics(), aliases=aliases())
    results, telemetry = ClickHouseResults(database), ClickHouseTelemetry(database)
    scoring, explaining = PreparedScoring(), PreparedExplaining()
    parts = ReviewParts.of(database, metrics)
    feedbacks = ClickHouseFeedbacks(database)
    looking = Looking(metrics=metrics, telemetry=telemetry, results=results)
    standing = Standing(feedbacks=feedbacks, results=results, telemetry=telemetry, quorums=parts.queues)
    desk = Desk(feedbacks=feedbacks, looking=looking, standing=standing)
    served = Parts(
        scoring=scoring,
        computing=scoring,
        results=results,
        explaining=explaining,
        metrics=metrics,
        rules=Rules(definitions, metrics),
        runs=run_catalogue(database, metrics),
        desk=desk,
        queues=parts.calls(desk, looking, None),
    )
    async with serving("127.0.0.1:0", served, grace_seconds=1.0) as port:
        yield Reviews(
            address=f"127.0.0.1:{port}",
            database=database,
            metrics=metrics,
            results=results,
            parts=parts,
            desk=desk,
        )


def a_queue(name: str, metric: str, **other: Any) -> ReviewQueue:
    """A queue about spans."""
    return ReviewQueue(name=name, metric=metric, **{"level": Level.SPAN} | other)


async def refused(call: Any) -> tuple[str, str]:
    """Reason and message of a call that is refused."""
    try:
        await call
    except CallFailed as error:
        return error.reason, error.message
    raise AssertionError("it was not refused")


async def next_item(client: AsyncClient, queue: str, annotator: str) -> ReviewItem | None:
    """The next item; None where nothing is left."""
    try:
        return await client.claim_next(queue, annotator)
    except CallFailed as error:
        if error.reason == "QUEUE_EMPTY":
            return None
        raise
