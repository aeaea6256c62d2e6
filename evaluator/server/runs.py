"""Runs on the wire: parse, call, render.  A part of `evaluator.v1.Evaluator`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from evaluator.runs.catalogue import RunCatalogue
from evaluator.server import convert_runs as convert
from evaluator.server import pages
from evaluator.server.errors import InvalidPageToken, ServerStopping
from evaluator.v1 import evaluator_pb2 as pb
from storage.runs import RunStanding

POLL_SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCalls:
    """The methods about runs.  See the proto."""

    runs: RunCatalogue
    stopping: asyncio.Event
    poll_seconds: float = POLL_SECONDS

    async def create(self, request: pb.CreateRunRequest) -> pb.Run:
        """`CreateRun`."""
        asked = convert.run_request(request)
        return convert.run_to_proto(await self.runs.create(asked, validate_only=request.validate_only))

    async def get(self, request: pb.GetRunRequest) -> pb.Run:
        """`GetRun`."""
        standing = await self.runs.get(convert.run_id(request.run_id))
        return convert.run_to_proto(standing, await self.runs.failures(standing.run.run_id))

    async def list(self, request: pb.ListRunsRequest) -> pb.ListRunsResponse:
        """`ListRuns`."""
        limit, query = pages.page_size(request.page_size), pages.query_of(request)
        before = _place(query, request.page_token) if request.page_token else None
        found = await self.runs.newest(states=convert.run_states(request.states), before=before, limit=limit + 1)
        page = found[:limit]
        return pb.ListRunsResponse(
            runs=[convert.run_to_proto(standing) for standing in page],
            next_page_token=pages.to_token(query, _place_of(page[-1])) if len(found) > limit else "",
        )

    async def cancel(self, request: pb.CancelRunRequest) -> pb.Run:
        """`CancelRun`."""
        return convert.run_to_proto(await self.runs.cancel(convert.run_id(request.run_id)))

    async def watch(self, request: pb.WatchRunRequest) -> AsyncIterator[pb.WatchRunResponse]:
        """`WatchRun`."""
        run_id, said = convert.run_id(request.run_id), None
        while not self.stopping.is_set():
            standing = await self.runs.get(run_id)
            if standing != said:
                final = standing.state.is_final
                failures = await self.runs.failures(run_id) if final else ()
                yield pb.WatchRunResponse(run=convert.run_to_proto(standing, failures))
                if final:
                    return
                said = standing
            try:
                async with asyncio.timeout(self.poll_seconds):
                    await self.stopping.wait()
            except TimeoutError:
                pass
        raise ServerStopping("the server is stopping: watch again")


def _place_of(standing: RunStanding) -> list[str | int]:
    if standing.run.created is None:
        raise AssertionError("a run that the store returns has its create time")
    return [round(standing.run.created.timestamp() * 1_000_000), standing.run.run_id]


def _place(query: bytes, token: str) -> tuple[int, str]:
    match pages.from_token(query, token):
        case [int(created_us), str(run_id)]:
            return created_us, run_id
        case _:
            raise InvalidPageToken("page_token", "was not made by this service")
