"""What people said about a built-in metric holds for its fork, which asks the same question: it is copied there."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace

from evaluator.feedback.standing import Standing
from evaluator.metrics.definition import MetricDefinition
from storage.feedback import FeedbackRow, Feedbacks, Resolution
from storage.model import RESULT_NAMESPACE

PAGE = 200
"""Targets at once: snapshots may be long."""


@dataclass(frozen=True, slots=True)
class Carrying:
    """Copies have ids of their own, made of the fork and the original: the same copy again is the same row."""

    feedbacks: Feedbacks
    standing: Standing

    async def carry(self, *, base: str, fork: MetricDefinition) -> int:
        """Copy what counts; returns how many targets it is about.  What the fork has already is left alone.

        A copy says that it was made before the fork's version, on its forebear: what the judge had said is that one's.
        """
        decided = await self.feedbacks.resolved(base)
        for start in range(0, len(decided), PAGE):
            page = decided[start : start + PAGE]
            there = await self.feedbacks.resolutions(fork.name, [resolution.target for resolution, _ in page])
            new = [(resolution, said) for resolution, said in page if resolution.target not in there]
            await self._copy(new, fork)
        return len(decided)

    async def _copy(self, page: Sequence[tuple[Resolution, Sequence[FeedbackRow]]], fork: MetricDefinition) -> None:
        before = fork.version - 1
        rows = [
            replace(row, feedback_id=_id(row, fork), metric=fork.name, metric_version=before, updated=None)
            for _, said in page
            for row in said
        ]
        await self.feedbacks.add(rows)
        resolutions = [replace(each, metric=fork.name, metric_version=before, updated=None) for each, _ in page]
        await self.standing.record(resolutions, fork)


def _id(row: FeedbackRow, fork: MetricDefinition) -> uuid.UUID:
    return uuid.uuid5(RESULT_NAMESPACE, f"feedback {row.feedback_id} for {fork.name}")
