"""How far a run is: told by whoever works on it, written down for whoever watches."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from evaluator.alignment.running.spending import Spent
from storage.alignments import AlignmentPhase, AlignmentRun, AlignmentStanding, AlignmentState


class Telling:
    """`evaluator.alignment.model.Steps`, and the events of one run.

    Attributes:
        changed: Set when there is something new to write down at once.
    """

    def __init__(self, run: AlignmentRun, spent: Spent) -> None:
        self._run = run
        self._spent = spent
        self._phase = AlignmentPhase.LOADING_ANNOTATIONS
        self._done = self._total = 0
        self.changed = asyncio.Event()

    def enter(self, phase: AlignmentPhase, total: int = 0) -> None:
        """A phase begins."""
        self._phase, self._done, self._total = phase, 0, total
        self.changed.set()

    def report(self, done: int, total: int, what: str = "") -> None:
        """Steps of the phase that are done, of how many."""
        self._done, self._total = min(done, total), total

    def finalizing(self) -> None:
        """Guidelines are distilled; from now on they are proved."""
        if self._phase is not AlignmentPhase.FINALIZING:
            self.enter(AlignmentPhase.FINALIZING)

    def standing(
        self, state: AlignmentState = AlignmentState.RUNNING, outcome: Mapping[str, object] | None = None
    ) -> AlignmentStanding:
        """Where it stands."""
        return AlignmentStanding(
            run=self._run,
            state=state,
            phase=self._phase,
            done=self._done,
            total=self._total,
            usage=self._spent.to_usage(),
            outcome=outcome or {},
        )

    def ended(self, state: AlignmentState, outcome: Mapping[str, object]) -> AlignmentStanding:
        """Where it stands at its end: of what has succeeded, nothing is left to do."""
        standing = self.standing(state, outcome)
        return replace(standing, done=standing.total) if state is AlignmentState.ALIGNED else standing
