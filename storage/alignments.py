"""Alignments in the store: runs of kind `alignment`, the answers that they paid for, and what became of their rows."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from storage.model import Score, TargetRef


class AlignmentState(StrEnum):
    """Where an alignment stands.  The first final state stands."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    ALIGNED = "ALIGNED"
    ERROR = "ERROR"
    CANCELLED = "CANCELLED"

    @property
    def is_final(self) -> bool:
        """Whether nothing will change any more."""
        return self not in (AlignmentState.PENDING, AlignmentState.RUNNING)


class AlignmentPhase(StrEnum):
    """What a running alignment is at."""

    LOADING_ANNOTATIONS = "loading_annotations"
    BUILDING_DISAGREEMENT_TRACES = "building_disagreement_traces"
    DISTILLING_GUIDELINES = "distilling_guidelines"
    FINALIZING = "finalizing"
    """Verifying and proving."""


class CallKind(StrEnum):
    """Who was asked."""

    JUDGE = "judge"
    REFLECTION = "reflection"


class FlipKind(StrEnum):
    """What guidelines did to a row."""

    NONE = "none"
    FIXED = "fixed"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlignmentRun:
    """An alignment as it was asked for.

    Attributes:
        metric, version: What it starts from.
        source_ids: Whose feedback it takes; () = all.
        config: JSON: `evaluator.alignment.running.definition.AlignmentRequest.to_body`.
        lineage: Runs whose answers it may read: itself, then those that it retries, newest first.
        retry_of: The run that it retries; '' = none.
    """

    run_id: str
    metric: str
    version: int
    source_ids: tuple[str, ...] = ()
    config: Mapping[str, object] = field(default_factory=dict)
    lineage: tuple[str, ...] = ()
    retry_of: str = ""
    author: str = ""
    created: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlignmentStanding:
    """An alignment and where it stands.

    Attributes:
        phase: What it is at, or was at when it ended; None before it started.
        done, total: Steps of the phase.
        usage: `judge_calls`, `reflection_calls`, `remembered`, `input_tokens`, `output_tokens`, `cost_usd`.
        notes: JSON: what is known while it runs (rows, sources).
        outcome: JSON: what it found, or why it failed, once it is final.
        decision: JSON: what a person decided; the first decision stands; None = nothing yet.
        updated: When it was last heard of; None before its first event.
    """

    run: AlignmentRun
    state: AlignmentState
    phase: AlignmentPhase | None = None
    done: int = 0
    total: int = 0
    usage: Mapping[str, float] = field(default_factory=dict)
    notes: Mapping[str, object] = field(default_factory=dict)
    outcome: Mapping[str, object] = field(default_factory=dict)
    decision: Mapping[str, object] | None = None
    cancel_requested: bool = False
    updated: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCall:
    """One question of an alignment and its answer.

    Attributes:
        key: 32 bytes: equal for equal questions.
        response: What the asker keeps of the answer, as text.
        trace_ids, session_ids: Targets that the question showed.
        calls: Requests that it took, transport retries included.
    """

    key: bytes
    kind: CallKind
    response: str
    trace_ids: tuple[str, ...] = ()
    session_ids: tuple[str, ...] = ()
    calls: int = 1
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AlignedRow:
    """What became of one piece of feedback in an alignment.

    Attributes:
        row_id: Shared by all feedback on one target.
        split: `train`, `validation`, `held_out`, `agreeing` or `excluded`.
        expected, recorded: Verdicts, as JSON; '' = none.
        before, after: Outcomes, one of each repeat, as JSON (`evaluator.alignment.running.outcome`).
        reason: Why it was left out.
    """

    feedback_id: uuid.UUID
    row_id: str
    target: TargetRef
    split: str
    fold: int = 0
    expected: str = ""
    recorded: str = ""
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    flip: FlipKind = FlipKind.NONE
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedTarget:
    """A target that people agree on: what they expect, and what the judge had concluded when they spoke last."""

    target: TargetRef
    expected: Score
    recorded: Score | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcedResult:
    """A result of a metric on a target that people spoke about, and the completed evaluation that it is of.

    Attributes:
        source_id: A run's id, `rule:NAME@YYYY-MM-DD` or `ondemand@YYYY-MM-DD` (UTC).
        kind: `batch`, `backfill`, `recompute`, `experiment`, `rule_day` or `ondemand_day`.
        name: What people call the source; '' = nothing.
        created_us: When the source was made: a run's creation, a day's first result; microseconds since the epoch.
    """

    source_id: str
    kind: str
    name: str
    created_us: int
    target: TargetRef
    score: Score


class Alignments(Protocol):
    """The port to alignments.

    Raises (every method):
        Unavailable: The store is away.
    """

    async def create(self, run: AlignmentRun) -> None:
        """Store a run; the same id again does no harm."""

    async def get(self, run_id: str) -> AlignmentStanding:
        """One run.

        Raises:
            NotFound: There is none of this id.
        """

    async def newest(self, metric: str, *, before: tuple[int, str] | None, limit: int) -> list[AlignmentStanding]:
        """Runs on a metric ('' = all), newest first, strictly before (create time in microseconds, id)."""

    async def unfinished(self, shards: Collection[int]) -> list[str]:
        """Ids of runs in these shards that have no final state, oldest first."""

    async def is_final(self, run_id: str) -> bool:
        """Whether a run has a final state."""

    async def enter(self, standing: AlignmentStanding) -> None:
        """Record state, phase, progress, usage and, where it is final, the outcome; a final state is never left."""

    async def progress(self, standing: AlignmentStanding) -> None:
        """Record phase, progress and usage."""

    async def note(self, run_id: str, notes: Mapping[str, object]) -> None:
        """Record what is known while it runs; the newest counts."""

    async def request_cancel(self, run_id: str) -> None:
        """Record the wish."""

    async def decide(self, run_id: str, decision: Mapping[str, object]) -> None:
        """Record what a person decided; it counts unless there is a decision already."""

    async def keep_calls(self, run_id: str, calls: Sequence[StoredCall]) -> None:
        """Keep answers; the same again do no harm."""

    async def calls(self, run_ids: Collection[str]) -> dict[bytes, StoredCall]:
        """Every answer that these runs have, by key."""

    async def spent(self, run_id: str) -> dict[str, float]:
        """What the answers of one run took; names as in `AlignmentStanding.usage`."""

    async def keep_rows(self, run_id: str, rows: Sequence[AlignedRow]) -> None:
        """Keep what became of feedback; the same again does no harm."""

    async def rows(self, run_id: str) -> list[AlignedRow]:
        """What became of feedback, in order of row and feedback."""

    async def resolved(self, metric: str) -> list[ResolvedTarget]:
        """Every target with resolved feedback for a metric, in order of targets; what was said of them aside."""

    async def sourced(self, metric: str, source_ids: Collection[str] = ()) -> list[SourcedResult]:
        """Newest result of each completed evaluation (of these; () = all) on each target that people spoke about."""
