"""The evaluator process: gRPC in; judges and code conclude; results and write-back out."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable
from typing import Any

from assay.heap import collect_rarely
from assay.own.metering import metering
from assay.own.parts import EvaluatorParts
from assay.roles.acting import act
from assay.roles.core import Core, core_of, expressions_of
from assay.roles.kept import predecessor
from assay.roles.parts import alignments_of, decisions_of, desk_of, parts_of, run_worker_of
from assay.roles.process import run_as_child
from assay.roles.upkeep import keep_up
from assay.settings import Settings
from evaluator.judges.choose import Judges
from evaluator.judges.port import JudgeError
from evaluator.online.polling.worker import OnlineWorker
from evaluator.sandbox.sandbox import Sandbox
from evaluator.server.serve import serving
from storage.clickhouse.client import Database
from storage.clickhouse.schema import check_schema

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
                expressions_of(settings) as expressions,
                core_of(settings, database, judges, sandbox, expressions, EvaluatorParts(meter)) as core,
            ):
                await _serve(core, stop, ready)


async def _serve(core: Core, stop: asyncio.Event, ready: Callable[[dict[str, Any]], None]) -> None:
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
    run_worker, alignments = run_worker_of(core, online), alignments_of(core)
    decisions = decisions_of(core, alignments)
    parts = parts_of(core, run_worker, alignments, decisions)
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
                        keep_up(settings, core.database, core.metrics, leases, write_back, desk_of(core)),
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


async def _warm_up(judges: Judges) -> None:
    try:
        await judges.warm_up()
    except JudgeError as error:  # every result that needs it will say so, too
        log.warning("no_judge", extra={"reason": str(error)})


if __name__ == "__main__":
    sys.exit(run_as_child(serve_evaluator))
