"""Counts what becomes of a run while it works."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from storage.model import Evaluation
from storage.queue import Decision
from storage.runs import RunTally


@dataclass(slots=True)
class Begun:
    """A page whose chunks are under way."""

    place: tuple[str | int, ...]
    chunks: int = 1
    """Not done yet; the page itself counts as one until all its chunks were handed over."""


@dataclass(slots=True)
class Progress:
    """How far a run is.  `start` is what the store says was done before this process took it up.

    The checkpoint moves over pages in their order: everything before it is settled.
    """

    start: RunTally = field(default_factory=RunTally)
    total: int = 0
    checkpoint: tuple[str | int, ...] = ()
    _decisions: Counter[str] = field(default_factory=Counter)
    _calls: int = 0
    _input_tokens: int = 0
    _output_tokens: int = 0
    _cost_usd: float = 0.0
    _unpriced: int = 0
    _begun: deque[Begun] = field(default_factory=deque)

    def tally(self) -> RunTally:
        """What is done by now."""
        decisions = Counter(self.start.decisions)
        decisions.update(self._decisions)
        return RunTally(
            decisions=dict(decisions),
            judge_calls=self.start.judge_calls + self._calls,
            input_tokens=self.start.input_tokens + self._input_tokens,
            output_tokens=self.start.output_tokens + self._output_tokens,
            cost_usd=self.start.cost_usd + self._cost_usd,
            unpriced=self.start.unpriced + self._unpriced,
        )

    def settle(self, decisions: Iterable[Decision], conclusions: Sequence[object] = ()) -> None:
        """These pairs are settled.  What came out of the store was counted at the start."""
        self._decisions.update(decision.decision for decision in decisions if decision.decision != "waiting")
        for conclusion in conclusions:
            if isinstance(conclusion, Evaluation) and conclusion.inserted_us is None:
                usage = conclusion.usage
                self._calls += usage.attempts
                self._input_tokens += usage.input_tokens
                self._output_tokens += usage.output_tokens
                self._cost_usd += usage.cost_usd or 0.0
                self._unpriced += usage.cost_usd is None and bool(usage.input_tokens or usage.output_tokens)

    def count(self, decisions: Mapping[str, int]) -> None:
        """So many pairs are settled."""
        self._decisions.update(decisions)

    def begin(self, place: tuple[str | int, ...]) -> Begun:
        """A page is handed over; `finish` it once its chunks are."""
        page = Begun(place)
        self._begun.append(page)
        return page

    def finish(self, page: Begun) -> None:
        """A chunk of a page is settled, or the handing over of the page is done."""
        page.chunks -= 1
        while self._begun and not self._begun[0].chunks:
            self.checkpoint = self._begun.popleft().place
