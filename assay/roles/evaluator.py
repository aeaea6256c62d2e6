"""The evaluator process: gRPC in; judges and code conclude; results and write-back out."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from assay.heap import collect_rarely
from assay.own.metering import metering
from assay.own.parts import EvaluatorParts
from assay.roles.acting import act, offered_actions
from assay.roles.aligning import AlignmentParts
from assay.roles.deciding import DecisionParts
from assay.roles.kept import installation_secret, predecessor
from assay.roles.process import run_as_child
from assay.roles.reviewing import ReviewParts
from assay.roles.upkeep import keep_up
from assay.settings import OFF, Settings
from evaluator.feedback.desk import Desk
from evaluator.feedback.looking import Looking
from evaluator.feedback.standing import Standing
from evaluator.judges.choose import Judges
from evaluator.judges.metering import Meter
from evaluator.judges.port import JudgeError
from evaluator.metrics.catalogue import aliases, builtin_metrics
from evaluator.metrics.code.plugin import Plugins
from evaluator.metrics.conclude import Conclusion, Instruments, conclude
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.judging.answers import KeptAnswers
from evaluator.metrics.judging.judge_metric import Redact, questions
from evaluator.metrics.material import Material
from evaluator.metrics.registry import Metrics
from evaluator.online.actions.catalogue import DeliveryCatalogue
from evaluator.online.alerts.catalogue import AlertCatalogue
from evaluator.online.budgets.purses import Purses
from evaluator.online.explaining.explain import Explainer
from evaluator.online.explaining.self_test import SelfTest
from evaluator.online.funnels import FunnelCounter
from evaluator.online.leases import LeaseKeeper
from evaluator.online.polling.worker import OnlineWorker
from evaluator.online.rules.catalogue import Rules
from evaluator.online.rules.policy import Budget
from evaluator.online.rules.preview import Previews
from evaluator.runs.bulk import Bulk
from evaluator.runs.catalogue import RunCatalogue
from evaluator.runs.pages import Pages
from evaluator.runs.worker import RunWorker
from evaluator.sandbox.sandbox import Sandbox
from evaluator.scoring.engine import Engine
from evaluator.scoring.exchanges import Exchanges
from evaluator.scoring.forecast import Forecast
from evaluator.scoring.grouped import GroupedTelemetry
from evaluator.server.agreement import AgreementCalls
from evaluator.server.completions import Ends
from evaluator.server.funnels import RuleFunnels
from evaluator.server.previewing import PreviewingFront
from evaluator.server.serve import Parts, serving
from evaluator.server.testing import RuleTests
from storage.clickhouse.agreement import ClickHouseLabels
from storage.clickhouse.alerts import ClickHouseAlerts
from storage.clickhouse.budgets import ClickHouseBudgets
from storage.clickhouse.bulk import ClickHouseBulkResults
from storage.clickhouse.client import Database
from storage.clickhouse.completions import ClickHouseCompletions
from storage.clickhouse.definitions import ClickHouseDefinitions
from storage.clickhouse.deliveries import ClickHouseDeliveries
from storage.clickhouse.explaining import ClickHouseInquiries
from storage.clickhouse.expressions import ClickHouseExpressions
from storage.clickhouse.feedback import ClickHouseFeedbacks
from storage.clickhouse.funnels import ClickHouseFunnels
from storage.clickhouse.judge_traces import ClickHouseJudgeAnswers, ClickHouseJudgeTraces
from storage.clickhouse.queue import ClickHouseLeases, ClickHouseQueue
from storage.clickhouse.results import ClickHouseResults
from storage.clickhouse.runs import ClickHouseRuns
from storage.clickhouse.schema import check_schema
from storage.clickhouse.self_test import ClickHouseSelfTests
from storage.clickhouse.telemetry import ClickHouseTelemetry
from storage.expressions import SpanExpressions
from storage.queue import Completion

log = logging.getLogger(__name__)
GRACE_SECONDS = 5.0
"""For calls under way at a stop, after the rules' work had ten; `assay up` kills after twenty."""


