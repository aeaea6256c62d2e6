"""One request under way: what its pairs share."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from evaluator.metrics.composite.requirements import BY_OTHERS, Closure
from evaluator.metrics.definition import MetricDefinition
from evaluator.scoring.due import Due
from evaluator.scoring.pairs import Pair, Shared, id_of
from evaluator.scoring.request import EvaluationRequest
from evaluator.scoring.stored import SHOWN, Stored
from evaluator.scoring.work import Task
from storage.errors import StorageError
from storage.model import Evaluation, TargetRef


@dataclass(slots=True, kw_only=True)
class Call:
    """A request.

    Attributes:
        patient: Wait for results of others; else they are answered as `Pending`.
        stored: What is in the store already; None = nothing that matters.
        asked: What was asked for: target, slug, version.
        finished: What others computed while the store was read.
        started: What was asked for, by id.
    """

    request: EvaluationRequest
    required: Closure
    due: Due
    patient: bool
    stored: asyncio.Task[Stored | StorageError] | None = None
    asked: frozenset[tuple[TargetRef, str, int]] = frozenset()
    finished: Mapping[Shared, Evaluation] = field(default_factory=dict)
    started: dict[uuid.UUID, Task] = field(default_factory=dict)

    def asks(self, ref: TargetRef, metric: MetricDefinition) -> bool:
        """Whether a result was asked for by name, beside what needs it."""
        return (ref, metric.name, metric.version) in self.asked

    def names_read(self) -> set[str]:
        """Metrics of which stored results matter: what composites require, and composites, which may be required or
        reused; of experiments and repetitions only what others send."""
        shown = self.request.purpose in SHOWN and not self.request.trial
        names: set[str] = set()
        for key, requirements in self.required.items():
            names |= {each.metric.name for each in requirements if shown or each.metric.kind in BY_OTHERS}
            names |= {key[0]} if requirements and shown else set()
        return names

    def ids_again(self, pairs: Sequence[Pair]) -> set[uuid.UUID]:
        """Ids under which results may be stored already, because the caller asks again."""
        request = self.request
        ids = {pair.evaluation_id for pair in pairs} if request.deduplicate else set()
        if request.deduplicate or request.rule or request.run:
            composites = (each for pair in pairs for each in self.due.composites(pair.subject, pair.metric))
            ids |= {id_of(subject, metric, request) for subject, metric in composites}
        return ids
