"""`evaluator.v1.Evaluator`: parse, call, render."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc

from evaluator.errors import ResultNotFound
from evaluator.online.explaining.explanation import Explaining
from evaluator.runs.catalogue import RunCatalogue
from evaluator.scoring.plan import KnowsMetrics
from evaluator.scoring.request import InlineTarget, Scoring
from evaluator.server import convert, convert_targets, pages
from evaluator.server.errors import InvalidRequest, ServerStopping
from evaluator.server.listing import Listing
from evaluator.server.ports import Computing, MarksComplete
from evaluator.server.runs import RunCalls
from evaluator.server.stream import EvaluateStream
from evaluator.v1 import evaluator_pb2 as pb
from evaluator.v1 import evaluator_pb2_grpc
from storage.errors import NotFound
from storage.model import Evaluation
from storage.results import ResultCursor, Results

POLL_SECONDS = 0.3
IDLE_POLLS = 100
"""After so many polls without a result the cursor moves on, so that the next poll reads little."""
WATCH_BATCH = 1000
_WATCH = pages.query_of(pb.WatchResultsRequest())
"""Cursors go with every filter."""


class EvaluatorServicer(evaluator_pb2_grpc.EvaluatorServicer):
    """Scores on demand, and reads results."""

    def __init__(
        self,
        *,
        scoring: Scoring,
        computing: Computing,
        results: Results,
        explaining: Explaining,
        runs: RunCatalogue,
        metrics: KnowsMetrics,
        stopping: asyncio.Event,
        completions: MarksComplete | None = None,
        poll_seconds: float = POLL_SECONDS,
        idle_polls: int = IDLE_POLLS,
    ) -> None:
        self._scoring = scoring
        self._computing = computing
        self._results = results
        self._explaining = explaining
        self._listing = Listing(results=results, computing=computing, metrics=metrics)
        self._runs = RunCalls(runs=runs, stopping=stopping)
        self._completions = completions
        self._stopping = stopping
        self._poll_seconds = poll_seconds
        self._idle_polls = idle_polls

    async def Evaluate(self, request: pb.EvaluateRequest, context: Any) -> pb.EvaluateResponse:
        """See the proto, here and below."""
        asked = convert.evaluation_request(request, remaining_seconds=context.time_remaining())
        try:
            answers = await self._scoring.evaluate(asked)
        except ValueError as error:
            if not any(isinstance(target, InlineTarget) for target in asked.targets):
                raise
            raise InvalidRequest("targets", str(error)) from error
        return pb.EvaluateResponse(results=convert.results_to_proto(asked, answers))

    async def EvaluateStream(self, requests: AsyncIterator[pb.EvaluateStreamRequest], context: Any) -> None:
        await EvaluateStream(scoring=self._scoring, stopping=self._stopping, context=context).serve(requests)

    async def ListResults(self, request: pb.ListResultsRequest, context: Any) -> pb.ListResultsResponse:
        return await self._listing.page(request)

    async def GetResult(self, request: pb.GetResultRequest, context: Any) -> pb.Result:
        evaluation_id = convert.result_id(request.result_id)
        if (pending := self._computing.pending(evaluation_id)) is not None:
            return convert.result_to_proto(pending)
        try:
            return convert.result_to_proto(await self._results.get(evaluation_id))
        except NotFound as error:
            raise ResultNotFound(str(error)) from error

    async def WatchResults(
        self, request: pb.WatchResultsRequest, context: Any
    ) -> AsyncIterator[pb.WatchResultsResponse]:
        where = convert.result_filter(request.filter)
        cursor = (
            pages.result_cursor(_WATCH, request.cursor, field="cursor")
            if request.cursor
            else await self._results.cursor_now()
        )
        yield pb.WatchResultsResponse(cursor=pages.result_token(_WATCH, cursor))
        idle_polls = 0
        while not self._stopping.is_set():
            safe = await self._results.cursor_now() if idle_polls == self._idle_polls else None
            found = await self._results.arrived(where, after=cursor, limit=WATCH_BATCH)
            for evaluation in found:
                cursor = _cursor_of(evaluation)
                yield pb.WatchResultsResponse(
                    result=convert.result_to_proto(evaluation), cursor=pages.result_token(_WATCH, cursor)
                )
            if safe is not None and not found:
                cursor = safe
                yield pb.WatchResultsResponse(cursor=pages.result_token(_WATCH, cursor))
            idle_polls = 0 if found or safe is not None else idle_polls + 1
            if len(found) < WATCH_BATCH:
                await self._pause()
        raise ServerStopping("the server is stopping: call again with the last cursor")

    async def CreateRun(self, request: pb.CreateRunRequest, context: Any) -> pb.Run:
        return await self._runs.create(request)

    async def GetRun(self, request: pb.GetRunRequest, context: Any) -> pb.Run:
        return await self._runs.get(request)

    async def ListRuns(self, request: pb.ListRunsRequest, context: Any) -> pb.ListRunsResponse:
        return await self._runs.list(request)

    async def CancelRun(self, request: pb.CancelRunRequest, context: Any) -> pb.Run:
        return await self._runs.cancel(request)

    async def WatchRun(self, request: pb.WatchRunRequest, context: Any) -> AsyncIterator[pb.WatchRunResponse]:
        async for message in self._runs.watch(request):
            yield message

    async def Explain(self, request: pb.ExplainRequest, context: Any) -> pb.ExplainResponse:
        explanations = await self._explaining.explain(
            request.rule, convert_targets.target_ref(request.target, "target")
        )
        return pb.ExplainResponse(explanations=[convert.explanation_to_proto(one) for one in explanations])

    async def MarkComplete(self, request: pb.MarkCompleteRequest, context: Any) -> pb.MarkCompleteResponse:
        if self._completions is None:
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, "this server takes no ends")
            raise AssertionError("abort raises")
        return await self._completions.mark_complete(request)

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(self._poll_seconds):
                await self._stopping.wait()
        except TimeoutError:
            pass


def _cursor_of(evaluation: Evaluation) -> ResultCursor:
    if evaluation.inserted_us is None:
        raise AssertionError("a result that the store returns has its insert time")
    return ResultCursor(
        inserted_us=evaluation.inserted_us, evaluation_id=evaluation.evaluation_id, attempt=evaluation.attempt
    )