async def serve_evaluator(settings: Settings, stop: asyncio.Event, ready: Callable[[dict[str, Any]], None]) -> None:
    """Serve until `stop`; reports `grpc`."""
    async with Database(settings.clickhouse_url, database=settings.database) as database:
        await check_schema(database)
        judges = Judges(
            model=settings.judge_model,
            small_model=settings.judge_small_model,
            base_url=settings.judge_base_url,
            api_key=settings.judge_api_key,
            endpoints=settings.judge_endpoints,
        )
        with metering(settings, "evaluator") as meter:
            async with (
                judges,
                Sandbox() as sandbox,
                _expressions(settings) as expressions,
                _core(settings, database, judges, sandbox, expressions, EvaluatorParts(meter)) as core,
            ):
                await _serve(core, stop, ready)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Core:
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
async def _core(
    settings: Settings,
    database: Database,
    judges: Judges,
    sandbox: Sandbox,
    expressions: SpanExpressions | None,
    own: EvaluatorParts,
) -> AsyncIterator[_Core]:
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
        yield _Core(
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


async def _serve(core: _Core, stop: asyncio.Event, ready: Callable[[dict[str, Any]], None]) -> None:
    settings, leases = core.settings, core.leases
    online = OnlineWorker(
        rules=core.rules,
        metrics=core.metrics,
        queue=core.queue,
        telemetry=core.telemetry,
        scoring=core.engine,
        leases=leases,
        completion=core.completion,
        purses=core.purses,
    )
    core.own.tell(online, core.instruments.kept)
    run_worker, alignments = _run_worker(core, online), _alignments(core)
    decisions = _decisions(core, alignments)
    parts = _parts(core, run_worker, alignments, decisions)
    async with serving(settings.grpc, parts, grace_seconds=GRACE_SECONDS) as port:
        with predecessor(settings.data_dir, leases.owner) as dead_owner:
            if dead_owner:  # its leases would keep the rules waiting until they expire
                await leases.release(dead_owner)
            await leases.renew()
            collect_rarely()
            ready({"grpc": f"{settings.grpc.rpartition(':')[0]}:{port}"})
            async with asyncio.TaskGroup() as tasks:
                write_back = core.own.write_back(core.database)
                background = [
                    tasks.create_task(work)
                    for work in (
                        _warm_up(core.judges),
                        leases.run(),
                        keep_up(settings, core.database, core.metrics, leases, write_back, _desk(core)),
                        act(settings, core.database, leases, core.reviews.sender),
                        core.reviews.follower(leases).run(),
                        decisions.worker.run(),
                    )
                ]
                tasks.create_task(run_worker.run(stop))  # returns as the next line does, and sooner
                tasks.create_task(alignments.worker.run(stop))  # likewise
                await online.run(stop)  # returns when `stop` is set and what was started is done
                for task in background:
                    task.cancel()
    await leases.release()


def _run_worker(core: _Core, online: OnlineWorker) -> RunWorker:
    bulk = None
    if core.expressions is not None:
        bulk = Bulk(expressions=core.expressions, results=ClickHouseBulkResults(core.database))
    return RunWorker(
        runs=ClickHouseRuns(core.database),
        metrics=core.metrics,
        queue=core.queue,
        telemetry=core.telemetry,
        scoring=core.engine,
        leases=core.leases,
        live=online,
        bulk=bulk,
    )


def _alignments(core: _Core) -> AlignmentParts:
    return AlignmentParts.of(
        core.database,
        metrics=core.metrics,
        judges=core.judges,
        instruments=core.instruments,
        leases=core.leases,
        purses=core.purses,
        reflection_model=core.settings.reflection_model,
    )


def _decisions(core: _Core, alignments: AlignmentParts) -> DecisionParts:
    return DecisionParts.of(
        core.database,
        metrics=core.metrics,
        rules=core.rules,
        instruments=core.instruments,
        leases=core.leases,
        verifies=alignments.reverifier,
        purses=core.purses,
        quorums=core.reviews.queues,
    )


def _parts(core: _Core, run_worker: RunWorker, alignments: AlignmentParts, decisions: DecisionParts) -> Parts:
    """What is behind the services."""
    database, metrics, rules, queue, telemetry = core.database, core.metrics, core.rules, core.queue, core.telemetry
    explainer = Explainer(
        rules=rules,
        metrics=metrics,
        queue=queue,
        inquiries=ClickHouseInquiries(database),
        telemetry=telemetry,
        results=core.results,
        completion=core.completion,
    )
    runs, budgets, desk = ClickHouseRuns(database), ClickHouseBudgets(database), _desk(core)
    pages = Pages(runs=runs, queue=queue, telemetry=telemetry)
    actions = offered_actions(core.settings)
    return Parts(
        scoring=core.engine,
        computing=core.engine,
        results=core.results,
        explaining=explainer,
        rule_tests=RuleTests(SelfTest(explainer, ClickHouseSelfTests(database))),
        completions=Ends(completions=ClickHouseCompletions(database)),
        funnels=RuleFunnels(FunnelCounter(rules=rules, funnels=ClickHouseFunnels(database), budgets=budgets)),
        metrics=metrics,
        rules=rules,
        previews=PreviewingFront(_previews(core, runs)),
        alerts=AlertCatalogue(ClickHouseDefinitions(database), metrics, ClickHouseAlerts(database), actions=actions),
        deliveries=DeliveryCatalogue(deliveries=ClickHouseDeliveries(database)),
        desk=desk,
        queues=core.reviews.calls(desk, _looking(core), core.instruments.redact),
        agreement=AgreementCalls(metrics=metrics, labels=ClickHouseLabels(database)),
        alignments=alignments.catalogue,
        alignment_reports=alignments.reports,
        alignment_decisions=decisions.front,
        runs=RunCatalogue(runs=runs, metrics=metrics, rules=rules, telemetry=telemetry, pages=pages, worker=run_worker),
    )


def _desk(core: _Core) -> Desk:
    feedbacks = ClickHouseFeedbacks(core.database)
    standing = Standing(
        feedbacks=feedbacks, results=core.results, telemetry=core.telemetry, quorums=core.reviews.queues
    )
    return Desk(feedbacks=feedbacks, looking=_looking(core), standing=standing, redact=core.instruments.redact)


def _looking(core: _Core) -> Looking:
    return Looking(metrics=core.metrics, telemetry=core.telemetry, results=core.results)


def _previews(core: _Core, runs: ClickHouseRuns) -> Previews:
    forecast = Forecast(
        metrics=core.metrics,
        telemetry=core.grouped,
        costs=runs,
        render=partial(questions, using=core.instruments),
        prices=core.judges,
    )
    return Previews(
        rules=core.rules,
        metrics=core.metrics,
        queue=core.queue,
        telemetry=core.telemetry,
        completion=core.completion,
        forecast=forecast,
        scoring=core.engine,
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
async def _expressions(settings: Settings) -> AsyncIterator[SpanExpressions | None]:
    if not settings.expressions_url:
        log.info("no_sql_metrics", extra={"reason": "ASSAY_EXPRESSIONS_URL is not set"})
        yield None
        return
    async with Database(settings.expressions_url, database=settings.database) as database:
        yield ClickHouseExpressions(database)


async def _warm_up(judges: Judges) -> None:
    try:
        await judges.warm_up()
    except JudgeError as error:  # every result that needs it will say so, too
        log.warning("no_judge", extra={"reason": str(error)})


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


if __name__ == "__main__":
    sys.exit(run_as_child(serve_evaluator))
