"""`WatchResults` at its ends."""

from __future__ import annotations

import asyncio

import pytest
from running_front import PreparedExplaining, PreparedScoring, a_span, an_evaluation, run_catalogue, running_front

from assay.client import AsyncClient, CallFailed, ResultFilter
from evaluator.metrics.registry import Metrics
from evaluator.server.convert_targets import target_ref_to_proto
from evaluator.server.evaluator import EvaluatorServicer
from evaluator.v1 import evaluator_pb2 as pb
from storage.clickhouse.client import Database
from storage.clickhouse.definitions import ClickHouseDefinitions
from storage.clickhouse.results import ClickHouseResults
from storage.model import Failure, Status


async def test_a_stopping_server_sends_its_watchers_away_at_once(database: Database) -> None:
    """With UNAVAILABLE and when to come again, not with a clean end that looks like `no more results`."""
    async with asyncio.timeout(30):  # the grace is five minutes: nobody waits for it
        async with running_front(database, grace_seconds=300.0) as front:
            client = AsyncClient(front.address)
            watch = client.watch_results()
            assert (await anext(watch)).result is None
        with pytest.raises(CallFailed) as ended:
            await anext(watch)
        await client.close()
    assert (ended.value.code, ended.value.reason, ended.value.retry_seconds) == ("UNAVAILABLE", "SERVER_STOPPING", 1.0)


async def test_a_watcher_that_goes_away_leaves_nothing_behind(database: Database) -> None:
    """The stream ends cleanly on cancel: the server stops long before its grace is over."""
    async with (
        asyncio.timeout(30),
        running_front(database, grace_seconds=300.0) as front,
        AsyncClient(front.address) as client,
    ):
        for _ in range(10):
            watch = client.watch_results()
            await anext(watch)
            await watch.aclose()


async def test_a_watch_shows_only_what_its_filter_lets_through(database: Database) -> None:
    """Failures of one metric, for an alert."""
    wanted = an_evaluation(a_span(), Failure(code="JUDGE_TIMEOUT", message="no answer in 30 s"))
    others = [an_evaluation(a_span()), an_evaluation(a_span(), metric="response_length")]
    where = ResultFilter(metrics=("correctness",), statuses=(Status.FAILED,))
    async with (
        asyncio.timeout(30),
        running_front(database, grace_seconds=300.0) as front,
        AsyncClient(front.address) as client,
    ):
        watch = client.watch_results(where)
        await anext(watch)
        await front.results.append([*others, wanted])
        seen = await anext(watch)
        assert seen.result is not None
        assert seen.result.result_id == str(wanted.evaluation_id)


async def test_a_cursor_we_did_not_make_is_refused(database: Database) -> None:
    """Junk is INVALID_ARGUMENT, not a watch from the beginning of time."""
    async with running_front(database) as front, AsyncClient(front.address) as client:
        with pytest.raises(CallFailed) as refused:
            await anext(client.watch_results(cursor="junk"))
    assert (refused.value.code, refused.value.reason) == ("INVALID_ARGUMENT", "INVALID_PAGE_TOKEN")


async def test_the_cursor_of_a_quiet_watch_moves_on_and_nothing_is_lost(database: Database) -> None:
    """A filter that lets little through must not make every poll read further back; hence cursors without results."""
    target = a_span()
    results = ClickHouseResults(database)
    await results.append([an_evaluation(a_span())])
    scoring = PreparedScoring()
    metrics = Metrics(ClickHouseDefinitions(database), builtin=())
    servicer = EvaluatorServicer(
        scoring=scoring,
        computing=scoring,
        results=results,
        explaining=PreparedExplaining(),
        runs=run_catalogue(database, metrics),
        metrics=metrics,
        stopping=asyncio.Event(),
        poll_seconds=0.001,
        idle_polls=2,
    )
    where = pb.ResultFilter(targets=[target_ref_to_proto(target)])
    watch = servicer.WatchResults(pb.WatchResultsRequest(filter=where), None)
    async with asyncio.timeout(30):
        cursors = [(await anext(watch)).cursor for _ in range(3)]
        wanted = an_evaluation(target)
        await results.append([wanted])
        message = await anext(watch)
        while not message.HasField("result"):
            message = await anext(watch)
    assert len(set(cursors)) == 3
    assert message.result.result_id == str(wanted.evaluation_id)
