"""The evaluator process: gRPC in; judges and code conclude; results and write-back out."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import secrets
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from assay.heap import collect_rarely
from assay.own.metering import metering
from assay.own.parts import EvaluatorParts
from assay.roles.acting import act, offered_actions
from assay.roles.process import run_as_child
from assay.settings import OFF, Settings
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
from evaluator.online.emitting.worker import EmittingWorker
from evaluator.online.explaining.explain import Explainer
from evaluator.online.explaining.self_test import SelfTest
from evaluator.online.external.targets import Targets
from evaluator.online.external.worker import ExternalWorker
from evaluator.online.funnels import FunnelCounter
from evaluator.online.leases import LeaseKeeper
from evaluator.online.maintenance import MaintenanceWorker
from evaluator.online.polling.worker import OnlineWorker
from evaluator.online.rules.catalogue import Rules
from evaluator.online.rules.policy import Budget
from evaluator.online.rules.preview import Previews
from evaluator.online.writeback import WriteBackWorker
from evaluator.runs.bulk import Bulk
from evaluator.runs.catalogue import RunCatalogue
from evaluator.runs.pages import Pages
from evaluator.runs.worker import RunWorker
from evaluator.sandbox.sandbox import Sandbox
from evaluator.scoring.engine import Engine
from evaluator.scoring.exchanges import Exchanges
from evaluator.scoring.forecast import Forecast
from evaluator.scoring.grouped import GroupedTelemetry
from evaluator.server.completions import Ends
from evaluator.server.funnels import RuleFunnels
from evaluator.server.previewing import PreviewingFront
from evaluator.server.serve import Parts, serving
from evaluator.server.testing import RuleTests
from storage.clickhouse.alerts import ClickHouseAlerts
from storage.clickhouse.budgets import ClickHouseBudgets
from storage.clickhouse.bulk import ClickHouseBulkResults
from storage.clickhouse.client import Database
from storage.clickhouse.completions import ClickHouseCompletions
from storage.clickhouse.definitions import ClickHouseDefinitions
from storage.clickhouse.deliveries import ClickHouseDeliveries
from storage.clickhouse.engine_config import write_private
from storage.clickhouse.explaining import ClickHouseInquiries
from storage.clickhouse.expressions import ClickHouseExpressions
from storage.clickhouse.external import ClickHouseResultEvents, ClickHouseWaitingResults
from storage.clickhouse.funnels import ClickHouseFunnels
from storage.clickhouse.judge_traces import ClickHouseJudgeAnswers, ClickHouseJudgeTraces
from storage.clickhouse.maintenance import ClickHouseMaintenance
from storage.clickhouse.queue import ClickHouseLeases, ClickHouseQueue
from storage.clickhouse.results import ClickHouseResults
from storage.clickhouse.runs import ClickHouseRuns
from storage.clickhouse.schema import check_schema
from storage.clickhouse.self_test import ClickHouseSelfTests
from storage.clickhouse.telemetry import ClickHouseTelemetry
from storage.clickhouse.writeback import ClickHouseWriteBack
from storage.expressions import SpanExpressions
from storage.queue import Completion

log = logging.getLogger(__name__)
SECRET_BYTES = 32
MAINTENANCE_SECONDS = 600.0
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
            async with judges, Sandbox() as sandbox, _expressions(settings) as expressions:
                await _serve(settings, database, judges, sandbox, expressions, stop, ready, EvaluatorParts(meter))


async def _serve(
    settings: Settings,
    database: Database,
    judges: Judges,
    sandbox: Sandbox,
    expressions: SpanExpressions | None,
    stop: asyncio.Event,
    ready: Callable[[dict[str, Any]], None],
    own: EvaluatorParts,
) -> None:
    definitions, results = ClickHouseDefinitions(database), ClickHouseResults(database)
    telemetry, queue = ClickHouseTelemetry(database), own.queue(database)
    metrics = Metrics(definitions, builtin=builtin_metrics(), aliases=aliases(), expressions=expressions)
    offered = offered_actions(settings)
    rules = Rules(definitions, metrics, actions=offered, prices=judges)
    completion = Completion(idle_ms=int(settings.trace_idle_seconds * 1000))
    leases = LeaseKeeper(ClickHouseLeases(database))
    answers = ClickHouseJudgeAnswers(database) if settings.judge_cache else None
    instruments = _instruments(settings, judges, sandbox, answers)
    exchanges = Exchanges(ClickHouseJudgeTraces(database), answers)
    apply = own.applying(partial(_apply, instruments))
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
            apply=apply,
            exchanges=exchanges,
            redact=instruments.redact,
            expressions=expressions,
            meter=purses.installation(),
        ) as engine,
    ):
        online = OnlineWorker(
            rules=rules,
            metrics=metrics,
            queue=queue,
            telemetry=telemetry,
            scoring=engine,
            leases=leases,
            completion=completion,
            purses=purses,
        )
        own.tell(online, instruments.kept)
        explainer = Explainer(
            rules=rules,
            metrics=metrics,
            queue=queue,
            inquiries=ClickHouseInquiries(database),
            telemetry=telemetry,
            results=results,
            completion=completion,
        )
        runs = ClickHouseRuns(database)
        forecast = Forecast(
            metrics=metrics,
            telemetry=grouped,
            costs=runs,
            render=partial(questions, using=instruments),
            prices=judges,
        )
        previews = Previews(
            rules=rules,
            metrics=metrics,
            queue=queue,
            telemetry=telemetry,
            completion=completion,
            forecast=forecast,
            scoring=engine,
        )
        run_worker = RunWorker(
            runs=runs,
            metrics=metrics,
            queue=queue,
            telemetry=telemetry,
            scoring=engine,
            leases=leases,
            live=online,
            bulk=Bulk(expressions=expressions, results=ClickHouseBulkResults(database)) if expressions else None,
        )
        parts = Parts(
            scoring=engine,
            computing=engine,
            results=results,
            explaining=explainer,
            rule_tests=RuleTests(SelfTest(explainer, ClickHouseSelfTests(database))),
            completions=Ends(completions=ClickHouseCompletions(database)),
            funnels=RuleFunnels(
                FunnelCounter(rules=rules, funnels=ClickHouseFunnels(database), budgets=ClickHouseBudgets(database))
            ),
            metrics=metrics,
            rules=rules,
            previews=PreviewingFront(previews),
            alerts=AlertCatalogue(definitions, metrics, ClickHouseAlerts(database), actions=offered),
            deliveries=DeliveryCatalogue(deliveries=ClickHouseDeliveries(database)),
            runs=RunCatalogue(
                runs=runs,
                metrics=metrics,
                rules=rules,
                telemetry=telemetry,
                pages=Pages(runs=runs, queue=queue, telemetry=telemetry),
                worker=run_worker,
            ),
        )
        async with serving(settings.grpc, parts, grace_seconds=GRACE_SECONDS) as port:
            with _predecessor(settings.data_dir, leases.owner) as dead_owner:
                if dead_owner:  # its leases would keep the rules waiting until they expire
                    await leases.release(dead_owner)
                await leases.renew()
                collect_rarely()
                ready({"grpc": f"{settings.grpc.rpartition(':')[0]}:{port}"})
                async with asyncio.TaskGroup() as tasks:
                    background = [
                        tasks.create_task(work)
                        for work in (
                            _warm_up(judges),
                            leases.run(),
                            WriteBackWorker(own.write_back(database), leases).run(),
                            _maintain(settings, queue, leases),
                            _take_external(database, metrics, leases),
                            _emit(settings, database, leases),
                            act(settings, database, leases),
                        )
                    ]
                    tasks.create_task(run_worker.run(stop))  # returns as the next line does, and sooner
                    await online.run(stop)  # returns when `stop` is set and what was started is done
                    for task in background:
                        task.cancel()
        await leases.release()


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


async def _take_external(database: Database, metrics: Metrics, leases: LeaseKeeper) -> None:
    """What others say about spans becomes results."""
    events = ClickHouseResultEvents(database)
    worker = ExternalWorker(
        events=events,
        waiting=ClickHouseWaitingResults(database),
        targets=Targets(events, ClickHouseTelemetry(database)),
        metrics=metrics,
        results=ClickHouseResults(database),
        queue=ClickHouseQueue(database),
        leases=leases,
    )
    await worker.run()


async def _emit(settings: Settings, database: Database, leases: LeaseKeeper) -> None:
    """Our results go out as events, where an address is set."""
    if settings.out_address is None:
        return
    worker = EmittingWorker(
        address=settings.out_address,
        version=version("assay-eval"),
        results=ClickHouseResults(database),
        newest_ms=ClickHouseWriteBack(database).newest_ms,
        queue=ClickHouseQueue(database),
        leases=leases,
    )
    await worker.run()


@asynccontextmanager
async def _expressions(settings: Settings) -> AsyncIterator[SpanExpressions | None]:
    if not settings.expressions_url:
        log.info("no_sql_metrics", extra={"reason": "ASSAY_EXPRESSIONS_URL is not set"})
        yield None
        return
    async with Database(settings.expressions_url, database=settings.database) as database:
        yield ClickHouseExpressions(database)


async def _maintain(settings: Settings, queue: ClickHouseQueue, leases: LeaseKeeper) -> None:
    """On a connection of its own: to compare many rows may take longer than anything that callers wait for."""
    url, name = settings.clickhouse_url, settings.database
    async with Database(url, database=name, timeout_seconds=MAINTENANCE_SECONDS) as database:
        await MaintenanceWorker(ClickHouseMaintenance(database), queue, leases).run()


@contextmanager
def _predecessor(data_dir: Path, owner: str) -> Iterator[str]:
    """The lease owner that last worked on this data directory, if it certainly lives no more; '' otherwise.

    Its name stands in a file that it held locked: the system lets go of the lock when a process ends, however it ends.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    with open(data_dir / "evaluator.owner", "a+", opener=_private) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # it lives: another evaluator on the same directory
            yield ""
            return
        file.seek(0)
        dead_owner = file.read().strip()
        with suppress(OSError):  # a full disk: the next process then waits until our leases expire
            file.truncate(0)
            file.write(owner)
            file.flush()
        yield dead_owner


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


def installation_secret(data_dir: Path) -> bytes:
    """32 bytes that nobody who writes telemetry knows; made once, kept in the data directory, mode 0600.

    Raises:
        ValueError: The file does not hold 32 bytes; says what to do.
    """
    path = data_dir / "secret"
    if not path.exists():
        data_dir.mkdir(parents=True, exist_ok=True)
        fresh = data_dir / f".secret.{os.getpid()}"
        write_private(fresh, secrets.token_hex(SECRET_BYTES))
        with suppress(FileExistsError):  # another process was first: then its secret is the one
            os.link(fresh, path)
        fresh.unlink()
    text = path.read_text().strip()
    if len(text) != 2 * SECRET_BYTES:
        raise ValueError(f"{path} is damaged: remove it, and a new one is made (it only fences judge prompts)")
    return bytes.fromhex(text)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


if __name__ == "__main__":
    sys.exit(run_as_child(serve_evaluator))
