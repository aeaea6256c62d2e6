"""`evaluator.v1.Alignments`: parse, call, render."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

import grpc

from evaluator.alignment.running.catalogue import AlignmentCatalogue
from evaluator.server import convert_alignments as convert
from evaluator.server import pages
from evaluator.server.convert import request_id
from evaluator.server.errors import InvalidPageToken, InvalidRequest, ServerStopping
from evaluator.server.ports import DecidesAlignments, ReportsAlignments
from evaluator.v1 import alignment_pb2 as pb
from evaluator.v1.alignment_pb2_grpc import AlignmentsServicer as Unimplemented
from storage.alignments import AlignmentStanding

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
POLL_SECONDS = 0.25


class AlignmentsServicer(Unimplemented):
    """See the proto for what each method does.

    Args:
        reports: Says what a run found; None = UNIMPLEMENTED.
        decisions: Puts it into force; None = UNIMPLEMENTED.
        stopping: Set when the server stops: watchers are sent away.
    """

    def __init__(
        self,
        alignments: AlignmentCatalogue,
        *,
        stopping: asyncio.Event,
        reports: ReportsAlignments | None = None,
        decisions: DecidesAlignments | None = None,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        self._alignments = alignments
        self._stopping = stopping
        self._reports = reports
        self._decisions = decisions
        self._poll_seconds = poll_seconds

    async def ListSources(self, request: pb.ListSourcesRequest, context: Any) -> pb.ListSourcesResponse:
        """See the proto, here and below."""
        limit, query = pages.page_size(request.page_size), pages.query_of(request)
        delta = request.delta_threshold if request.HasField("delta_threshold") else None
        if delta is not None and not 0.0 <= delta < float("inf"):
            raise InvalidRequest("delta_threshold", f"must be 0 or more, got {delta}")
        found = await self._alignments.sources(_required("metric", request.metric), delta)
        if request.page_token:
            after_us, after_id = _place(query, request.page_token)
            found = [each for each in found if (-each.created_us, each.source_id) > (-after_us, after_id)]
        page = found[:limit]
        last: list[str | int] | None = [page[-1].created_us, page[-1].source_id] if len(found) > limit else None
        return pb.ListSourcesResponse(
            sources=[convert.source_to_proto(source) for source in page],
            next_page_token=pages.to_token(query, last) if last else "",
        )

    async def EstimateAlignment(self, request: pb.EstimateAlignmentRequest, context: Any) -> pb.AlignmentEstimate:
        asked = convert.alignment_request(request.alignment)
        return convert.estimate_to_proto(await self._alignments.estimate(asked))

    async def StartAlignment(self, request: pb.StartAlignmentRequest, context: Any) -> pb.Alignment:
        return convert.alignment_to_proto(await self._alignments.start(convert.alignment_request(request)))

    async def GetAlignment(self, request: pb.GetAlignmentRequest, context: Any) -> pb.Alignment:
        return convert.alignment_to_proto(await self._alignments.get(convert.alignment_id(request.alignment_id)))

    async def ListAlignments(self, request: pb.ListAlignmentsRequest, context: Any) -> pb.ListAlignmentsResponse:
        limit, query = pages.page_size(request.page_size), pages.query_of(request)
        before = _place(query, request.page_token) if request.page_token else None
        found = await self._alignments.newest(request.metric, before=before, limit=limit + 1)
        page = found[:limit]
        return pb.ListAlignmentsResponse(
            alignments=[convert.alignment_to_proto(standing) for standing in page],
            next_page_token=pages.to_token(query, _place_of(page[-1])) if len(found) > limit else "",
        )

    async def WatchAlignment(
        self, request: pb.WatchAlignmentRequest, context: Any
    ) -> AsyncIterator[pb.WatchAlignmentResponse]:
        run_id, said = convert.alignment_id(request.alignment_id), None
        while not self._stopping.is_set():
            standing = await self._alignments.get(run_id)
            if standing != said:
                yield pb.WatchAlignmentResponse(alignment=convert.alignment_to_proto(standing))
                if standing.state.is_final:
                    return
                said = standing
            try:
                async with asyncio.timeout(self._poll_seconds):
                    await self._stopping.wait()
            except TimeoutError:
                pass
        raise ServerStopping("the server is stopping: watch again")

    async def CancelAlignment(self, request: pb.CancelAlignmentRequest, context: Any) -> pb.Alignment:
        return convert.alignment_to_proto(await self._alignments.cancel(convert.alignment_id(request.alignment_id)))

    async def RetryAlignment(self, request: pb.RetryAlignmentRequest, context: Any) -> pb.Alignment:
        standing = await self._alignments.retry(
            convert.alignment_id(request.alignment_id),
            convert.changes(request.changes),
            request_id=request_id(request.request_id),
            author=request.changes.author,
        )
        return convert.alignment_to_proto(standing)

    async def GetAlignmentReport(self, request: pb.GetAlignmentReportRequest, context: Any) -> pb.AlignmentReport:
        if self._reports is None:
            return await _unimplemented(context)
        return await self._reports.report(request)

    async def ReverifyAlignment(self, request: pb.ReverifyAlignmentRequest, context: Any) -> pb.AlignmentReport:
        if self._reports is None:
            return await _unimplemented(context)
        return await self._reports.reverify(request)

    async def AcceptAlignment(self, request: pb.AcceptAlignmentRequest, context: Any) -> pb.AcceptAlignmentResponse:
        if self._decisions is None:
            return await _unimplemented(context)
        return await self._decisions.accept(request)

    async def DiscardAlignment(self, request: pb.DiscardAlignmentRequest, context: Any) -> pb.Alignment:
        if self._decisions is None:
            return await _unimplemented(context)
        return await self._decisions.discard(request)

    async def GetCorrectedMean(self, request: pb.GetCorrectedMeanRequest, context: Any) -> pb.CorrectedMean:
        if self._decisions is None:
            return await _unimplemented(context)
        return await self._decisions.corrected_mean(request)

    async def GetRecheck(self, request: pb.GetRecheckRequest, context: Any) -> pb.Recheck:
        if self._decisions is None:
            return await _unimplemented(context)
        return await self._decisions.recheck(request)


async def _unimplemented(context: Any) -> NoReturn:
    await context.abort(grpc.StatusCode.UNIMPLEMENTED, "this server does not do that")
    raise AssertionError("abort raises")


def _required(field: str, text: str) -> str:
    if not text:
        raise InvalidRequest(field, "is missing")
    return text


def _place_of(standing: AlignmentStanding) -> list[str | int]:
    if standing.run.created is None:
        raise AssertionError("a run that the store returns has its create time")
    return [(standing.run.created - EPOCH) // timedelta(microseconds=1), standing.run.run_id]


def _place(query: bytes, token: str) -> tuple[int, str]:
    match pages.from_token(query, token):
        case [int(created_us), str(run_id)]:
            return created_us, run_id
        case _:
            raise InvalidPageToken("page_token", "was not made by this service")
