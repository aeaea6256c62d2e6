"""The report of an alignment as one value: what every rendering shows, and nothing that a rendering would compute."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from evaluator.alignment.model import Verdict
from evaluator.alignment.proof.proof import Comparison, Confused
from evaluator.alignment.running.outcome import Counts
from evaluator.statistics.estimate import Estimate
from storage.model import Level, OutputType, Score, TargetRef

NOTHING = Estimate()
NO_COUNTS = Counts()


@dataclass(frozen=True, slots=True, kw_only=True)
class GuidelineLine:
    """One line of the diff.

    Attributes:
        support: Rows that bear it out.
        fixed, broken: Rows that it alone puts right, or wrong.
        origin: `run` or `human`.
        included: Whether the judge is given it in this report.
        base: Whether the metric has it already.
        edited_from: The text that the run had found, where a person changed it.
        needs_decision: Why it is not included by itself.
    """

    guideline_id: str
    text: str
    feedback_ids: tuple[str, ...] = ()
    support: int = 0
    fixed: int = 0
    broken: int = 0
    origin: str = "run"
    included: bool = True
    base: bool = False
    edited_from: str = ""
    needs_decision: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flip:
    """A row whose verdict the guidelines change.

    Attributes:
        before, after: None = the judge did not conclude; its explanation then says why.
        people: What people wrote, one of each annotator.
    """

    target: TargetRef
    expected: Score
    before: Score | None
    before_explanation: str
    after: Score | None
    after_explanation: str
    fixed: bool
    people: tuple[str, ...] = ()
    feedback_ids: tuple[str, ...] = ()

    @property
    def command(self) -> str:
        """What shows the target with all of its results."""
        key = f"session:{self.target.key}" if self.target.level is Level.SESSION else self.target.key
        return f"assay score list --target {shlex.quote(key)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What the run took.  `cost_usd` is of what has a known price."""

    judge_calls: int = 0
    reflection_calls: int = 0
    remembered: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0

    @classmethod
    def of(cls, usage: Mapping[str, float]) -> Spent:
        """Of a run's usage, as it is stored."""
        counts = {name: int(usage.get(name, 0)) for name in cls.__slots__ if name != "cost_usd"}
        return cls(**counts, cost_usd=float(usage.get("cost_usd", 0.0)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """What one evaluation takes, before and after; None = not known.

    Attributes:
        tokens_before, tokens_after: Input tokens of one evaluation, on average.
        usd_before, usd_after: USD for 1,000 evaluations.
    """

    tokens_before: float | None = None
    tokens_after: float | None = None
    usd_before: float | None = None
    usd_after: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything a person should see before accepting.

    Attributes:
        sentence: The verdict in one sentence.
        status: Of the run: `Aligned`, `Error`, `Cancelled`.
        decision: `accepted`, `discarded` or ''.
        accepted: `name@version` that accepting made; '' before.
        active_version: Of the metric now; other than `metric_version` where it has moved since.
        agreement: Headline first; the group `all` before any other.
        flips: Broken ones first.
        noise_floor: How often the judge contradicts itself, 0.0 to 1.0.
        optimism: How much better the guidelines look on the rows they were made of, in points 0.0 to 1.0.
        human_agreement: What people agree on among themselves: the ceiling.
        delta: The gap that counts as a disagreement, in the metric's unit.
        notes: What is special about this report: lines were edited, the base has moved, …
    """

    alignment_id: str
    metric: str
    metric_version: int
    output_type: OutputType
    status: str = "Aligned"
    verdict: Verdict | None = None
    sentence: str = ""
    decision: str = ""
    accepted: str = ""
    active_version: int = 0
    lines: tuple[GuidelineLine, ...] = ()
    prompt_before: str = ""
    prompt_after: str = ""
    agreement: tuple[Comparison, ...] = ()
    human_agreement: tuple[tuple[str, Estimate], ...] = ()
    confusion_before: tuple[Confused, ...] = ()
    confusion_after: tuple[Confused, ...] = ()
    flips: tuple[Flip, ...] = ()
    noise_floor: Estimate = NOTHING
    optimism: Estimate = NOTHING
    p_value: float | None = None
    test: str = ""
    design: str = ""
    failed_guardrails: tuple[str, ...] = ()
    counts: Counts = NO_COUNTS
    spent: Spent = Spent()
    running: Running = Running()
    candidates: int = 0
    seed: int = 0
    judge_model: str = ""
    reflection_model: str = ""
    delta: float | None = None
    fingerprint: str = ""
    sources: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    created: datetime | None = None

    @property
    def headline(self) -> Comparison | None:
        """The statistic that is named first."""
        return self.agreement[0] if self.agreement else None

    @property
    def fixed(self) -> int:
        """Flips that put a row right."""
        return sum(each.fixed for each in self.flips)

    @property
    def broken(self) -> int:
        """Flips that broke a row."""
        return len(self.flips) - self.fixed
