"""A real gRPC server over the real store, for the tests of the front; only the scores are prepared."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from feedback_parts import feedback_parts

from evaluator.errors import RuleNotFound
from evaluator.metrics.catalogue import aliases, builtin_metrics
from evaluator.metrics.registry import Metrics
from evaluator.online.actions.check import OfferedActions
from evaluator.online.explaining.explanation import Explanation
from evaluator.online.funnels import FunnelCounter
from evaluator.online.rules.catalogue import Rules
from evaluator.runs.catalogue import RunCatalogue, Works
from evaluator.runs.pages import Pages
from evaluator.scoring.request import Answer, EvaluationRequest, Pending
from evaluator.server.completions import Ends
from evaluator.server.funnels import RuleFunnels
from evaluator.server.serve import Parts, serving
from storage.clickhouse.budgets import ClickHouseBudgets
from storage.clickhouse.client import Database
from storage.clickhouse.completions import ClickHouseCompletions
from storage.clickhouse.definitions import ClickHouseDefinitions
from storage.clickhouse.funnels import ClickHouseFunnels
from storage.clickhouse.queue import ClickHouseQueue
from storage.clickhouse.results import ClickHouseResults
from storage.clickhouse.runs import ClickHouseRuns
from storage.clickhouse.telemetry import ClickHouseTelemetry
from storage.model import Anchor, Evaluation, Level, MetricKind, Outcome, OutputType, Purpose, Score, TargetRef, Usage

HALF = Score(value=0.5, explanation="half")


@dataclass
class PreparedScoring:
    """Answers what was prepared, or raises it; remembers what was asked; knows what is pending."""

    prepared: Sequence[Answer] | Exception = ()
    asked: list[EvaluationRequest] = field(default_factory=list)
    computing: dict[uuid.UUID, Pending] = field(default_factory=dict)

    async def evaluate(self, request: EvaluationRequest) -> list[Answer]:
        """What was prepared."""
        self.asked.append(request)
        if isinstance(self.prepared, Exception):
            raise self.prepared
        return list(self.prepared)

    def pending(self, evaluation_id: uuid.UUID) -> Pending | None:
        """What was put into `computing`."""
        return self.computing.get(evaluation_id)

    def in_progress(self) -> list[Pending]:
        """All of them."""
        return list(self.computing.values())


@dataclass
class PreparedExplaining:
    """Knows the rules in `answers`."""

    answers: dict[str, list[Explanation]] = field(default_factory=dict)

    async def explain(self, rule: str, target: TargetRef) -> list[Explanation]:
        """What was prepared for the rule."""
        if rule not in self.answers:
            raise RuleNotFound(f"there is no rule {rule!r}")
        return self.answers[rule]


class NobodyWorks:
    """No worker in this process: runs stay where they are."""

    def wake(self) -> None:
        """Nobody hears it."""

    def cancel(self, run_id: str) -> None:
        """Nobody hears it."""


def run_catalogue(
    database: Database, metrics: Metrics, worker: Works | None = None, *, size: int = 1000
) -> RunCatalogue:
    """Runs as callers know them."""
    runs, telemetry = ClickHouseRuns(database), ClickHouseTelemetry(database)
    pages = Pages(runs=runs, queue=ClickHouseQueue(database), telemetry=telemetry, size=size)
    return RunCatalogue(
        runs=runs,
        metrics=metrics,
        rules=Rules(ClickHouseDefinitions(database), metrics),
        telemetry=telemetry,
        pages=pages,
        worker=worker or NobodyWorks(),
    )


@dataclass(frozen=True, kw_only=True)
class Front:
    """A running server and what stands behind it."""

    address: str
    scoring: PreparedScoring
    explaining: PreparedExplaining
    results: ClickHouseResults
    metrics: Metrics


@asynccontextmanager
async def running_front(
    database: Database, *, address: str = "127.0.0.1:0", grace_seconds: float = 5.0
) -> AsyncIterator[Front]:
    """Serve on a free port of the loopback, or on an address."""
    definitions = ClickHouseDefinitions(database)
    scoring, explaining = PreparedScoring(), PreparedExplaining()
    metrics = Metrics(definitions, builtin=builtin_metrics(), aliases=aliases())
    rules = Rules(definitions, metrics, actions=OfferedActions(events=True))
    results = ClickHouseResults(database)
    parts = Parts(
        scoring=scoring,
        computing=scoring,
        results=results,
        explaining=explaining,
        metrics=metrics,
        rules=rules,
        funnels=RuleFunnels(
            FunnelCounter(rules=rules, funnels=ClickHouseFunnels(database), budgets=ClickHouseBudgets(database))
        ),
        runs=run_catalogue(database, metrics),
        completions=Ends(completions=ClickHouseCompletions(database)),
        desk=feedback_parts(database).desk,
    )
    async with serving(address, parts, grace_seconds=grace_seconds) as port:
        yield Front(
            address=f"127.0.0.1:{port}", scoring=scoring, explaining=explaining, results=results, metrics=metrics
        )


def a_span() -> TargetRef:
    """A span that nobody else uses."""
    return TargetRef(level=Level.SPAN, trace_id=uuid.uuid4().hex, span_id=uuid.uuid4().hex[:16])


def an_evaluation(target: TargetRef, outcome: Outcome = HALF, **other: Any) -> Evaluation:
    """A judge's result on a target of 12 November 2026."""
    evaluation = Evaluation(
        evaluation_id=uuid.uuid4(),
        target=target,
        target_time_ns=1_794_441_600_000_000_000,
        start_ns=1_794_441_600_000_000_000,
        anchor=Anchor(
            trace_id=target.trace_id,
            span_id=target.span_id or "00000000000000a1",
            time_ns=1_794_441_600_000_000_000,
            service_name="shop",
            span_name="chat",
        ),
        metric="correctness",
        metric_version=1,
        metric_digest="d" * 32,
        kind=MetricKind.JUDGE,
        purpose=Purpose.ONDEMAND,
        output_type=OutputType.PERCENTAGE,
        outcome=outcome,
        watermark_ms=1_794_441_601_000,
        judge_model="openai/gpt-5-mini",
        usage=Usage(input_tokens=120, output_tokens=30, cost_usd=0.0004, latency_ms=900, attempts=1),
        started=datetime(2026, 11, 12, 0, 0, 1, tzinfo=UTC),
        evaluated=datetime(2026, 11, 12, 0, 0, 2, tzinfo=UTC),
    )
    return replace(evaluation, **other)
