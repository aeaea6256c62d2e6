"""Results: append, find, page through.

Every method may raise `storage.errors.Unavailable` (a retry may succeed).  Other errors stand at the method.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from storage.model import Evaluation, Level, MetricKind, Purpose, Status, TargetRef

FIRST_ID = uuid.UUID(int=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultFilter:
    """Which results.  Empty fields do not restrict.  Times are server insert times, [since, until).

    Attributes:
        run: All results of this run count, also those that newer ones have superseded.
        purposes: Empty = those that are shown on spans; with `run` all.
        minimum, maximum: Ends of a range of values, both included.
        rules: One of these.
        labels: One of these, of a multilabel result one of its own.
    """

    targets: tuple[TargetRef, ...] = ()
    metrics: tuple[str, ...] = ()
    levels: tuple[Level, ...] = ()
    statuses: tuple[Status, ...] = ()
    rule: str = ""
    rules: tuple[str, ...] = ()
    run: str = ""
    since: datetime | None = None
    until: datetime | None = None
    include_superseded: bool = False
    purposes: tuple[Purpose, ...] = ()
    kinds: tuple[MetricKind, ...] = ()
    labels: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueCursor:
    """A place in the order (value, id, attempt) of results."""

    value: float
    evaluation_id: uuid.UUID
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenEvaluation:
    """What is not final: `queued` or `computing`.  `rule` is `run:RUN_ID` for runs."""

    rule: str
    rule_version: int
    metric: str
    target: TargetRef
    watermark_ms: int
    status: Status
    reason: str
    attempt: int
    since_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultCursor:
    """A place in the order (server insert time, id, attempt) of results."""

    inserted_us: int
    evaluation_id: uuid.UUID = FIRST_ID
    attempt: int = 0


class Results(Protocol):
    """Results, append-only."""

    async def append(self, evaluations: Sequence[Evaluation]) -> None:
        """Store results.  The same (evaluation_id, attempt) again does no harm."""

    async def get(self, evaluation_id: uuid.UUID) -> Evaluation:
        """The newest attempt of one result.

        Raises:
            NotFound: There is none of this id.
        """

    async def existing(self, ids: Collection[uuid.UUID]) -> dict[uuid.UUID, Evaluation]:
        """The newest attempt of each of these results that is there."""

    async def newest(self, where: ResultFilter, *, before: ResultCursor | None, limit: int) -> list[Evaluation]:
        """Results in falling order of (insert time, id), strictly before the cursor."""

    async def ranked(
        self, where: ResultFilter, *, descending: bool, after: ValueCursor | None, limit: int
    ) -> list[Evaluation]:
        """Results with a value in rising (or falling) order of (value, id), strictly after the cursor."""

    async def unfinished(
        self, where: ResultFilter, *, before: OpenEvaluation | None, limit: int
    ) -> list[OpenEvaluation]:
        """What rules and runs have not finished, newest first, strictly before one of them.

        `statuses` says whether it is queued or computing.  Purposes, kinds, labels and values restrict nothing here.
        """

    async def arrived(self, where: ResultFilter, *, after: ResultCursor, limit: int) -> list[Evaluation]:
        """Results in rising order, strictly after the cursor, never past an INSERT that still runs."""

    async def cursor_now(self) -> ResultCursor:
        """A cursor behind which nothing can appear any more: watch from here to see everything that comes."""

    async def reusable(self, target: TargetRef, metric_digest: str, input_digest: bytes) -> Evaluation | None:
        """The newest success of this metric digest on this target with this content, if any."""

    async def current(
        self, metrics: Collection[str], *, trace_ids: Collection[str] = (), session_ids: Collection[str] = ()
    ) -> list[Evaluation]:
        """Current results of these metrics on these traces and their spans, and on these sessions; every version's."""

    async def revised(self, targets: Collection[TargetRef]) -> Mapping[TargetRef, int]:
        """When the last revision of targets came, milliseconds on the server's clock; a span's with its last log.

        Targets of which nothing came after they first did may be missing.
        """
