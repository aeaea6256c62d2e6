"""Explicit ends on the wire: parse, call, render.  A part of `evaluator.v1.Evaluator`."""

from __future__ import annotations

from dataclasses import dataclass

from evaluator.server import convert_targets
from evaluator.server.convert import request_id
from evaluator.server.errors import InvalidRequest
from evaluator.v1 import evaluator_pb2 as pb
from storage.completions import Completions
from storage.model import Level


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """`evaluator.server.ports.MarksComplete`."""

    completions: Completions

    async def mark_complete(self, request: pb.MarkCompleteRequest) -> pb.MarkCompleteResponse:
        """`MarkComplete`.

        Raises:
            InvalidRequest: The target is malformed, or a span.
        """
        request_id(request.request_id)
        target = convert_targets.target_ref(request.target, "target")
        if target.level is Level.SPAN:
            raise InvalidRequest("target.span", "a span is complete when it arrives; name its trace or its session")
        ended = await self.completions.end(target)
        response = pb.MarkCompleteResponse(stored=ended.stored)
        response.mark_time.FromMilliseconds(ended.at_ms)
        return response
