"""What an alignment is asked for, and what of it is fixed when it starts."""

from __future__ import annotations

import hashlib
import math
import re
import uuid
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from evaluator.errors import IncompatibleOutputType, InvalidDefinition, NotAJudge
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.gaps import default_delta
from storage.alignments import AlignmentRun
from storage.model import MetricKind, OutputType

MAX_SOURCES = 1000
MAX_ROWS = 2000
"""That a run takes unless it says; more of them prove no more, and cost as much again."""
MOST_ROWS = 50_000
MAX_SEED = 2**63 - 1
_DAY = re.compile(r"(?:rule:[a-z0-9_]{1,64}|ondemand)@(\d{4}-\d{2}-\d{2})")
COMPARABLE = frozenset(
    {
        OutputType.BOOLEAN,
        OutputType.CATEGORICAL,
        OutputType.PERCENTAGE,
        OutputType.DISCRETE,
        OutputType.COUNT,
        OutputType.MULTILABEL,
        OutputType.NUMBER,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """What a run may take.

    Attributes:
        max_calls: Calls of judge and reflection model together, transport retries included; 0 = no cap.
        max_cost_usd: 0.0 = no cap.
        max_rows: Rows that are used at most; a larger number of annotations is sampled.
    """

    max_calls: int = 0
    max_cost_usd: float = 0.0
    max_rows: int = MAX_ROWS

    def __post_init__(self) -> None:
        if self.max_calls < 0:
            raise InvalidDefinition("caps.max_calls", f"must be 0 (no cap) or more, got {self.max_calls}")
        if not (math.isfinite(self.max_cost_usd) and self.max_cost_usd >= 0.0):
            raise InvalidDefinition("caps.max_cost_usd", f"must be 0 (no cap) or more, got {self.max_cost_usd}")
        if not 1 <= self.max_rows <= MOST_ROWS:
            raise InvalidDefinition("caps.max_rows", f"must be 1 to {MOST_ROWS}, got {self.max_rows}")


@dataclass(frozen=True, slots=True, kw_only=True)
class AlignmentRequest:
    """A run to be.

    Attributes:
        metric: By any of its names; its active version is aligned.
        source_ids: Completed evaluations whose feedback is taken; () = all resolved feedback.
        reflection_model: litellm name or `gateway:/NAME`; '' = the installation's.
        judge_model: The same for the judge that verifies; '' = the metric's own.
        delta: The smallest gap that is a disagreement, in the metric's unit; None = the default of its output type.
        seed: Decides splits and order; None = drawn from the run's id.
        request_id: Makes a repetition harmless; '' = every call is a run of its own.
    """

    metric: str
    source_ids: tuple[str, ...] = ()
    reflection_model: str = ""
    judge_model: str = ""
    delta: float | None = None
    caps: Caps = field(default_factory=Caps)
    seed: int | None = None
    request_id: str = ""
    author: str = ""

    def __post_init__(self) -> None:
        if not self.metric:
            raise InvalidDefinition("metric", "is missing")
        if len(self.source_ids) > MAX_SOURCES:
            raise InvalidDefinition("source_ids", f"at most {MAX_SOURCES} are allowed, got {len(self.source_ids)}")
        for index, source in enumerate(self.source_ids):
            _check_source(f"source_ids[{index}]", source)
        if self.delta is not None and not (math.isfinite(self.delta) and self.delta >= 0.0):
            raise InvalidDefinition("delta_threshold", f"must be 0 or more, got {self.delta}")
        if self.seed is not None and not 0 <= self.seed <= MAX_SEED:
            raise InvalidDefinition("seed", f"must be 0 to {MAX_SEED}, got {self.seed}")


@dataclass(frozen=True, slots=True, kw_only=True)
class AlignmentPlan:
    """What a run works by: nothing of it is left to defaults.  Stored with the run.

    Attributes:
        asked_reflection_model, asked_judge_model: As they were asked for; '' = defaults.
    """

    reflection_model: str
    judge_model: str
    asked_reflection_model: str = ""
    asked_judge_model: str = ""
    delta: float | None = None
    caps: Caps
    seed: int

    @classmethod
    def of(cls, run: AlignmentRun) -> AlignmentPlan:
        """Of a stored run."""
        body: dict[str, Any] = dict(run.config)
        return cls(**{**body, "caps": Caps(**body["caps"])})

    def to_body(self) -> dict[str, object]:
        """As stored."""
        return {
            "reflection_model": self.reflection_model,
            "judge_model": self.judge_model,
            "asked_reflection_model": self.asked_reflection_model,
            "asked_judge_model": self.asked_judge_model,
            "delta": self.delta,
            "caps": {
                "max_calls": self.caps.max_calls,
                "max_cost_usd": self.caps.max_cost_usd,
                "max_rows": self.caps.max_rows,
            },
            "seed": self.seed,
        }

    def judged(self, definition: MetricDefinition) -> MetricDefinition:
        """The metric as the run asks it: by the model that was asked for, if one was."""
        if not self.asked_judge_model:
            return definition
        return replace(definition, model=self.asked_judge_model, jury=None)

    def delta_of(self, definition: MetricDefinition) -> float:
        """The smallest gap that is a disagreement."""
        return default_delta(definition) if self.delta is None else self.delta


def check_alignable(definition: MetricDefinition) -> None:
    """Whether a metric can be aligned at all.

    Raises:
        NotAJudge, IncompatibleOutputType: It cannot; says why.
    """
    if definition.kind is not MetricKind.JUDGE:
        raise NotAJudge(f"metric {definition.name!r} is of kind {definition.kind}: only judges can be aligned")
    if definition.output_type not in COMPARABLE:
        raise IncompatibleOutputType(
            f"metric {definition.name!r} answers in {definition.output_type}: two such verdicts cannot be compared"
        )


def seed_of(run_id: str) -> int:
    """Drawn from an id."""
    return int.from_bytes(hashlib.blake2b(run_id.encode(), digest_size=7).digest(), "big")


def _check_source(field_name: str, source: str) -> None:
    try:
        found = _DAY.fullmatch(source)
        if found is not None:
            date.fromisoformat(found[1])
        else:
            uuid.UUID(source)
    except ValueError:
        raise InvalidDefinition(
            field_name, f"must be a run's UUID, rule:NAME@YYYY-MM-DD or ondemand@YYYY-MM-DD, got {source[:200]!r}"
        ) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What a retry does otherwise; what is not set stays."""

    reflection_model: str = ""
    judge_model: str = ""
    caps: Caps | None = None
