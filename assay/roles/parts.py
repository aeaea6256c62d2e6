"""What stands behind the services of an evaluator, and beside them."""

from __future__ import annotations

from functools import partial

from assay.roles.acting import offered_actions
from assay.roles.aligning import AlignmentParts
from assay.roles.core import Core
from assay.roles.deciding import DecisionParts
from evaluator.feedback.desk import Desk
from evaluator.feedback.looking import Looking
from evaluator.feedback.standing import Standing
from evaluator.metrics.judging.judge_metric import questions
from evaluator.online.actions.catalogue import DeliveryCatalogue
from evaluator.online.alerts.catalogue import AlertCatalogue
from evaluator.online.explaining.explain import Explainer
from evaluator.online.explaining.self_test import SelfTest
from evaluator.online.funnels import FunnelCounter
from evaluator.online.polling.worker import OnlineWorker
from evaluator.online.rules.preview import Previews
from evaluator.runs.bulk import Bulk
from evaluator.runs.catalogue import RunCatalogue
from evaluator.runs.pages import Pages
from evaluator.runs.worker import RunWorker
from evaluator.scoring.forecast import Forecast
from evaluator.server.agreement import AgreementCalls
from evaluator.server.completions import Ends
from evaluator.server.funnels import RuleFunnels
from evaluator.server.previewing import PreviewingFront
from evaluator.server.serve import Parts
from evaluator.server.testing import RuleTests
from storage.clickhouse.agreement import ClickHouseLabels
from storage.clickhouse.alerts import ClickHouseAlerts
from storage.clickhouse.budgets import ClickHouseBudgets
from storage.clickhouse.bulk import ClickHouseBulkResults
from storage.clickhouse.completions import ClickHouseCompletions
from storage.clickhouse.definitions import ClickHouseDefinitions
from storage.clickhouse.deliveries import ClickHouseDeliveries
from storage.clickhouse.explaining import ClickHouseInquiries
from storage.clickhouse.feedback import ClickHouseFeedbacks
from storage.clickhouse.funnels import ClickHouseFunnels
from storage.clickhouse.runs import ClickHouseRuns
from storage.clickhouse.self_test import ClickHouseSelfTests


def run_worker_of(core: Core, online: OnlineWorker) -> RunWorker:
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


def alignments_of(core: Core) -> AlignmentParts:
    return AlignmentParts.of(
        core.database,
        metrics=core.metrics,
        judges=core.judges,
        instruments=core.instruments,
        leases=core.leases,
        purses=core.purses,
        reflection_model=core.settings.reflection_model,
    )


def decisions_of(core: Core, alignments: AlignmentParts) -> DecisionParts:
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


def parts_of(core: Core, run_worker: RunWorker, alignments: AlignmentParts, decisions: DecisionParts) -> Parts:
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
    runs, budgets, desk = ClickHouseRuns(database), ClickHouseBudgets(database), desk_of(core)
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


def desk_of(core: Core) -> Desk:
    feedbacks = ClickHouseFeedbacks(core.database)
    standing = Standing(
        feedbacks=feedbacks, results=core.results, telemetry=core.telemetry, quorums=core.reviews.queues
    )
    return Desk(feedbacks=feedbacks, looking=_looking(core), standing=standing, redact=core.instruments.redact)


def _looking(core: Core) -> Looking:
    return Looking(metrics=core.metrics, telemetry=core.telemetry, results=core.results)


def _previews(core: Core, runs: ClickHouseRuns) -> Previews:
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
