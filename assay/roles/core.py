"""What the parts of an evaluator share, made once."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from assay.own.parts import EvaluatorParts
from assay.roles.acting import offered_actions
from assay.roles.kept import installation_secret
from assay.roles.reviewing import ReviewParts
from assay.settings import OFF, Settings
from evaluator.judges.choose import Judges
from evaluator.judges.metering import Meter
from evaluator.metrics.catalogue import aliases, builtin_metrics
from evaluator.metrics.code.plugin import Plugins
from evaluator.metrics.conclude import Conclusion, Instruments, conclude
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.judging.answers import KeptAnswers
from evaluator.metrics.judging.judge_metric import Redact
from evaluator.metrics.material import Material
from evaluator.metrics.registry import Metrics
from evaluator.online.budgets.purses import Purses
from evaluator.online.leases import LeaseKeeper
from evaluator.online.rules.catalogue import Rules
from evaluator.online.rules.policy import Budget
from evaluator.sandbox.sandbox import Sandbox
from evaluator.scoring.engine import Engine
from evaluator.scoring.exchanges import Exchanges
from evaluator.scoring.grouped import GroupedTelemetry
from storage.clickhouse.budgets import ClickHouseBudgets
from storage.clickhouse.client import Database
from storage.clickhouse.definitions import ClickHouseDefinitions
from storage.clickhouse.expressions import ClickHouseExpressions
from storage.clickhouse.judge_traces import ClickHouseJudgeAnswers, ClickHouseJudgeTraces
from storage.clickhouse.queue import ClickHouseLeases, ClickHouseQueue
from storage.clickhouse.results import ClickHouseResults
from storage.clickhouse.telemetry import ClickHouseTelemetry
from storage.expressions import SpanExpressions
from storage.queue import Completion

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """What the parts of an evaluator share."""

    settings: Settings
    database: Database
    judges: Judges
    instruments: Instruments
    expressions: SpanExpressions | None
    metrics: Metrics
    rules: Rules
    telemetry: ClickHouseTelemetry
    grouped: GroupedTelemetry
    queue: ClickHouseQueue
    results: ClickHouseResults
    leases: LeaseKeeper
    completion: Completion
    purses: Purses
    engine: Engine
    reviews: ReviewParts
    own: EvaluatorParts


@asynccontextmanager
async def core_of(
    settings: Settings,
    database: Database,
    judges: Judges,
    sandbox: Sandbox,
    expressions: SpanExpressions | None,
    own: EvaluatorParts,
) -> AsyncIterator[Core]:
    definitions, results = ClickHouseDefinitions(database), ClickHouseResults(database)
    telemetry = ClickHouseTelemetry(database)
    metrics = Metrics(definitions, builtin=builtin_metrics(), aliases=aliases(), expressions=expressions)
    reviews = ReviewParts.of(database, metrics)
    answers = ClickHouseJudgeAnswers(database) if settings.judge_cache else None
    instruments = _instruments(settings, judges, sandbox, answers)
    daily = Budget(
        calls=settings.daily_budget_calls, tokens=settings.daily_budget_tokens, usd=settings.daily_budget_usd
    )
    async with (
        Purses(ClickHouseBudgets(database), installation=daily) as purses,
        GroupedTelemetry(telemetry) as grouped,
        Engine(
            metrics=metrics,
            telemetry=grouped,
            results=results,
            apply=own.applying(partial(_apply, instruments)),
            exchanges=Exchanges(ClickHouseJudgeTraces(database), answers),
            redact=instruments.redact,
            expressions=expressions,
            meter=purses.installation(),
        ) as engine,
    ):
        yield Core(
            settings=settings,
            database=database,
            judges=judges,
            instruments=instruments,
            expressions=expressions,
            metrics=metrics,
            rules=Rules(definitions, metrics, actions=offered_actions(settings, reviews.on_offer), prices=judges),
            telemetry=telemetry,
            grouped=grouped,
            queue=own.queue(database),
            results=results,
            leases=LeaseKeeper(ClickHouseLeases(database)),
            completion=Completion(idle_ms=int(settings.trace_idle_seconds * 1000)),
            purses=purses,
            engine=engine,
            reviews=reviews,
            own=own,
        )


def _instruments(
    settings: Settings, judges: Judges, sandbox: Sandbox, answers: ClickHouseJudgeAnswers | None
) -> Instruments:
    return Instruments(
        judges=judges,
        secret=installation_secret(settings.data_dir),
        redact=_redact(settings),
        kept=None if answers is None else KeptAnswers(answers),
        sandbox=sandbox,
        plugins=Plugins(),
        names={**aliases(), **{metric.name: metric.name for metric in builtin_metrics()}},
    )


@asynccontextmanager
async def expressions_of(settings: Settings) -> AsyncIterator[SpanExpressions | None]:
    if not settings.expressions_url:
        log.info("no_sql_metrics", extra={"reason": "ASSAY_EXPRESSIONS_URL is not set"})
        yield None
        return
    async with Database(settings.expressions_url, database=settings.database) as database:
        yield ClickHouseExpressions(database)


async def _apply(
    using: Instruments,
    definition: MetricDefinition,
    material: Material,
    *,
    repeat: int = 0,
    background: bool = False,
    meter: Meter | None = None,
) -> Conclusion:
    return await conclude(definition, material, using=using, repeat=repeat, background=background, meter=meter)


def _redact(settings: Settings) -> Redact | None:
    setting = settings.judge_redaction or settings.redaction
    if setting == OFF:
        return None
    from storage.redaction.load import text_redactor  # where it is off, nothing of it is loaded

    return text_redactor(setting, settings.data_dir)
